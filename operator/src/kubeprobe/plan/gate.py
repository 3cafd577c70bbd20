"""What to do about one ChangeGate: open or closed, which runs to ask for, and what to remember.

Precedence is override, then hold, then what the probes say. The last goes on beneath the other two, so that a gate is
where it should be the moment that they end. The decision is level-triggered: planning again on what was written comes
to the same and writes nothing, and a status that somebody edited is put right.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kubeprobe.api import (
    MOST_PROBES,
    ChangeGate,
    ChangeGateStatus,
    GateChange,
    GatePhase,
    GateReason,
    GateVerdict,
    GoodWorkload,
)
from kubeprobe.plan import gate_good
from kubeprobe.plan.budget import Priority
from kubeprobe.plan.gate_course import ChangeSeen, Course, begun, course_of, newer, overriding, settles_at
from kubeprobe.plan.gate_judge import Judgement, judge, timeout_at
from kubeprobe.plan.gate_probe import Bound, Evidence, turn_seconds
from kubeprobe.plan.gate_runs import Asked, RunAsked, asked
from kubeprobe.plan.gate_scope import Workload
from kubeprobe.plan.gate_words import Proof, Standing, conditions, words

LISTEN_SECONDS = 5.0
"""How soon to look again whether a prober was heard."""
CLOSURE_DIGITS = 10


@dataclass(frozen=True, slots=True)
class GateSeen:
    """All that the decision about a gate looks at."""

    gate: ChangeGate
    probes: Sequence[Bound] = ()
    """The probes that the gate goes by; see `gate_scope.binds`."""
    change: ChangeSeen | None = None
    workloads: Sequence[Workload] | None = None
    """What there is in its scope (see `gate_scope.covers`); a template that no change tells of yet must not look good.
    None while that is not known."""
    nodes: Collection[str] | None = None
    """The names of the nodes that there are; None when they are not known."""
    proof: Proof | None = None
    """Whether the API server was seen to deny; None while that has not been tried."""


@dataclass(frozen=True, slots=True)
class GatePlan:
    """What to do about a gate now."""

    status: ChangeGateStatus | None = None
    """The status to write, first of all; None when it stands already."""
    runs: tuple[RunAsked, ...] = ()
    """Runs to start, unless they are there."""
    judged: tuple[GateChange, ...] = ()
    """Changes that came to a verdict just now."""
    turned: bool = False
    """The gate opens or closes."""
    wake_at: datetime | None = None

    @property
    def priority(self) -> Priority:
        """What the write is worth: a gate that turns goes before everything, and runs wait for what they are for."""
        if self.turned:
            return Priority.VERDICT
        return Priority.RUN if self.runs else Priority.HISTORY


def plan_gate(seen: GateSeen, now: datetime) -> GatePlan:
    """Decide about one gate."""
    gate = seen.gate
    if gate.metadata.deletion_timestamp is not None:
        return GatePlan()
    found, judged = _follow(seen, now)
    status = _status(seen, found, judged, now)
    wanted = asked(found.course, found.views, found.probes, gate.spec, now)
    times = (at for at in _times(seen, found, wanted, now) if at > now)
    return GatePlan(
        status=status if _worth_a_write(gate.status, status, found.course) else None,
        runs=wanted.runs,
        judged=judged,
        turned=status.phase is not gate.status.phase,
        wake_at=min(times, default=None),
    )


def rolls_back(status: ChangeGateStatus, newest: ChangeSeen | None) -> bool:
    """Whether a release tool that asks may roll back: for a settled failure of the change in progress and nothing else.

    Tools ask from the first moment on, and take a yes for an order.

    Args:
        status: the gate's.
        newest: the newest change in its scope, by which alone a change is known to be in progress.
    """
    change = status.change
    if change is None or newest is None or change.id != newest.id:
        return False
    return change.verdict is GateVerdict.FAILED and status.reason is GateReason.PROBE_FAILED


def _follow(seen: GateSeen, now: datetime) -> tuple[Judgement, tuple[GateChange, ...]]:
    """What the probes come to, and the changes that came to a verdict; then the change that waited has its turn."""
    gate = seen.gate
    course = course_of(gate, seen.change, now)
    waits = seen.change if seen.change is not None and newer(seen.change, gate, course) else None
    found = judge(gate, seen.probes, course, seen.nodes, now, waiting=waits is not None)
    judged = _judged(course, found)
    if waits is None or (found.course is not None and found.course.pending):
        return found, judged
    course = begun(waits, gate, now)
    remembering = gate.status.model_copy(update={"probes": found.probes[:MOST_PROBES]})
    found = judge(gate.model_copy(update={"status": remembering}), seen.probes, course, seen.nodes, now)
    return found, (*judged, *_judged(course, found))


def _judged(course: Course | None, found: Judgement) -> tuple[GateChange, ...]:
    if course is None or found.course is None or course.change.verdict is found.course.change.verdict:
        return ()
    return (found.course.change,)


def _status(seen: GateSeen, found: Judgement, judged: Sequence[GateChange], now: datetime) -> ChangeGateStatus:
    gate, before = seen.gate, seen.gate.status
    phase, reason = _above(gate, found, now)
    since = _since(gate, phase, reason, now)
    closure = _closure_id(gate, reason, since) if phase is GatePhase.CLOSED else ""
    good, more_good = _last_good(seen, found)
    update = {
        "phase": phase,
        "reason": reason,
        "since": since,
        "closure_id": closure,
        "closed_by": _closed_by(found, phase, reason),
        "verdict": found.verdict,
        "change": found.course.change if found.course is not None else None,
        "verifying_since": found.course.verifying_since if found.course is not None else None,
        "judged_before": _judged_before(before, found.course, judged),
        "probes": found.probes[:MOST_PROBES],
        "more_probes": max(len(found.probes) - MOST_PROBES, 0),
        "last_good": good,
        "last_good_more": more_good,
        "observed_generation": gate.metadata.generation,
    }
    status = before.model_copy(update=update)
    then = gate.model_copy(update={"status": status})
    standing = Standing(then, phase, reason, found.verdict, closure, found.course, found.probes)
    message = words(standing, now)
    said = conditions(standing, message, seen.proof, now)
    return status.model_copy(update={"message": message, "conditions": said})


def _judged_before(before: ChangeGateStatus, course: Course | None, judged: Sequence[GateChange]) -> GateChange | None:
    """The change that was judged last before the present one: in one look it may be judged and the next one begin."""
    now_is = course.change.id if course is not None else ""
    known = [one for one in (before.change, *judged) if one is not None and one.id != now_is]
    done = [one for one in known if one.verdict is not GateVerdict.PENDING]
    return done[-1] if done else before.judged_before


def _above(gate: ChangeGate, found: Judgement, now: datetime) -> tuple[GatePhase, GateReason]:
    if overriding(gate, now):
        return GatePhase.OPEN, GateReason.OVERRIDE
    if gate.spec.hold is not None:
        return GatePhase.CLOSED, GateReason.HOLD
    return GatePhase.CLOSED if found.closed else GatePhase.OPEN, found.reason


def _since(gate: ChangeGate, phase: GatePhase, reason: GateReason, now: datetime) -> datetime:
    """Since when it is open, or closed by the same: a hold is another closure than the probes, or than another hold."""
    before = gate.status
    if before.since is None or before.phase is not phase:
        return now
    goes_on = phase is GatePhase.OPEN or before.closure_id == _closure_id(gate, reason, before.since)
    return before.since if goes_on else now


def _closure_id(gate: ChangeGate, reason: GateReason, since: datetime) -> str:
    """The name of a closure: it follows from what closes the gate, so that it cannot be edited, and dies with that."""
    held = gate.spec.hold.reason if reason is GateReason.HOLD and gate.spec.hold is not None else None
    text = f"{gate.metadata.uid} {since.isoformat()} {held!r}"
    return f"cls-{hashlib.sha256(text.encode()).hexdigest()[:CLOSURE_DIGITS]}"


def _closed_by(found: Judgement, phase: GatePhase, reason: GateReason) -> str:
    if phase is GatePhase.OPEN or reason is GateReason.HOLD:
        return ""
    return next((f"{one.namespace}/{one.name}" for one in found.probes if one.closes), "")


def _last_good(seen: GateSeen, found: Judgement) -> tuple[tuple[GoodWorkload, ...], int]:
    """The last good images: taken down when all became well, and compared with what there is from then on."""
    before = seen.gate.status
    if seen.workloads is None:
        return before.last_good, before.last_good_more
    change = found.course.change if found.course is not None else None
    as_before = before.verdict is GateVerdict.PASSED and before.change == change and bool(before.last_good)
    same_scope = before.observed_generation == seen.gate.metadata.generation
    if found.verdict is GateVerdict.PASSED and not (as_before and same_scope):
        return gate_good.recorded(seen.workloads, before.last_good)
    return gate_good.compared(before.last_good, seen.workloads), before.last_good_more


def _worth_a_write(before: ChangeGateStatus, status: ChangeGateStatus, course: Course | None) -> bool:
    """Whether there is something new; that a change grows while it settles is told when it has settled."""
    if course is not None and course.settling and before.change is not None and before.change.id == course.change.id:
        passing = {"change": before.change, "last_good": before.last_good}
        return status.model_copy(update=passing) != before
    return status != before


def _times(seen: GateSeen, found: Judgement, wanted: Asked, now: datetime) -> Iterator[datetime]:
    """When something changes without anybody telling."""
    gate, course = seen.gate, found.course
    if gate.spec.override is not None:
        yield gate.spec.override.until
    yield from (view.stance.ends_at for view in found.views if view.stance.ends_at is not None)
    skips = (view.bound.skipped for view in found.views)
    yield from (skipped.until for skipped in skips if skipped is not None and skipped.until is not None)
    if wanted.next_at is not None:
        yield wanted.next_at
    if course is None or course.change.verdict is GateVerdict.PASSED:
        return
    if course.settling:
        yield settles_at(course, seen.change, gate)
    if (over_at := timeout_at(gate, course)) is not None and course.verifying_since is not None:
        yield over_at
        yield from (
            max(
                course.verifying_since + timedelta(seconds=turn_seconds(resident)),
                now + timedelta(seconds=LISTEN_SECONDS),
            )
            for view in found.views
            if view.trial.evidence is Evidence.AWAITED and (resident := view.bound.config.spec.resident) is not None
        )

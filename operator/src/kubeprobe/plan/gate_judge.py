"""What the probes make of a gate, whatever hold and override say: open or closed, and the verdict on the change."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from kubeprobe.api import (
    ChangeGate,
    GateChange,
    GatePhase,
    GateProbe,
    GateReason,
    GateVerdict,
    OnInconclusive,
    Verdict,
)
from kubeprobe.plan.gate_course import Course
from kubeprobe.plan.gate_entry import View, entry, importance
from kubeprobe.plan.gate_probe import Bound, Evidence, Trial, stance, trial
from kubeprobe.plan.gate_seat import seats, with_nodes

NOT_IN_TIME = "NotInTime"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the probes come to."""

    course: Course | None
    views: tuple[View, ...]
    probes: tuple[GateProbe, ...]
    """What to remember of each, the most important first."""
    closed: bool
    reason: GateReason
    verdict: GateVerdict


def judge(
    gate: ChangeGate,
    bound: Iterable[Bound],
    course: Course | None,
    nodes: Collection[str] | None,
    now: datetime,
    *,
    waiting: bool = False,
) -> Judgement:
    """What the probes come to, with the verdict on the change if there is one by now.

    Args:
        gate: the gate, with what it remembers in its status.
        bound: the probes that it goes by.
        course: the change that it verifies, or has verified.
        nodes: the names of the nodes that there are; None when they are not known.
        now: the time.
        waiting: another change is to be verified after this one.
    """
    remembered = {(one.namespace, one.name): one for one in gate.status.probes}
    views = tuple(
        _view(gate, one, remembered.get(one.key), course, nodes, now) for one in sorted(bound, key=lambda one: one.key)
    )
    course = replace(course, change=_judged(course, views)) if course is not None else None
    more = waiting or _more_to_come(course, views)
    said = [entry(view, remembered.get(view.bound.key), gate.spec, more_to_come=more) for view in views]
    probes = tuple(sorted(said, key=importance))
    closed, reason, verdict = _summed(gate, course, probes)
    if verdict is GateVerdict.PASSED and course is not None:
        # What failed for the change, or could not be told, has recovered.
        course = replace(course, change=course.change.model_copy(update={"verdict": GateVerdict.PASSED}))
    return Judgement(course, views, probes, closed, reason, verdict)


def _view(
    gate: ChangeGate,
    bound: Bound,
    before: GateProbe | None,
    course: Course | None,
    nodes: Collection[str] | None,
    now: datetime,
) -> View:
    now_is = stance(bound, gate.spec.freshness, now)
    places = seats(bound.runs, course.change, nodes) if course is not None else ()
    places = with_nodes(places, before.nodes if before is not None else (), nodes)
    if course is None or course.change.verdict is GateVerdict.PASSED:
        return View(bound, now_is, Trial(Evidence.PASSED), places)
    found = trial(bound, now_is, places, course, gate.spec)
    return View(bound, now_is, _in_time(found, gate, course, now), places)


def _in_time(found: Trial, gate: ChangeGate, course: Course, now: datetime) -> Trial:
    """What is awaited when the time is over is not known."""
    over_at = timeout_at(gate, course)
    if found.evidence is not Evidence.AWAITED or over_at is None:
        return found
    if now < over_at and course.change.verdict is not GateVerdict.INCONCLUSIVE:
        return found
    of = f" after change {course.change.id}" if course.change.id else ""
    words = f"it did not tell within {gate.spec.timeout} how things are{of}"
    return Trial(Evidence.UNKNOWN, NOT_IN_TIME, words, over_at)


def timeout_at(gate: ChangeGate, course: Course) -> datetime | None:
    """When the probes' time is over; None while the change settles."""
    since = course.verifying_since
    return since + timedelta(seconds=gate.spec.timeout.seconds) if since is not None else None


def _judged(course: Course, views: Sequence[View]) -> GateChange:
    change, found = course.change, {view.trial.evidence for view in views}
    if course.pending and not course.settling:
        return change.model_copy(update={"verdict": _verdict(found)})
    if change.verdict is GateVerdict.INCONCLUSIVE:
        if found == {Evidence.PASSED}:
            return change.model_copy(update={"verdict": GateVerdict.PASSED})
        if any(view.trial.by_run for view in views):
            return change.model_copy(update={"verdict": GateVerdict.FAILED})
    return change


def _verdict(found: Collection[Evidence]) -> GateVerdict:
    if Evidence.FAILED in found:
        return GateVerdict.FAILED
    if Evidence.AWAITED in found:
        return GateVerdict.PENDING
    return GateVerdict.INCONCLUSIVE if Evidence.UNKNOWN in found or not found else GateVerdict.PASSED


def _more_to_come(course: Course | None, views: Iterable[View]) -> bool:
    """Whether a change is not done with: it is not known what it comes to, or one probe failed and others go on."""
    if course is None:
        return False
    awaited = any(view.trial.evidence is Evidence.AWAITED for view in views)
    return course.pending or (course.change.verdict is GateVerdict.FAILED and awaited)


def _summed(
    gate: ChangeGate, course: Course | None, probes: Sequence[GateProbe]
) -> tuple[bool, GateReason, GateVerdict]:
    """Whether the probes close the gate, why, and what they say."""
    closers = [one for one in probes if one.closes]
    closed = bool(closers) if probes else _stays_closed(gate)
    if course is not None and course.pending:
        reason = GateReason.SETTLING if course.settling else GateReason.VERIFYING
        return closed, reason, GateVerdict.PENDING
    if not probes:
        return closed, GateReason.NO_PROBES, GateVerdict.INCONCLUSIVE
    if any(one.verdict is not Verdict.UNKNOWN for one in closers):
        return closed, GateReason.PROBE_FAILED, GateVerdict.FAILED
    if any(one.verdict is Verdict.UNKNOWN for one in probes):
        return closed, GateReason.INCONCLUSIVE, GateVerdict.INCONCLUSIVE
    return closed, _well(gate, course), GateVerdict.PASSED


def _well(gate: ChangeGate, course: Course | None) -> GateReason:
    """The reason of a gate whose probes all pass."""
    before = gate.status
    last = before.change.id if before.change is not None else None
    same = last == (course.change.id if course is not None else None)
    if any(one.closes for one in before.probes) or (same and before.reason is GateReason.RECOVERED):
        return GateReason.RECOVERED
    return GateReason.VERIFIED if course is not None else GateReason.IDLE


def _stays_closed(gate: ChangeGate) -> bool:
    """Whether a gate without any probe is closed."""
    before = gate.status
    was = before.phase is GatePhase.CLOSED and before.reason is not GateReason.HOLD
    return {OnInconclusive.KEEP: was, OnInconclusive.OPEN: False, OnInconclusive.CLOSE: True}[gate.spec.on_inconclusive]

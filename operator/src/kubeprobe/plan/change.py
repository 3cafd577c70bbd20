"""What a change has come to: whether it is rolled out, what its probes say together, and when it is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from kubeprobe.api import (
    MOST_GATES,
    MOST_NAMED,
    Change,
    ChangeGateNote,
    ChangePhase,
    ChangeProbeStatus,
    ChangeStatus,
    Condition,
    GateVerdict,
    ProbeCounts,
    ProbeRun,
    ProbeState,
    set_condition,
)
from kubeprobe.plan.change_probe import ProbeSeen, asked_status, has_more, probe_status
from kubeprobe.plan.change_story import SETTLED, line_of, with_lines
from kubeprobe.plan.outcome import cut
from kubeprobe.plan.rollout import DROPPED, Rollout, RolloutState

KEPT_CHANGES = 100
"""Changes that are over and are kept, the newest."""
WAIT_SECONDS = 1800.0
"""How long rollouts are waited for that no probe waits for."""
URGENCY = (ProbeState.FAILED, ProbeState.UNKNOWN, ProbeState.PENDING, ProbeState.SKIPPED, ProbeState.PASSED)
VERIFIED = "Verified"
Status = Literal["True", "False", "Unknown"]
VERDICTS: Mapping[ChangePhase, Status] = {ChangePhase.PASSED: "True", ChangePhase.FAILED: "False"}
MOST_IN_MESSAGE = 3


@dataclass(frozen=True, slots=True)
class ChangeSeen:
    """All that the decision about a Change looks at."""

    change: Change
    probes: Sequence[ProbeSeen]
    rollouts: Sequence[Rollout]
    """How far all of its objects are."""
    gates: Sequence[ChangeGateNote] = ()
    """What the gates say that it names: Pending of one that has not taken it up, nothing of one that is about another
    change by now."""
    asked: Sequence[ProbeRun] = ()
    """The runs that gates asked for because of it."""


@dataclass(frozen=True, slots=True)
class ChangePlan:
    """What to do about a Change now."""

    status: ChangeStatus | None
    """The status to write; None when it stands already."""
    wake_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Settling:
    """Whether what changed is rolled out, and if not, or not well, why."""

    over: bool
    reason: str
    message: str

    @property
    def well(self) -> bool:
        """Whether it is in place as it was meant to be."""
        return self.reason == "RolledOut"


def is_over(change: Change) -> bool:
    """Whether nothing more is to come of a Change."""
    return change.status.finished_at is not None


def surplus_changes(changes: Iterable[Change]) -> tuple[Change, ...]:
    """The Changes that are over and that there is no room for, the oldest first."""
    over = sorted((one for one in changes if is_over(one)), key=lambda one: one.metadata.name)
    return tuple(one for one in over[: max(len(over) - KEPT_CHANGES, 0)] if one.metadata.deletion_timestamp is None)


def plan_change(seen: ChangeSeen, now: datetime) -> ChangePlan:
    """Decide about one Change."""
    change, before = seen.change, seen.change.status
    gates = _gates(before, seen.gates)
    if is_over(change):
        status = with_lines(before.model_copy(update={"gates": gates}), before, now, change)
        return ChangePlan(None if status == before else status)
    until = _until(change)
    settling = _settled_before(before) or _settling(seen.rollouts, over=now >= until)
    probes = [probe_status(one, now) for one in seen.probes]
    told = {(one.namespace, one.name): one for one in before.probes}
    pending = any(has_more(one) for one in seen.probes) or any(one.verdict is GateVerdict.PENDING for one in seen.gates)
    over = settling.over and not pending
    phase, reason, message = _phase(probes, seen.gates, settling, over=over)
    shown = [_since(one, told.get((one.namespace, one.name))) for one in (*probes, *_asked(seen, now))]
    counts = Counter(one.state for one in shown)
    status = before.model_copy(
        update={
            "phase": phase,
            "reason": reason,
            "message": message,
            "since": before.since if before.phase is phase and before.since else now,
            "finished_at": now if over else None,
            "counts": ProbeCounts(**{state.value.lower(): counts[state] for state in ProbeState}),
            "probes": _named(shown),
            "gates": gates,
            "observed_generation": change.metadata.generation,
            "conditions": _conditions(change, settling, phase, reason, message, now),
        }
    )
    status = with_lines(status, before, now, change)
    return ChangePlan(None if status == before else status, None if settling.over else until)


def _until(change: Change) -> datetime:
    longest = max((one.timeout.seconds for one in change.spec.probes), default=WAIT_SECONDS)
    return change.spec.closed + timedelta(seconds=longest)


def _settled_before(before: ChangeStatus) -> _Settling | None:
    """What was in place once stays so in the story: pods that come and go afterwards are no part of the rollout."""
    told = next((one for one in before.conditions if one.type == SETTLED and one.status == "True"), None)
    return None if told is None else _Settling(over=True, reason=told.reason, message=told.message)


def _settling(rollouts: Sequence[Rollout], *, over: bool) -> _Settling:
    waiting = [one for one in rollouts if not one.over]
    if waiting and not over:
        return _Settling(over=False, reason="RollingOut", message="what changed is being rolled out")
    if waiting:
        return _Settling(over=True, reason="RolloutTimedOut", message=_of([one.message for one in waiting]))
    failed = [one.message for one in rollouts if one.state is RolloutState.FAILED]
    if failed:
        return _Settling(over=True, reason="RolloutFailed", message=_of(failed))
    if rollouts and all(one.state in DROPPED for one in rollouts):
        return _Settling(over=True, reason="Superseded", message=_of([one.message for one in rollouts]))
    return _Settling(over=True, reason="RolledOut", message="")


def _since(one: ChangeProbeStatus, told: ChangeProbeStatus | None) -> ChangeProbeStatus:
    """With the time at which its state was reached, if that was told."""
    same = told is not None and told.state is one.state
    return one.model_copy(update={"since": told.since}) if told is not None and same else one


def _named(probes: Sequence[ChangeProbeStatus]) -> tuple[ChangeProbeStatus, ...]:
    return tuple(sorted(probes, key=lambda one: (URGENCY.index(one.state), one.namespace, one.name))[:MOST_NAMED])


def _asked(seen: ChangeSeen, now: datetime) -> tuple[ChangeProbeStatus, ...]:
    """The configs that only gates asked to run; what they come to is the gates' to say."""
    own = {(one.probe.namespace, one.probe.name) for one in seen.probes}
    found: dict[tuple[str, str], list[ProbeRun]] = {}
    for run in sorted(seen.asked, key=lambda one: one.metadata.creation_timestamp):
        if run.spec.config_ref is not None:
            found.setdefault((run.metadata.namespace, run.spec.config_ref.name), []).append(run)
    return tuple(asked_status(*key, runs, now) for key, runs in found.items() if key not in own)


def _phase(
    probes: Sequence[ChangeProbeStatus], gates: Sequence[ChangeGateNote], settling: _Settling, *, over: bool
) -> tuple[ChangePhase, str, str]:
    """The phase, and why: one probe that failed is enough, whatever is still to come."""
    counts = Counter(one.state for one in probes)
    verdicts = Counter(one.verdict for one in gates)
    if counts[ProbeState.FAILED]:
        return ChangePhase.FAILED, "ProbesFailed", _words(probes, ProbeState.FAILED, "failed")
    if verdicts[GateVerdict.FAILED]:
        closing = [_gate(one) for one in gates if one.verdict is GateVerdict.FAILED]
        return ChangePhase.FAILED, "GatesFailed", _of(closing)
    if not over:
        return _going(probes, counts, gates, settling)
    if counts[ProbeState.UNKNOWN]:
        return ChangePhase.INCONCLUSIVE, "ProbesUnknown", _words(probes, ProbeState.UNKNOWN, "could not tell")
    if verdicts[GateVerdict.INCONCLUSIVE]:
        unsure = [_gate(one) for one in gates if one.verdict is GateVerdict.INCONCLUSIVE]
        return ChangePhase.INCONCLUSIVE, "GatesInconclusive", _of(unsure)
    if not settling.well:
        return ChangePhase.INCONCLUSIVE, settling.reason, settling.message
    if counts[ProbeState.PASSED]:
        return ChangePhase.PASSED, "ProbesPassed", f"{counts[ProbeState.PASSED]} of {len(probes)} probes passed"
    if verdicts[GateVerdict.PASSED]:
        return ChangePhase.PASSED, "GatesPassed", _of([_gate(one) for one in gates])
    return ChangePhase.INCONCLUSIVE, "NotProbed", "no probe ran"


def _going(
    probes: Sequence[ChangeProbeStatus],
    counts: Counter[ProbeState],
    gates: Sequence[ChangeGateNote],
    settling: _Settling,
) -> tuple[ChangePhase, str, str]:
    """The phase of what is not over, and what is waited for."""
    if counts[ProbeState.PENDING] and any(one.runs for one in probes):
        words = f"{counts[ProbeState.PENDING]} of {len(probes)} probes have runs to come"
        return ChangePhase.VERIFYING, "ProbesRunning", words
    if not settling.over:
        phase = ChangePhase.VERIFYING if any(one.runs for one in probes) else ChangePhase.SETTLING
        return phase, settling.reason, settling.message
    if counts[ProbeState.PENDING]:
        return ChangePhase.SETTLING, "Quiet", ""
    waiting = [f"gate {one.name}" for one in gates if one.verdict is GateVerdict.PENDING]
    return ChangePhase.VERIFYING, "GatesVerifying", f"waits for {_of(waiting)}"


def _gate(one: ChangeGateNote) -> str:
    return f"gate {one.name} ({one.reason or one.verdict})"


def _words(probes: Sequence[ChangeProbeStatus], state: ProbeState, verb: str) -> str:
    mine = [one for one in probes if one.state is state]
    return cut(f"{len(mine)} of {len(probes)} probes {verb}: {_of([line_of(one) for one in mine])}")


def _of(messages: Sequence[str]) -> str:
    more = f"; and {len(messages) - MOST_IN_MESSAGE} more" if len(messages) > MOST_IN_MESSAGE else ""
    return cut("; ".join(messages[:MOST_IN_MESSAGE]) + more)


def _conditions(
    change: Change, settling: _Settling, phase: ChangePhase, reason: str, message: str, now: datetime
) -> tuple[Condition, ...]:
    verified: Status = VERDICTS.get(phase, "Unknown")
    told: tuple[tuple[str, Status, str, str], ...] = (
        (SETTLED, "True" if settling.over else "False", settling.reason, settling.message),
        (VERIFIED, verified, reason, message),
    )
    generation, conditions = change.metadata.generation, change.status.conditions
    for type_, status, why, words in told:
        one = Condition(
            type=type_,
            status=status,
            reason=why,
            message=words,
            observed_generation=generation,
            last_transition_time=now,
        )
        conditions = set_condition(conditions, one, now)
    return conditions


def _gates(before: ChangeStatus, told: Iterable[ChangeGateNote]) -> tuple[ChangeGateNote, ...]:
    """What the gates do; of one that is about another change by now, what it did last."""
    found = {one.name: one for one in (*before.gates, *told)}
    return tuple(found.values())[:MOST_GATES]

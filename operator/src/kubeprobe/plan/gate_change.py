"""Where gates and changes meet: what a gate is told of a Change and its runs, and what a Change is told of its gates.

Both are decided for themselves. A Change names the gates in whose scope it lies, by which each of them knows its newest
one; a gate that has a newer one by now says nothing of it any more, so neither waits for the other for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from kubeprobe.api import (
    Change,
    ChangeGate,
    ChangeGateNote,
    ChangeGateStatus,
    ChangeSource,
    GateVerdict,
    ProbeConfig,
    ProbeResultStatus,
    ProbeRun,
    WorkloadKind,
)
from kubeprobe.plan import rollout
from kubeprobe.plan.batch import LONGEST_SECONDS, Batch, Wait, has_place, last_id
from kubeprobe.plan.chain import by_change
from kubeprobe.plan.change import is_over
from kubeprobe.plan.change_probe import ProbeSeen, has_more
from kubeprobe.plan.change_runs import Skipped
from kubeprobe.plan.changed import Changed
from kubeprobe.plan.demand import Followed
from kubeprobe.plan.fingerprint import Tracked
from kubeprobe.plan.gate import rolls_back
from kubeprobe.plan.gate_course import ChangeSeen, newer, taken_up
from kubeprobe.plan.gate_probe import Bound
from kubeprobe.plan.gate_scope import UNTOLD, Workload, covers
from kubeprobe.plan.gate_seat import counted
from kubeprobe.plan.rollout import Rollout, in_place
from kubeprobe.plan.triggers import Namespaces

KINDS: Mapping[str, WorkloadKind] = {kind.value: kind for kind in WorkloadKind}


def gate_wait(gate: ChangeGate) -> Wait:
    """How long a gate wants to wait for more; what is longer than a batch is kept open it waits for afterwards."""
    return Wait(gate.spec.quiet.seconds, min(gate.spec.longest_quiet.seconds, LONGEST_SECONDS))


def gates_of(
    gates: Iterable[ChangeGate],
    batch: Batch,
    namespaces: Namespaces,
    own_namespace: str,
    announced_at: Collection[str] = (),
) -> tuple[str, ...]:
    """The names of the gates that a batch is told to, in order.

    Args:
        gates: all gates.
        batch: the batch.
        namespaces: the labels of all namespaces.
        own_namespace: where the operator itself runs.
        announced_at: the gate at which it was announced, if it was.
    """
    changes = batch.changes.values()
    found = (
        gate.metadata.name
        for gate in gates
        if (gate.metadata.name in announced_at and gate.metadata.deletion_timestamp is None)
        or any(in_scope(gate, one, namespaces, own_namespace) for one in changes)
    )
    return tuple(sorted(found))


def in_scope(gate: ChangeGate, one: Changed | Tracked, namespaces: Namespaces, own_namespace: str) -> bool:
    """Whether something that is followed is a workload whose changes are the gate's to hold.

    Args:
        gate: the gate.
        one: what is followed.
        namespaces: the labels of all namespaces.
        own_namespace: where the operator itself runs.
    """
    kind, key = KINDS.get(one.key.kind), one.key
    if kind is None or gate.metadata.deletion_timestamp is not None:
        return False
    workload = Workload(key.namespace, kind, key.name, one.fingerprint, {}, one.labels)
    return covers(gate, workload, namespaces.get(key.namespace, {}), own_namespace)


def newest_of(gate: ChangeGate, changes: Iterable[Change]) -> Change | None:
    """The newest change that was told to a gate, in the order in which they were closed."""
    mine = (one for one in changes if _is_told(gate, one))
    return max(mine, key=lambda one: one.metadata.name, default=None)


def awaited(gate: ChangeGate, changes: Iterable[Change]) -> tuple[Change, ...]:
    """The changes whose rollouts a gate waits for: the newest that was told to it, and those that it never looked at.

    They are those whose place a newer one took while they settled; of a change that is over nothing is waited for.

    Args:
        gate: the gate.
        changes: the Changes that there are.
    """
    newest, course = newest_of(gate, changes), taken_up(gate)
    return tuple(
        one
        for one in changes
        if one is newest
        or (
            _is_told(gate, one)
            and not is_over(one)
            and ((course is not None and course.settling) or newer(_seen(one), gate, course))
        )
    )


def change_seen(gate: ChangeGate, change: Change, rollouts: Iterable[Rollout]) -> ChangeSeen:
    """A change as a gate sees it.

    Args:
        gate: the gate.
        change: the change.
        rollouts: how far those of the objects are that are in the gate's scope, its own and those of the others that
            are `awaited`; see `in_scope` and `demand.rollouts_of`.
    """
    settled_at = _quiet_at(gate, change) if all(one.over for one in rollouts) else None
    return replace(_seen(change), settled_at=settled_at)


def rollback_ordered(gate: ChangeGate, changes: Iterable[Change]) -> bool:
    """Whether a release tool that asks a gate may roll back now; see `gate.rolls_back`.

    Args:
        gate: the gate.
        changes: the Changes that there are.
    """
    newest = newest_of(gate, changes)
    return newest is not None and rolls_back(gate.status, change_seen(gate, newest, ()))


def told_until(status: ChangeGateStatus) -> str:
    """Up to which Change a gate's verdict tells of changes, by name, which is their order; empty for none.

    After an override it is about all that there was when that ended, and names none of it.
    """
    change = status.change
    return (change.id or last_id(change.since)) if change is not None else ""


def note_of(gate: ChangeGate, change: Change) -> ChangeGateNote | None:
    """What a gate says of a change that names it; None where it is about another one, or never turns to this one.

    Of a change whose place a newer one took before the gate looked, it says what it says of the newer one.
    """
    status = gate.status
    if gate.metadata.deletion_timestamp is not None or not has_place(change.metadata.name):
        return None
    verdict = _verdict_on(change, gate)
    if verdict is None and not newer(_seen(change), gate, taken_up(gate)):
        return None
    return ChangeGateNote(
        name=gate.metadata.name,
        phase=status.phase,
        reason=status.reason.value,
        verdict=verdict or GateVerdict.PENDING,
        since=status.since,
    )


def counted_by(
    gates: Iterable[ChangeGate], config: ProbeConfig, runs: Sequence[ProbeRun], asking: Collection[str]
) -> frozenset[str]:
    """The runs of a config that gates go by until what changed has passed, by name: whatever `history` says.

    Args:
        gates: all gates.
        config: the config.
        runs: all its runs.
        asking: the Changes that have it run; none where it does not run for any.
    """
    waiting = [
        (gate.status.change, gate.spec.success_threshold)
        for gate in gates
        if gate.status.change is not None and gate.status.change.verdict is not GateVerdict.PASSED
    ]
    if not waiting or not runs:
        return frozenset()
    grouped = by_change(config, runs, asking)
    return frozenset(name for change, threshold in waiting for name in counted(grouped, change, threshold))


def bound(
    config: ProbeConfig,
    answer: ProbeResultStatus | None,
    heard_at: datetime | None,
    runs: Iterable[ProbeRun],
    followed: Sequence[Followed],
    skipped: Skipped | None,
) -> Bound:
    """A config as the gates see it that go by it.

    Args:
        config: the config.
        answer: what is known of its target.
        heard_at: when its prober was last heard.
        runs: all runs of the config.
        followed: how far it is with the changes that its own triggers run it for; see `ChangeRuns.followed`.
        skipped: why it does not run, if it does not.
    """
    seen = (ProbeSeen(one.demand.probe, one, skipped) for one in followed)
    due = frozenset(one.followed.demand.name for one in seen if one.followed is not None and has_more(one))
    asking = [one.demand.name for one in followed] if skipped is None else ()
    return Bound(config, answer, heard_at, by_change(config, runs, asking), due, skipped)


def workload_of(tracked: Tracked, told: str | None, rolled_out: rollout.Workload) -> Workload | None:
    """A workload as gates see it; None for what they cannot hold.

    Args:
        tracked: the workload.
        told: its fingerprint as that was told last; see `Ledger.known`.
        rolled_out: how far its rollout is.
    """
    kind, key = KINDS.get(tracked.key.kind), tracked.key
    if kind is None:
        return None
    template = tracked.fingerprint if tracked.fingerprint == told else UNTOLD
    return Workload(key.namespace, kind, key.name, template, dict(tracked.facts), tracked.labels, in_place(rolled_out))


def _is_told(gate: ChangeGate, change: Change) -> bool:
    """Whether a change is told to a gate; one that somebody made by another name has no place in their order."""
    return gate.metadata.name in change.spec.gates and has_place(change.metadata.name)


def _verdict_on(change: Change, gate: ChangeGate) -> GateVerdict | None:
    """What a change came to, for itself or with the later one that took its place; None where the gate has no word."""
    status, name = gate.status, change.metadata.name
    if status.change is not None and status.change.id == name:
        return status.change.verdict
    said = next((one for one in change.status.gates if one.name == gate.metadata.name), None)
    if is_over(change) or (said is not None and said.verdict is not GateVerdict.PENDING):
        return None
    for told in (status.judged_before, status.change):
        if told is not None and (told.id == name or (said is not None and name < told.id)):
            return told.verdict
    return None


def _seen(change: Change) -> ChangeSeen:
    spec = change.spec
    return ChangeSeen(change.metadata.name, spec.count, spec.began, spec.closed)


def _quiet_at(gate: ChangeGate, change: Change) -> datetime:
    """When nothing more is waited for but rollouts; who announces a change says that it is complete."""
    spec = change.spec
    if spec.source is ChangeSource.ANNOUNCED:
        return spec.closed
    quiet = spec.last + timedelta(seconds=gate.spec.quiet.seconds)
    longest = spec.began + timedelta(seconds=gate.spec.longest_quiet.seconds)
    return max(min(quiet, longest), spec.closed)

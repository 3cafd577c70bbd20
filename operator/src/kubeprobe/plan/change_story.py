"""The story of a change, line by line: what is new in a status is told once, in the order in which it was seen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from kubeprobe.api import (
    MOST_LINES,
    Change,
    ChangePhase,
    ChangeProbeStatus,
    ChangeStatus,
    ProbeState,
    TimelineEntry,
)
from probe_sdk.wire import cut as cut_to

FIRST_LINES = 10
"""Lines that are kept however long it gets: how it began."""
LINE_BYTES = 256
SETTLED = "Settled"
FINAL = frozenset({ChangePhase.PASSED, ChangePhase.FAILED, ChangePhase.INCONCLUSIVE})
MOST_MANAGERS = 3


def line_of(one: ChangeProbeStatus) -> str:
    """A probe and why it says what it says."""
    why = ": ".join(part for part in (one.reason, one.message) if part)
    return f"{one.namespace}/{one.name} ({why})"


def probes_run(change: Change) -> str:
    """How many probes a change runs, in words; those that its gates have run besides are theirs."""
    count = len(change.spec.probes)
    return {0: "no triggers run a probe", 1: "1 probe runs"}.get(count, f"{count} probes run")


def with_lines(status: ChangeStatus, before: ChangeStatus, now: datetime, change: Change) -> ChangeStatus:
    """The status with what is new in it told as lines of the story."""
    lines = [*(before.timeline or _beginning(change)), *_news(status, before, now)]
    kept = lines if len(lines) <= MOST_LINES else [*lines[:FIRST_LINES], *lines[FIRST_LINES - MOST_LINES :]]
    return status.model_copy(update={"timeline": tuple(kept)})


def _beginning(change: Change) -> Iterator[TimelineEntry]:
    spec = change.spec
    yield _entry(spec.began, "Changed", spec.summary)
    by = sorted({one.by for one in spec.objects if one.by})
    who = f", by {', '.join(by[:MOST_MANAGERS])}" if by else ""
    out = f", {spec.left_out} more are left out" if spec.left_out else ""
    objects = "1 object" if spec.count == 1 else f"{spec.count} objects"
    yield _entry(spec.closed, "Closed", f"{objects} changed{who}; {probes_run(change)}{out}")


def _news(status: ChangeStatus, before: ChangeStatus, now: datetime) -> Iterator[TimelineEntry]:
    states = {(one.namespace, one.name): one.state for one in before.probes}
    runs = {(one.namespace, one.name): one.runs for one in before.probes}
    for one in status.probes:
        key = (one.namespace, one.name)
        if one.state is not states.get(key, ProbeState.PENDING):
            yield _entry(now, f"Probe{one.state.value}", line_of(one))
        elif one.state is ProbeState.PENDING and one.runs and not runs.get(key, 0):
            yield _entry(now, "ProbeStarted", f"{one.namespace}/{one.name}: {one.run}")
    if _is_settled(status) and not _is_settled(before):
        settled = next(one for one in status.conditions if one.type == SETTLED)
        yield _entry(now, settled.reason, settled.message)
    gates = {one.name: one for one in before.gates}
    for gate in status.gates:
        if gate != gates.get(gate.name):
            yield _entry(gate.since or now, f"Gate{gate.phase}", f"{gate.name}: {gate.reason}")
    if status.phase is not before.phase and status.phase in FINAL:
        yield _entry(now, f"Change{status.phase.value}", status.message)


def _is_settled(status: ChangeStatus) -> bool:
    return any(one.type == SETTLED and one.status == "True" for one in status.conditions)


def _entry(at: datetime, reason: str, message: str) -> TimelineEntry:
    return TimelineEntry(at=at, reason=reason, message=cut_to(message, LINE_BYTES))

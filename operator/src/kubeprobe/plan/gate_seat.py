"""A probe's runs for one change, told apart by the node that each was pinned to: a pass elsewhere mends no node."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from kubeprobe.api import GateChange, Phase, ProbeRun, Verdict
from kubeprobe.plan.sweep import is_wave


@dataclass(frozen=True, slots=True)
class Seat:
    """The runs of one probe for one change on one node, or anywhere under the empty name; the oldest first."""

    node: str
    runs: tuple[ProbeRun, ...] = ()

    @property
    def going(self) -> bool:
        """Whether one of them is not over."""
        return any(run.status.phase is not Phase.COMPLETED for run in self.runs)

    @property
    def told(self) -> tuple[ProbeRun, ...]:
        """Those that passed or failed."""
        return tuple(run for run in self.runs if run.status.verdict in (Verdict.PASSED, Verdict.FAILED))

    @property
    def passes(self) -> int:
        """How many passed since the last one that failed."""
        since = len(self.told)
        while since and self.told[since - 1].status.verdict is Verdict.PASSED:
            since -= 1
        return len(self.told) - since

    @property
    def failures(self) -> tuple[ProbeRun, ...]:
        """Those that failed since the last one that passed before them."""
        last = len(self.told) - self.passes
        first = last
        while first and self.told[first - 1].status.verdict is Verdict.FAILED:
            first -= 1
        return self.told[first:last]

    def lacks(self, threshold: int) -> bool:
        """Whether it is not known that all is well there: one pass tells, but more are needed after a failure."""
        return self.passes < (threshold if self.failures else 1)


def seats(
    runs: Mapping[str, Sequence[ProbeRun]], change: GateChange, nodes: Collection[str] | None
) -> tuple[Seat, ...]:
    """A probe's runs for a change, by the node that they were pinned to; a node that is gone tells nothing any more."""
    found: dict[str, list[ProbeRun]] = defaultdict(list)
    since = change.since.replace(microsecond=0)  # objects are dated by the second, rounded down
    for run in runs.get(change.id, ()):
        node = run.spec.node or ""
        there = not node or nodes is None or node in nodes
        if there and run.metadata.creation_timestamp >= since and not is_wave(run):
            found[node].append(run)
    return tuple(Seat(node, tuple(sorted(some, key=_place))) for node, some in sorted(found.items()))


def end(run: ProbeRun) -> datetime:
    """When a run was over."""
    return run.status.finished_at or run.metadata.creation_timestamp


def _place(run: ProbeRun) -> tuple[datetime, str]:
    return (run.metadata.creation_timestamp, run.metadata.name)

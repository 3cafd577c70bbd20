"""A probe's runs for one change, told apart by the node that each looked from: a pass elsewhere mends no node."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from kubeprobe.api import GateChange, Phase, ProbeRun, Verdict
from kubeprobe.plan import record
from kubeprobe.plan.sweep import is_wave


@dataclass(frozen=True, slots=True)
class Look:
    """One run from one node."""

    run: str
    began_at: datetime
    ended_at: datetime
    """When its run began, while that goes on."""
    verdict: Verdict | None = None
    """None while it goes on."""
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Seat:
    """The looks of one probe for one change from one node, or from anywhere under the empty name; the oldest first."""

    node: str
    looks: tuple[Look, ...] = ()

    @property
    def going(self) -> bool:
        """Whether one of them is not over."""
        return any(look.verdict is None for look in self.looks)

    @property
    def told(self) -> tuple[Look, ...]:
        """Those that passed or failed."""
        return tuple(look for look in self.looks if look.verdict in (Verdict.PASSED, Verdict.FAILED))

    @property
    def passes(self) -> int:
        """How many passed since the last one that failed."""
        since = len(self.told)
        while since and self.told[since - 1].verdict is Verdict.PASSED:
            since -= 1
        return len(self.told) - since

    @property
    def failures(self) -> tuple[Look, ...]:
        """Those that failed since the last one that passed before them."""
        last = len(self.told) - self.passes
        first = last
        while first and self.told[first - 1].verdict is Verdict.FAILED:
            first -= 1
        return self.told[first:last]

    def lacks(self, threshold: int) -> bool:
        """Whether it is not known that all is well there: one pass tells, but more are needed after a failure."""
        return self.passes < (threshold if self.failures else 1)

    def early(self, rest: datetime) -> bool:
        """Whether its pass is of a time when a change had not come to rest: it may tell of what was there before.

        Runs are pinned to a node when what is new is ready there.
        """
        return not self.node and self.passes > 0 and self.told[-1].began_at < _dated(rest)


def seats(
    runs: Mapping[str, Sequence[ProbeRun]], change: GateChange, nodes: Collection[str] | None
) -> tuple[Seat, ...]:
    """A probe's runs for a change, by the node that they were pinned to; a node that is gone tells nothing any more."""
    found: dict[str, list[Look]] = defaultdict(list)
    since = _dated(change.since)
    for run in runs.get(change.id, ()):
        if run.metadata.creation_timestamp < since or is_wave(run):
            continue
        for node, look in _looks(run):
            if not node or nodes is None or node in nodes:
                found[node].append(look)
    return tuple(Seat(node, tuple(sorted(looks, key=_place))) for node, looks in sorted(found.items()))


def with_nodes(places: Sequence[Seat], remembered: Collection[str], nodes: Collection[str] | None) -> tuple[Seat, ...]:
    """The places, anywhere if there is none, and the nodes that are there of those on which the probe failed before."""
    known = {place.node for place in places}
    more = [Seat(node) for node in remembered if node not in known and (nodes is None or node in nodes)]
    return (*(places or (Seat(""),)), *more) if more else tuple(places)


def counted(runs: Mapping[str, Sequence[ProbeRun]], change: GateChange, threshold: int) -> frozenset[str]:
    """The runs for a change that it comes to, by name: of each node the first and the last of the failures that count,
    and as many passes since as are asked for.

    Args:
        runs: a probe's runs by change.
        change: the change.
        threshold: how many passes are asked for after a failure.
    """
    found = set[str]()
    for place in seats(runs, change, None):
        passes = place.told[len(place.told) - place.passes :]
        found |= {look.run for look in (*place.failures[:1], *place.failures[-1:], *passes[-threshold:])}
    return frozenset(found)


def _looks(run: ProbeRun) -> Iterator[tuple[str, Look]]:
    """What a run told of each node that it was pinned to; of several nodes, some are known before it is over."""
    status, name, began_at = run.status, run.metadata.name, run.metadata.creation_timestamp
    ended_at = status.finished_at or began_at
    if run.spec.target is None:
        yield run.spec.node or "", Look(name, began_at, ended_at, status.verdict, status.reason, status.message)
        return
    nodes = run.spec.target.nodes
    outcomes = record.read(status.targets, len(nodes))
    lost = Verdict.UNKNOWN if status.phase is Phase.COMPLETED else None
    for index, node in enumerate(nodes):
        found = outcomes.get(index)
        if found is None:
            yield node, Look(name, began_at, ended_at, lost, status.reason, status.message)
        else:
            yield node, Look(name, began_at, ended_at, found.verdict, found.reason, found.message)


def _dated(moment: datetime) -> datetime:
    """As objects are dated: by the second, rounded down."""
    return moment.replace(microsecond=0)


def _place(look: Look) -> tuple[datetime, str]:
    return (look.began_at, look.run)

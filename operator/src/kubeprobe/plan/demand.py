"""What one change asks of one config, and how far the config is with it: from the change, the cluster and the runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kubeprobe.api import (
    Change,
    ChangeProbe,
    ChangeSource,
    During,
)
from kubeprobe.plan.batch import LONGEST_SECONDS
from kubeprobe.plan.chain import Chain, Step
from kubeprobe.plan.fingerprint import ObjectKey, Tracked
from kubeprobe.plan.known import told
from kubeprobe.plan.rollout import DROPPED, Rollout, RolloutState, Workload, progress

MOST_PROGRESSING = 10
"""Runs while a rollout goes on, each after twice as long as the one before."""
MOST_PER_NODE = 2
"""Runs on one node for one change: a second one where more of what changed together came to the node later."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What one change that is not over asks of one config."""

    change: Change
    probe: ChangeProbe
    """What the config is to do, as the Change says."""
    rollouts: tuple[Rollout, ...] = ()
    """How far the objects are that concern the config."""
    nodes: Mapping[str, datetime] = field(default_factory=dict)
    """The nodes that they came to, and since when."""

    @property
    def name(self) -> str:
        """The Change's name."""
        return self.change.metadata.name

    @property
    def quiet_at(self) -> datetime:
        """When nothing more is waited for before the first run."""
        spec = self.change.spec
        quiet = spec.last + timedelta(seconds=self.probe.quiet.seconds)
        return max(min(quiet, spec.began + timedelta(seconds=LONGEST_SECONDS)), spec.closed)

    @property
    def until(self) -> datetime:
        """When rollouts are not waited for any more."""
        return self.change.spec.closed + timedelta(seconds=self.probe.timeout.seconds)

    @property
    def dropped(self) -> bool:
        """Whether nothing of the change is left: it was changed again, put back, or deleted."""
        return bool(self.rollouts) and all(one.state in DROPPED for one in self.rollouts)

    @property
    def waits(self) -> bool:
        """Whether there is more to come of it while something is rolled out."""
        return self.probe.pin_to_nodes or any(one is not During.STARTED for one in self.probe.during)

    def settled(self, now: datetime) -> bool:
        """Whether no rollout is waited for."""
        return all(one.over for one in self.rollouts) or now >= self.until


@dataclass(frozen=True, slots=True)
class Followed:
    """How far a config is with what one change asks of it."""

    demand: Demand
    chains: tuple[Chain, ...] = ()
    """Its runs for the change, in the order in which they began."""
    steps: tuple[Step, ...] = ()
    """Runs that are due and that there are none of."""
    nodes: tuple[str, ...] = ()
    """Nodes on which a run is due, the earliest first."""
    over: bool = False
    """Whether there is nothing more to come."""
    wake_at: datetime | None = None


def rollouts_of(
    change: Change,
    concerns: Callable[[Tracked], bool],
    tracked: Mapping[ObjectKey, Tracked],
    workloads: Mapping[ObjectKey, Workload],
) -> tuple[Rollout, ...]:
    """How far the workloads of a change are.

    Args:
        change: the Change.
        concerns: which of its objects are looked at; those that are gone are in any case.
        tracked: all objects that are followed.
        workloads: the workloads among them.
    """
    if change.spec.source is not ChangeSource.ROLLOUT:
        return ()
    found = []
    for key, mark in told(change, tracked).items():
        is_now = tracked.get(key)
        if is_now is None:
            found.append(Rollout(key, RolloutState.GONE, f"{key} is gone") if mark else _finished(key))
        elif concerns(is_now):
            found.append(progress(workloads.get(key), key, mark, is_now.fingerprint))
    return tuple(found)


def _finished(key: ObjectKey) -> Rollout:
    return Rollout(key, RolloutState.FINISHED)


def follow(demand: Demand, chains: Sequence[Chain], now: datetime) -> Followed:
    """How far a config is with a demand.

    Args:
        demand: what a change asks of it.
        chains: the config's runs for changes.
        now: the time.
    """
    mine = tuple(one for one in chains if one.is_for(demand.name))
    if now < demand.quiet_at:
        return Followed(demand, mine, wake_at=demand.quiet_at)
    # What was in place once was probed: pods that come and go afterwards are no part of the rollout.
    settled = demand.settled(now) or any(one.serves(Step(demand.name, During.FINISHED)) for one in mine)
    wanted, more_at = _steps(demand, settled=settled, now=now)
    steps = tuple(step for step in wanted if not any(one.serves(step) for one in mine))
    nodes = _nodes(demand, mine)
    waits = not settled and demand.waits
    wakes = [one for one in (more_at, demand.until if waits else None) if one is not None]
    return Followed(
        demand=demand,
        chains=mine,
        steps=steps,
        nodes=nodes,
        over=not (waits or steps or nodes or any(one.verdict is None for one in mine)),
        wake_at=min(wakes, default=None),
    )


def _steps(demand: Demand, *, settled: bool, now: datetime) -> tuple[list[Step], datetime | None]:
    """The runs anywhere that are due by now, whether there are any, and when the next one is without a change."""
    during, change = demand.probe.during, demand.name
    if demand.dropped:
        return [], None
    steps = [Step(change, During.STARTED)] if During.STARTED in during else []
    more_at = None
    if During.PROGRESSING in during and not settled:
        part, more_at = _progressing(demand, now)
        steps.append(Step(change, During.PROGRESSING, part))
    if During.FINISHED in during and settled:
        steps.append(Step(change, During.FINISHED))
    return steps, more_at


def _progressing(demand: Demand, now: datetime) -> tuple[int, datetime | None]:
    """Which of the runs while a rollout goes on is due, and when the next one is."""
    interval = demand.probe.quiet.seconds
    times = [demand.quiet_at + timedelta(seconds=interval * (2**part - 1)) for part in range(MOST_PROGRESSING)]
    part = max(index for index, at in enumerate(times) if at <= now)
    return part, next((at for at in times if at > now), None)


def _nodes(demand: Demand, chains: Sequence[Chain]) -> tuple[str, ...]:
    """The nodes that a change came to and that had no run since."""
    if not demand.probe.pin_to_nodes or demand.dropped:
        return ()
    probed: dict[str, list[datetime]] = {}
    for chain in chains:
        for node in chain.nodes:
            probed.setdefault(node, []).append(chain.runs[0].metadata.creation_timestamp)
    waiting = [(since, node) for node, since in demand.nodes.items() if _is_due(since, probed.get(node, []))]
    return tuple(node for _, node in sorted(waiting))


def _is_due(since: datetime, probed: Sequence[datetime]) -> bool:
    """Times of pods and runs are whole seconds; within one, the run's probe began after its pod was ready."""
    return len(probed) < MOST_PER_NODE and all(at < since for at in probed)

"""The runs of a config for changes, each with its attempts, and what they are for.

What a run is for stands in its spec, so whoever comes after a crash sees what has had its run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from kubeprobe.api import During, Phase, ProbeConfig, ProbeRun, ProbeRunStatus, Trigger, TriggerKind, Verdict
from kubeprobe.plan.due import changes_of, may_again
from kubeprobe.plan.run import belongs
from kubeprobe.plan.sweep import is_wave


@dataclass(frozen=True, slots=True)
class Step:
    """One run that a change asks for, anywhere."""

    change: str
    during: During
    part: int = 0


@dataclass(frozen=True, slots=True)
class Chain:
    """A run with its attempts; the newest one counts."""

    runs: tuple[ProbeRun, ...]
    config: ProbeConfig
    asking: Collection[str]
    """The Changes that have the config run; see `due.may_again`."""

    @property
    def newest(self) -> ProbeRun:
        """The newest attempt."""
        return self.runs[-1]

    @property
    def trigger(self) -> Trigger:
        """What it is for."""
        return self.newest.spec.trigger

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes that it is pinned to; none where it runs anywhere."""
        return nodes_of(self.newest)

    @property
    def going(self) -> bool:
        """Whether it is under way."""
        return self.newest.status.phase is not Phase.COMPLETED

    @property
    def again(self) -> bool:
        """Whether it is to be tried again."""
        passed = self.newest.status.verdict is Verdict.PASSED
        return not self.going and not passed and may_again(self.newest, self.config, self.asking)

    @property
    def verdict(self) -> Verdict | None:
        """What it came to; None while that is open."""
        return None if self.going or self.again else self.newest.status.verdict

    def is_for(self, change: str) -> bool:
        """Whether it is for a change, perhaps among others."""
        return is_for_any(self.newest, (change,))

    def serves(self, step: Step) -> bool:
        """Whether it is for a step, or for a later part of the same."""
        own = (self.trigger.change_id, self.trigger.during, self.trigger.part or 0)
        had = (own, *((one.change_id, one.during, one.part) for one in self.trigger.covers))
        return not self.nodes and any(
            (change, during) == (step.change, step.during) and part >= step.part for change, during, part in had
        )


def chains_of(config: ProbeConfig, runs: Iterable[ProbeRun], asking: Collection[str]) -> tuple[Chain, ...]:
    """A config's runs for changes, each with its attempts, in the order in which they began.

    Args:
        config: the config.
        runs: its runs.
        asking: the Changes that have it run; none where it does not run for any.
    """
    found: dict[tuple[object, ...], list[ProbeRun]] = {}
    for run in runs:
        trigger = run.spec.trigger
        if trigger.kind is TriggerKind.CHANGE:
            place = (trigger.change_id, trigger.during, trigger.part, bool(nodes_of(run)))
            found.setdefault(place, []).append(run)
    chains = (Chain(tuple(sorted(attempts, key=attempt_of)), config, asking) for attempts in found.values())
    return tuple(sorted(chains, key=lambda one: (one.runs[0].metadata.creation_timestamp, one.runs[0].metadata.name)))


def by_change(
    config: ProbeConfig, runs: Iterable[ProbeRun], asking: Collection[str]
) -> Mapping[str, tuple[ProbeRun, ...]]:
    """A config's runs for changes and gates, by each change that they are for; those for none under the empty name.

    Of a run that is tried again only the newest attempt is among them, and not over while another one is to come.

    Args:
        config: the config.
        runs: its runs.
        asking: the Changes that have it run; none where it does not run for any.
    """
    found: dict[str, list[ProbeRun]] = {}
    mine = [run for run in runs if belongs(run, config) and not is_wave(run)]
    for run in mine:
        if run.spec.trigger.kind is TriggerKind.GATE:
            found.setdefault(run.spec.trigger.change_id or "", []).append(run)
    for chain in chains_of(config, mine, asking):
        newest = chain.newest.model_copy(update={"status": ProbeRunStatus()}) if chain.again else chain.newest
        for change in changes_of(newest):
            found.setdefault(change, []).append(newest)
    return {change: tuple(group) for change, group in found.items()}


def attempt_of(run: ProbeRun) -> int:
    """Which attempt a run is, counted from 1."""
    return run.spec.trigger.attempt or 1


def nodes_of(run: ProbeRun) -> tuple[str, ...]:
    """The nodes that a run is pinned to."""
    if run.spec.target is not None:
        return run.spec.target.nodes
    return (run.spec.node,) if run.spec.node else ()


def is_for_any(run: ProbeRun, changes: Iterable[str]) -> bool:
    """Whether a run is for one of these changes: it is needed until they are over."""
    return not changes_of(run).isdisjoint(changes)

"""How far a change has come, at all and for one config: which of its rollouts concern it, and which nodes they came to.

What all configs share is computed once for all of them: a storm has hundreds of objects, and hundreds of configs wait.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from kubeprobe.api import Change, ChangedObject, ChangeProbe, ChangeSource, ProbeConfig
from kubeprobe.plan.demand import Demand, rollouts_of
from kubeprobe.plan.fingerprint import ObjectKey, Tracked
from kubeprobe.plan.known import as_key, told
from kubeprobe.plan.rollout import DROPPED, Rollout, Workload
from kubeprobe.plan.rollout_pods import NewPods, confirmed
from kubeprobe.plan.triggers import Namespaces, Subject, concerned, is_pinned, object_of


@dataclass(frozen=True, slots=True)
class Reach:
    """How far the objects of a change are, whomever they concern."""

    change: Change
    tracked: Mapping[ObjectKey, Tracked]
    """Those that are there."""
    workloads: Mapping[ObjectKey, Workload]
    rollouts: tuple[Rollout, ...]
    pods: Callable[[Workload], NewPods]
    """The new pods of a workload; only asked for where a config is pinned to their nodes."""


@dataclass(frozen=True, slots=True)
class Concern:
    """The objects of a change that concern a config, of those that were there when it was looked at first."""

    keys: frozenset[ObjectKey] = field(default=frozenset())
    pinned: frozenset[ObjectKey] = field(default=frozenset())
    """Those that it follows to nodes."""


def reach_of(
    change: Change,
    tracked: Mapping[ObjectKey, Tracked],
    workloads: Mapping[ObjectKey, Workload],
    pods: Callable[[Workload], NewPods],
) -> Reach:
    """How far the objects of a change are.

    Args:
        change: the Change.
        tracked: those of its objects that are there.
        workloads: the workloads among them.
        pods: the new pods of a workload.
    """
    return Reach(change, tracked, workloads, rollouts_of(change, lambda _: True, tracked, workloads), pods)


def concern_of(config: ProbeConfig, reach: Reach, namespaces: Namespaces) -> Concern:
    """Which objects of a change concern a config.

    Args:
        config: the config.
        reach: how far they are.
        namespaces: the labels of all namespaces.
    """
    keys, pinned = set(), set()
    named = {as_key(one): one for one in reach.change.spec.objects}
    for key, mark in told(reach.change, reach.tracked).items():
        tracked = reach.tracked.get(key)
        if not mark or tracked is None:
            continue
        triggers = concerned(config, _subject(tracked, reach.change, named.get(key)), namespaces)
        if triggers:
            keys.add(key)
        if any(is_pinned(one) for one in triggers):
            pinned.add(key)
    return Concern(frozenset(keys), frozenset(pinned))


def demand_of(probe: ChangeProbe, reach: Reach, concern: Concern) -> Demand:
    """What a change asks of a config now.

    Args:
        probe: what the config is to do about it, as the Change says.
        reach: how far the objects of the change are.
        concern: which of them concern the config.
    """
    change = reach.change
    rollouts = [one for one in reach.rollouts if one.key in concern.keys or one.key not in reach.tracked]
    if not probe.pin_to_nodes:
        return Demand(change, probe, tuple(rollouts))
    if change.spec.source is ChangeSource.NODE:
        # Runs' times are whole seconds, so theirs are too.
        since = change.spec.began.replace(microsecond=0)
        return Demand(change, probe, nodes={key.name: since for key in concern.pinned if key in reach.tracked})
    nodes: dict[str, datetime] = {}
    found = []
    for one in rollouts:
        workload = reach.workloads.get(one.key)
        if workload is None or one.key not in concern.pinned or one.state in DROPPED:
            found.append(one)
            continue
        new = reach.pods(workload)
        found.append(confirmed(one, workload, new))
        nodes |= {node: max(since, nodes.get(node, since)) for node, since in new.nodes.items()}
    return Demand(change, probe, tuple(found), nodes)


def _subject(tracked: Tracked, change: Change, named: ChangedObject | None) -> Subject:
    """A node as it changed; of those that the Change does not name it is not known what of them did."""
    if change.spec.source is not ChangeSource.NODE or named is None:
        return object_of(tracked)
    return Subject(ChangeSource.NODE, tracked.key.kind, "", tracked.labels, named.type, named.parts)

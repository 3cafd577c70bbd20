"""How far a change has come for one config: which of its rollouts concern it, and to which nodes they came."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
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
    """What is there of the objects of a change."""

    tracked: Mapping[ObjectKey, Tracked]
    workloads: Mapping[ObjectKey, Workload]
    namespaces: Namespaces
    """The labels of all namespaces."""
    pods: Callable[[Workload], NewPods]
    """The new pods of a workload; only asked for where a config is pinned to their nodes."""


def demand_of(change: Change, probe: ChangeProbe, config: ProbeConfig, reach: Reach) -> Demand:
    """What a change asks of a config now.

    Args:
        change: the Change.
        probe: what the config is to do about it, as the Change says.
        config: the config.
        reach: what is there of the objects of the change.
    """

    def concerns(one: Tracked) -> bool:
        return bool(concerned(config, object_of(one), reach.namespaces))

    rollouts = rollouts_of(change, concerns, reach.tracked, reach.workloads)
    if not probe.pin_to_nodes:
        return Demand(change, probe, rollouts)
    if change.spec.source is ChangeSource.NODE:
        return Demand(change, probe, nodes=dict(_changed_nodes(change, config, reach)))
    nodes: dict[str, datetime] = {}
    found = []
    for one in rollouts:
        is_now, new = _with_pods(one, config, reach)
        found.append(is_now)
        nodes |= {node: max(since, nodes.get(node, since)) for node, since in new.nodes.items()}
    return Demand(change, probe, tuple(found), nodes)


def _with_pods(rollout: Rollout, config: ProbeConfig, reach: Reach) -> tuple[Rollout, NewPods]:
    """A rollout that a config follows to nodes, as far as its pods are seen, and the pods."""
    workload = reach.workloads.get(rollout.key)
    if workload is None or rollout.state in DROPPED:
        return rollout, NewPods(0, {})
    triggers = concerned(config, object_of(reach.tracked[rollout.key]), reach.namespaces)
    if not any(is_pinned(one) for one in triggers):
        return rollout, NewPods(0, {})
    new = reach.pods(workload)
    return confirmed(rollout, workload, new), new


def _changed_nodes(change: Change, config: ProbeConfig, reach: Reach) -> Iterator[tuple[str, datetime]]:
    """The nodes whose change a config is pinned to. Runs' times are whole seconds, so theirs are too."""
    since = change.spec.began.replace(microsecond=0)
    named = {as_key(one): one for one in change.spec.objects}
    for key, mark in told(change, reach.tracked).items():
        tracked = reach.tracked.get(key)
        if mark and tracked is not None:
            triggers = concerned(config, _subject(tracked, named.get(key)), reach.namespaces)
            if any(is_pinned(one) for one in triggers):
                yield key.name, since


def _subject(tracked: Tracked, named: ChangedObject | None) -> Subject:
    """A node as it changed; of those that the Change does not name it is not known what of them did."""
    if named is None:
        return object_of(tracked)
    return Subject(ChangeSource.NODE, tracked.key.kind, "", tracked.labels, named.type, named.parts)

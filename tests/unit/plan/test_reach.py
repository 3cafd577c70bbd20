"""How far a change has come for one config, and to which nodes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import pytest
from tests.unit.plan.builders import at
from tests.unit.plan.changes import CART, change, named, node_body, probe, tracked, triggered, workload

from kubeprobe.api import Change, ChangeProbe, ChangeSource, ProbeConfig
from kubeprobe.plan.demand import Demand
from kubeprobe.plan.fingerprint import ObjectKey, Tracked, read_tracked
from kubeprobe.plan.known import packed
from kubeprobe.plan.reach import Concern, concern_of, demand_of, reach_of
from kubeprobe.plan.rollout import RolloutState, Workload
from kubeprobe.plan.rollout_pods import NewPods

DONE = {"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3}
TWO = tracked("cart:2")
PAY = ObjectKey("Deployment", "shop", "pay")
SHOP = triggered({"rollout": {"namespaceSelector": {}}})
PINNED = triggered({"rollout": {"namespaceSelector": {}, "pinToNodes": True}})
NODES = triggered({"node": {"facts": ["Kubelet"], "pinToNodes": True}})


def no_pods(_: Workload) -> NewPods:
    raise AssertionError("nobody follows pods here")


class Cluster(NamedTuple):
    tracked: dict[ObjectKey, Tracked]
    workloads: dict[ObjectKey, Workload]
    pods: Callable[[Workload], NewPods]


def reach(*seen: Tracked, pods: dict[str, NewPods] | None = None, status: Any = None) -> Cluster:
    workloads = {one.key: workload(name=one.key.name, image="cart:2", status=status or DONE) for one in seen}
    known = (lambda one: pods[one.key.name]) if pods is not None else no_pods
    return Cluster({one.key: one for one in seen}, workloads, known)


def demand(of: Change, config: ProbeConfig, now_is: Cluster, **asked: Any) -> Demand:
    found = reach_of(of, *now_is)
    return demand_of(ChangeProbe.model_validate(probe(**asked)), found, concern_of(config, found, {"shop": {}}))


def ready(count: int, **nodes: datetime) -> NewPods:
    return NewPods(count, {name.replace("_", "-"): since for name, since in nodes.items()})


def test_a_config_waits_for_the_rollouts_that_concern_it() -> None:
    pay = tracked("pay:2", name="pay", labels={"tier": "back"})
    both = change(objects=[named(CART, TWO.fingerprint), named(PAY, pay.fingerprint)])
    found = demand(both, SHOP, reach(TWO, pay))
    assert [one.key for one in found.rollouts] == [CART, PAY]
    assert found.nodes == {}
    front = triggered({"rollout": {"namespaceSelector": {}, "selector": {"matchLabels": {"app": "cart"}}}})
    assert [one.key for one in demand(both, front, reach(TWO, pay)).rollouts] == [CART]


def test_a_pinned_config_follows_new_pods_to_their_nodes() -> None:
    one = change(objects=[named(CART, TWO.fingerprint)])
    pods = {"cart": ready(2, node_1=at(5), node_2=at(6))}
    found = demand(one, PINNED, reach(TWO, pods=pods), pinToNodes=True)
    assert dict(found.nodes) == {"node-1": at(5), "node-2": at(6)}
    assert [state.state for state in found.rollouts] == [RolloutState.PROGRESSING], "its third pod is not seen yet"
    pods["cart"] = ready(3, node_1=at(5), node_2=at(7))
    found = demand(one, PINNED, reach(TWO, pods=pods), pinToNodes=True)
    assert [state.state for state in found.rollouts] == [RolloutState.FINISHED]


def test_of_two_workloads_on_a_node_the_later_pod_counts() -> None:
    pay = tracked("pay:2", name="pay")
    both = change(objects=[named(CART, TWO.fingerprint), named(PAY, pay.fingerprint)])
    pods = {"cart": ready(3, node_1=at(9)), "pay": ready(3, node_1=at(5), node_2=at(6))}
    found = demand(both, PINNED, reach(TWO, pay, pods=pods), pinToNodes=True)
    assert dict(found.nodes) == {"node-1": at(9), "node-2": at(6)}


def test_what_was_changed_again_or_is_gone_is_followed_nowhere() -> None:
    again = change(objects=[named(CART, "00000000000000bb"), named(PAY, "00000000000000cc")])
    found = demand(again, PINNED, reach(TWO), pinToNodes=True)
    assert [one.state for one in found.rollouts] == [RolloutState.SUPERSEDED, RolloutState.GONE]
    assert found.nodes == {}


def test_a_rollout_is_followed_to_nodes_only_by_the_trigger_that_says_so() -> None:
    mixed = triggered(
        {"rollout": {"namespaceSelector": {}}},
        {"rollout": {"namespaceSelector": {}, "selector": {"matchLabels": {"app": "pay"}}, "pinToNodes": True}},
    )
    found = demand(change(objects=[named(CART, TWO.fingerprint)]), mixed, reach(TWO), pinToNodes=True)
    assert [one.state for one in found.rollouts] == [RolloutState.FINISHED]
    assert found.nodes == {}


def node(name: str, **more: Any) -> Tracked:
    return read_tracked("Node", node_body(name, **more))


def of_nodes(*objects: dict[str, Any], **more: Any) -> Change:
    return change(source=ChangeSource.NODE, objects=list(objects), began=1.5, **more)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [({"parts": ["Kubelet"]}, True), ({"parts": ["Cordon"]}, False), ({}, True), ({"type": "Added"}, False)],
)
def test_a_config_is_pinned_to_the_nodes_that_changed_as_it_wants(facts: dict[str, Any], *, expected: bool) -> None:
    one = node("node-1")
    found = demand(of_nodes(named(one.key, one.fingerprint, **facts)), NODES, reach(one), pinToNodes=True)
    assert dict(found.nodes) == ({"node-1": at(1)} if expected else {})
    assert found.rollouts == ()


def test_of_the_nodes_that_a_change_does_not_name_all_are_probed_that_are_there() -> None:
    one, other, gone = node("node-1"), node("node-2"), node("node-3")
    others = packed([(other.key, other.fingerprint), (gone.key, gone.fingerprint)])
    deleted = named(ObjectKey("Node", "", "node-4"), "", type="Deleted")
    many = of_nodes(named(one.key, one.fingerprint), deleted, others=others, count=4)
    assert dict(demand(many, NODES, reach(one, other), pinToNodes=True).nodes) == {"node-1": at(1), "node-2": at(1)}
    anywhere = triggered({"node": {}})
    assert demand(many, anywhere, reach(one, other), pinToNodes=True).nodes == {}


def test_a_node_that_is_gone_since_is_not_probed() -> None:
    one, other = node("node-1"), node("node-2")
    change_of = of_nodes(named(one.key, one.fingerprint), named(other.key, other.fingerprint))
    before = reach_of(change_of, *reach(one, other))
    concern = concern_of(NODES, before, {})
    assert concern == Concern(frozenset({one.key, other.key}), frozenset({one.key, other.key}))
    asked = ChangeProbe.model_validate(probe(pinToNodes=True))
    assert list(demand_of(asked, reach_of(change_of, *reach(one)), concern).nodes) == ["node-1"]

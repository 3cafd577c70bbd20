"""Pods and revisions of workloads, by whom they belong to, as the watches tell them."""

from __future__ import annotations

from typing import Any

from tests.unit.plan.builders import at, meta
from tests.unit.plan.changes import template, workload

from kubeprobe.control.rollout_pods import RolloutPods
from kubeprobe.kube.reflector import Sink

DONE = {"observedGeneration": 1}
OWNER = {"apiVersion": "apps/v1", "kind": "X", "name": "x", "controller": True}


def owned(name: str, owner: str, **labels: str) -> dict[str, Any]:
    owners = [{**OWNER, "uid": owner}] if owner else []
    return {**meta(name), "namespace": "shop", "labels": labels, "ownerReferences": owners}


def replica_set(image: str, uid: str, **more: Any) -> dict[str, Any]:
    return {"metadata": {**owned(uid, "uid-cart"), "uid": uid, **more}, "spec": {"template": template(image)}}


def pod(
    name: str, owner: str, labels: dict[str, str] | None = None, *, version: int = 1, ready: bool = True
) -> dict[str, Any]:
    state = {"type": "Ready", "status": str(ready), "lastTransitionTime": at(5).isoformat()}
    body = {"metadata": {**owned(name, owner, **(labels or {})), "resourceVersion": str(version)}}
    return {**body, "spec": {"nodeName": f"node-{name}"}, "status": {"conditions": [state]}}


def watching() -> tuple[list[str], RolloutPods, dict[str, Sink]]:
    moved: list[str] = []
    pods = RolloutPods(moved.append)
    return moved, pods, {feed.resource.plural: feed.sink for feed in pods.feeds()}


def test_a_deployments_pods_are_found_by_the_replica_set_of_its_template() -> None:
    moved, pods, sinks = watching()
    sinks["replicasets"].observe(replica_set("cart:1", "old"))
    sinks["replicasets"].observe(replica_set("cart:2", "new"))
    sinks["pods"].observe(pod("a", "old"))
    sinks["pods"].observe(pod("b", "new"))
    sinks["pods"].observe(pod("c", "other"))
    sinks["pods"].observe(pod("d", ""))
    assert moved == ["uid-cart"] * 4 + ["other"]
    now = pods.new_pods(workload(image="cart:2", status=DONE))
    assert dict(now.nodes) == {"node-b": at(5)}
    pods.clear()
    assert pods.new_pods(workload(image="cart:2", status=DONE)).nodes == {}


def test_a_daemon_sets_pods_are_found_by_its_newest_revision() -> None:
    _, pods, sinks = watching()
    label = "controller-revision-hash"
    for number, name in ((1, "old"), (2, "new")):
        body = {"metadata": owned(name, "uid-cart", **{label: name}), "revision": number}
        sinks["controllerrevisions"].observe({**body, "data": {"spec": {"template": template()}}})
        sinks["pods"].observe(pod(name, "uid-cart", {label: name}))
    assert set(pods.new_pods(workload("DaemonSet", status=DONE)).nodes) == {"node-new"}


def test_only_what_is_news_is_told_and_what_is_gone_is_forgotten() -> None:
    moved, pods, sinks = watching()
    sinks["replicasets"].observe(replica_set("cart:1", "set"))
    sinks["pods"].observe(pod("a", "set"))
    moved.clear()
    sinks["pods"].observe(pod("a", "set", version=2))
    assert moved == []
    sinks["pods"].observe(pod("a", "set", version=3, ready=False))
    assert moved == ["uid-cart"]
    sinks["pods"].forget(("shop", "a"), "another")
    assert len(moved) == 1
    sinks["pods"].forget(("shop", "a"), "uid-a")
    assert moved == ["uid-cart"] * 2
    sinks["replicasets"].forget(("shop", "set"), "set")
    sinks["pods"].observe(pod("b", "set"))
    assert moved[-1] == "set"
    assert pods.new_pods(workload(status=DONE)).ready == 0


def test_pods_of_kubeprobes_own_are_nobodys_rollout() -> None:
    moved, _, sinks = watching()
    sinks["pods"].observe(pod("run", "set", {"kubeprobe.io/run": "run"}))
    assert moved == []


def test_what_its_owner_has_released_counts_no_more() -> None:
    moved, pods, sinks = watching()
    sinks["replicasets"].observe(replica_set("cart:1", "set"))
    sinks["pods"].observe(pod("a", "set"))
    sinks["pods"].observe(pod("b", "set"))
    moved.clear()
    sinks["pods"].observe(pod("a", "", version=2))
    assert moved == ["uid-cart"]
    assert set(pods.new_pods(workload(status=DONE)).nodes) == {"node-b"}
    sinks["replicasets"].observe(replica_set("cart:1", "set", ownerReferences=[], resourceVersion="2"))
    assert moved == ["uid-cart"] * 2
    assert pods.new_pods(workload(status=DONE)).nodes == {}

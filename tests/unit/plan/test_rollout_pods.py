"""Where the new pods of a rollout are."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.builders import at, meta
from tests.unit.plan.changes import CART, template, workload

from kubeprobe.plan.rollout import Rollout, RolloutState
from kubeprobe.plan.rollout_pods import (
    NewPods,
    Revision,
    WorkloadPod,
    confirmed,
    new_pods,
    read_revision,
    read_workload_pod,
)

SEEN: dict[str, Any] = {"observedGeneration": 1}
DONE: dict[str, Any] = {**SEEN, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3}
OWNER = {"apiVersion": "apps/v1", "kind": "X", "name": "x", "controller": True}


def replica_set(image: str, uid: str, owner: str = "uid-cart") -> Revision:
    """As the Deployment controller makes it: the template with one label more."""
    body = {
        "metadata": {**meta(uid, uid), "ownerReferences": [{**OWNER, "uid": owner}]},
        "spec": {"replicas": 3, "template": template(image, **{"pod-template-hash": uid})},
    }
    return read_revision("ReplicaSet", body)


def controller_revision(number: int, name_hash: str, owner: str = "uid-cart") -> Revision:
    body = {
        "metadata": {
            **meta(f"cart-{name_hash}"),
            "labels": {"controller-revision-hash": name_hash},
            "ownerReferences": [{**OWNER, "uid": owner}],
        },
        "revision": number,
        "data": {"spec": {"template": {**template(), "$patch": "replace"}}},
    }
    return read_revision("ControllerRevision", body)


def pod(owner: str, node: str, ready: float | None = 5, revision: str = "", **more: Any) -> WorkloadPod:
    state = {"type": "Ready", "status": "False" if ready is None else "True"}
    if ready is not None:
        state["lastTransitionTime"] = at(ready).isoformat()
    return read_workload_pod(
        {
            "metadata": {
                **meta("pod"),
                "labels": {"controller-revision-hash": revision},
                "ownerReferences": [{**OWNER, "uid": owner}],
                **more,
            },
            "spec": {"nodeName": node},
            "status": {"conditions": [{"type": "Initialized"}, state]},
        }
    )


SETS = [replica_set("cart:1", "old"), replica_set("cart:2", "new"), replica_set("cart:2", "strange", "uid-other")]


def test_new_pods_of_a_deployment_are_those_of_the_replica_set_with_its_template() -> None:
    one = workload(image="cart:2", status=DONE)
    pods = [
        pod("new", "a"),
        pod("new", "b", 7),
        pod("new", "b", 6),
        pod("new", "c", None),
        pod("new", "d", 5, deletionTimestamp=at(6).isoformat()),
        pod("old", "e"),
        pod("strange", "f"),
    ]
    assert new_pods(one, SETS, pods) == NewPods(3, {"a": at(5), "b": at(7)})
    back = workload(image="cart:1", status=DONE)
    assert new_pods(back, SETS, pods).nodes == {"e": at(5)}


def test_of_a_paused_rollout_there_is_no_new_replica_set() -> None:
    assert new_pods(workload(image="cart:3", spec={"paused": True}, status=SEEN), SETS, [pod("new", "a")]) == NewPods(
        0, {}
    )


@pytest.mark.parametrize("kind", ["DaemonSet", "StatefulSet"])
def test_new_pods_of_others_have_the_newest_revision(kind: str) -> None:
    one = workload(kind, status=SEEN)
    revisions = [controller_revision(3, "c"), controller_revision(2, "b"), controller_revision(9, "z", "uid-other")]
    pods = [
        pod("uid-cart", "a", revision="c"),
        pod("uid-cart", "b", revision="b"),
        pod("uid-other", "d", revision="z"),
    ]
    assert new_pods(one, revisions, pods) == NewPods(1, {"a": at(5)})


def test_before_the_controller_has_seen_the_change_no_pod_is_new() -> None:
    one = workload(image="cart:2", generation=2, status=DONE)
    assert new_pods(one, SETS, [pod("new", "a")]) == NewPods(0, {})


def test_a_pod_that_nobody_owns_or_that_says_nothing() -> None:
    body = {"metadata": {"name": "p"}}
    assert read_workload_pod(body) == WorkloadPod("", "", "", None)
    ready = {
        "metadata": {"creationTimestamp": at(1).isoformat()},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }
    assert read_workload_pod(ready).ready_since == at(1)
    owned = {"metadata": {**meta("p"), "ownerReferences": [{"uid": "u"}]}}
    assert read_workload_pod(owned).owner_uid == ""
    assert read_revision("ControllerRevision", {"metadata": {**meta("r")}, "data": None}).number == 0


def test_a_rollout_is_finished_when_its_last_pod_is_seen() -> None:
    one = workload(image="cart:2", status={**DONE, "updatedReplicas": 3, "availableReplicas": 2})
    finished, other = Rollout(CART, RolloutState.FINISHED), Rollout(CART, RolloutState.PAUSED, "p")
    assert confirmed(finished, one, NewPods(2, {})) is finished
    waiting = confirmed(finished, one, NewPods(1, {}))
    assert (waiting.state, waiting.message) == (
        RolloutState.PROGRESSING,
        "Deployment shop/cart: not all new pods are seen",
    )
    assert confirmed(other, one, NewPods(0, {})) is other

"""How far a rollout is, against the rules of `kubectl rollout status`, and where its new pods are."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.builders import at, meta
from tests.unit.plan.changes import CART, template, workload

from kubeprobe.plan.fingerprint import ObjectKey
from kubeprobe.plan.rollout import (
    OVER,
    NewPods,
    Revision,
    Rollout,
    RolloutState,
    WorkloadPod,
    confirmed,
    new_pods,
    progress,
    read_revision,
    read_workload_pod,
)

SEEN: dict[str, Any] = {"observedGeneration": 1}
DONE: dict[str, Any] = {**SEEN, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3}
REVISIONS: dict[str, Any] = {"currentRevision": "cart-2", "updateRevision": "cart-2"}
NODES: dict[str, Any] = {
    "desiredNumberScheduled": 3,
    "updatedNumberScheduled": 3,
    "numberAvailable": 3,
    "numberReady": 3,
}
DEADLINE: dict[str, Any] = {
    "type": "Progressing",
    "status": "False",
    "reason": "ProgressDeadlineExceeded",
    "message": "it took too long",
}
ON_DELETE: dict[str, Any] = {"updateStrategy": {"type": "OnDelete"}}
PARTITION: dict[str, Any] = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}}


def told(kind: str = "Deployment", *, spec: dict[str, Any] | None = None, **status: Any) -> Rollout:
    one = workload(kind, spec=spec, status=status)
    return progress(one, one.key, "f", "f")


CASES: list[tuple[str, Rollout, RolloutState, str]] = [
    ("not observed", told(**{**DONE, "observedGeneration": 0}), RolloutState.UNSEEN, "has not seen the change"),
    ("no status at all", told(), RolloutState.UNSEEN, "has not seen the change"),
    ("finished", told(**DONE), RolloutState.FINISHED, ""),
    ("new pods are missing", told(**{**DONE, "updatedReplicas": 1}), RolloutState.PROGRESSING, "1 of 3 new pods"),
    ("old pods are left", told(**{**DONE, "replicas": 5}), RolloutState.PROGRESSING, "2 old pods are still there"),
    ("not available", told(**{**DONE, "availableReplicas": 2}), RolloutState.PROGRESSING, "2 of 3 new pods are avail"),
    ("paused", told(spec={"paused": True}, **SEEN), RolloutState.PAUSED, "is paused: 0 of 3 new pods"),
    ("paused and finished", told(spec={"paused": True}, **DONE), RolloutState.FINISHED, ""),
    ("deadline", told(conditions=[DEADLINE], **SEEN), RolloutState.FAILED, "it took too long"),
    ("deadline, unexplained", told(conditions=[{**DEADLINE, "message": ""}], **SEEN), RolloutState.FAILED, "deadline"),
    (
        "other conditions",
        told(conditions=[{"type": "Available"}, {**DEADLINE, "reason": "NewReplicaSetAvailable"}], **DONE),
        RolloutState.FINISHED,
        "",
    ),
    ("scaled to zero", told(spec={"replicas": 0}, **SEEN), RolloutState.FINISHED, ""),
    ("one pod where nobody says", told(spec={"replicas": None}, **SEEN), RolloutState.PROGRESSING, "0 of 1 new pods"),
    ("stateful, finished", told("StatefulSet", **DONE, **REVISIONS), RolloutState.FINISHED, ""),
    (
        "stateful, a revision behind",
        told("StatefulSet", **DONE, currentRevision="cart-1", updateRevision="cart-2"),
        RolloutState.PROGRESSING,
        "its newest revision is not its current one",
    ),
    (
        "stateful, not ready",
        told("StatefulSet", **{**DONE, "readyReplicas": 2}, **REVISIONS),
        RolloutState.PROGRESSING,
        "2 of 3 pods are ready",
    ),
    (
        "stateful, the partition is met",
        told("StatefulSet", spec=PARTITION, **{**DONE, "updatedReplicas": 1}, updateRevision="cart-2"),
        RolloutState.FINISHED,
        "",
    ),
    (
        "stateful, the partition is not met",
        told("StatefulSet", spec=PARTITION, **{**DONE, "updatedReplicas": 0}, **REVISIONS),
        RolloutState.PROGRESSING,
        "0 of 1 new pods",
    ),
    (
        "stateful, by hand",
        told("StatefulSet", spec=ON_DELETE, **{**DONE, "updatedReplicas": 1}, updateRevision="cart-2"),
        RolloutState.BY_HAND,
        "replaces pods that somebody deletes (OnDelete): 1 of 3 new pods",
    ),
    (
        "stateful, by hand and all deleted",
        told("StatefulSet", spec=ON_DELETE, **DONE, updateRevision="cart-2"),
        RolloutState.FINISHED,
        "",
    ),
    ("daemons, finished", told("DaemonSet", **SEEN, **NODES), RolloutState.FINISHED, ""),
    (
        "daemons, not updated",
        told("DaemonSet", **SEEN, **{**NODES, "updatedNumberScheduled": 1}),
        RolloutState.PROGRESSING,
        "1 of 3 new pods have been created",
    ),
    (
        "daemons, not available",
        told("DaemonSet", **SEEN, **{**NODES, "numberAvailable": 2}),
        RolloutState.PROGRESSING,
        "2 of 3 new pods are available",
    ),
    (
        "daemons, by hand",
        told("DaemonSet", spec=ON_DELETE, **SEEN, **{**NODES, "updatedNumberScheduled": 1}),
        RolloutState.BY_HAND,
        "OnDelete",
    ),
    (
        "another kind, finished",
        told("Rollout.argoproj.io", **{**DONE, "observedGeneration": "1"}),
        RolloutState.FINISHED,
        "",
    ),
    (
        "another kind, progressing",
        told("Rollout.argoproj.io", **{**DONE, "updatedReplicas": 1}),
        RolloutState.PROGRESSING,
        "1 of 3",
    ),
    (
        "another kind, not observed",
        told("Rollout.argoproj.io", observedGeneration="0"),
        RolloutState.UNSEEN,
        "not seen",
    ),
    (
        "another kind, a word for a number",
        told("Rollout.argoproj.io", observedGeneration="6f8"),
        RolloutState.FINISHED,
        "",
    ),
    ("another kind that counts nothing", told("Thing.example.com"), RolloutState.FINISHED, ""),
]


@pytest.mark.parametrize(("rollout", "state", "words"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_how_far_a_rollout_is(rollout: Rollout, state: RolloutState, words: str) -> None:
    assert rollout.state is state
    assert words in rollout.message
    assert bool(rollout.message) == (state is not RolloutState.FINISHED)
    assert rollout.over == (state in OVER)


def test_what_is_gone_or_changed_again_is_not_waited_for() -> None:
    assert progress(None, CART, "f", "") == Rollout(CART, RolloutState.GONE, "Deployment shop/cart is gone")
    again = progress(workload(), CART, "f", "g")
    assert again == Rollout(CART, RolloutState.SUPERSEDED, "Deployment shop/cart was changed again")
    assert again.over


# Where the new pods are

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


def test_whose_rollout_it_is() -> None:
    assert workload("DaemonSet").key == ObjectKey("DaemonSet", "shop", "cart")

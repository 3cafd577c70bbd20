"""How far a rollout is, against the rules of `kubectl rollout status`, and where its new pods are."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.changes import CART, workload

from kubeprobe.plan.fingerprint import ObjectKey
from kubeprobe.plan.rollout import (
    OVER,
    Rollout,
    RolloutState,
    in_place,
    progress,
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
    (
        "another kind, a number that was left out for it is 0",
        told("Rollout.argoproj.io", observedGeneration="1", replicas=3, readyReplicas=3, availableReplicas=3),
        RolloutState.PROGRESSING,
        "3 old pods",
    ),
    (
        "another kind that counts no new pods",
        told("Fleet.agones.dev", replicas=3, readyReplicas=3),
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


def test_whose_rollout_it_is() -> None:
    assert workload("DaemonSet").key == ObjectKey("DaemonSet", "shop", "cart")


@pytest.mark.parametrize(
    ("status", "spec", "expected"),
    [
        pytest.param(DONE, {}, True, id="done"),
        pytest.param({**DONE, "availableReplicas": 1}, {}, True, id="pods come and go"),
        pytest.param({**DONE, "observedGeneration": 0}, {}, False, id="not observed"),
        pytest.param({**DONE, "updatedReplicas": 1}, {}, False, id="new pods are missing"),
        pytest.param({**DONE, "replicas": 4}, {}, False, id="an old pod is left"),
        pytest.param({**DONE, "replicas": 4, "updatedReplicas": 1}, {"paused": True}, False, id="paused"),
        pytest.param({**DONE, "conditions": [DEADLINE]}, {}, False, id="failed"),
    ],
)
def test_what_is_in_place(status: dict[str, Any], spec: dict[str, Any], expected: bool) -> None:
    assert in_place(workload(spec=spec, status=status)) is expected

"""What holds up a Deployment: its controllers, or the pod that has come least far."""

from typing import Any

import pytest
from tests.unit.probes.cluster.objects import pod

from cluster.rollout import alive, controllers_hold, most_behind, ready_addresses, remains, replicas

READY = {"Ready": "True"}


def deployment(observed: int = 1, generation: int = 1, **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "d", "generation": generation},
        "status": {"observedGeneration": observed, **status} if observed else {},
    }


def refused() -> dict[str, Any]:
    words = 'pods "d-x" is forbidden: exceeded quota: full'
    return deployment(
        conditions=[{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": words}]
    )


@pytest.mark.parametrize(
    ("deployed", "pods", "says", "look_at"),
    [
        (deployment(observed=0), 0, "no controller has taken up", "kube-controller-manager"),
        (deployment(observed=1, generation=2), 2, "no controller has taken up", "kube-controller-manager"),
        (refused(), 0, 'FailedCreate: pods "d-x" is forbidden: exceeded quota', "ResourceQuota"),
        (deployment(), 1, "1 of 2 pods", "kube-controller-manager"),
        (deployment(), 3, "still has 3 pods instead of 2", "kube-controller-manager"),
    ],
)
def test_controllers_are_named_first(deployed: dict[str, Any], pods: int, says: str, look_at: str) -> None:
    held = controllers_hold(deployed, [pod()] * pods, wanted=2)
    assert held is not None
    assert says in held.reason
    assert look_at in held.look_at


def test_controllers_that_did_their_part_are_not_blamed() -> None:
    assert controllers_hold(deployment(), [pod(), pod()], wanted=2) is None


def test_the_pod_that_came_least_far_is_named() -> None:
    well = pod("node-1", conditions=READY, running=True, metadata={"name": "well"})
    starting = pod("node-1", conditions={}, running=True, podIP="1.2.3.4", metadata={"name": "starting"})
    waiting = pod("node-2", started=False, metadata={"name": "waiting"})
    behind = most_behind([well, starting, waiting])
    assert behind is not None
    assert behind["metadata"]["name"] == "waiting"
    assert most_behind([well]) is None


def test_counts_wait_for_the_controller() -> None:
    assert replicas(None, "replicas") == -1
    assert replicas(deployment(observed=1, generation=2, readyReplicas=2), "readyReplicas") == -1
    assert replicas(deployment(readyReplicas=2), "readyReplicas") == 2
    assert replicas(deployment(), "readyReplicas") == 0


def test_only_ready_endpoints_count() -> None:
    slices: list[dict[str, Any]] = [
        {"endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}, {"addresses": ["10.0.0.2"]}]},
        {"endpoints": [{"addresses": ["10.0.0.3"], "conditions": {"ready": False}}]},
        {"endpoints": None},
    ]
    assert ready_addresses(slices) == ["10.0.0.1", "10.0.0.2"]


def test_what_remains_names_who_has_to_act() -> None:
    leaving = {"a": pod("node-2", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})}
    staying = {"b": pod("node-2")}
    assert "Deployment d" in str(remains({"d": deployment()}, staying, {}))
    assert "nobody has deleted the pods" in str(remains({}, staying, {}))
    assert "EndpointSlice s" in str(remains({}, {}, {"s": {}}))
    assert remains({}, leaving, {"s": {}}) is None, "the kubelet has to finish"
    assert remains({}, {}, {}) is None
    assert alive({**leaving, **staying}) == [staying["b"]]

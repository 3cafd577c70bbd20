from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.builders import CREATED, container, pod

from kubeprobe.api import Stage
from kubeprobe.plan.stage import NodeView, PodEvent, standstill

READY = NodeView("node-1", "True", "")
TAKEN = {"startTime": CREATED.isoformat()}
SANDBOX = {"conditions": [{"type": "PodReadyToStartContainers", "status": "True"}]}
NO_SANDBOX = {"conditions": [{"type": "PodReadyToStartContainers", "status": "False"}]}
CREATING = {"reason": "ContainerCreating"}


def warning(reason: str, message: str) -> PodEvent:
    return PodEvent(reason, message, warning=True)


def normal(reason: str, message: str = "") -> PodEvent:
    return PodEvent(reason, message, warning=False)


def unscheduled(message: str) -> dict[str, Any]:
    return {"conditions": [{"type": "PodScheduled", "status": "False", "message": message}]}


CASES: list[tuple[str, str, dict[str, Any], list[PodEvent], Stage, str, str]] = [
    (
        "the scheduler's condition",
        "",
        unscheduled("0/3 nodes are available: 3 cordoned"),
        [warning("FailedScheduling", "older words")],
        Stage.NOT_SCHEDULED,
        "Unschedulable",
        "the pod was not scheduled: 0/3 nodes are available: 3 cordoned",
    ),
    (
        "the scheduler's event",
        "",
        {},
        [warning("FailedScheduling", "first"), warning("FailedScheduling", "(combined from similar events): last")],
        Stage.NOT_SCHEDULED,
        "Unschedulable",
        "the pod was not scheduled: last",
    ),
    ("a condition without words", "", unscheduled(""), [], Stage.NOT_SCHEDULED, "SchedulerSilent", "kube-scheduler"),
    (
        "a condition that holds tells nothing",
        "",
        {"conditions": [{"type": "PodScheduled", "status": "True", "message": "fine"}]},
        [],
        Stage.NOT_SCHEDULED,
        "SchedulerSilent",
        "the scheduler has said nothing about it: look at kube-scheduler",
    ),
    ("no scheduler", "", {}, [], Stage.NOT_SCHEDULED, "SchedulerSilent", "look at kube-scheduler"),
    (
        "an event that is no warning tells no fault",
        "",
        {},
        [normal("FailedScheduling", "nominated node-2")],
        Stage.NOT_SCHEDULED,
        "SchedulerSilent",
        "look at kube-scheduler",
    ),
    (
        "no kubelet",
        "node-1",
        {},
        [normal("Scheduled", "to node-1")],
        Stage.NOT_ACKNOWLEDGED,
        "KubeletSilent",
        "the pod is bound to node node-1, whose kubelet has not acknowledged it",
    ),
    (
        "CNI",
        "node-1",
        {**TAKEN, **NO_SANDBOX},
        [warning("FailedCreatePodSandBox", 'plugin type="bridge" failed'), normal("Pulling")],
        Stage.NO_SANDBOX,
        "FailedCreatePodSandBox",
        'no pod sandbox on node node-1: plugin type="bridge" failed',
    ),
    (
        "network not ready",
        "node-1",
        TAKEN,
        [warning("NetworkNotReady", "cni plugin not initialized")],
        Stage.NO_SANDBOX,
        "FailedCreatePodSandBox",
        "cni plugin not initialized",
    ),
    (
        "a volume",
        "node-1",
        {**container(waiting=CREATING), **NO_SANDBOX},
        [warning("FailedMount", 'secret "tls" not found')],
        Stage.NO_SANDBOX,
        "FailedMount",
        'a volume was not mounted on node node-1: secret "tls" not found',
    ),
    (
        "nothing said before the sandbox",
        "node-1",
        container(waiting=CREATING),
        [],
        Stage.NO_SANDBOX,
        "SandboxSilent",
        "look at the kubelet, the container runtime and the CNI plugin there",
    ),
    (
        "an image that is not there, by its event",
        "node-1",
        {**container(waiting={"reason": "ImagePullBackOff", "message": "back-off"}), **SANDBOX},
        [
            warning("Failed", 'Failed to pull image "x": not found'),
            warning("Failed", "Error: ErrImagePull"),
            warning("Failed", "(combined from similar events): Error: ImagePullBackOff"),
        ],
        Stage.NO_IMAGE,
        "ImagePullBackOff",
        'the image was not pulled on node node-1: Failed to pull image "x": not found',
    ),
    (
        "an image that is not there, by its status",
        "node-1",
        {**container(waiting={"reason": "ErrImagePull", "message": "not found"}), **SANDBOX},
        [],
        Stage.NO_IMAGE,
        "ErrImagePull",
        "the image was not pulled on node node-1: not found",
    ),
    (
        "a registry that hangs",
        "node-1",
        {**container(waiting=CREATING), **SANDBOX},
        [normal("Pulling", "Pulling image")],
        Stage.NO_IMAGE,
        "ImagePullSlow",
        "the container is still pulling its image on node node-1",
    ),
    (
        "a container that is not made",
        "node-1",
        {
            **container(waiting={"reason": "CreateContainerConfigError", "message": 'configmap "x" not found'}),
            **SANDBOX,
        },
        [],
        Stage.NOT_STARTED,
        "CreateContainerConfigError",
        'the container did not start on node node-1: configmap "x" not found',
    ),
    (
        "an event about the sandbox that is past",
        "node-1",
        {**container(waiting=CREATING), **SANDBOX},
        [warning("FailedCreatePodSandBox", "once"), warning("FailedMount", "once")],
        Stage.NOT_STARTED,
        "RuntimeSilent",
        "the container was not created on node node-1",
    ),
    (
        "started",
        "node-1",
        container(running={}),
        [warning("FailedMount", "once")],
        Stage.STARTED_AND_SILENT,
        "Silent",
        "the probe was started on node node-1 and neither reported nor ended",
    ),
    (
        "started, and ended past its time by the kubelet",
        "node-1",
        {**container(terminated={"exitCode": 137}), "reason": "DeadlineExceeded", "message": "Pod was active too long"},
        [],
        Stage.STARTED_AND_SILENT,
        "Silent",
        "the probe was started on node node-1",
    ),
    (
        "past its time without having been started",
        "node-1",
        {"phase": "Failed", "reason": "DeadlineExceeded", "message": "Pod was active too long"},
        [],
        Stage.ENDED_UNHEARD,
        "DeadlineExceeded",
        "the pod ended on node node-1: DeadlineExceeded: Pod was active too long",
    ),
    (
        "past its time, and nobody saw whether it had been started",
        "node-1",
        {
            **container(terminated={"exitCode": 137, "reason": "ContainerStatusUnknown"}),
            "reason": "DeadlineExceeded",
        },
        [],
        Stage.ENDED_UNHEARD,
        "DeadlineExceeded",
        "the pod ended on node node-1: DeadlineExceeded",
    ),
    (
        "refused by the kubelet",
        "node-1",
        {"phase": "Failed", "reason": "OutOfcpu", "message": "Node didn't have enough resource: cpu"},
        [],
        Stage.ENDED_UNHEARD,
        "OutOfcpu",
        "OutOfcpu: Node didn't have enough resource: cpu",
    ),
    (
        "lost by the kubelet",
        "node-1",
        container(terminated={"exitCode": 137, "reason": "ContainerStatusUnknown", "message": "could not be located"}),
        [],
        Stage.ENDED_UNHEARD,
        "ContainerStatusUnknown",
        "ContainerStatusUnknown: could not be located",
    ),
    (
        "ended without a word",
        "node-1",
        {"phase": "Failed"},
        [],
        Stage.ENDED_UNHEARD,
        "PodFailed",
        "the pod ended on node node-1: no reason given",
    ),
]


@pytest.mark.parametrize(
    ("node", "status", "events", "stage", "reason", "message"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_the_earliest_stage_that_is_not_complete_is_named(
    node: str, status: dict[str, Any], events: list[PodEvent], stage: Stage, reason: str, message: str
) -> None:
    found = standstill(pod(node=node, status=status), events, READY)
    assert (found.stage, found.reason) == (stage, reason)
    assert message in found.message
    assert standstill(pod(node=node, status=status), events, None) == found


@pytest.mark.parametrize(
    ("ready", "message", "says"),
    [
        ("True", "kubelet is posting ready status", ""),
        ("Unknown", "Kubelet stopped posting node status.", "; node node-1 is not ready: Kubelet stopped posting"),
        ("False", "", "; node node-1 is not ready"),
        ("", "", "; node node-1 is gone"),
    ],
)
def test_a_node_that_is_not_well_is_named(ready: str, message: str, says: str) -> None:
    plain = standstill(pod(node="node-1"), (), None)
    found = standstill(pod(node="node-1"), (), NodeView("node-1", ready, message))
    assert (found.stage, found.reason) == (plain.stage, plain.reason)
    assert found.message.startswith(plain.message)
    assert says in found.message
    assert bool(says) is (found != plain)


def test_a_pod_that_waits_for_one_node_is_told_how_that_node_is() -> None:
    ill = NodeView("node-2", "False", "cni plugin not initialized")
    found = standstill(pod(status=unscheduled("0/2 nodes are available")), [], ill)
    assert found.stage is Stage.NOT_SCHEDULED
    assert found.message.endswith("; node node-2 is not ready: cni plugin not initialized")
    gone = standstill(pod(), [], NodeView("node-2", "", ""))
    assert gone.message.endswith("; node node-2 is gone")

"""One row for each way in which a pod can be stuck: the stage, the cluster's words, what to look at."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.unit.probes.cluster.objects import IMAGE, event, node, pod

from cluster.stage import Stage, read_pod

CREATING = {"reason": "ContainerCreating"}
SANDBOX = {"PodScheduled": "True", "PodReadyToStartContainers": "False"}
NETWORK = {"PodScheduled": "True", "PodReadyToStartContainers": "True"}
NO_ADDRESS = (
    "(combined from similar events): Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup "
    'network for sandbox "5f": plugin type="bridge" failed (add): failed to allocate for range 0: '
    "no IP addresses available in range set: 10.244.2.1-10.244.2.14"
)
NO_CNI = (
    'Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "5f": '
    "cni plugin not initialized"
)
CORDONED = "0/2 nodes are available: 2 node(s) were unschedulable. preemption: 0/2 nodes are available."
UNNAMED = (
    "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint(s). "
    "no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
)
LOST = node("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
HOST = "kubernetes.io/hostname"


def unscheduled(message: str, **more: Any) -> dict[str, Any]:
    refused = {"status": "False", "reason": "Unschedulable", "message": message}
    return pod(conditions={"PodScheduled": refused}, **more)


@dataclass(frozen=True)
class Case:
    name: str
    pod: dict[str, Any]
    stage: Stage
    says: tuple[str, ...] = ()
    look_at: str = ""
    events: tuple[dict[str, Any], ...] = ()
    node: dict[str, Any] | None = field(default=None)


CASES = [
    Case("scheduler silent", pod(), Stage.UNSCHEDULED, ("said nothing",), "kube-scheduler"),
    Case("cordoned", unscheduled(CORDONED), Stage.UNSCHEDULED, ("2 node(s) were unschedulable",), "uncordon"),
    Case(
        "pinned to a lost node",
        unscheduled(
            "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, "
            "1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }.",
            selector={HOST: "node-2"},
        ),
        Stage.UNSCHEDULED,
        ("untolerated taint", "node node-2 is Ready=Unknown", "stopped posting"),
        "the kubelet on node-2",
        node=LOST,
    ),
    Case(
        "pinned to a node without network",
        unscheduled(
            "0/2 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }, "
            "1 node(s) didn't match Pod's node affinity/selector.",
            selector={HOST: "node-2"},
        ),
        Stage.UNSCHEDULED,
        ("cni plugin not initialized",),
        "network plugin (CNI) on node-2",
        node=node("False", "KubeletNotReady", "container runtime network not ready: cni plugin not initialized"),
    ),
    Case(
        "pinned to a lost node, its taint not named",
        unscheduled(UNNAMED, selector={HOST: "node-2"}),
        Stage.UNSCHEDULED,
        ("untolerated taint(s): node node-2 is Ready=Unknown",),
        "the kubelet on node-2",
        node=LOST,
    ),
    Case(
        "pinned to a node without network, its taint not named",
        unscheduled(UNNAMED, selector={HOST: "node-2"}),
        Stage.UNSCHEDULED,
        ("Ready=False",),
        "the network plugin (CNI) on node-2",
        node=node("False", "KubeletNotReady", "NetworkReady=false: cni plugin not initialized"),
    ),
    Case(
        "pinned to a node whose kubelet complains of something else",
        unscheduled(UNNAMED, selector={HOST: "node-2"}),
        Stage.UNSCHEDULED,
        ("PLEG is not healthy",),
        "the kubelet on node-2",
        node=node("False", "KubeletNotReady", "PLEG is not healthy"),
    ),
    Case(
        "pinned to a cordoned node",
        unscheduled(UNNAMED, selector={HOST: "node-2"}),
        Stage.UNSCHEDULED,
        (),
        "kubectl uncordon node-2",
        node={**node("True"), "spec": {"unschedulable": True}},
    ),
    Case(
        "pinned to a tainted node",
        unscheduled(UNNAMED, selector={HOST: "node-2"}),
        Stage.UNSCHEDULED,
        ("untolerated taint(s)",),
        "taints",
        node=node("True"),
    ),
    Case(
        "pinned to a node that is not there",
        unscheduled("0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."),
        Stage.UNSCHEDULED,
        ("didn't match",),
        "labels",
    ),
    Case("no room", unscheduled("0/2 nodes are available: 2 Insufficient cpu."), Stage.UNSCHEDULED, (), "capacity"),
    Case(
        "gated",
        pod(conditions={"PodScheduled": {"status": "False", "reason": "SchedulingGated", "message": "gates: [x]"}}),
        Stage.UNSCHEDULED,
        ("gates",),
        "scheduling gate",
    ),
    Case(
        "kubelet silent, node still Ready",
        pod("node-2", started=False, conditions={"PodScheduled": "True"}),
        Stage.UNACKNOWLEDGED,
        (),
        "the kubelet on node-2",
        node=node("True"),
    ),
    Case(
        "kubelet silent, node lost",
        pod("node-2", started=False, conditions={"PodScheduled": "True"}),
        Stage.UNACKNOWLEDGED,
        ("Ready=Unknown (NodeStatusUnknown: Kubelet stopped posting node status.)",),
        "the kubelet on node-2",
        node=LOST,
    ),
    Case(
        "addresses used up",
        pod("node-2", conditions=SANDBOX, waiting=CREATING),
        Stage.NO_SANDBOX,
        ("FailedCreatePodSandBox: Failed to create pod sandbox", "no IP addresses available"),
        "pod addresses of node-2",
        events=(event("Scheduled", "x"), event("FailedCreatePodSandBox", NO_ADDRESS)),
    ),
    Case(
        "no CNI",
        pod("node-2", conditions=SANDBOX, waiting=CREATING),
        Stage.NO_SANDBOX,
        ("cni plugin not initialized",),
        "network plugin (CNI) on node-2",
        events=(event("FailedCreatePodSandBox", NO_CNI),),
    ),
    Case(
        "runtime silent",
        pod("node-2", conditions=SANDBOX, waiting=CREATING),
        Stage.NO_SANDBOX,
        ("has not said why",),
        "the container runtime, the network plugin (CNI) and the kubelet on node-2",
    ),
    Case(
        "registry refuses",
        pod(
            "node-2",
            conditions=NETWORK,
            waiting={
                "reason": "ErrImagePull",
                "message": "failed to do request: connect: connection refused",
            },
        ),
        Stage.NO_IMAGE,
        ("ErrImagePull: failed to do request", "connection refused"),
        "the registry 10.200.0.1:5000",
    ),
    Case(
        "back-off hides the cause, the event before it has it",
        pod("node-2", conditions=NETWORK, waiting={"reason": "ImagePullBackOff", "message": "Back-off pulling image"}),
        Stage.NO_IMAGE,
        ("ImagePullBackOff: Failed: Failed to pull image", "not found"),
        "the registry 10.200.0.1:5000",
        events=(
            event("Failed", f'Failed to pull image "{IMAGE}": not found'),
            event("Failed", "Error: ImagePullBackOff", "2026-01-01T00:00:09Z"),
        ),
    ),
    Case(
        "still pulling",
        pod("node-2", conditions=NETWORK, waiting=CREATING, podIP="10.244.2.3"),
        Stage.NO_IMAGE,
        ("still pulling 10.200.0.1:5000/kubeprobe/probes:dev",),
        "the registry 10.200.0.1:5000",
        events=(event("Pulling", "Pulling image"),),
    ),
    Case(
        "runtime makes no container",
        pod("node-2", conditions=NETWORK, waiting=CREATING, podIP="10.244.2.3"),
        Stage.NOT_STARTED,
        ("still being created",),
        "container runtime on node-2",
        events=(event("Pulling", "x"), event("Pulled", "y")),
    ),
    Case(
        "missing key",
        pod("node-2", conditions=NETWORK, waiting={"reason": "CreateContainerConfigError", "message": "no key"}),
        Stage.NOT_STARTED,
        ("CreateContainerConfigError: no key",),
        "node-2",
    ),
    Case(
        "readiness fails",
        pod("node-2", conditions=NETWORK, running=True, podIP="10.244.2.3", phase="Running"),
        Stage.NOT_READY,
        ("Unhealthy: Readiness probe failed: connection refused",),
        "pod network on node-2",
        events=(event("Unhealthy", "Readiness probe failed: connection refused"),),
    ),
    Case(
        "rejected by the kubelet",
        pod("node-2", phase="Failed", reason="OutOfpods", message="Node didn't have enough resource: pods"),
        Stage.ENDED,
        ("OutOfpods: Node didn't have enough",),
        "kubelet on node-2",
    ),
    Case(
        "delete not confirmed",
        pod("node-2", running=True, metadata={"deletionTimestamp": "2026-01-01T00:01:00Z"}),
        Stage.DELETING,
        ("not confirmed", "Ready=Unknown"),
        "kubelet and the container runtime on node-2",
        node=LOST,
    ),
    Case(
        "finalizer",
        pod("node-2", metadata={"deletionTimestamp": "2026-01-01T00:01:00Z", "finalizers": ["a.b/c"]}),
        Stage.DELETING,
        ("a.b/c",),
        "controllers",
    ),
    Case("all is well", pod("node-2", conditions={"Ready": "True"}, running=True, phase="Running"), Stage.READY),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_stuck_pod_names_its_reason(case: Case) -> None:
    state = read_pod(case.pod, case.events, case.node)
    assert state.stage is case.stage
    for words in case.says:
        assert words in state.reason
    assert case.look_at in state.look_at
    assert bool(state.look_at) == (case.stage is not Stage.READY)


def test_sentence_names_pod_node_reason_and_hint_within_the_bound() -> None:
    long = event("FailedCreatePodSandBox", NO_ADDRESS.replace("5f", "5f" * 400))
    text = str(read_pod(pod("node-2", conditions=SANDBOX, waiting=CREATING), [long]))
    assert text.startswith("pod subject-1 on node-2 has no sandbox")
    assert text.endswith("(CNI address management)")
    assert "no IP addresses available" in text, "the end of the kubelet's words says why"
    assert "combined from similar events" not in text
    assert len(text.encode()) < 800


def test_scheduler_is_quoted_without_its_thoughts_about_preemption() -> None:
    text = str(read_pod(unscheduled(CORDONED)))
    assert "is not scheduled: 0/2 nodes are available: 2 node(s) were unschedulable; look at" in text


def test_newest_event_wins() -> None:
    events = [
        event("FailedCreatePodSandBox", "old: no IP addresses available", "2026-01-01T00:00:01Z"),
        event("FailedCreatePodSandBox", "new: cni plugin not initialized", "2026-01-01T00:00:09Z"),
    ]
    state = read_pod(pod("node-2", conditions=SANDBOX, waiting=CREATING), events)
    assert "new:" in state.reason
    assert "old:" not in state.reason

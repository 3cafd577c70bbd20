"""How far a pod has come, why it goes no further, and what to look at: read from its status and its events, pure.

The order is that of a pod's life, and the earliest step that is missing wins. The container statuses outrank events,
since events can be late or lost; the words are the cluster's own (scheduler, kubelet, runtime, CNI plugin).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from cluster.words import (
    Object,
    condition,
    first_container,
    image_of,
    join,
    latest,
    node_name,
    node_trouble,
    registry_of,
    shorten,
)


class Stage(StrEnum):
    """The state that a pod is in, in words that continue "the pod …"."""

    UNSCHEDULED = "is not scheduled"
    UNACKNOWLEDGED = "is scheduled but not acknowledged by the kubelet"
    NO_SANDBOX = "has no sandbox (no network yet)"
    NO_IMAGE = "has no image"
    NOT_STARTED = "is not started"
    NOT_READY = "is running but not ready"
    READY = "is ready"
    ENDED = "has ended"
    DELETING = "is being deleted"


@dataclass(frozen=True)
class PodState:
    """A pod's stage with its reason and what to look at."""

    stage: Stage
    name: str
    node: str
    reason: str
    look_at: str

    def __str__(self) -> str:
        where = f" on {self.node}" if self.node else ""
        reason = f": {self.reason}" if self.reason else ""
        return f"pod {self.name}{where} {self.stage}{reason}" + (f"; look at {self.look_at}" if self.look_at else "")


def read_pod(pod: Object, events: Sequence[Object] = (), node: Object | None = None) -> PodState:
    """The stage of a pod; `events` are those of this pod, `node` is the one it is bound to, where readable."""
    for read in (_deleting, _ended, _unscheduled, _unacknowledged, _waiting, _not_ready):
        if state := read(pod, events, node):
            return state
    return _state(Stage.READY, pod, "", "")


def _state(stage: Stage, pod: Object, reason: str, look_at: str) -> PodState:
    return PodState(stage, pod["metadata"]["name"], node_name(pod), shorten(reason), look_at)


def _deleting(pod: Object, _events: Sequence[Object], node: Object | None) -> PodState | None:
    metadata = pod["metadata"]
    if not metadata.get("deletionTimestamp"):
        return None
    if finalizers := metadata.get("finalizers"):
        return _state(Stage.DELETING, pod, f"it has finalizers {', '.join(finalizers)}", "the finalizers' controllers")
    name = node_name(pod)
    reason = join("its node's kubelet has not confirmed that it is stopped", node_trouble(node))
    return _state(Stage.DELETING, pod, reason, f"the kubelet and the container runtime on {name}")


def _ended(pod: Object, _events: Sequence[Object], _node: Object | None) -> PodState | None:
    status = pod.get("status", {})
    if status.get("phase") not in ("Failed", "Succeeded"):
        return None
    reason = join(status.get("reason", ""), status.get("message", ""), _terminated(pod))
    return _state(Stage.ENDED, pod, reason or f"phase {status['phase']}", f"the kubelet on {node_name(pod)}")


def _unscheduled(pod: Object, events: Sequence[Object], node: Object | None) -> PodState | None:
    if node_name(pod):
        return None
    scheduled = condition(pod, "PodScheduled")
    words = str(scheduled.get("message") or latest(events, "FailedScheduling"))
    words = _PREEMPTION.split(words)[0]
    if scheduled.get("reason") == "SchedulingGated":
        return _state(Stage.UNSCHEDULED, pod, words, "the controller that removes its scheduling gate")
    if not words:
        silence = "the scheduler has said nothing about it: no condition and no event"
        return _state(Stage.UNSCHEDULED, pod, silence, "kube-scheduler (is it running, does it hold its lease?)")
    look_at = node_hint(node) or scheduling_hint(words, pod)
    return _state(Stage.UNSCHEDULED, pod, join(words, node_trouble(node)), look_at)


# What follows is about pods that might have been evicted in its favour: none, for a pod without priority.
_PREEMPTION = re.compile(r"\.? (?:no new claims to deallocate, )?preemption:")

# What the scheduler's words say about where to look: the first match wins.
_SCHEDULING = (
    ("node.kubernetes.io/unreachable", "the kubelet{on}: its node has stopped reporting"),
    ("node.kubernetes.io/not-ready", "the kubelet and the network plugin (CNI){on}: its node is not ready"),
    ("node.kubernetes.io/network-unavailable", "the network plugin (CNI){on}"),
    ("node.kubernetes.io/disk-pressure", "the disk{on}"),
    ("node.kubernetes.io/memory-pressure", "the memory{on}"),
    ("node.kubernetes.io/pid-pressure", "the number of processes{on}"),
    ("node.kubernetes.io/unschedulable", "who cordoned the nodes (kubectl get nodes; kubectl uncordon)"),
    ("were unschedulable", "who cordoned the nodes (kubectl get nodes; kubectl uncordon)"),
    ("Too many pods", "the nodes' capacity for pods"),
    ("Insufficient", "the nodes' capacity"),
    ("untolerated taint", "the nodes' taints"),
    ("didn't match", "the nodes' labels against the pod's nodeSelector"),
    ("no nodes available", "the nodes: none is registered"),
)


def node_hint(node: Object | None) -> str:
    """What to look at by the node that a pod is pinned to: since 1.34 the scheduler does not name the taint."""
    if node is None:
        return ""
    ready, name = condition(node, "Ready"), node["metadata"]["name"]
    if ready.get("status") == "False":
        network = "cni" in str(ready.get("message", "")).lower()
        return f"the network plugin (CNI) on {name}" if network else f"the kubelet on {name}, by its words above"
    if ready.get("status") == "Unknown":
        return f"the kubelet on {name}: its node has stopped reporting"
    if node.get("spec", {}).get("unschedulable"):
        return f"who cordoned {name} (kubectl uncordon {name})"
    return ""


def scheduling_hint(words: str, pod: Object) -> str:
    """What to look at after the scheduler refused a pod with these words."""
    wanted = (pod.get("spec", {}).get("nodeSelector") or {}).get("kubernetes.io/hostname")
    on = f" on {wanted}" if wanted else " of the nodes"
    for pattern, hint in _SCHEDULING:
        if pattern in words:
            return hint.format(on=on)
    return "kube-scheduler's words above"


def _unacknowledged(pod: Object, _events: Sequence[Object], node: Object | None) -> PodState | None:
    if pod.get("status", {}).get("startTime"):
        return None
    name = node_name(pod)
    return _state(Stage.UNACKNOWLEDGED, pod, node_trouble(node), f"the kubelet on {name}")


_IMAGE_REASONS = {
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
}
_SANDBOX_EVENTS = ("FailedCreatePodSandBox", "NetworkNotReady", "FailedMount", "FailedAttachVolume", "FailedSync")


def _waiting(pod: Object, events: Sequence[Object], node: Object | None) -> PodState | None:
    """No container runs: the image, the sandbox, or the container itself, in the order of what speaks first."""
    container = first_container(pod)
    state = container.get("state", {})
    if "running" in state:
        return None
    waiting = state.get("waiting", {})
    reason = str(waiting.get("reason", ""))
    if reason in _IMAGE_REASONS:
        return _state(Stage.NO_IMAGE, pod, _pull_words(waiting, events), image_hint(pod))
    if reason not in ("", "ContainerCreating", "PodInitializing") or state.get("terminated"):
        words = join(reason, waiting.get("message", ""), _terminated(pod))
        return _state(Stage.NOT_STARTED, pod, words, f"the container's command and the runtime on {node_name(pod)}")
    return _no_sandbox(pod, events, node) or _creating(pod, events)


def _no_sandbox(pod: Object, events: Sequence[Object], node: Object | None) -> PodState | None:
    if condition(pod, "PodReadyToStartContainers").get("status") == "True" or pod["status"].get("podIP"):
        return None
    words = latest(events, *_SANDBOX_EVENTS)
    reason = join(words, node_trouble(node)) or "the kubelet has not said why"
    return _state(Stage.NO_SANDBOX, pod, reason, sandbox_hint(reason, node_name(pod)))


# What the text of a sandbox that was not made says about where to look: the first match wins.
_SANDBOX = (
    ("no IP addresses available", "the pod addresses of {node}: its range is used up (CNI address management)"),
    ("failed to assign an IP address", "the pod addresses of {node} (CNI address management)"),
    ("failed to get sandbox image", "the registry of the sandbox (pause) image, as containerd on {node} names it"),
    ("no space left on device", "the disk of {node}"),
    ("no runtime for", "the RuntimeClass and the runtimes of containerd on {node}"),
    ("MountVolume", "the volume named above and the kubelet on {node}"),
    ("DeadlineExceeded", "the container runtime on {node} (it does not answer)"),
    ("failed to reserve sandbox name", "the container runtime on {node}: a first attempt still hangs"),
    ("cni", "the network plugin (CNI) on {node}: its configuration, its agent"),
    ("network", "the network plugin (CNI) on {node}: its configuration, its agent"),
)


def sandbox_hint(words: str, node: str) -> str:
    """What to look at when a pod's sandbox was not made, given what the kubelet says."""
    for pattern, hint in _SANDBOX:
        if pattern.lower() in words.lower():
            return hint.format(node=node)
    return f"the container runtime, the network plugin (CNI) and the kubelet on {node}"


def _creating(pod: Object, events: Sequence[Object]) -> PodState:
    """It has its sandbox: either the image is still on its way, or the runtime makes no container of it."""
    if latest(events, "Pulling") and not latest(events, "Pulled"):
        return _state(Stage.NO_IMAGE, pod, f"still pulling {image_of(pod)}", image_hint(pod))
    words = latest(events, "Failed") or "the container is still being created"
    return _state(Stage.NOT_STARTED, pod, words, f"the container runtime on {node_name(pod)}")


def _pull_words(waiting: Object, events: Sequence[Object]) -> str:
    """The registry's words; a back-off repeats them only in newer versions, the event before it has them always."""
    message, reason = str(waiting.get("message", "")), str(waiting.get("reason", ""))
    if "rror" in message or "fail" in message:
        return join(reason, message)
    failed = [event for event in events if "pull image" in event.get("message", "")]
    return join(reason, latest(failed, "Failed") or message)


def image_hint(pod: Object) -> str:
    """The registry of the pod's image, as seen from its node."""
    return f"the registry {registry_of(image_of(pod))} (is it up, does {node_name(pod)} reach it, is the image there?)"


def _not_ready(pod: Object, events: Sequence[Object], _node: Object | None) -> PodState | None:
    ready = condition(pod, "Ready")
    if ready.get("status") == "True":
        return None
    words = latest(events, "Unhealthy") or str(ready.get("message") or "its readiness probe has not passed yet")
    return _state(Stage.NOT_READY, pod, words, f"the pod's log and the pod network on {node_name(pod)}")


def _terminated(pod: Object) -> str:
    container = first_container(pod)
    ended = container.get("state", {}).get("terminated") or container.get("lastState", {}).get("terminated")
    if not ended:
        return ""
    return join(f"exit code {ended.get('exitCode')}", ended.get("reason", ""), ended.get("message", ""))

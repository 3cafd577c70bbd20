"""How far a silent run's pod came, in words that name what to look at: "timed out" alone is never the answer.

The earliest stage that is not complete wins. Container statuses and conditions outrank events, which may be late,
combined or lost.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kubeprobe.api import Stage
from kubeprobe.plan.pod_view import NOT_SEEN, PodView

COMBINED_PREFIX = re.compile(r"^\(combined from similar events\):\s*")
BARE_ERROR = re.compile(r"^(\(combined from similar events\):\s*)?Error: \w+$")
"""What the kubelet says after each failed pull, such as Error: ImagePullBackOff: nothing that was not known."""
IMAGE_REASONS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "RegistryUnavailable",
        "ImageInspectError",
    }
)


@dataclass(frozen=True, slots=True)
class PodEvent:
    """One Event about the pod, oldest first in a sequence."""

    reason: str
    message: str
    warning: bool


@dataclass(frozen=True, slots=True)
class NodeView:
    """The node that the pod was bound to, or may run on alone, as the API server last heard of it."""

    name: str
    ready: str
    """The Ready condition's status: True, False or Unknown; empty when the node is not there."""
    message: str


@dataclass(frozen=True, slots=True)
class Standstill:
    """Where a run stopped, why, and what to look at."""

    stage: Stage
    reason: str
    message: str


def standstill(pod: PodView, events: Sequence[PodEvent], node: NodeView | None) -> Standstill:
    """The last stage that the pod of a silent run reached, with the reason that its conditions and events give."""
    found = _on_node(pod, events) if pod.node else _unscheduled(pod, events)
    if node is None or node.ready == "True":
        return found
    state = "gone" if not node.ready else f"not ready: {node.message}" if node.message else "not ready"
    return Standstill(found.stage, found.reason, f"{found.message}; node {node.name} is {state}")


def _unscheduled(pod: PodView, events: Sequence[PodEvent]) -> Standstill:
    condition = pod.condition("PodScheduled")
    words = condition.message if condition and condition.status == "False" else ""
    words = words or _last(events, {"FailedScheduling"})
    if words:
        return Standstill(Stage.NOT_SCHEDULED, "Unschedulable", f"the pod was not scheduled: {words}")
    return Standstill(
        Stage.NOT_SCHEDULED,
        "SchedulerSilent",
        "the pod was not scheduled, and the scheduler has said nothing about it: look at kube-scheduler",
    )


def _on_node(pod: PodView, events: Sequence[PodEvent]) -> Standstill:
    if pod.running or _hung(pod):
        return Standstill(
            Stage.STARTED_AND_SILENT,
            "Silent",
            f"the probe was started on node {pod.node} and neither reported nor ended: its log may tell where it hangs",
        )
    if pod.ended:
        return _refused(pod)
    if not pod.acknowledged:
        return Standstill(
            Stage.NOT_ACKNOWLEDGED,
            "KubeletSilent",
            f"the pod is bound to node {pod.node}, whose kubelet has not acknowledged it: look at the kubelet there",
        )
    return _starting(pod, events)


def _hung(pod: PodView) -> bool:
    """The kubelet ended a probe that it had started, past its time."""
    ended = pod.terminated
    return pod.reason == "DeadlineExceeded" and ended is not None and ended.reason != NOT_SEEN


def _refused(pod: PodView) -> Standstill:
    """The pod ended without its container's word: the kubelet refused, evicted or lost it."""
    reason, message = pod.reason, pod.message
    if not reason and pod.terminated is not None:
        reason, message = pod.terminated.reason, pod.terminated.message
    words = f"{reason}: {message}" if message else reason or "no reason given"
    return Standstill(Stage.ENDED_UNHEARD, reason or "PodFailed", f"the pod ended on node {pod.node}: {words}")


def _starting(pod: PodView, events: Sequence[PodEvent]) -> Standstill:
    waiting = pod.waiting
    if waiting is not None and waiting.reason in IMAGE_REASONS:
        telling = [event for event in events if not BARE_ERROR.match(event.message)]
        words = _last(telling, {"Failed"}) or waiting.message
        return Standstill(Stage.NO_IMAGE, waiting.reason, f"the image was not pulled on node {pod.node}: {words}")
    sandbox = _last(events, {"FailedCreatePodSandBox", "NetworkNotReady"})
    if not _sandboxed(pod) and sandbox:
        return Standstill(Stage.NO_SANDBOX, "FailedCreatePodSandBox", f"no pod sandbox on node {pod.node}: {sandbox}")
    mount = _last(events, {"FailedMount", "FailedAttachVolume"})
    if not _sandboxed(pod) and mount:
        return Standstill(Stage.NO_SANDBOX, "FailedMount", f"a volume was not mounted on node {pod.node}: {mount}")
    if waiting is not None and waiting.reason not in ("", "ContainerCreating", "PodInitializing"):
        return Standstill(
            Stage.NOT_STARTED, waiting.reason, f"the container did not start on node {pod.node}: {waiting.message}"
        )
    if _sandboxed(pod):
        pulling = any(event.reason == "Pulling" for event in events)
        doing = "is still pulling its image" if pulling else "was not created"
        return Standstill(
            Stage.NO_IMAGE if pulling else Stage.NOT_STARTED,
            "ImagePullSlow" if pulling else "RuntimeSilent",
            f"the container {doing} on node {pod.node}: look at the container runtime and the registry",
        )
    return Standstill(
        Stage.NO_SANDBOX,
        "SandboxSilent",
        f"no pod sandbox on node {pod.node}, and nothing was said about it: "
        "look at the kubelet, the container runtime and the CNI plugin there",
    )


def _sandboxed(pod: PodView) -> bool:
    condition = pod.condition("PodReadyToStartContainers")
    return condition is not None and condition.status == "True"


def _last(events: Sequence[PodEvent], reasons: set[str]) -> str:
    for event in reversed(events):
        if event.reason in reasons and event.warning:
            return COMBINED_PREFIX.sub("", event.message)
    return ""

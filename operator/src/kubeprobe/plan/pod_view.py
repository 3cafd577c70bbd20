"""What the decisions see of a probe's pod: a small frozen reading of it, since whole pods would fill the memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from probe_sdk.wire import LABEL_RUN

CONTAINER = "probe"
STARTED_ANNOTATION = "kubeprobe.io/started-at"
DEADLINE_ANNOTATION = "kubeprobe.io/deadline"
HOSTNAME = "kubernetes.io/hostname"
NOT_SEEN = "ContainerStatusUnknown"
"""The kubelet's reason for a container whose end, and perhaps whose beginning, it has not seen."""


@dataclass(frozen=True, slots=True)
class PodCondition:
    """One entry of a pod's status.conditions."""

    type: str
    status: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """The container has not started, and why."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Terminated:
    """The container has ended."""

    exit_code: int
    signal: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class PodView:
    """A probe's pod, as far as a decision needs it."""

    namespace: str
    name: str
    uid: str
    resource_version: int
    run: str
    """The ProbeRun that it belongs to."""
    run_uid: str
    started_at: datetime | None
    """When the operator created it, by the operator's clock."""
    deadline: datetime | None
    node: str = ""
    wanted_node: str = ""
    """The only node that it may run on, where it says so: the one to look at while it is bound to none."""
    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    acknowledged: bool = False
    """The kubelet has taken it on (status.startTime is set)."""
    deleting: bool = False
    running: bool = False
    waiting: Waiting | None = None
    terminated: Terminated | None = None
    conditions: tuple[PodCondition, ...] = ()

    def condition(self, kind: str) -> PodCondition | None:
        """The condition of this type, if the pod has it."""
        return next((one for one in self.conditions if one.type == kind), None)

    @property
    def ended(self) -> bool:
        """The probe's process has ended, or never will start."""
        return self.terminated is not None or self.phase in ("Succeeded", "Failed")

    @property
    def interrupted(self) -> bool:
        """The probe was ended from outside or unseen, so its exit code is not its own word.

        A pod whose containers end by themselves has no reason; one that is evicted, preempted, shut down with its node
        or past activeDeadlineSeconds has.
        """
        unseen = self.terminated is not None and self.terminated.reason == NOT_SEEN
        return self.deleting or bool(self.reason) or unseen


def read_pod(body: Mapping[str, Any]) -> PodView:
    """The view of a pod as the API server tells it."""
    meta, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    annotations = meta.get("annotations") or {}
    state = _container_state(status)
    return PodView(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        resource_version=int(meta["resourceVersion"]),
        run=(meta.get("labels") or {}).get(LABEL_RUN, ""),
        run_uid=next((ref["uid"] for ref in meta.get("ownerReferences") or () if ref["kind"] == "ProbeRun"), ""),
        started_at=_time(annotations.get(STARTED_ANNOTATION)),
        deadline=_time(annotations.get(DEADLINE_ANNOTATION)),
        node=spec.get("nodeName") or "",
        wanted_node=_wanted_node(spec),
        phase=status.get("phase") or "Pending",
        reason=status.get("reason") or "",
        message=status.get("message") or "",
        acknowledged=bool(status.get("startTime")),
        deleting=bool(meta.get("deletionTimestamp")),
        running="running" in state,
        waiting=_waiting(state.get("waiting")),
        terminated=_terminated(state.get("terminated")),
        conditions=tuple(_condition(one) for one in status.get("conditions") or ()),
    )


def _wanted_node(spec: Mapping[str, Any]) -> str:
    selected = (spec.get("nodeSelector") or {}).get(HOSTNAME)
    if selected:
        return str(selected)
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    fields = [field for term in required.get("nodeSelectorTerms") or () for field in term.get("matchFields") or ()]
    return next((str(name) for field in fields for name in field.get("values") or ()), "")


def _container_state(status: Mapping[str, Any]) -> Mapping[str, Any]:
    for container in status.get("containerStatuses") or ():
        if container.get("name") == CONTAINER:
            state: Mapping[str, Any] = container.get("state") or {}
            return state
    return {}


def _waiting(state: Mapping[str, Any] | None) -> Waiting | None:
    return Waiting(state.get("reason") or "", state.get("message") or "") if state else None


def _terminated(state: Mapping[str, Any] | None) -> Terminated | None:
    if not state:
        return None
    return Terminated(
        exit_code=state.get("exitCode", 0),
        signal=state.get("signal", 0),
        reason=state.get("reason") or "",
        message=state.get("message") or "",
    )


def _condition(one: Mapping[str, Any]) -> PodCondition:
    return PodCondition(one["type"], one["status"], one.get("reason") or "", one.get("message") or "")


def _time(text: str | None) -> datetime | None:
    """The time that an annotation tells; anybody may have edited it, so what is not a time with its zone is none."""
    try:
        found = datetime.fromisoformat(text) if text else None
        return found.astimezone(UTC) if found and found.tzinfo else None
    except (ValueError, OverflowError):
        return None

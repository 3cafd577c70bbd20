"""Objects as the API server would hand them over, built from their wire form with as little said as a test needs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from kubeprobe.api import Phase, ProbeConfig, ProbeResultStatus, ProbeRun, ProbeRunStatus, ProbeTemplate, Verdict
from kubeprobe.plan.pod_view import PodView, read_pod

CREATED = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
NAMESPACE = "probes"
API = "kubeprobe.io/v1alpha1"


def at(seconds: float) -> datetime:
    """So many seconds after everything was created."""
    return CREATED + timedelta(seconds=seconds)


def meta(name: str, uid: str = "", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": NAMESPACE,
        "uid": uid or f"uid-{name}",
        "resourceVersion": "1",
        "generation": 1,
        "creationTimestamp": CREATED.isoformat(),
        **more,
    }


def template(name: str = "etcd", *, metadata: dict[str, Any] | None = None, **spec: Any) -> ProbeTemplate:
    body = {"metadata": meta(name, namespace="", **(metadata or {})), "spec": {"image": "probe:1", **spec}}
    return ProbeTemplate.model_validate(body)


def config(name: str = "main", *, metadata: dict[str, Any] | None = None, **spec: Any) -> ProbeConfig:
    """A config that runs every minute, unless a schedule (or none) is given."""
    whole = {"templateRef": {"name": "etcd"}, "schedule": {"every": "60s"}, **spec}
    return ProbeConfig.model_validate({"metadata": meta(name, **(metadata or {})), "spec": whole})


def on_demand(name: str = "main", **spec: Any) -> ProbeConfig:
    return config(name, mode="OnDemand", schedule=None, **spec)


def owned_by(of: ProbeConfig) -> dict[str, Any]:
    reference = {"apiVersion": API, "kind": "ProbeConfig", "name": of.metadata.name, "uid": of.metadata.uid}
    return {"ownerReferences": [reference]}


def run(
    name: str = "main-1",
    *,
    metadata: dict[str, Any] | None = None,
    status: dict[str, Any] | ProbeRunStatus | None = None,
    slot: datetime | None = None,
    **spec: Any,
) -> ProbeRun:
    """A manual run of the config `main`, or the run of a slot, or, with templateRef, a run for itself."""
    whole = {} if "templateRef" in spec else {"configRef": {"name": "main"}}
    if slot is not None:
        whole["trigger"] = {"kind": "Schedule", "slot": slot.isoformat()}
    body = {"metadata": meta(name, **(metadata or {})), "spec": {**whole, **spec}, "status": _dump(status)}
    return ProbeRun.model_validate(body)


def ended(
    name: str, finished: datetime, verdict: str | Verdict = "Passed", *, reason: str = "", **more: Any
) -> ProbeRun:
    """A run that is over."""
    status = {
        "phase": "Completed",
        "verdict": str(verdict),
        "reason": reason or str(verdict),
        "message": "" if str(verdict) == "Passed" else f"it {verdict}",
        "finishedAt": finished.isoformat(),
        "durationSeconds": 1.5,
    }
    slot, metadata = more.pop("slot", None), more.pop("metadata", None)
    return run(name, metadata=metadata, slot=slot, status={**status, **more})


def with_status(of: ProbeRun, status: ProbeRunStatus) -> ProbeRun:
    """The run as the API server tells it after this status was written as a merge patch."""
    merged = {**_dump(of.status), **_dump(status)}
    return ProbeRun.model_validate({**of.model_dump(by_alias=True, mode="json"), "status": merged})


def written(status: ProbeResultStatus) -> ProbeResultStatus:
    """The status after a way through the API server."""
    return ProbeResultStatus.model_validate_json(status.model_dump_json(by_alias=True, exclude_none=True))


def pod(of: ProbeRun | None = None, **more: Any) -> PodView:
    return read_pod(pod_body(of, **more))


def pod_body(
    of: ProbeRun | None = None,
    *,
    node: str = "",
    started: datetime | str | None = CREATED,
    deadline: datetime | str | None = CREATED + timedelta(seconds=60),
    status: dict[str, Any] | None = None,
    owner_uid: str | None = None,
    **metadata: Any,
) -> dict[str, Any]:
    """The pod of a run, created by the operator at CREATED with a minute's time."""
    of = of or run()
    times = {"kubeprobe.io/started-at": started, "kubeprobe.io/deadline": deadline}
    owner = {"apiVersion": API, "kind": "ProbeRun", "name": of.metadata.name, "uid": owner_uid or of.metadata.uid}
    return {
        "metadata": meta(
            of.metadata.name,
            uid="uid-pod",
            labels={"kubeprobe.io/run": of.metadata.name},
            annotations={name: str(time) for name, time in times.items() if time is not None},
            ownerReferences=[owner] if owner_uid != "" else [],
            **metadata,
        ),
        "spec": {"nodeName": node} if node else {},
        "status": status or {},
    }


def container(**state: Any) -> dict[str, Any]:
    """A pod's status with its container in this state, taken on by the kubelet."""
    return {
        "phase": "Running" if "running" in state else "Failed" if "terminated" in state else "Pending",
        "startTime": CREATED.isoformat(),
        "containerStatuses": [{"name": "sidecar", "state": {}}, {"name": "probe", "state": state}],
    }


def _dump(status: dict[str, Any] | ProbeRunStatus | None) -> dict[str, Any]:
    if isinstance(status, ProbeRunStatus):
        return status.model_dump(by_alias=True, exclude_none=True, mode="json")
    return status or {"phase": Phase.PENDING.value}

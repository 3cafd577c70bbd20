"""Pods, events and nodes as the API gives them, with only what a reading looks at."""

from typing import Any

IMAGE = "10.200.0.1:5000/kubeprobe/probes:dev"


def pod(
    node: str = "",
    *,
    conditions: dict[str, Any] | None = None,
    started: bool = True,
    waiting: dict[str, str] | None = None,
    running: bool = False,
    image: str = IMAGE,
    selector: dict[str, str] | None = None,
    metadata: dict[str, Any] | None = None,
    **status: Any,
) -> dict[str, Any]:
    spec: dict[str, Any] = {"containers": [{"name": "subject", "image": image}]}
    if node:
        spec["nodeName"] = node
    if selector:
        spec["nodeSelector"] = selector
    entries = [
        {"type": kind, **(value if isinstance(value, dict) else {"status": value})}
        for kind, value in (conditions or {}).items()
    ]
    full: dict[str, Any] = {"phase": "Pending", "conditions": entries, **status}
    if node and started:
        full["startTime"] = "2026-01-01T00:00:00Z"
    if waiting:
        full["containerStatuses"] = [{"state": {"waiting": waiting}}]
    if running:
        full["containerStatuses"] = [{"state": {"running": {"startedAt": "2026-01-01T00:00:02Z"}}}]
    return {"metadata": {"name": "subject-1", "namespace": "probes", **(metadata or {})}, "spec": spec, "status": full}


def event(reason: str, message: str, at: str = "2026-01-01T00:00:05Z") -> dict[str, Any]:
    return {"reason": reason, "message": message, "lastTimestamp": at}


def node(ready: str, reason: str = "", message: str = "", name: str = "node-2") -> dict[str, Any]:
    condition = {"type": "Ready", "status": ready, "reason": reason, "message": message}
    return {"metadata": {"name": name}, "status": {"conditions": [condition]}}

"""What the API server knows of a run that stayed silent: asked for then, and only then."""

from __future__ import annotations

from kubeprobe.kube.port import EVENTS, NODES, ApiError, Object, Reader
from kubeprobe.plan.run import AskForEvidence, Evidence
from kubeprobe.plan.stage import NodeView, PodEvent


async def gather_evidence(api: Reader, namespace: str, ask: AskForEvidence) -> Evidence:
    """The pod's events, oldest first, and its node's state; what cannot be read is left out, for less is still more."""
    return Evidence(events=await _events(api, namespace, ask.pod_uid), node=await _node(api, ask.node))


async def _events(api: Reader, namespace: str, pod_uid: str) -> tuple[PodEvent, ...]:
    found: list[Object] = []
    try:
        async for event in api.list(EVENTS, namespace, field_selector=f"involvedObject.uid={pod_uid}"):
            found.append(event)
    except ApiError:
        return ()
    return tuple(
        PodEvent(event.get("reason") or "", event.get("message") or "", event.get("type") == "Warning")
        for event in sorted(found, key=_last_seen)
    )


def _last_seen(event: Object) -> str:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return next((str(time) for time in times if time), event["metadata"]["creationTimestamp"])


async def _node(api: Reader, name: str) -> NodeView | None:
    if not name:
        return None
    try:
        node = await api.get(NODES, None, name)
    except ApiError as error:
        return NodeView(name, ready="", message="") if error.not_found else None
    conditions = (node.get("status") or {}).get("conditions") or ()
    ready = next((one for one in conditions if one["type"] == "Ready"), {"status": "Unknown"})
    return NodeView(name, ready["status"], ready.get("message") or "")

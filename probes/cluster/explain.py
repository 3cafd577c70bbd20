"""From "it did not come in time" to a sentence: gather a pod's events and its node once, and read them.

A green run never gets here, so the evidence costs requests only where there is something to explain. The reading
itself is pure (`cluster.stage`).
"""

import asyncio

from cluster.api import EVENTS, NODES, NOT_FOUND, Api, Resource
from cluster.errors import ApiError, own_node
from cluster.limits import EVIDENCE_SECONDS, Allowance
from cluster.stage import PodState, read_pod
from cluster.words import Object, join, node_name
from probe_sdk import ProbeFailure


async def pod_state(api: Api, pod: Object) -> PodState:
    """How far a pod has come, with whatever evidence the probe may read, and read in time."""
    selector = pod["spec"].get("nodeSelector") or {}
    name = node_name(pod) or selector.get("kubernetes.io/hostname", "")
    try:
        async with asyncio.timeout(EVIDENCE_SECONDS):
            events, node = await asyncio.gather(_events(api, pod), _node(api, name))
    except TimeoutError:
        events, node = [], None
    return read_pod(pod, events, node)


async def newest(api: Api, resource: Resource, name: str) -> Object | None:
    """An object as it is now, None where it is gone: what a watch knows may be old, or the watch be cut off."""
    path = resource.path(api.config.namespace, name)
    try:
        async with asyncio.timeout(EVIDENCE_SECONDS):
            return await api.request("GET", path)
    except TimeoutError as error:
        late_answer = TimeoutError(f"no answer within {EVIDENCE_SECONDS:g}s")
        raise await api.no_answer(f"GET {path}", late_answer) from error
    except ApiError as error:
        if error.status == NOT_FOUND:
            return None
        raise


async def _events(api: Api, pod: Object) -> list[Object]:
    try:
        uid = pod["metadata"]["uid"]
        events, _ = await api.list(EVENTS, pod["metadata"]["namespace"], fields=f"involvedObject.uid={uid}")
    except ProbeFailure:
        return []  # the pod's own status still says something
    return events


async def _node(api: Api, name: str) -> Object | None:
    try:
        return await api.get(NODES, None, name) if name else None
    except ProbeFailure:
        return None  # nodes are readable only with the optional ClusterRole


def late(step: str, allowed: Allowance, what: str) -> ProbeFailure:
    """The failure of a step that did not come in time."""
    return ProbeFailure(f"{step}: not within {allowed}: {what}")


def in_step(step: str, error: ProbeFailure) -> ProbeFailure:
    """A failure that already explains itself, with the step it happened in."""
    return ProbeFailure(*(join(step, text) for text in error.errors))


def behind_silence(pod: Object, cause: str) -> str:
    """What to look at when a pod's own address gives no answer here."""
    if "connection refused" in cause:  # the network brought the refusal back: it works
        return "the pod's log: its address is reached, but nothing listens there"
    here, there = own_node(), f"node {node_name(pod)}"
    if here == there:
        return f"the pod network (CNI) on {there}"
    return f"the pod network between {here} and {there} (CNI, routes)"

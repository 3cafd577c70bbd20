"""Small readings of pods, nodes and events as the API gives them, and putting their words into one line."""

from collections.abc import Sequence
from typing import Any

Object = dict[str, Any]
"""An object of the API as plain JSON."""

MAX_WORDS = 420


def node_name(pod: Object) -> str:
    """The node a pod is bound to; empty before that."""
    return str(pod.get("spec", {}).get("nodeName") or "")


def image_of(pod: Object) -> str:
    """The image of a pod's first container."""
    return str(pod["spec"]["containers"][0]["image"])


def registry_of(image: str) -> str:
    """The host of an image reference, by the container runtimes' own rule."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"


def first_container(pod: Object) -> Object:
    """The status of a pod's first container; empty where the kubelet has not written one."""
    statuses = pod.get("status", {}).get("containerStatuses") or [{}]
    return dict(statuses[0])


def condition(thing: Object, kind: str) -> Object:
    """A condition by its type; empty where there is none."""
    for entry in thing.get("status", {}).get("conditions") or ():
        if entry.get("type") == kind:
            return dict(entry)
    return {}


def node_trouble(node: Object | None) -> str:
    """What a node's Ready condition says, unless it is True."""
    if node is None:
        return ""
    ready = condition(node, "Ready")
    if ready.get("status") == "True":
        return ""
    words = join(str(ready.get("reason", "")), str(ready.get("message", "")))
    return f"node {node['metadata']['name']} is Ready={ready.get('status', 'Unknown')} ({words})"


def latest(events: Sequence[Object], *reasons: str) -> str:
    """The newest event with one of these reasons, as `Reason: message`; empty where there is none."""
    found = [event for event in events if event.get("reason") in reasons]
    if not found:
        return ""
    newest = max(found, key=_when)
    message = str(newest.get("message", "")).removeprefix("(combined from similar events): ")
    return join(str(newest["reason"]), message)


def _when(event: Object) -> str:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return next((str(time) for time in times if time), "")


def join(*parts: str) -> str:
    """The parts that say something, with colons between."""
    return ": ".join(part.strip() for part in parts if part and part.strip())


def shorten(text: str, limit: int = MAX_WORDS) -> str:
    """One line, its middle left out where it is too long: the beginning says what, the end says why."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    tail = limit * 2 // 3
    return f"{line[: limit - tail - 3]} … {line[-tail:]}"

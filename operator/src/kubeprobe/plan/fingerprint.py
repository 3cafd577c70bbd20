"""What of an object counts as a change, in few bytes: a fingerprint of it, what is in it by name, and who wrote it.

Not the generation, which an annotation moves, and not Events, which are lost: a fingerprint of what matters can be
compared at any time, so a change that was made while nobody looked is found like any other.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubeprobe.api import ChangeSource, NodeFact
from kubeprobe.plan.found import LABEL_RESIDENT
from probe_sdk.wire import LABEL_CONFIG, LABEL_RUN
from probe_sdk.wire import cut as cut_to

Body = Mapping[str, Any]
Facts = tuple[tuple[str, str], ...]

LABEL_KNOWN = "kubeprobe.io/known"
"""On the ConfigMaps that keep fingerprints: their content changes because others' does."""
OWN_LABELS = frozenset({LABEL_RUN, LABEL_CONFIG, LABEL_RESIDENT, LABEL_KNOWN})
CAUSE = "kubernetes.io/change-cause"
FINGERPRINT_BYTES = 8
MOST_FACTS = 50
MOST_PARTS = 10
DETAILS_BYTES = 256
SECRET = "Secret"  # noqa: S105 - a kind


@dataclass(frozen=True, slots=True, order=True)
class ObjectKey:
    """Which object: a kind of Kubernetes itself by its name alone, others with their group."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Tracked:
    """An object as far as its changes need it; thousands of them rest in memory."""

    key: ObjectKey
    api_version: str
    uid: str
    resource_version: int
    labels: Mapping[str, str]
    fingerprint: str
    facts: Facts
    """What is in it by name, for telling what changed."""
    by: str
    """The field manager that wrote it last."""
    written_at: datetime | None
    """When that was, where the API server keeps it."""
    cause: str


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is looked at in the objects of a kind."""

    source: ChangeSource
    content: Callable[[Body], Any]
    facts: Callable[[Body], Iterable[tuple[str, Any]]]
    path: tuple[str, ...]
    """The field whose writer made the change; of a node that is only so for cordons, the rest is its kubelet's word."""
    by_uid: bool
    """Whether another object of the same name and content is a change: its pods, or its own objects, are others."""
    legible: bool = False
    """Whether facts are told as they are; else their names alone."""


def source_of(kind: str) -> ChangeSource:
    """Where changes of a kind belong."""
    return _kind(kind).source


def is_own(body: Body) -> bool:
    """Whether an object is the doing of kubeprobe's own runs and probers, which no probe is to run for."""
    return not OWN_LABELS.isdisjoint(body["metadata"].get("labels") or {})


def read_tracked(kind: str, body: Body, seal: bytes = b"") -> Tracked:
    """The reading of an object as the API server tells it.

    Args:
        kind: its kind, with the group where Kubernetes itself has no such kind.
        body: the object.
        seal: a key that only the operator has, for Secrets: without it, what is in one could be guessed from its
            fingerprint by trying.

    Raises:
        ValueError: a Secret without a seal.
    """
    if kind != SECRET:
        seal = b""
    elif not seal:
        raise ValueError("a Secret's fingerprint needs a seal")
    rules, meta = _kind(kind), body["metadata"]
    by, written_at = _writer(body, rules)
    content = [meta["uid"] if rules.by_uid else "", rules.content(body)]
    found = ((name, value if rules.legible else fingerprint(value, seal)) for name, value in rules.facts(body))
    facts = sorted((sys.intern(name), sys.intern(str(value))) for name, value in found)
    return Tracked(
        key=ObjectKey(sys.intern(kind), sys.intern(meta.get("namespace") or ""), meta["name"]),
        api_version=sys.intern(body.get("apiVersion") or ""),
        uid=meta["uid"],
        resource_version=int(meta["resourceVersion"]),
        labels={sys.intern(key): sys.intern(value) for key, value in (meta.get("labels") or {}).items()},
        fingerprint=fingerprint(content, seal),
        facts=tuple(facts[:MOST_FACTS]),
        by=sys.intern(by),
        written_at=written_at,
        cause=str((meta.get("annotations") or {}).get(CAUSE) or ""),
    )


def fingerprint(value: Any, seal: bytes = b"") -> str:
    """A short name for just this value; what is null is as if it was not there."""
    text = json.dumps(_without_null(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=FINGERPRINT_BYTES, key=seal).hexdigest()


def differences(before: Tracked, after: Tracked) -> tuple[tuple[str, ...], str]:
    """What of an object is another than it was, by name, and in words."""
    was, is_now = dict(before.facts), dict(after.facts)
    parts = [name for name in sorted(was.keys() | is_now.keys()) if was.get(name) != is_now.get(name)]
    rules = _kind(after.key.kind)
    if not parts:
        return (), ".".join(rules.path)
    told = [_told(name, was.get(name), is_now.get(name)) if rules.legible else name for name in parts]
    return tuple(parts[:MOST_PARTS]), cut_to("; ".join(told), DETAILS_BYTES)


def _told(name: str, was: str | None, is_now: str | None) -> str:
    if was is None or is_now is None:
        return f"{name} removed ({was})" if is_now is None else f"{name} added ({is_now})"
    return f"{name}: {was} → {is_now}"


def _kind(name: str) -> _Kind:
    return KINDS.get(name, WORKLOAD)


def _template(body: Body) -> Any:
    return (body.get("spec") or {}).get("template")


def _images(body: Body) -> Iterator[tuple[str, Any]]:
    spec = (_template(body) or {}).get("spec") or {}
    for one in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        yield one.get("name", ""), one.get("image", "")


def _data(body: Body) -> Any:
    return dict(_keys(body))


def _keys(body: Body) -> Iterator[tuple[str, Any]]:
    yield from (body.get("data") or {}).items()
    yield from (body.get("binaryData") or {}).items()


def _spec(body: Body) -> Any:
    return body.get("spec")


def _versions(body: Body) -> Iterator[tuple[str, Any]]:
    return ((one["name"], one) for one in (body.get("spec") or {}).get("versions") or ())


def _webhooks(body: Body) -> Any:
    return body.get("webhooks")


def _hooks(body: Body) -> Iterator[tuple[str, Any]]:
    return ((one["name"], one) for one in body.get("webhooks") or ())


def _node(body: Body) -> Any:
    return dict(_node_facts(body))


def _node_facts(body: Body) -> Iterator[tuple[str, Any]]:
    told = (body.get("status") or {}).get("nodeInfo") or {}
    yield NodeFact.KUBELET.value, told.get("kubeletVersion", "")
    yield NodeFact.KERNEL.value, told.get("kernelVersion", "")
    yield NodeFact.RUNTIME.value, told.get("containerRuntimeVersion", "")
    yield NodeFact.OS_IMAGE.value, told.get("osImage", "")
    yield NodeFact.CORDON.value, "cordoned" if (body.get("spec") or {}).get("unschedulable") else "open"


WORKLOAD = _Kind(ChangeSource.ROLLOUT, _template, _images, ("spec", "template"), by_uid=True, legible=True)
"""Whatever has a pod template."""
DATA = _Kind(ChangeSource.OBJECT, _data, _keys, ("data",), by_uid=False)
WEBHOOKS = _Kind(ChangeSource.OBJECT, _webhooks, _hooks, ("webhooks",), by_uid=False)
KINDS: Mapping[str, _Kind] = {
    "Node": _Kind(ChangeSource.NODE, _node, _node_facts, ("spec", "unschedulable"), by_uid=True, legible=True),
    "ConfigMap": DATA,
    SECRET: DATA,
    "CustomResourceDefinition": _Kind(ChangeSource.OBJECT, _spec, _versions, ("spec",), by_uid=True),
    "ValidatingWebhookConfiguration": WEBHOOKS,
    "MutatingWebhookConfiguration": WEBHOOKS,
}


def _writer(body: Body, rules: _Kind) -> tuple[str, datetime | None]:
    """The field manager that wrote what counts last, and when; else the one that wrote anything of the object last."""
    entries = [one for one in body["metadata"].get("managedFields") or () if not one.get("subresource")]
    mine = [one for one in entries if _owns(one.get("fieldsV1") or {}, rules.path)]
    anybody = () if rules.source is ChangeSource.NODE else entries
    newest = max(mine or anybody, key=lambda one: str(one.get("time") or ""), default=None)
    if newest is None:
        return "", None
    time = newest.get("time")
    return str(newest.get("manager") or ""), datetime.fromisoformat(time) if time else None


def _owns(fields: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    for name in path:
        if f"f:{name}" not in fields:
            return False
        fields = fields[f"f:{name}"]
    return True


def _without_null(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_null(part) for name, part in value.items() if part is not None}
    if isinstance(value, list | tuple):
        return [_without_null(part) for part in value]
    return value

"""The two kinds of API priority and fairness, and their specs in one comparable form. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from cluster.api import Resource
from cluster.words import Object

GROUP_VERSION = "flowcontrol.apiserver.k8s.io/v1"
FLOW_SCHEMA, PRIORITY_LEVEL = "FlowSchema", "PriorityLevelConfiguration"
RESOURCES: Mapping[str, Resource] = {
    FLOW_SCHEMA: Resource(GROUP_VERSION, "flowschemas", namespaced=False),
    PRIORITY_LEVEL: Resource(GROUP_VERSION, "prioritylevelconfigurations", namespaced=False),
}
_BY_LOWER = {kind.lower(): kind for kind in RESOURCES}


class Key(NamedTuple):
    """One object."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


Specs = dict[Key, Object]


class BaselineError(ValueError):
    """The baseline cannot be read; the text says where and how to write it."""


def read_baseline(data: Mapping[str, str]) -> Specs:
    """A ConfigMap's data as specs.

    A value holds objects (any number of documents, also a List), or one spec under a key `KIND.NAME`.
    """
    specs: Specs = {}
    for key, text in data.items():
        for document in _documents(key, text):
            specs.update(_specs(key, document))
    return specs


def _documents(key: str, text: str) -> list[Any]:
    try:
        return [document for document in yaml.safe_load_all(text) if document is not None]
    except yaml.YAMLError as error:
        raise BaselineError(f"key {key!r} is not YAML: {' '.join(str(error).split())}") from None


def _specs(key: str, document: Any) -> Iterator[tuple[Key, Object]]:
    if not isinstance(document, dict):
        raise BaselineError(f"key {key!r} holds no object: write FlowSchemas and PriorityLevelConfigurations as YAML")
    if "items" in document:
        for item in document["items"] or ():
            yield from _specs(key, item)
    elif document.get("kind") in RESOURCES:
        yield _named(key, document), comparable(document["kind"], document.get("spec") or {})
    elif "kind" in document:
        raise BaselineError(f"key {key!r} holds a {document['kind']}: only {FLOW_SCHEMA} and {PRIORITY_LEVEL} count")
    else:
        kind, _, name = key.partition(".")
        if kind.lower() not in _BY_LOWER or not name:
            raise BaselineError(f"key {key!r} holds a spec without a kind: call the key {FLOW_SCHEMA}.NAME or the like")
        found = Key(_BY_LOWER[kind.lower()], name)
        yield found, comparable(found.kind, document)


def _named(key: str, document: Mapping[str, Any]) -> Key:
    name = (document.get("metadata") or {}).get("name")
    if not name:
        raise BaselineError(f"key {key!r} holds a {document['kind']} without metadata.name")
    return Key(document["kind"], str(name))


def live(kind: str, items: Iterable[Object]) -> Specs:
    """Objects of the API as specs; metadata and status are the server's own."""
    return {Key(kind, item["metadata"]["name"]): comparable(kind, item.get("spec") or {}) for item in items}


def comparable(kind: str, spec: Mapping[str, Any]) -> Object:
    """A spec with the defaults that the API server fills in, so that a baseline may leave them out."""
    return _flow_schema(spec) if kind == FLOW_SCHEMA else _priority_level(spec)


def _flow_schema(spec: Mapping[str, Any]) -> Object:
    return {"matchingPrecedence": 1000, **spec}


def _priority_level(spec: Mapping[str, Any]) -> Object:
    filled = dict(spec)
    if spec.get("type") == "Limited":
        filled["limited"] = _limited(spec.get("limited") or {})
    elif spec.get("type") == "Exempt":
        filled["exempt"] = {"nominalConcurrencyShares": 0, "lendablePercent": 0, **(spec.get("exempt") or {})}
    return filled


def _limited(limited: Mapping[str, Any]) -> Object:
    filled: Object = {"nominalConcurrencyShares": 30, "lendablePercent": 0, **limited}
    response = dict(limited.get("limitResponse") or {})
    if response.get("type") == "Queue":
        response["queuing"] = {"queues": 64, "handSize": 8, "queueLengthLimit": 50, **(response.get("queuing") or {})}
    return {**filled, "limitResponse": response}

"""What of a cluster's objects could be probed: a small frozen reading of each, since thousands rest in memory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubeprobe.api import Discover, DiscoverKind

OPT_OUT = "kubeprobe.io/probe"
"""An object whose annotation of this name says "false" is no target."""
SERVICE_NAME = "kubernetes.io/service-name"
TLS_PORTS = frozenset({443, 6443, 8443})
ANY_PORT = (DiscoverKind.NODE, DiscoverKind.POD)
"""Kinds whose objects take connections at ports that they do not list."""
NODE_ADDRESSES = ("InternalIP", "ExternalIP", "Hostname")


@dataclass(frozen=True, slots=True)
class Port:
    """A port as its object tells it."""

    name: str
    number: int
    tls: bool


@dataclass(frozen=True, slots=True)
class Spot:
    """One address that an object can be probed at."""

    address: str
    ports: tuple[Port, ...] = ()
    path: str = "/"
    pod: str = ""
    """The pod behind it, where one is named."""
    about: tuple[tuple[str, str], ...] = ()
    """What else is worth a label: service, pod, node, zone."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One object, and where it can be probed: nowhere if it is going, or opted out."""

    kind: DiscoverKind
    namespace: str
    name: str
    uid: str
    resource_version: int
    labels: Mapping[str, str]
    opted_out: bool
    spots: tuple[Spot, ...]

    def differs(self, other: Candidate | None) -> bool:
        """Whether it says something else about targets than an earlier reading did."""
        return other is None or (self.labels, self.opted_out, self.spots) != (
            other.labels,
            other.opted_out,
            other.spots,
        )


def read_candidate(kind: DiscoverKind, body: Mapping[str, Any]) -> Candidate:
    """The reading of an object as the API server tells it."""
    meta = body["metadata"]
    opted_out = str((meta.get("annotations") or {}).get(OPT_OUT, "")).lower() == "false"
    there = not opted_out and not meta.get("deletionTimestamp")
    return Candidate(
        kind=kind,
        namespace=sys.intern(meta.get("namespace") or ""),
        name=meta["name"],
        uid=meta["uid"],
        resource_version=int(meta["resourceVersion"]),
        labels={sys.intern(key): sys.intern(value) for key, value in (meta.get("labels") or {}).items()},
        opted_out=opted_out,
        spots=tuple(SPOTS[kind](body)) if there else (),
    )


def port_of(entry: Discover, ports: Sequence[Port]) -> Port | None:
    """The port that is meant; None where the object does not have it, one without a number where it has none at all."""
    if entry.port is None:
        return ports[0] if ports else Port("", 0, tls=False)
    if not entry.port.isdigit():
        return next((one for one in ports if one.name == entry.port), None)
    number = int(entry.port)
    known = next((one for one in ports if one.number == number), None)
    return known or (Port("", number, number in TLS_PORTS) if entry.kind in ANY_PORT else None)


def _service(body: Mapping[str, Any]) -> Iterator[Spot]:
    meta, spec = body["metadata"], body.get("spec") or {}
    ports = _ports(spec.get("ports") or (), "port")
    cluster_ip = spec.get("clusterIP") or ""
    if spec.get("type") == "ExternalName":
        yield Spot(spec["externalName"], ports)
    elif cluster_ip == "None":
        yield Spot(f"{meta['name']}.{meta['namespace']}.svc", ports)
    elif cluster_ip:
        yield Spot(cluster_ip, ports)


def _endpoint_slice(body: Mapping[str, Any]) -> Iterator[Spot]:
    ports = _ports(body.get("ports") or (), "port")
    service = (body["metadata"].get("labels") or {}).get(SERVICE_NAME, "")
    for one in body.get("endpoints") or ():
        if (one.get("conditions") or {}).get("ready") is False or not one.get("addresses"):
            continue
        behind = one.get("targetRef") or {}
        pod = behind.get("name", "") if behind.get("kind") == "Pod" else ""
        about = _about(service=service, pod=pod, node=one.get("nodeName"), zone=one.get("zone"))
        yield Spot(one["addresses"][0], ports, pod=pod, about=about)


def _ingress(body: Mapping[str, Any]) -> Iterator[Spot]:
    spec = body.get("spec") or {}
    tls = spec.get("tls") or ()
    secured = {host for one in tls for host in one.get("hosts") or ("*",)}
    paths: dict[str, str] = {}
    for rule in spec.get("rules") or ():
        host = rule.get("host") or _load_balancer(body)
        if host and not host.startswith("*"):
            paths.setdefault(host, _path(rule))
    for host, path in paths.items():
        over_tls = not secured.isdisjoint((host, f"*.{host.partition('.')[2]}", "*"))
        port = Port("https", 443, tls=True) if over_tls else Port("http", 80, tls=False)
        yield Spot(host, (port,), path)


def _load_balancer(body: Mapping[str, Any]) -> str:
    balancers = ((body.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return next((str(one.get("ip") or one.get("hostname") or "") for one in balancers), "")


def _path(rule: Mapping[str, Any]) -> str:
    paths = (rule.get("http") or {}).get("paths") or ()
    return next((one["path"] for one in paths if one.get("path")), "/")


def _node(body: Mapping[str, Any]) -> Iterator[Spot]:
    told = (body.get("status") or {}).get("addresses") or ()
    addresses = {one["type"]: one["address"] for one in reversed(told)}
    address = next((addresses[kind] for kind in NODE_ADDRESSES if kind in addresses), None)
    if address is not None:
        yield Spot(address)


def _pod(body: Mapping[str, Any]) -> Iterator[Spot]:
    spec, status = body.get("spec") or {}, body.get("status") or {}
    if status.get("phase") == "Running" and status.get("podIP"):
        ports = [port for container in spec.get("containers") or () for port in container.get("ports") or ()]
        about = _about(node=spec.get("nodeName"))
        yield Spot(status["podIP"], _ports(ports, "containerPort"), pod=body["metadata"]["name"], about=about)


SPOTS: Mapping[DiscoverKind, Callable[[Mapping[str, Any]], Iterable[Spot]]] = {
    DiscoverKind.SERVICE: _service,
    DiscoverKind.ENDPOINT_SLICE: _endpoint_slice,
    DiscoverKind.INGRESS: _ingress,
    DiscoverKind.NODE: _node,
    DiscoverKind.POD: _pod,
}


def _ports(told: Iterable[Mapping[str, Any]], number: str) -> tuple[Port, ...]:
    return tuple(
        Port(sys.intern(one.get("name") or ""), one[number], _is_tls(one, one[number]))
        for one in told
        if one.get(number)
    )


def _is_tls(port: Mapping[str, Any], number: int) -> bool:
    return (
        number in TLS_PORTS
        or port.get("appProtocol") == "https"
        or str(port.get("name") or "").partition("-")[0] == "https"
    )


def _about(**labels: str | None) -> tuple[tuple[str, str], ...]:
    return tuple((sys.intern(name), sys.intern(value)) for name, value in labels.items() if value)

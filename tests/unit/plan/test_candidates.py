"""What is read of objects that could be probed."""

from __future__ import annotations

from typing import Any

import pytest

from kubeprobe.api import DiscoverKind
from kubeprobe.plan.candidates import Candidate, Port, Spot, read_candidate


def body(spec: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    metadata = {"name": "cart", "namespace": "shop", "uid": "u", "resourceVersion": "7", **more.pop("metadata", {})}
    return {"metadata": metadata, **({"spec": spec} if spec is not None else {}), **more}


def spots(kind: str, *args: Any, **more: Any) -> tuple[Spot, ...]:
    return read_candidate(DiscoverKind(kind), body(*args, **more)).spots


HTTP = Port("http", 80, tls=False)
PORTS = [{"name": "http", "port": 80}]


def test_the_head_of_an_object_is_kept() -> None:
    one = read_candidate(DiscoverKind.SERVICE, body(metadata={"labels": {"a": "b"}}))
    assert (one.kind, one.namespace, one.name, one.uid, one.resource_version) == ("Service", "shop", "cart", "u", 7)
    assert (one.labels, one.opted_out, one.spots) == ({"a": "b"}, False, ())


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ({"clusterIP": "10.0.0.1", "ports": PORTS}, Spot("10.0.0.1", (HTTP,))),
        ({"clusterIP": "None", "ports": PORTS}, Spot("cart.shop.svc", (HTTP,))),
        ({"type": "ExternalName", "externalName": "example.org"}, Spot("example.org")),
    ],
)
def test_a_service_is_reached_by_its_cluster_ip_or_its_name(spec: dict[str, Any], found: Spot) -> None:
    assert spots("Service", spec) == (found,)


@pytest.mark.parametrize(
    ("port", "tls"),
    [
        ({"port": 443}, True),
        ({"port": 9000, "name": "https-admin"}, True),
        ({"port": 9000, "appProtocol": "https"}, True),
        ({"port": 9000, "name": "httpsish"}, False),
    ],
)
def test_a_port_says_whether_it_speaks_tls(port: dict[str, Any], tls: bool) -> None:
    ((read,),) = (one.ports for one in spots("Service", {"clusterIP": "10.0.0.1", "ports": [port]}))
    assert read.tls is tls


@pytest.mark.parametrize(("said", "out"), [("false", True), ("False", True), ("true", False)])
def test_an_annotation_opts_out(said: str, out: bool) -> None:
    metadata = {"annotations": {"kubeprobe.io/probe": said}}
    one = read_candidate(DiscoverKind.SERVICE, body({"clusterIP": "10.0.0.1"}, metadata=metadata))
    assert (one.opted_out, one.spots == ()) == (out, out)


def test_what_is_going_is_no_target() -> None:
    metadata = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    assert spots("Service", {"clusterIP": "10.0.0.1"}, metadata=metadata) == ()


def test_addresses_that_take_traffic_are_those_of_an_endpoint_slice() -> None:
    endpoints = [
        {
            "addresses": ["10.1.0.1"],
            "conditions": {"ready": True},
            "targetRef": {"kind": "Pod", "name": "cart-1"},
            "nodeName": "n1",
            "zone": "a",
        },
        {"addresses": ["10.1.0.2"], "conditions": {"ready": False}},
        {"addresses": ["10.1.0.3"], "targetRef": {"kind": "Node", "name": "n2"}},
        {"addresses": []},
    ]
    metadata = {"labels": {"kubernetes.io/service-name": "cart"}}
    first, last = spots("EndpointSlice", endpoints=endpoints, ports=[*PORTS, {"name": "all"}], metadata=metadata)
    assert first.about == (("service", "cart"), ("pod", "cart-1"), ("node", "n1"), ("zone", "a"))
    assert (first.address, first.pod, first.ports) == ("10.1.0.1", "cart-1", (HTTP,))
    assert (last.address, last.pod, last.about) == ("10.1.0.3", "", (("service", "cart"),))


def test_each_host_of_an_ingress_is_a_spot() -> None:
    paths = {"paths": [{"path": "/shop"}, {"path": "/else"}]}
    rules = [
        {"host": "a.example.org", "http": paths},
        {"host": "a.example.org", "http": {"paths": [{"path": "/later"}]}},
        {"host": "b.other.org", "http": {"paths": [{}]}},
        {"host": "*.wild.org"},
        {},
    ]
    tls = [{"hosts": ["*.example.org"]}]
    status = {"loadBalancer": {"ingress": [{"hostname": "lb.example.net"}]}}
    assert spots("Ingress", {"rules": rules, "tls": tls}, status=status) == (
        Spot("a.example.org", (Port("https", 443, tls=True),), "/shop"),
        Spot("b.other.org", (HTTP,), "/"),
        Spot("lb.example.net", (HTTP,), "/"),
    )


def test_an_ingress_whose_tls_names_no_host_has_it_for_all_and_one_without_an_address_is_none() -> None:
    (one,) = spots("Ingress", {"rules": [{"host": "a.org"}, {}], "tls": [{}]})
    assert one == Spot("a.org", (Port("https", 443, tls=True),), "/")


@pytest.mark.parametrize(
    ("addresses", "found"),
    [
        ([("Hostname", "n1"), ("InternalIP", "10.2.0.1"), ("InternalIP", "fd00::1")], (Spot("10.2.0.1"),)),
        ([("Hostname", "n1")], (Spot("n1"),)),
        ([], ()),
    ],
)
def test_a_node_is_reached_by_its_first_address(addresses: list[tuple[str, str]], found: tuple[Spot, ...]) -> None:
    status = {"addresses": [{"type": kind, "address": address} for kind, address in addresses]}
    assert spots("Node", status=status, metadata={"namespace": ""}) == found


def test_a_pod_is_a_spot_while_it_runs() -> None:
    containers = [{"ports": [{"name": "http", "containerPort": 80}]}, {}]
    spec = {"containers": containers, "nodeName": "n1"}
    (one,) = spots("Pod", spec, status={"phase": "Running", "podIP": "10.3.0.1"})
    assert one == Spot("10.3.0.1", (HTTP,), pod="cart", about=(("node", "n1"),))
    assert spots("Pod", spec, status={"phase": "Pending"}) == ()
    assert spots("Pod", spec, status={"phase": "Succeeded", "podIP": "10.3.0.1"}) == ()


def test_another_version_that_says_the_same_differs_in_nothing() -> None:
    def read(version: int, address: str, **labels: str) -> Candidate:
        metadata = {"resourceVersion": str(version), "labels": labels}
        return read_candidate(DiscoverKind.SERVICE, body({"clusterIP": address}, metadata=metadata))

    before = read(1, "10.0.0.1")
    assert not read(2, "10.0.0.1").differs(before)
    assert read(2, "10.0.0.2").differs(before)
    assert read(2, "10.0.0.1", a="b").differs(before)
    assert before.differs(None)

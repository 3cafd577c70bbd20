"""What found targets are called, and what becomes of the placeholders in their parameters."""

from __future__ import annotations

from typing import Any

import pytest

from kubeprobe.api import DiscoverKind
from kubeprobe.plan.candidates import Candidate, Port, Spot
from kubeprobe.plan.target_words import NAME_LENGTH, expanded, fitting, target_name, variables_of

NO_PORT = Port("", 0, tls=False)
HTTPS = Port("https", 8443, tls=True)


def candidate(kind: str, namespace: str = "shop") -> Candidate:
    return Candidate(DiscoverKind(kind), namespace, "cart", "u", 1, {}, opted_out=False, spots=())


@pytest.mark.parametrize(
    ("kind", "spot", "port", "name"),
    [
        ("Service", Spot("10.0.0.1"), HTTPS, "shop/cart:8443"),
        ("Service", Spot("10.0.0.1"), NO_PORT, "shop/cart"),
        ("Pod", Spot("10.0.0.1"), HTTPS, "shop/cart:8443"),
        ("EndpointSlice", Spot("fd00::1", about=(("service", "carts"),)), HTTPS, "shop/carts/[fd00::1]:8443"),
        ("EndpointSlice", Spot("host.example"), HTTPS, "shop/cart/host.example:8443"),
        ("Ingress", Spot("a.example.org"), HTTPS, "shop/cart/a.example.org:8443"),
    ],
)
def test_a_target_is_called_by_what_it_is(kind: str, spot: Spot, port: Port, name: str) -> None:
    assert target_name(candidate(kind), spot, port) == name


def test_a_node_has_no_namespace_in_its_name() -> None:
    assert target_name(candidate("Node", ""), Spot("10.0.0.1"), NO_PORT) == "cart"


def test_a_name_that_is_too_long_is_cut_and_stays_its_own() -> None:
    one, other = fitting("a" * 300 + "b"), fitting("a" * 300 + "c")
    assert len(one) == len(other) == NAME_LENGTH
    assert one != other
    assert fitting("short") == "short"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("$(SCHEME)://$(HOST):$(PORT)$(PATH)", "https://[fd00::1]:8443/x"),
        ("$(ADDRESS)", "fd00::1"),
        ("$(PORT)", 8443),
        (["$(PORT)", {"deep": "$(NAME).$(NAMESPACE)"}], [8443, {"deep": "cart.shop"}]),
        ("$$(HOST) $5 $(lower)", "$(HOST) $5 $(lower)"),
        (("a", "$(NAME)"), ["a", "cart"]),
        (7, 7),
    ],
)
def test_placeholders_are_put_in(written: Any, meant: Any) -> None:
    variables = variables_of(candidate("Service"), Spot("fd00::1", path="/x"), HTTPS)
    assert expanded({"it": written}, variables) == {"it": meant}


def test_what_has_no_value_is_told_with_the_way_out() -> None:
    variables = variables_of(candidate("Service"), Spot("10.0.0.1"), NO_PORT)
    assert variables["SCHEME"] == "http"
    with pytest.raises(ValueError, match=r"it has no PORT: write port in this entry"):
        expanded({"url": "http://$(HOST):$(PORT)"}, variables)
    with pytest.raises(ValueError, match=r"there is no \$\(FOO\): write one of ADDRESS, HOST, PORT"):
        expanded({"url": "$(FOO)"}, variables)

"""Which targets a config's words come to, and what keeps some of them out."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.builders import NAMESPACE, config, template

from kubeprobe.api import MOST_TARGETS, DiscoverKind, ProbeConfig, ProbeTemplate
from kubeprobe.plan.candidates import Candidate, Port, Spot
from kubeprobe.plan.found import (
    LABEL_RESIDENT,
    Surroundings,
    Targets,
    concerns,
    find_targets,
    listed_mistakes,
    wanted_kinds,
)
from probe_sdk.wire import LABEL_CONFIG, LABEL_RUN

SCHEMA = {
    "type": "object",
    "required": ["url"],
    "properties": {"url": {"type": "string"}, "limit": {"type": "integer", "default": 3}, "port": {"type": "integer"}},
}
HTTP, ADMIN = Port("http", 80, tls=False), Port("admin", 9000, tls=False)
URL = {"url": "http://$(HOST):$(PORT)"}


def resident(targets: dict[str, Any] | None = None, **spec: Any) -> ProbeConfig:
    words = {"interval": "1s", **({"targets": targets} if targets else {})}
    return config(mode="Resident", schedule=None, resident=words, **spec)


def discovering(*entries: dict[str, Any], **spec: Any) -> ProbeConfig:
    return resident({"discover": list(entries)}, **spec)


def probes(**spec: Any) -> ProbeTemplate:
    return template(modes=["Resident"], params=SCHEMA, **spec)


def candidate(
    kind: str,
    name: str,
    *spots: Spot,
    namespace: str = NAMESPACE,
    out: bool = False,
    labels: dict[str, str] | None = None,
) -> Candidate:
    where = "" if kind == "Node" else namespace
    given = spots or (Spot("10.0.0.1", (HTTP, ADMIN)),)
    return Candidate(DiscoverKind(kind), where, name, f"u-{name}", 1, labels or {}, out, () if out else given)


def service(name: str, *spots: Spot, **more: Any) -> Candidate:
    return candidate("Service", name, *spots, **more)


def around(*candidates: Candidate, **namespaces: dict[str, str]) -> Surroundings:
    kinds = {one.kind for one in candidates}
    return Surroundings({kind: [one for one in candidates if one.kind is kind] for kind in kinds}, namespaces)


def found(one: ProbeConfig, *candidates: Candidate, of: ProbeTemplate | None = None, **namespaces: Any) -> Targets:
    return find_targets(one, of or probes(), around(*candidates, **namespaces))


def names(targets: Targets) -> list[str]:
    return [one.name for one in targets.targets]


def test_without_targets_the_config_is_the_one() -> None:
    (one,) = found(resident(params={"url": "a"})).targets
    assert (one.name, one.params, one.labels) == ("main", {}, {})


def test_listed_targets_have_what_is_their_own() -> None:
    static = [
        {"name": "one"},
        {"name": "two", "params": {"url": "b"}, "labels": {"team": "x"}},
        {"name": "same", "params": {"url": "a", "limit": 3}},
    ]
    one, two, same = found(resident({"static": static}, params={"url": "a"})).targets
    assert (one.params, two.params, two.labels, same.params) == ({}, {"url": "b"}, {"team": "x"}, {})


def test_a_listed_target_with_wrong_params_is_left_out_and_told() -> None:
    static = [{"name": f"t{number}", "params": {"limit": "x"}} for number in range(5)] + [{"name": "good"}]
    one = resident({"static": static}, params={"url": "a"})
    targets = found(one)
    assert names(targets) == ["good"]
    assert targets.mistake is not None
    assert targets.mistake.reason == "InvalidTargets"
    assert targets.mistake.message.startswith("5 left out of the targets: spec.resident.targets.static[0] (t0): ")
    assert targets.mistake.message.endswith("; and 2 more")
    assert listed_mistakes(one, probes()) == (targets.mistake,)
    assert listed_mistakes(resident(params={"url": "a"}), probes()) == ()


def test_found_targets_come_by_name_with_their_labels_and_params() -> None:
    (one, two) = found(discovering({"kind": "Service", "params": URL}), service("b"), service("a")).targets
    assert (one.name, two.name) == ("probes/a:80", "probes/b:80")
    assert one.params == {"url": "http://10.0.0.1:80"}
    assert one.labels == {"kind": "Service", "namespace": NAMESPACE, "name": "a", "port": "80"}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"kind": "Service"}, ["probes/s:80"]),
        ({"kind": "Service", "port": "admin"}, ["probes/s:9000"]),
        ({"kind": "Service", "port": 9000}, ["probes/s:9000"]),
        ({"kind": "Service", "port": 1}, []),
        ({"kind": "Service", "port": "other"}, []),
        ({"kind": "Pod", "port": 443}, ["probes/p:443"]),
        ({"kind": "Node", "port": 10250}, ["n:10250"]),
        ({"kind": "Node"}, ["n"]),
        ({"kind": "Ingress"}, []),
        ({"kind": "Service", "selector": {"matchLabels": {"a": "b"}}}, []),
    ],
)
def test_the_port_is_the_objects_own(entry: dict[str, Any], expected: list[str]) -> None:
    objects = (service("s"), candidate("Pod", "p"), candidate("Node", "n", Spot("10.2.0.1")))
    assert names(found(discovering(entry, params={"url": "a"}), *objects)) == expected


def test_a_target_without_a_port_cannot_have_it_in_its_params() -> None:
    targets = found(discovering({"kind": "Node", "params": URL}), candidate("Node", "n", Spot("10.2.0.1")))
    assert targets.targets == ()
    assert targets.mistake is not None
    assert "spec.resident.targets.discover[0] (n): params: it has no PORT" in targets.mistake.message


def test_two_entries_that_find_the_same_have_two_targets() -> None:
    entry = {"kind": "Service", "params": URL}
    one = resident({"static": [{"name": "probes/s:80", "params": {"url": "x"}}], "discover": [entry, entry]})
    assert names(found(one, service("s"))) == ["probes/s:80", "probes/s:80#0", "probes/s:80#1"]


def test_a_mark_that_somebody_has_written_down_is_not_given_again() -> None:
    """The prober takes no file with two targets of one name."""
    static = [{"name": name, "params": {"url": "x"}} for name in ("probes/s:80", "probes/s:80#0")]
    one = resident({"static": static, "discover": [{"kind": "Service", "params": URL}]})
    assert names(found(one, service("s")))[2:] == ["probes/s:80#0#0"]


def test_an_address_in_two_slices_is_one_target() -> None:
    spot = Spot("10.1.0.1", (HTTP,), about=(("service", "s"),))
    slices = [candidate("EndpointSlice", name, spot) for name in ("s-1", "s-2")]
    assert names(found(discovering({"kind": "EndpointSlice", "params": URL}), *slices)) == ["probes/s/10.1.0.1:80"]


def test_a_service_opts_out_for_its_slices() -> None:
    label = {"kubernetes.io/service-name": "s"}
    one = candidate("EndpointSlice", "s-1", Spot("10.1.0.1", (HTTP,)), labels=label)
    entry = {"kind": "EndpointSlice", "params": URL}
    assert len(found(discovering(entry), one, service("s")).targets) == 1
    assert found(discovering(entry), one, service("s", out=True)).targets == ()


def test_the_prober_never_finds_its_own_pods_nor_those_of_runs() -> None:
    mine = {LABEL_RESIDENT: "true", LABEL_CONFIG: "main"}
    pods = [
        candidate("Pod", "own", labels=mine),
        candidate("Pod", "run", labels={LABEL_RUN: "r"}),
        candidate("Pod", "twin", namespace="other", labels=mine),
        candidate("Pod", "colleague", labels={LABEL_RESIDENT: "true", LABEL_CONFIG: "second"}),
    ]
    entry = {"kind": "Pod", "params": URL, "namespaces": ["*"]}
    one = found(discovering(entry), *pods, of=probes(discoverNamespaces={}), other={}, probes={})
    assert names(one) == ["other/twin:80", "probes/colleague:80"]


def test_the_prober_is_left_out_behind_a_service_too() -> None:
    spots = [Spot(f"10.1.0.{n}", (HTTP,), pod=pod) for n, pod in enumerate(("main-resident-5f9c-abcde", "else"))]
    one = candidate("EndpointSlice", "s-1", *spots)
    assert names(found(discovering({"kind": "EndpointSlice", "params": URL}), one)) == ["probes/s-1/10.1.0.1:80"]


NAMESPACES: dict[str, Any] = {NAMESPACE: {}, "open": {"open": "yes"}, "closed": {}}
OPEN = {"matchLabels": {"open": "yes"}}


@pytest.mark.parametrize(
    ("asked", "allowed", "expected", "refused"),
    [
        (None, None, ["probes"], ""),
        (None, OPEN, ["probes"], ""),
        (["*"], None, ["probes"], ""),
        (["*"], OPEN, ["open", "probes"], ""),
        (["*"], {}, ["closed", "open", "probes"], ""),
        (["open"], OPEN, ["open"], ""),
        (["probes"], None, ["probes"], ""),
        (["open", "closed", "absent"], OPEN, ["open"], "absent, closed"),
        (["open"], None, [], "open"),
    ],
)
def test_other_namespaces_are_the_templates_to_allow(
    asked: list[str] | None, allowed: dict[str, Any] | None, expected: list[str], refused: str
) -> None:
    services = [service("s", namespace=name) for name in NAMESPACES]
    entry = {"kind": "Service", "params": URL, **({"namespaces": asked} if asked else {})}
    of = probes(**({"discoverNamespaces": allowed} if allowed is not None else {}))
    targets = found(discovering(entry), *services, of=of, **NAMESPACES)
    assert [name.partition("/")[0] for name in names(targets)] == expected
    assert (targets.mistake is not None) == bool(refused)
    if targets.mistake is not None:
        assert targets.mistake.reason == "NamespaceNotAllowed"
        assert f"may not be looked for in {refused}:" in targets.mistake.message


def test_of_ten_thousand_targets_a_thousand_are_probed_and_the_rest_is_told() -> None:
    objects = [service(f"s{number:05}") for number in range(10_000)]
    one = resident({"static": [{"name": "z"}], "discover": [{"kind": "Service", "params": URL}]}, params={"url": "a"})
    targets = found(one, *objects)
    assert len(targets.targets) == MOST_TARGETS
    assert names(targets)[:2] == ["z", "probes/s00000:80"]
    assert targets.mistake is not None
    assert targets.mistake.reason == "TooManyTargets"
    assert "10001 targets are more than the 1000 that a prober takes, and the last 9001 by name" in (
        targets.mistake.message
    )


@pytest.mark.parametrize(
    ("one", "kinds"),
    [
        (config(), set()),
        (resident(), set()),
        (discovering({"kind": "Ingress"}, {"kind": "Node"}), {"Ingress", "Node"}),
        (discovering({"kind": "EndpointSlice"}), {"EndpointSlice", "Service"}),
        (discovering({"kind": "Pod"}, suspend=True), set()),
        (discovering({"kind": "Pod"}, metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}), set()),
    ],
)
def test_the_kinds_that_a_config_needs(one: ProbeConfig, kinds: set[str]) -> None:
    assert set(wanted_kinds(one)) == kinds


def test_an_object_concerns_the_configs_that_could_find_it() -> None:
    chosen = {"selector": {"matchLabels": {"a": "b"}}}
    assert concerns(discovering({"kind": "Service", **chosen}), service("s", labels={"a": "b"}))
    assert not concerns(discovering({"kind": "Service", **chosen}), service("s"))
    assert not concerns(discovering({"kind": "Pod"}), service("s"))
    assert concerns(discovering({"kind": "EndpointSlice"}), service("s"))
    assert not concerns(resident(), service("s"))
    assert not concerns(config(), service("s"))

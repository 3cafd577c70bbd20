"""The views' promises: the newest version wins, groups follow, nothing that is gone stays."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.plan.builders import CREATED, config, meta, pod, run, template

from kubeprobe.api import Severity, Verdict
from kubeprobe.control.view import Key, NamespaceView, View, Views, read_node, read_result
from kubeprobe.kube.reflector import Held


@dataclass(frozen=True)
class Thing:
    name: str = "a"
    uid: str = "u"
    version: int = 1
    group: str = ""


def things() -> View[Thing]:
    return View(
        lambda one: Held(("ns", one.name), one.uid, one.version),
        lambda one: tuple(("ns", name) for name in one.group.split("+") if name),
    )


def key(name: str) -> Key:
    return ("ns", name)


def test_an_object_is_there_until_it_is_dropped() -> None:
    view = things()
    assert (len(view), list(view), view.get(key("a"))) == (0, [], None)
    assert view.put(Thing())
    assert (len(view), list(view), view.get(key("a"))) == (1, [Thing()], Thing())
    view.drop(key("a"), "u")
    assert (len(view), view.get(key("a"))) == (0, None)
    view.drop(key("a"), "u")


def test_followers_hear_of_every_change_and_of_nothing_else() -> None:
    view, heard = things(), list[object]()
    view.follow(lambda key, before, now: heard.append((key, before and before.version, now and now.version)))
    view.put(Thing(version=2))
    view.put(Thing(version=1))
    view.put(Thing(version=3))
    view.drop(key("a"), "another")
    view.drop(key("a"), "u")
    assert heard == [(key("a"), None, 2), (key("a"), 2, 3), (key("a"), 3, None)]


@pytest.mark.parametrize(("version", "taken"), [(1, False), (2, False), (3, True)])
def test_an_older_or_equal_version_is_passed_over(version: int, taken: bool) -> None:
    view = things()
    view.put(Thing(version=2))
    assert view.put(Thing(version=version, group="x")) is taken
    found = view.get(key("a"))
    assert found is not None
    assert found.version == max(version, 2)


def test_another_object_of_the_same_name_replaces_it_and_its_end_does_not_count() -> None:
    view = things()
    view.put(Thing(uid="old", version=5, group="x"))
    assert view.put(Thing(uid="new", version=6, group="y"))
    view.drop(key("a"), "old")
    assert view.get(key("a")) == Thing(uid="new", version=6, group="y")
    assert (view.group(key("x")), len(view.group(key("y")))) == ((), 1)


def test_groups_follow_their_members() -> None:
    view = things()
    for name in ("a", "b"):
        view.put(Thing(name, group="x"))
    view.put(Thing("c"))
    assert {one.name for one in view.group(key("x"))} == {"a", "b"}
    view.put(Thing("a", version=2, group="y"))
    assert [one.name for one in view.group(key("x"))] == ["b"]
    assert [one.name for one in view.group(key("y"))] == ["a"]
    view.drop(key("b"), "u")
    view.put(Thing("a", version=3))
    view.drop(key("c"), "u")
    assert (view.group(key("x")), view.group(key("y"))) == ((), ())
    assert len(view) == 1


def test_without_a_grouping_there_are_no_groups() -> None:
    view: View[Thing] = View(lambda one: Held(("ns", one.name), one.uid, one.version))
    view.put(Thing(group="x"))
    assert view.group(key("x")) == ()


steps = st.lists(
    st.tuples(
        st.sampled_from(["put", "drop"]),
        st.builds(
            Thing, st.sampled_from("ab"), st.sampled_from("uv"), st.integers(1, 5), st.sampled_from(["", "x", "y"])
        ),
    ),
    max_size=30,
)


@given(steps)
def test_groups_hold_just_the_objects_that_are_there(drawn: list[tuple[str, Thing]]) -> None:
    view = things()
    for verb, one in drawn:
        if verb == "put":
            view.put(one)
        else:
            view.drop(key(one.name), one.uid)
    for group in ("x", "y"):
        members = {one.name for one in view if one.group == group}
        assert {one.name for one in view.group(key(group))} == members
        assert len(view.group(key(group))) == len(members)


def result_body(**status: Any) -> dict[str, Any]:
    return {"metadata": meta("main"), "status": status}


def test_a_result_rests_packed_and_is_unpacked_when_asked() -> None:
    view = read_result(result_body(verdict="Failed", severity="Critical", message="no leader"))
    assert (view.namespace, view.name, view.uid, view.resource_version) == ("probes", "main", "uid-main", 1)
    assert (view.verdict, view.severity) == ("Failed", "Critical")
    assert (view.status.verdict, view.status.message) == (Verdict.FAILED, "no leader")
    assert json.loads(view.packed)["message"] == "no leader"


@pytest.mark.parametrize(
    "body", [{"metadata": meta("main")}, {"metadata": meta("main"), "status": None}, result_body()]
)
def test_a_result_without_a_status_is_unknown(body: dict[str, Any]) -> None:
    view = read_result(body)
    assert (view.verdict, view.severity, view.owner_uids) == ("Unknown", "Warning", ())
    assert (view.status.verdict, view.status.severity, view.status.since) == (Verdict.UNKNOWN, Severity.WARNING, None)


def test_a_result_knows_its_owners() -> None:
    body = {"metadata": meta("main", ownerReferences=[{"uid": "a"}, {"uid": "b"}])}
    assert read_result(body).owner_uids == ("a", "b")
    assert read_result({"metadata": meta("main", ownerReferences=None)}).owner_uids == ()


def test_configs_are_found_by_template_and_runs_by_config() -> None:
    views = Views()
    views.templates.put(template())
    views.configs.put(config())
    views.runs.put(run("a"))
    views.runs.put(run("b", templateRef={"name": "etcd"}))
    views.pods.put(pod(run("a")))
    views.results.put(read_result(result_body()))
    assert views.templates.get(("", "etcd")) == template()
    assert views.configs.group(("", "etcd")) == (config(),)
    assert views.runs.group(("probes", "main")) == (run("a"),)
    assert views.runs.get(("probes", "b")) is not None
    assert views.pods.get(("probes", "a")) == pod(run("a"))
    assert views.results.get(("probes", "main")) is not None


def test_a_model_that_no_server_has_versioned_yields_to_one_that_was() -> None:
    views = Views()
    views.runs.put(run("a", metadata={"resourceVersion": ""}))
    assert views.runs.put(run("a", metadata={"resourceVersion": "7"}))
    assert not views.runs.put(run("a", metadata={"resourceVersion": ""}))


def test_a_namespace_s_labels_are_known_while_it_is_there() -> None:
    views = Views()
    assert views.namespace_labels("probes") is None
    probes = NamespaceView("probes", "u", 1, {"tier": "gold"})
    views.namespaces.put(probes)
    assert views.namespace_labels("probes") == {"tier": "gold"}
    views.namespaces.put(replace(probes, resource_version=2, labels={}))
    assert views.namespace_labels("probes") == {}
    views.namespaces.drop(("", "probes"), "u")
    assert views.namespace_labels("probes") is None


def test_a_node_is_its_metadata() -> None:
    body = {"metadata": meta("node-1", namespace="", labels={"zone": "a"}, deletionTimestamp="2026-03-01T12:00:00Z")}
    seen = read_node(body)
    assert (seen.name, seen.labels, seen.deleting, seen.created_at) == ("node-1", {"zone": "a"}, True, CREATED)
    assert not read_node({"metadata": meta("node-2")}).deleting

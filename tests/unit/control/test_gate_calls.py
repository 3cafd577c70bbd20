"""Whom something that happens calls: the gates that go by it, the Changes that tell of a gate, and nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.builders import CREATED, config, run
from tests.unit.plan.changes import FIRST, SECOND
from tests.unit.plan.changes import change as make_change
from tests.unit.plan.gates import gate

from kubeprobe.control.context import Kind, Work
from kubeprobe.control.gate_calls import GateCalls
from kubeprobe.control.view import Key, Views
from kubeprobe.plan.nodes import Node

MAIN: Key = ("probes", "main")
SELECTED = {"namespaces": ["*"], "selector": {"matchLabels": {"gate": "yes"}}}


class Ear:
    """The views, and what was put into the queue since it was last asked for."""

    def __init__(self) -> None:
        self.views = Views()
        self.heard: list[Work] = []
        queue: Any = self
        self.calls = GateCalls(self.views, queue)
        self._version = 1

    def add(self, work: Work) -> None:
        self.heard.append(work)

    def called(self) -> list[str]:
        """The gates that were called; Changes with their kind."""
        found = sorted({key[1] if kind is Kind.GATE else f"{kind} {key[1]}" for kind, key in self.heard})
        self.heard.clear()
        return found

    def version(self) -> dict[str, str]:
        self._version += 1
        return {"resourceVersion": str(self._version)}

    def config(self, name: str = "main", *, uid: str = "", labels: dict[str, str] | None = None, **spec: Any) -> None:
        more = {"uid": uid} if uid else {}
        self.views.configs.put(config(name, metadata={**self.version(), "labels": labels or {}, **more}, **spec))

    def gate(self, name: str, *, status: Any = None, **spec: Any) -> None:
        self.views.gates.put(gate(name, metadata=self.version(), status=status, **spec))

    def change(self, name: str, *gates: str, status: Any = None) -> None:
        made = make_change(name, gates=list(gates), status=status)
        meta = made.metadata.model_copy(update={"resource_version": self.version()["resourceVersion"]})
        self.views.changes.put(made.model_copy(update={"metadata": meta}))

    def bound(self, name: str) -> list[str]:
        return sorted(one.metadata.name for one in self.calls.configs(("", name)))


@pytest.fixture
def ear() -> Ear:
    made = Ear()
    made.gate("all")
    made.gate("some", probes=SELECTED)
    made.config()
    made.config("other", labels={"gate": "yes"})
    made.called()
    return made


def test_an_answer_calls_the_gates_that_go_by_it(ear: Ear) -> None:
    ear.calls.answered(MAIN)
    assert ear.called() == ["all"]
    ear.calls.answered(("probes", "other"))
    assert ear.called() == ["all", "some"]
    ear.calls.answered(("probes", "unknown"))
    assert ear.called() == []


def test_a_config_calls_the_gates_that_went_by_it_and_those_that_do_now(ear: Ear) -> None:
    ear.config(labels={"gate": "yes"})
    assert ear.called() == ["all", "some"]
    assert (ear.bound("all"), ear.bound("some")) == (["main", "other"], ["main", "other"])
    ear.config()
    assert ear.called() == ["all", "some"]
    assert ear.bound("some") == ["other"]
    ear.calls.answered(MAIN)
    assert ear.called() == ["all"]


@pytest.mark.parametrize(
    ("change", "called"),
    [
        ({}, []),
        ({"severity": "Critical"}, ["all"]),
        ({"uid": "another"}, ["all"]),
    ],
)
def test_what_is_the_same_to_gates_calls_none(ear: Ear, change: dict[str, Any], called: list[str]) -> None:
    ear.config(**change)
    assert ear.called() == called


def test_a_config_that_goes_is_let_go(ear: Ear) -> None:
    ear.views.configs.drop(("probes", "other"), "uid-other")
    assert ear.called() == ["all", "some"]
    assert (ear.bound("all"), ear.bound("some")) == (["main"], [])


def test_a_gate_that_selects_others_goes_by_those(ear: Ear) -> None:
    ear.gate("some")
    assert ear.bound("some") == ["main", "other"]
    ear.gate("some", probes={"namespaces": ["elsewhere"]})
    assert ear.bound("some") == []
    ear.called()
    ear.calls.answered(("probes", "other"))
    assert ear.called() == ["all"]


def test_a_gate_that_is_gone_is_called_no_more(ear: Ear) -> None:
    ear.views.gates.drop(("", "all"), "uid-all")
    ear.calls.answered(MAIN)
    assert ear.called() == []
    assert ear.bound("all") == []


@pytest.mark.parametrize(("kind", "called"), [("Gate", ["all"]), ("Change", ["all"]), ("Manual", [])])
def test_of_runs_only_those_for_changes_and_gates_call(ear: Ear, kind: str, called: list[str]) -> None:
    one = run(trigger={"kind": kind, **({"changeID": FIRST} if kind == "Change" else {})})
    ear.views.runs.put(one)
    assert ear.called() == called
    ear.views.runs.drop(("probes", "main-1"), "uid-main-1")
    assert ear.called() == called


def test_a_run_of_no_config_calls_nobody(ear: Ear) -> None:
    ear.views.runs.put(run(trigger={"kind": "Gate"}, templateRef={"name": "etcd"}))
    assert ear.called() == []


def test_a_change_calls_the_gates_that_it_names(ear: Ear) -> None:
    ear.change(FIRST, "some", "unknown")
    assert ear.called() == ["some", "unknown"]
    ear.views.changes.drop(("", FIRST), f"uid-{FIRST}")
    assert ear.called() == ["some", "unknown"]


def test_the_changes_that_name_a_gate_hear_what_it_says(ear: Ear) -> None:
    ear.change(FIRST, "some")
    ear.change(SECOND, "all")
    ear.called()
    ear.gate("some", probes=SELECTED, status={"reason": "Settling"})
    assert ear.called() == [f"change {FIRST}"]
    ear.gate("some", probes=SELECTED, status={"reason": "Settling"}, timeout="5m")
    assert ear.called() == []
    ear.views.gates.drop(("", "some"), "uid-some")
    assert ear.called() == [f"change {FIRST}"]


def test_a_node_calls_all_gates_when_it_goes(ear: Ear) -> None:
    ear.views.nodes.put(Node("node-1", "uid", 1, {}, CREATED, deleting=False))
    assert ear.called() == []
    ear.views.nodes.drop(("", "node-1"), "uid")
    assert ear.called() == ["all", "some"]


def test_the_order_in_which_they_are_seen_does_not_matter() -> None:
    first, last = Ear(), Ear()
    for one in (first, last):
        if one is first:
            one.gate("some", probes=SELECTED)
        one.config(labels={"gate": "yes"})
        if one is last:
            one.gate("some", probes=SELECTED)
        assert one.bound("some") == ["main"]

"""The chart's policies against the table of what closed gates hold, on a real API server; and what they leave alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Server
from tests.api.enforcement.cases import BEFORE, CASES, CLOSURE, HELD, WHY, Case, gate, workload
from tests.api.enforcement.conftest import MERGE, Policed, holds, objects, until

SCALE = {"spec": {"replicas": 7}}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_held_and_what_passes(policed: Policed, case: Case) -> None:
    policed.prepare(case)
    policed.seen()
    holds(case, policed.attempt(case))


def test_a_closed_gate_leaves_alone_all_that_heals_itself(policed: Policed) -> None:
    http = policed.server.http
    assert http.post(objects(BEFORE), json=BEFORE).status_code == 201
    policed.gate(gate())
    policed.seen()
    path = f"{objects(BEFORE)}/cart"
    for patched in ("/scale", ""):
        assert http.patch(path + patched, json=SCALE, headers=MERGE).status_code == 200, patched
    status = {"status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1}}
    assert http.patch(path + "/status", json=status, headers=MERGE).status_code == 200
    template = BEFORE["spec"]["template"]
    pod = {"metadata": {"name": "cart", "labels": {"app": "cart"}}, "spec": template["spec"]}
    assert http.post("/api/v1/namespaces/shop/pods", json=pod, params={"dryRun": "All"}).status_code == 201
    replicas = {"metadata": {"name": "cart"}, "spec": {"selector": BEFORE["spec"]["selector"], "template": template}}
    sets = "/apis/apps/v1/namespaces/shop/replicasets"
    assert http.post(sets, json=replicas, params={"dryRun": "All"}).status_code == 201
    assert http.delete(path).status_code == 200


def test_a_gate_that_is_deleted_while_closed_holds_nothing_any_more(policed: Policed) -> None:
    case = Case("new", workload())
    policed.gate(gate())
    policed.seen()
    assert policed.attempt(case).status_code == 403
    policed.server.http.delete(f"{policed.server.path('ChangeGate')}/production")
    policed.seen()
    assert policed.attempt(case).status_code == 201


def test_it_holds_as_soon_as_the_status_says_closed_and_no_longer(policed: Policed) -> None:
    case = Case("new", workload())
    policed.gate(gate(status={"phase": "Open", "closureID": "", "message": ""}))
    policed.seen()
    assert policed.attempt(case).status_code == 201
    policed.status("production", {"phase": "Closed", "closureID": CLOSURE, "message": WHY})
    until("denied", lambda: HELD in policed.attempt(case).text)
    policed.status("production", {"phase": "Open", "closureID": ""})
    until("let through", lambda: policed.attempt(case).status_code == 201)


def test_the_glass_is_broken_for_one_closure_only(policed: Policed) -> None:
    annotated = workload(annotations={"kubeprobe.io/break-glass": CLOSURE})
    case = Case("broken", annotated, groups=("on-call",))
    policed.gate(gate())
    policed.seen()
    assert policed.attempt(case).status_code == 201
    policed.status("production", {"closureID": "cls-2"})
    policed.seen()
    assert "names another closure" in policed.attempt(case).json()["message"]


def test_a_message_of_several_lines_still_says_where_to_look(policed: Policed) -> None:
    policed.gate(gate(status={"message": "by\nhand"}))
    policed.seen()
    answer = policed.attempt(Case("new", workload()))
    assert answer.status_code == 403
    assert "kubectl get changegates" in answer.json()["message"]


def test_five_hundred_good_workloads_are_within_the_cost_of_a_request(policed: Policed) -> None:
    entries: list[dict[str, Any]] = [
        {"namespace": "shop", "kind": "Deployment", "name": f"w-{i}", "images": {"app": "w:1"}, "changed": True}
        for i in range(499)
    ]
    mine = {"namespace": "shop", "kind": "Deployment", "name": "cart", "images": {"app": "cart:1"}, "changed": True}
    policed.gate(gate(status={"lastGood": [*entries, mine]}))
    policed.seen()
    assert policed.attempt(Case("back", workload("cart:1"))).status_code == 201
    assert policed.attempt(Case("elsewhere", workload("cart:3"))).status_code == 403


def test_a_gate_cannot_be_opened_by_who_may_only_change_workloads(policed: Policed, server: Server) -> None:
    policed.gate(gate())
    path = f"{server.path('ChangeGate')}/production"
    headers = {**MERGE, "Impersonate-User": "developer", "Impersonate-Group": "developers"}
    for target, body in (
        (path, {"spec": {"override": {"reason": "now", "until": "2036-01-01T00:00:00Z"}}}),
        (path + "/status", {"status": {"phase": "Open", "closureID": ""}}),
    ):
        assert server.http.patch(target, json=body, headers=headers).status_code == 403

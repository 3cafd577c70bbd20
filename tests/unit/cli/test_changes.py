"""`kubeprobe changes`: the list, and the story of one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.unit.cli.cluster import Cluster
from typer.testing import CliRunner, Result

from kubeprobe.cli import changes as module
from kubeprobe.cli.main import app

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
AT = START.isoformat()
CART = {
    "kind": "Deployment",
    "namespace": "shop",
    "name": "cart",
    "type": "Modified",
    "details": "app: cart:1 -> cart:2",
    "by": "helm",
    "cause": "release 42",
    "at": AT,
}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster(START)
    monkeypatch.setattr(module, "connect", made.connect)
    return made


def command(*args: str) -> Result:
    return CliRunner().invoke(app, ["changes", *args])


def lines(result: Result) -> list[str]:
    return [" ".join(line.split()) for line in result.stdout.splitlines()]


def put(cluster: Cluster, name: str, of: tuple[str, ...] = (), **status: Any) -> dict[str, Any]:
    spec = {
        "source": "Rollout",
        "summary": "Deployment shop/cart: app: cart:1 -> cart:2",
        "objects": [CART],
        "count": 1,
        "gates": of,
        "began": AT,
        "last": AT,
        "closed": AT,
    }
    body: dict[str, Any] = {"metadata": {"name": name, "uid": name}, "spec": spec, "status": status}
    cluster.objects["changes", name] = body
    return body


def names(result: Result) -> list[str]:
    return [line.split()[0] for line in lines(result)[1:]]


def test_the_list_is_in_the_order_in_which_they_were_closed(cluster: Cluster) -> None:
    put(cluster, "chg-2", phase="Failed", counts={"passed": 1, "failed": 2, "pending": 3})
    put(cluster, "chg-1")
    result = command()
    assert result.exit_code == 0
    assert lines(result)[0] == "NAME AGE PHASE BY PASSED FAILED PENDING WHAT"
    assert names(result) == ["chg-1", "chg-2"]
    assert "Failed helm 1 2 3 Deployment shop/cart: app: cart:1 -> cart:2" in lines(result)[2]


def test_only_those_of_a_gate_and_only_the_newest(cluster: Cluster) -> None:
    for number in range(5):
        put(cluster, f"chg-{number}", of=("production",) if number % 2 == 0 else ())
    assert names(command("--gate", "production")) == ["chg-0", "chg-2", "chg-4"]
    assert names(command("--gate", "production", "--limit", "2")) == ["chg-2", "chg-4"]


def test_where_there_is_none_nothing_is_written_to_standard_output(cluster: Cluster) -> None:
    result = command("--gate", "production")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "no changes in the scope of gate production\n"


def test_the_story(cluster: Cluster) -> None:
    probe = {"namespace": "probes", "name": "checkout", "state": "Failed", "reason": "CheckFailed", "message": "500"}
    put(
        cluster,
        "chg-1",
        phase="Failed",
        reason="ProbesFailed",
        message="1 of 2 probes failed",
        probes=[{**probe, "runs": 2, "run": "checkout-c1", "nodes": {"passed": 1, "failed": 1}}],
        gates=[{"name": "production", "phase": "Closed", "reason": "ProbeFailed", "verdict": "Failed"}],
        timeline=[{"at": AT, "reason": "ProbeFailed", "message": "probes/checkout (CheckFailed: 500)"}],
    )["spec"].update(count=13, leftOut=4)
    result = command("chg-1")
    assert result.exit_code == 0, result.exception
    told = lines(result)
    assert told[:2] == ["chg-1 Failed (ProbesFailed)", "Deployment shop/cart: app: cart:1 -> cart:2"]
    assert told[2].startswith("Rollout, ")
    assert told[2].endswith(" ago, by helm")
    assert told[3:5] == ["cause: release 42", "1 of 2 probes failed"]
    assert told[5:] == [
        "",
        "OBJECT BY WHAT",
        "Modified Deployment shop/cart helm app: cart:1 -> cart:2",
        "and 12 more objects",
        "",
        "PROBE STATE SINCE RUNS RUN WHY",
        "probes/checkout Failed 2 checkout-c1 CheckFailed: 500 (nodes: 1 passed, 1 failed, 0 unknown)",
        "and 4 more probes should have run: there was no room",
        "",
        "GATE PHASE SINCE VERDICT REASON",
        "production Closed Failed ProbeFailed",
        "",
        "WHEN WHAT",
        "2026-03-01 12:00:00Z ProbeFailed probes/checkout (CheckFailed: 500)",
    ]


def test_the_story_of_one_that_has_just_begun(cluster: Cluster) -> None:
    put(cluster, "chg-1")
    result = command("chg-1")
    assert result.exit_code == 0
    assert lines(result)[0] == "chg-1 Settling"


def test_no_such_change(cluster: Cluster) -> None:
    result = command("chg-9")
    assert result.exit_code == 2
    assert "there is no Change 'chg-9'" in result.stderr


def test_a_story_is_of_one_change_whatever_the_gate(cluster: Cluster) -> None:
    assert command("chg-1", "--gate", "production").exit_code == 2


def test_a_change_of_a_newer_operator_is_told_and_hides_no_other(cluster: Cluster) -> None:
    put(cluster, "change-1")["spec"]["source"] = "Moon"
    put(cluster, "change-2")
    listed, told = command(), command("change-1")
    assert listed.exit_code == 0
    assert "left out: spec.source of change-1 is not known to this version" in listed.stderr
    assert "change-2" in listed.stdout
    assert told.exit_code == 2
    assert "spec.source of change-1 is not known to this version: use the operator's" in told.stderr

"""The health checks that we ship for Argo CD, run by the Lua that it runs them with."""

from __future__ import annotations

from typing import Any

import pytest

from tests.glue.states import STATES, gate_object
from tests.glue.tools import ARGO_CD, Program, build, shipped

PREFIX = "resource.customizations.health.kubeprobe.io_"


@pytest.fixture(scope="module")
def argo() -> Program:
    return build(ARGO_CD)


def health(argo: Program, kind: str, *objects: dict[str, Any]) -> list[tuple[str, str]]:
    (config,) = shipped("argo-cd.yaml", "ConfigMap")
    told = argo.ask({"script": config["data"][PREFIX + kind], "objects": objects})
    assert [one["error"] for one in told] == [""] * len(objects)
    return [(one["status"], one["message"]) for one in told]


def run(**status: Any) -> dict[str, Any]:
    return {"kind": "ProbeRun", "metadata": {"name": "a", "generation": 1}, "status": status}


def config(*conditions: dict[str, str], seen: int = 1) -> dict[str, Any]:
    status = {"observedGeneration": seen, "conditions": list(conditions)}
    return {"kind": "ProbeConfig", "metadata": {"name": "a", "generation": 1}, "status": status}


def test_a_run_is_a_hook_that_ends_as_the_probe_does(argo: Program) -> None:
    failed = run(phase="Completed", verdict="Failed", reason="CheckFailed", message="HTTP 500")
    unknown = run(phase="Completed", verdict="Unknown", reason="NotScheduled", message="0 nodes")
    passed = run(phase="Completed", verdict="Passed", reason="Passed")
    assert health(argo, "ProbeRun", run(phase="Pending"), {"metadata": {}}, passed, failed, unknown) == [
        ("Progressing", "the probe runs"),
        ("Progressing", "the probe runs"),
        ("Healthy", ""),
        ("Degraded", "Failed: CheckFailed: HTTP 500"),
        ("Degraded", "Unknown: NotScheduled: 0 nodes"),
    ]


def test_a_gate(argo: Program) -> None:
    expected = {
        "idle": "Healthy",
        "settling": "Progressing",
        "verifying": "Progressing",
        "verified": "Healthy",
        "recovered": "Healthy",
        "cannot-tell": "Healthy",
        "failed": "Degraded",
        "failed-later": "Degraded",
        "settling-closed": "Progressing",
        "verifying-closed": "Progressing",
        "held": "Suspended",
        "held-failed": "Suspended",
        "overridden": "Healthy",
    }
    told = health(argo, "ChangeGate", *map(gate_object, STATES))
    assert {name: status for name, (status, _) in zip(STATES, told, strict=True)} == expected
    assert {message for _, message in told} == {"so it is"}


def test_a_gate_that_the_operator_has_not_seen(argo: Program) -> None:
    new = {**gate_object("idle"), "status": {"phase": "Open", "reason": "Idle", "verdict": "Pending"}}
    told = health(argo, "ChangeGate", gate_object("verified", seen=False), new)
    assert [status for status, _ in told] == ["Progressing", "Progressing"]


@pytest.mark.parametrize("kind", ["ProbeConfig", "ProbeTemplate"])
def test_what_can_work_is_healthy(argo: Program, kind: str) -> None:
    ready = {"type": "Ready", "status": "True", "reason": "Ready"}
    broken = {"type": "Ready", "status": "False", "reason": "NoTemplate", "message": "there is no template x"}
    other = {"type": "RateKept", "status": "False", "reason": "x"}
    unseen = config(ready, seen=0)
    told = health(argo, kind, config(other, ready), config(broken), config(other), unseen, {"metadata": {}})
    assert [status for status, _ in told] == ["Healthy", "Degraded", "Progressing", "Progressing", "Progressing"]
    assert told[1] == ("Degraded", "there is no template x")

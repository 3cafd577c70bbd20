"""The health checks that we ship for Flux, evaluated by Flux's own evaluator."""

from __future__ import annotations

from typing import Any

import pytest

from tests.glue.states import STATES, gate_object
from tests.glue.tools import FLUX, Program, build, shipped

API = "kubeprobe.io/v1alpha1"


@pytest.fixture(scope="module")
def flux() -> Program:
    return build(FLUX)


def health(flux: Program, *objects: dict[str, Any]) -> list[str]:
    found = shipped("flux.yaml", "Kustomization")
    checks = [check for one in found for check in one["spec"]["healthCheckExprs"]]
    told = flux.ask({"checks": checks, "objects": objects})
    assert [one["error"] for one in told] == [""] * len(objects)
    return [one["status"] for one in told]


def made(kind: str, **status: Any) -> dict[str, Any]:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": "a", "generation": 1}, "status": status}


def test_a_gate(flux: Program) -> None:
    told = health(flux, *map(gate_object, STATES))
    expected = {
        name: "InProgress" if "Pending" in status["verdict"] else "Failed" if status["phase"] == "Closed" else "Current"
        for name, status in STATES.items()
    }
    assert dict(zip(STATES, told, strict=True)) == expected


def test_a_gate_that_the_operator_has_not_seen(flux: Program) -> None:
    new = {**gate_object("idle"), "status": {"phase": "Open", "reason": "Idle", "verdict": "Pending"}}
    assert health(flux, gate_object("failed", seen=False), new) == ["InProgress", "InProgress"]


def test_a_run(flux: Program) -> None:
    runs = [made("ProbeRun", phase="Completed", verdict=verdict) for verdict in ("Passed", "Failed", "Unknown")]
    assert health(flux, made("ProbeRun", phase="Pending"), *runs) == ["InProgress", "Current", "Failed", "Failed"]


def test_a_config(flux: Program) -> None:
    def ready(status: str) -> dict[str, Any]:
        return made("ProbeConfig", observedGeneration=1, conditions=[{"type": "Ready", "status": status}])

    none = made("ProbeConfig", observedGeneration=1)
    assert health(flux, ready("True"), ready("False"), none) == ["Current", "Failed", "InProgress"]

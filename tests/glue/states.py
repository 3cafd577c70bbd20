"""Gates as release tools meet them, by the states that docs/gate.md has."""

from __future__ import annotations

from typing import Any

AT = "2026-03-01T12:00:05Z"
CHANGE = "chg-01kgk2zq5r8f3v6y9m0c4w7x1b"


def change(verdict: str) -> dict[str, Any]:
    return {"id": CHANGE, "count": 3, "since": AT, "verdict": verdict}


def is_open(reason: str, verdict: str, **more: Any) -> dict[str, Any]:
    return {"phase": "Open", "reason": reason, "verdict": verdict, "since": AT, "message": "so it is", **more}


def is_closed(reason: str, verdict: str, **more: Any) -> dict[str, Any]:
    return {**is_open(reason, verdict), "phase": "Closed", "closureID": "c0ffee", **more}


STATES: dict[str, dict[str, Any]] = {
    "idle": is_open("Idle", "Passed"),
    "settling": is_open("Settling", "Pending", change=change("Pending")),
    "verifying": is_open("Verifying", "Pending", change=change("Pending"), verifyingSince=AT),
    "verified": is_open("Verified", "Passed", change=change("Passed"), verifyingSince=AT),
    "recovered": is_open("Recovered", "Passed", change=change("Passed"), verifyingSince=AT),
    "cannot-tell": is_open("Inconclusive", "Inconclusive", change=change("Inconclusive"), verifyingSince=AT),
    "failed": is_closed("ProbeFailed", "Failed", change=change("Failed"), verifyingSince=AT),
    "failed-later": is_closed("ProbeFailed", "Failed", change=change("Passed"), verifyingSince=AT),
    "settling-closed": is_closed("Settling", "Pending", change=change("Pending")),
    "verifying-closed": is_closed("Verifying", "Pending", change=change("Pending"), verifyingSince=AT),
    "held": is_closed("Hold", "Passed"),
    "held-failed": is_closed("Hold", "Failed", change=change("Failed"), verifyingSince=AT),
    "overridden": is_open("Override", "Failed", change=change("Failed"), verifyingSince=AT),
}
"""The status of a gate in each."""

OPEN = {name for name, status in STATES.items() if status["phase"] == "Open"}


def gate_object(name: str, *, seen: bool = True) -> dict[str, Any]:
    """A gate in the state of this name, as the API server gives it.

    Args:
        name: the state, and the gate's name.
        seen: whether the operator has seen its spec.
    """
    return {
        "apiVersion": "kubeprobe.io/v1alpha1",
        "kind": "ChangeGate",
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "generation": 2,
            "resourceVersion": "1",
            "creationTimestamp": AT,
        },
        "spec": {"scope": {"namespaces": ["*"]}, "probes": {"namespaces": ["*"]}},
        "status": {**STATES[name], "observedGeneration": 2 if seen else 1},
    }

"""`kubeprobe gate` and `kubeprobe changes` against a real API server: what they write is taken, and comes back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.conftest import Server

AT = "2026-03-01T12:00:00Z"
NAME = "commanded"
SPEC: dict[str, Any] = {"scope": {"namespaces": ["shop"]}, "probes": {"namespaces": ["probes"]}}
CHANGE = "chg-01kgk2zq5r8f3v6y9m0c4w7x1b"


@pytest.fixture
def gate(server: Server, crds: dict[str, dict[str, Any]]) -> Iterator[str]:
    body = {"apiVersion": "kubeprobe.io/v1alpha1", "kind": "ChangeGate", "metadata": {"name": NAME}, "spec": SPEC}
    created = server.create(body)
    assert created.status_code == 201, created.text
    yield NAME
    server.http.delete(f"{server.path('ChangeGate')}/{NAME}")


def command(server: Server, *args: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "kubeprobe.cli", *args, "--kubeconfig", str(server.kubeconfig)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def spec(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.http.get(f"{server.path('ChangeGate')}/{NAME}").json()["spec"]
    return found


def say(server: Server, generation: int, **status: Any) -> None:
    """What the operator would write."""
    body = {"status": {"observedGeneration": generation, "since": AT, "verdict": "Passed", **status}}
    answer = server.patch("ChangeGate", NAME, body, "/status")
    assert answer.status_code == 200, answer.text


def test_a_new_gate_is_not_known_yet(server: Server, gate: str) -> None:
    assert command(server, "gate", gate).returncode == 3


def test_open_and_closed(server: Server, gate: str) -> None:
    say(server, 1, reason="Idle")
    assert command(server, "gate", gate).returncode == 0
    say(server, 1, phase="Closed", closureID="c0ffee", reason="ProbeFailed", message="probe probes/shop failed")
    done = command(server, "gate", gate, "wait")
    assert done.returncode == 1
    assert "probe probes/shop failed" in done.stdout


def test_hold_open_and_override_are_taken(server: Server, gate: str) -> None:
    say(server, 1)
    # Nobody acts on it here, and that is said.
    assert command(server, "gate", gate, "override", "-m", "hotfix", "--for", "30m", "--timeout", "1").returncode == 3
    assert spec(server)["override"]["reason"] == "hotfix"
    done = command(server, "gate", gate, "hold", "-m", "stocktaking", "--timeout", "1")
    assert "has not acted on it" in done.stderr
    assert (spec(server)["hold"], "override" in spec(server)) == ({"reason": "stocktaking"}, False)
    command(server, "gate", gate, "open", "--timeout", "1")
    assert "hold" not in spec(server)


def test_what_the_api_server_refuses_is_said(server: Server, gate: str) -> None:
    done = command(server, "gate", gate, "hold", "-m", "x" * 300)
    assert done.returncode == 2
    assert "spec.hold.reason" in done.stderr


def test_no_such_gate_and_no_such_change(server: Server, crds: dict[str, dict[str, Any]]) -> None:
    done = command(server, "gate", "no-such-gate")
    assert (done.returncode, "there is no ChangeGate" in done.stderr) == (2, True)
    done = command(server, "changes", "chg-none")
    assert (done.returncode, "there is no Change" in done.stderr) == (2, True)


def test_changes(server: Server, crds: dict[str, dict[str, Any]]) -> None:
    cart = {"kind": "Deployment", "namespace": "shop", "name": "cart", "type": "Modified", "by": "helm", "at": AT}
    told = {"source": "Rollout", "summary": "Deployment shop/cart", "objects": [cart], "count": 1, "gates": [NAME]}
    body = {
        "apiVersion": "kubeprobe.io/v1alpha1",
        "kind": "Change",
        "metadata": {"name": CHANGE},
        "spec": {**told, "began": AT, "last": AT, "closed": AT},
    }
    created = server.create(body)
    assert created.status_code == 201, created.text
    try:
        listed = command(server, "changes", "--gate", NAME)
        assert (listed.returncode, CHANGE in listed.stdout) == (0, True)
        assert CHANGE not in command(server, "changes", "--gate", "another").stdout
        assert "Deployment shop/cart" in command(server, "changes", CHANGE).stdout
    finally:
        server.http.delete(f"{server.path('Change')}/{CHANGE}")

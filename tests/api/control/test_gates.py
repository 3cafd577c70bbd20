"""Gates on a real API server: their status as it is stored and waited for, the runs they ask for, and the proof."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.control.conftest import Operator
from tests.api.control.pods import ended
from tests.lab.kubectl import eventually

SOON_SECONDS = 30
API = "kubeprobe.io/v1alpha1"
POLICY_API = "admissionregistration.k8s.io/v1"


class Gate:
    """One gate over one namespace and its configs."""

    def __init__(self, operator: Operator, namespace: str) -> None:
        self.operator = operator
        self.namespace = namespace
        self.name = f"g-{uuid.uuid4().hex[:6]}"
        self.spec: dict[str, Any] = {
            "scope": {"namespaces": [namespace]},
            "probes": {"namespaces": [namespace]},
            "quiet": "1s",
            "enforcement": "Off",
        }

    def apply(self, **spec: Any) -> None:
        """Write the gate."""
        self.spec |= spec
        self.operator.kubectl.apply(
            {"apiVersion": API, "kind": "ChangeGate", "metadata": {"name": self.name}, "spec": self.spec}
        )

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = (self.operator.kubectl.get("changegate", self.name) or {}).get("status", {})
        return found

    def becomes(self, phase: str, reason: str, seconds: float = SOON_SECONDS) -> dict[str, Any]:
        """Wait until it is open or closed for a reason."""

        def look() -> dict[str, Any] | None:
            status = self.status
            return status if (status.get("phase"), status.get("reason")) == (phase, reason) else None

        return eventually(f"{self.name} is {phase}/{reason}", look, seconds, lambda: self.status)

    def condition(self, kind: str) -> tuple[str, str]:
        """A condition's status and reason."""
        told = {one["type"]: (one["status"], one["reason"]) for one in self.status.get("conditions", ())}
        return told.get(kind, ("", ""))

    def runs(self) -> list[dict[str, Any]]:
        """The runs that gates asked for."""
        found = self.operator.kubectl.list("proberuns", self.namespace)
        return [one for one in found if one["spec"]["trigger"]["kind"] == "Gate"]

    def asked(self, known: int = 0) -> str:
        """Wait for a run that a gate asks for, beside those that are known; its name, its pod there."""
        runs = eventually(
            "a gate's run", lambda: self.runs() if len(self.runs()) > known else None, SOON_SECONDS, lambda: self.status
        )
        name: str = max(runs, key=lambda one: one["metadata"]["creationTimestamp"])["metadata"]["name"]
        eventually(f"pod {name}", lambda: self.operator.kubectl.get("pod", name, self.namespace), SOON_SECONDS)
        return name


@pytest.fixture
def gate(operator: Operator, namespace: str) -> Iterator[Gate]:
    made = Gate(operator, namespace)
    operator.template("gated")
    operator.config("gated", namespace)
    yield made
    operator.kubectl.delete("changegate", made.name)


def probed(gate: Gate, code: int) -> None:
    """Somebody has run the probe."""
    name, _ = gate.operator.run("gated", gate.namespace)
    gate.operator.kubelet(name, gate.namespace, **ended(code, "HTTP 500" if code else ""))


def test_a_gate_closes_and_opens_with_its_probe(gate: Gate) -> None:
    gate.apply()
    probed(gate, 0)
    gate.becomes("Open", "Idle")
    probed(gate, 1)
    status = gate.becomes("Closed", "ProbeFailed")
    assert status["closedBy"] == f"{gate.namespace}/gated"
    assert status["closureID"]
    assert gate.condition("Open") == ("False", "ProbeFailed")
    columns = gate.operator.kubectl("get", "changegate", gate.name).splitlines()[1]
    assert f"{gate.namespace}/gated" in columns
    probed(gate, 0)
    gate.operator.kubectl("wait", "--for=condition=Open", f"changegate/{gate.name}", "--timeout=30s")
    status = gate.status
    assert status["reason"] == "Recovered"
    assert "closureID" not in status or status["closureID"] == ""

    def told() -> list[str]:
        events = gate.operator.kubectl.list("events", "default")
        return sorted(one["reason"] for one in events if one["involvedObject"]["name"] == gate.name)

    eventually("both turns are told", lambda: told() == ["GateClosed", "GateOpened"], SOON_SECONDS, told)


def test_what_somebody_writes_into_the_status_is_refused_or_put_right(gate: Gate) -> None:
    gate.apply()
    probed(gate, 1)
    closure = gate.becomes("Closed", "ProbeFailed")["closureID"]
    kubectl = gate.operator.kubectl

    def write(status: dict[str, Any]) -> None:
        patch = json.dumps({"status": status})
        kubectl("patch", "changegate", gate.name, "--subresource=status", "--type=merge", "-p", patch)

    with pytest.raises(RuntimeError, match=r"spec\.override or spec\.hold"):
        write({"phase": "Open"})
    write({"phase": "Open", "closureID": "", "reason": "Idle"})
    assert gate.becomes("Closed", "ProbeFailed")["closureID"] != ""
    write({"closureID": "cls-forged"})
    eventually("the forged one is gone", lambda: gate.status["closureID"] != "cls-forged", SOON_SECONDS)
    assert closure


def test_hold_and_override(gate: Gate) -> None:
    gate.apply(hold={"reason": "freeze"})
    probed(gate, 0)
    held = gate.becomes("Closed", "Hold")
    assert "freeze" in held["message"]
    gate.apply(override={"reason": "a fix must go out", "until": "2999-01-01T00:00:00Z"})
    gate.becomes("Open", "Override")


def test_a_deployment_is_verified_and_a_bad_one_closes_the_gate(gate: Gate) -> None:
    gate.apply()
    probed(gate, 0)
    gate.becomes("Open", "Idle")
    gate.operator.deploy(gate.namespace, "cart:1")
    first = gate.asked()
    gate.operator.kubelet(first, gate.namespace, **ended(0))
    status = gate.becomes("Open", "Verified")
    assert [one["images"] for one in status["lastGood"]] == [{"app": "cart:1"}]
    assert status["change"]["verdict"] == "Passed"
    gate.operator.deploy(gate.namespace, "cart:2")
    second = gate.asked(known=1)
    change = gate.status["change"]["id"]
    gate.operator.kubelet(second, gate.namespace, **ended(1, "HTTP 500"))
    status = gate.becomes("Closed", "ProbeFailed")
    assert (status["change"]["id"], status["change"]["verdict"]) == (change, "Failed")
    assert status["lastGood"][0]["changed"] is True

    def failed() -> bool:
        found = gate.operator.kubectl.get("change", change) or {}
        return bool(found.get("status", {}).get("phase") == "Failed")

    eventually("the Change tells of it", failed, SOON_SECONDS, lambda: gate.operator.kubectl.get("change", change))


def policy(name: str, gate: str) -> list[dict[str, Any]]:
    """A policy that denies just what the operator tries for one gate."""
    label = "'kubeprobe.io/gate-proof'"
    labels = "object.metadata.labels"
    allowed = f"!has({labels}) || !({label} in {labels}) || {labels}[{label}] != '{gate}'"
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}
    spec = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": allowed, "message": "kubeprobe-gate-proof: it holds"}],
    }
    binding = {"policyName": name, "validationActions": ["Deny"]}
    return [
        {"apiVersion": POLICY_API, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec},
        {
            "apiVersion": POLICY_API,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": binding,
        },
    ]


def refused(gate: Gate) -> bool:
    """Whether the policy denies what the operator would try."""
    metadata = {"name": "tried", "namespace": gate.namespace, "labels": {"kubeprobe.io/gate-proof": gate.name}}
    labels = {"app": "tried"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "none"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
    try:
        gate.operator.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(body))
    except RuntimeError as error:
        return "it holds" in str(error)
    return False


def test_the_api_server_is_seen_to_deny_or_not_to(gate: Gate) -> None:
    gate.apply(enforcement="Enforce")
    not_denied = ("False", "NotDenied")
    eventually("it is let through", lambda: gate.condition("Enforced") == not_denied, SOON_SECONDS, lambda: gate.status)
    kubectl, name = gate.operator.kubectl, f"p-{gate.name}"
    kubectl.apply(*policy(name, gate.name))
    try:
        eventually("the policy is effective", lambda: refused(gate), SOON_SECONDS)
        # What did not hold is tried again after half a minute, but at once where it is enforced anew.
        gate.apply(enforcement="Off")
        eventually("it is off", lambda: gate.condition("Enforced") != not_denied, SOON_SECONDS, lambda: gate.status)
        gate.apply(enforcement="Enforce")
        denied = ("True", "Denied")
        eventually("it is denied", lambda: gate.condition("Enforced") == denied, SOON_SECONDS, lambda: gate.status)
        assert kubectl.get("deployment", "kubeprobe-trial", "default") is None
    finally:
        for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
            kubectl.delete(kind, name)


def test_a_gate_that_is_deleted_while_closed_takes_nothing_with_it(gate: Gate) -> None:
    gate.apply()
    probed(gate, 1)
    gate.becomes("Closed", "ProbeFailed")
    gate.operator.kubectl.delete("changegate", gate.name)
    gate.apply()
    gate.becomes("Closed", "ProbeFailed")
    probed(gate, 0)
    gate.becomes("Open", "Recovered")

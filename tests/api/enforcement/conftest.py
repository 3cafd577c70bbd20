"""The chart's admission policies in the admission chain of a real API server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.api.conftest import Server
from tests.api.enforcement.cases import CLOSURE, NAMESPACES, ON_CALL, Body, Case, gate, workload
from tests.lab.chart import render

SOON_SECONDS = 30.0
POLL_SECONDS = 0.02
BARRIER = "barrier"
MERGE = {"Content-Type": "application/merge-patch+json"}
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


@dataclass
class Admission:
    """An API server with gates; speaks as a developer unless told otherwise."""

    server: Server
    gates: list[str] = field(default_factory=list)
    workloads: set[str] = field(default_factory=set)
    """The paths of those that were made."""

    def gate(self, body: Body) -> None:
        """Put a gate there, its status as the operator would write it."""
        name = body["metadata"]["name"]
        path = self.server.path("ChangeGate")
        answer = self.server.http.post(path, json={key: body[key] for key in body if key != "status"})
        assert answer.status_code == 201, answer.text
        self.gates.append(name)
        self.status(name, body["status"])
        if "deletionTimestamp" in body["metadata"]:
            assert self.server.http.delete(f"{path}/{name}").status_code == 200

    def status(self, name: str, status: Body) -> None:
        answer = self.server.patch("ChangeGate", name, {"status": status}, "/status")
        assert answer.status_code == 200, answer.text

    def attempt(self, case: Case, *, user: str = "developer") -> httpx.Response:
        """Create or replace the case's workload."""
        body, path = case.after, objects(case.after)
        headers = [
            ("Impersonate-User", user),
            *(("Impersonate-Group", group) for group in ("developers", *case.groups)),
        ]
        params = {"dryRun": "All"} if case.dry_run else {}
        if case.before is None:
            self.workloads.add(f"{path}/cart")
            return self.server.http.post(path, json=body, headers=headers, params=params)
        return self.server.http.put(f"{path}/cart", json=body, headers=headers, params=params)

    def prepare(self, case: Case) -> None:
        """What is there before the attempt: the workload as it was, and the gates."""
        if case.before is not None:
            self.workloads.add(f"{objects(case.before)}/cart")
            made = self.server.http.post(objects(case.before), json=case.before)
            assert made.status_code == 201, made.text
        for one in case.gates:
            self.gate(one)

    def clear(self) -> None:
        """Take the gates away, and the workloads."""
        for name in self.gates:
            self.server.patch("ChangeGate", name, {"metadata": {"finalizers": None}})
            self.server.http.delete(f"{self.server.path('ChangeGate')}/{name}")
        self.gates.clear()
        for path in self.workloads:
            self.server.http.delete(path)
        self.workloads.clear()


@dataclass
class Policed(Admission):
    """The same with the chart's policies."""

    barriers: int = 0

    def seen(self) -> None:
        """Wait until the policies see the gates as they are: what they are told of one, they have been told of all."""
        self.barriers += 1
        message = f"barrier {self.barriers}."
        self.status(BARRIER, {"phase": "Closed", "closureID": CLOSURE, "message": message})
        probe = workload(namespace=BARRIER)
        until(message, lambda: message in self.attempt(Case("barrier", probe)).text)


def holds(case: Case, answer: httpx.Response) -> None:
    """Whether an attempt came to what the table says."""
    assert answer.status_code == (403 if case.denied else 201 if case.before is None else 200), answer.text
    if case.denied:
        assert case.denied in answer.json()["message"]
        assert answer.json()["reason"] == "Forbidden"
    warnings = " ".join(answer.headers.get_list("Warning"))
    assert ("ChangeGate" in warnings) is bool(case.warned)
    assert case.warned in warnings


def objects(body: Body) -> str:
    """The path of a workload's collection."""
    return f"/apis/apps/v1/namespaces/{body['metadata']['namespace']}/{body['kind'].lower()}s"


def until(what: str, condition: Callable[[], bool]) -> None:
    """Wait for something."""
    deadline = time.monotonic() + SOON_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about"
        time.sleep(POLL_SECONDS)


@pytest.fixture(scope="session")
def people(server: Server, crds: dict[str, Any]) -> Server:
    """The namespaces and the users of the cases."""
    assert crds
    for name, labels in {**NAMESPACES, BARRIER: {}}.items():
        made = server.http.post("/api/v1/namespaces", json={"metadata": {"name": name, "labels": labels}})
        assert made.status_code in (201, 409), made.text
    everything = {"apiGroups": ["apps"], "resources": ["*"], "verbs": ["*"]}
    _grant(server, "developers", everything)
    override = {"apiGroups": ["kubeprobe.io"], "resources": ["changegates"], "verbs": ["override"]}
    _grant(server, ON_CALL, {**override, "resourceNames": ["production"]})
    return server


@pytest.fixture(scope="module")
def installed(people: Server) -> Iterator[Policed]:
    """The chart's policies."""
    policies = [one for one in render() if one["kind"].startswith("ValidatingAdmissionPolicy")]
    for one in policies:
        create(people, f"{ADMISSION}/{_plural(one['kind'])}", one)
    policed = Policed(people)
    policed.gate(gate(BARRIER, scope={"namespaces": [BARRIER]}, status={"message": "barrier"}))
    policed.gates.clear()
    policed.seen()
    yield policed
    for one in policies:
        people.http.delete(f"{ADMISSION}/{_plural(one['kind'])}/{one['metadata']['name']}")
    until("the policies are gone", lambda: policed.attempt(Case("barrier", workload(namespace=BARRIER))).is_success)
    people.http.delete(f"{people.path('ChangeGate')}/{BARRIER}")


@pytest.fixture
def policed(installed: Policed) -> Iterator[Policed]:
    """The same with no gates and no workloads."""
    yield installed
    installed.clear()


def _plural(kind: str) -> str:
    return {
        "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
        "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
    }[kind]


def _grant(server: Server, group: str, rule: Body) -> None:
    create(server, f"{RBAC}/clusterroles", {"metadata": {"name": group}, "rules": [rule]})
    subject = {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": group}
    role = {"kind": "ClusterRole", "apiGroup": "rbac.authorization.k8s.io", "name": group}
    create(server, f"{RBAC}/clusterrolebindings", {"metadata": {"name": group}, "roleRef": role, "subjects": [subject]})


def create(server: Server, path: str, body: Body) -> None:
    """Create any object."""
    answer = server.http.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status_code == 201, answer.text

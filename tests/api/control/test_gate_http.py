"""Gates asked over HTTP of an operator beside a real API server: by whoever leads, by a standby, by whom it lets in."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.control.conftest import HOST, SOON_SECONDS, Operator, start
from tests.lab.kubectl import eventually
from tests.lab.process import free_port


@pytest.fixture
def gate(operator: Operator) -> Iterator[str]:
    """A gate that nothing but its spec closes."""
    name = f"gate-{uuid.uuid4().hex[:8]}"
    set_gate(operator, name)
    yield name
    operator.kubectl("delete", "changegate", name, "--ignore-not-found")


def set_gate(operator: Operator, name: str, **more: Any) -> None:
    spec = {
        "scope": {"namespaces": ["nowhere"]},
        "probes": {"namespaces": ["nowhere"]},
        "onInconclusive": "Open",
        **more,
    }
    body = {"apiVersion": "kubeprobe.io/v1alpha1", "kind": "ChangeGate", "metadata": {"name": name}, "spec": spec}
    operator.kubectl.apply(body)


def asked(url: str, path: str, method: str = "GET", **more: Any) -> httpx.Response:
    return httpx.request(method, f"{url}/v1/gates/{path}", timeout=30, **more)


def until(url: str, path: str, status: int) -> dict[str, Any]:
    """Wait for a status; the answer's JSON."""
    answers: list[httpx.Response] = []

    def look() -> bool:
        answers[:] = [asked(url, path)]
        return answers[0].status_code == status

    eventually(f"{path} is {status}", look, SOON_SECONDS, lambda: answers and answers[0].text)
    said: dict[str, Any] = answers[0].json()
    return said


def test_a_gate_that_is_held_is_closed_in_both_dialects(operator: Operator, gate: str) -> None:
    until(operator.url, f"{gate}/check", 200)
    set_gate(operator, gate, hold={"reason": "freeze"})
    said = until(operator.url, f"{gate}/check", 403)
    assert (said["open"], said["reason"]) == (False, "Hold")
    assert "freeze" in said["message"]
    assert said["closureID"]
    assert asked(operator.url, gate).json() == said
    assert asked(operator.url, f"{gate}/rollback", "POST").status_code == 403
    set_gate(operator, gate)
    assert until(operator.url, f"{gate}/check", 200)["open"] is True


def test_a_gate_that_was_deleted_is_not_there(operator: Operator, gate: str) -> None:
    until(operator.url, f"{gate}/check", 200)
    operator.kubectl("delete", "changegate", gate)
    until(operator.url, f"{gate}/check", 404)


def test_an_announced_change_is_written_when_it_is_answered_and_can_be_waited_for(
    operator: Operator, gate: str
) -> None:
    said = {"namespace": "shop", "name": "cart", "checksum": "c1", "message": "cart 2"}
    answer = asked(operator.url, f"{gate}/changes", "POST", json=said)
    assert answer.status_code == 202, answer.text
    name = answer.json()["change"]["id"]
    change = operator.kubectl.get("change", name)
    assert change is not None
    assert change["spec"]["source"] == "Announced"
    assert change["spec"]["gates"] == [gate]
    again = asked(operator.url, f"{gate}/changes", "POST", json=said)
    assert (again.status_code, again.json()["change"]["id"]) == (202, name)
    verdict = asked(operator.url, f"{gate}?change={name}&wait=25s").json()
    assert (verdict["change"]["id"], verdict["verdict"]) == (name, "Inconclusive")


def test_what_was_announced_at_no_gate_is_no_change(operator: Operator) -> None:
    assert asked(operator.url, "none/changes", "POST").status_code == 404


@pytest.fixture(scope="module")
def standby(operator: Operator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A second replica, which asks who calls."""
    folder, port = tmp_path_factory.mktemp("standby"), free_port(HOST)
    log: Path = folder / "operator.log"
    process = start(operator.kubectl.kubeconfig, port, log, "--gate-authentication")
    yield f"http://{HOST}:{port}"
    process.terminate()
    assert process.wait(timeout=30) == 0, log.read_text()


@pytest.fixture
def caller(operator: Operator, gate: str) -> dict[str, str]:
    """The headers of a service account that may ask this gate, and announce at it."""
    operator.kubectl("create", "serviceaccount", gate, "-n", "default")
    operator.kubectl(
        "create", "clusterrole", gate, "--verb=get,announce", "--resource=changegates.kubeprobe.io",
        f"--resource-name={gate}",
    )  # fmt: skip
    operator.kubectl("create", "clusterrolebinding", gate, f"--clusterrole={gate}", f"--serviceaccount=default:{gate}")
    return {"Authorization": f"Bearer {operator.kubectl('create', 'token', gate, '-n', 'default').strip()}"}


def test_a_standby_answers_whom_the_cluster_lets_ask(
    operator: Operator, gate: str, standby: str, caller: dict[str, str]
) -> None:
    set_gate(operator, gate, hold={"reason": "freeze"})
    until(operator.url, f"{gate}/check", 403)

    def same() -> bool:
        answer = asked(standby, f"{gate}/check", headers=caller)
        return answer.status_code == 403 and answer.json().get("reason") == "Hold"

    eventually("the standby says the same", same, SOON_SECONDS)
    assert asked(standby, f"{gate}/check").status_code == 401
    other = asked(standby, "another/check", headers=caller)
    assert (other.status_code, "may not get changegate another" in other.json()["error"]) == (403, True)
    announced = asked(standby, f"{gate}/changes", "POST", headers=caller)
    assert (announced.status_code, announced.headers["Retry-After"]) == (503, "1")


def test_who_waits_at_a_standby_is_told_when_the_leader_writes(
    operator: Operator, gate: str, standby: str, caller: dict[str, str]
) -> None:
    name = asked(operator.url, f"{gate}/changes", "POST", json={"name": "cart"}).json()["change"]["id"]
    answers: list[httpx.Response] = []
    waiting = threading.Thread(
        target=lambda: answers.append(asked(standby, f"{gate}?change={name}&wait=25s", headers=caller))
    )
    waiting.start()
    waiting.join(timeout=40)
    assert not waiting.is_alive()
    assert answers[0].json()["change"]["id"] >= name
    assert answers[0].json()["verdict"] != "Pending"

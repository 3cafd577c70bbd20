"""What resident probers tell, with real tokens and a real API server: from POST, or a pod's log, to the ProbeResult."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from kubeprobe.plan.found import LABEL_RESIDENT
from probe_sdk.samples import LoggedTarget, LogLine, Samples, TargetSample
from probe_sdk.wire import LABEL_CONFIG
from testbed.pki import Authority, KeyPair
from tests.api.control.conftest import HOST, SOON_SECONDS, Operator
from tests.lab.kubectl import eventually

TARGETS = ("a", "b", "c")
SILENT_SECONDS = 60


@dataclass
class Prober:
    """A resident prober that does what a test says: its pod, and what it tells."""

    operator: Operator
    namespace: str
    config: str
    pod: str
    epoch: str = "1"
    sequence: int = 0
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def sample(self, target: str, verdict: str = "Passed", passed: int = 10, failed: int = 0) -> TargetSample:
        message = "" if verdict == "Passed" else "connection refused"
        counts = {"passed": passed, "failed": failed, "unknown": 0, "missed": 0, "turns": 1, "buckets": {10: passed}}
        words = {"target": target, "verdict": verdict, "since": datetime.now(UTC), "message": message}
        return TargetSample.model_validate({**words, **counts, "seconds": passed / 100})

    def message(self, *targets: TargetSample, complete: bool = True, sequence: int | None = None) -> Samples:
        self.sequence = self.sequence + 1 if sequence is None else self.sequence
        number = self.sequence if sequence is None else sequence
        return Samples(
            epoch=self.epoch, sequence=number, sent_at=datetime.now(UTC), started_at=self.started_at,
            complete=complete, round=number if complete else 0, of=len(TARGETS), interval_seconds=1.0,
            served_ratio=1.0, withheld_seconds=0.0, targets=targets,
        )  # fmt: skip

    def post(self, said: Samples, token: str | None = None) -> httpx.Response:
        token = token or self.operator.token(self.pod, self.namespace)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        body = said.model_dump_json(exclude_defaults=True).encode()
        return httpx.post(f"{self.operator.url}/v1/samples", content=body, headers=headers, timeout=20)

    def tell(self) -> None:
        """Tell that all targets are well."""
        answer = self.post(self.message(*(self.sample(one) for one in TARGETS)))
        assert answer.status_code == 200, answer.text

    def result(self) -> dict[str, Any]:
        found = self.operator.kubectl.get("proberesult", self.config, self.namespace) or {}
        status: dict[str, Any] = found.get("status", {})
        return status

    def comes_to(self, verdict: str, source: str = "Intake", seconds: float = SOON_SECONDS) -> dict[str, Any]:
        def look() -> bool:
            status = self.result()
            return (status.get("verdict"), status.get("resident", {}).get("source")) == (verdict, source)

        eventually(f"{self.config} is {verdict} by {source}", look, seconds, self.result)
        return self.result()


@pytest.fixture
def prober(operator: Operator, namespace: str) -> Prober:
    """A config in mode Resident with a pod of its Deployment; there is no controller that would make one."""
    name = f"s{namespace}"
    operator.template(name, modes=["Resident"])
    targets = {"static": [{"name": one, "labels": {"team": "shop"}} for one in TARGETS]}
    operator.config(name, namespace, mode="Resident", resident={"interval": "1s", "targets": targets})
    return Prober(operator, namespace, name, add_pod(operator, name, namespace))


def add_pod(operator: Operator, config: str, namespace: str, name: str = "prober", node: str = "") -> str:
    """A pod as the Deployment's controller would make it, running on a node."""

    def deployment() -> dict[str, Any] | None:
        return operator.kubectl.get("deployment", f"{config}-resident", namespace)

    template = eventually(f"deployment of {config}", deployment, SOON_SECONDS)["spec"]["template"]
    assert {LABEL_CONFIG, LABEL_RESIDENT} <= set(template["metadata"]["labels"])
    spec = {**template["spec"], **({"nodeName": node} if node else {})}
    metadata = {"name": name, "namespace": namespace, "labels": template["metadata"]["labels"]}
    operator.kubectl.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    running = {"name": "probe", "ready": True, "restartCount": 0, "image": "none", "imageID": ""}
    running["state"] = {"running": {"startedAt": datetime.now(UTC).isoformat()}}
    operator.kubelet(name, namespace, phase="Running", containerStatuses=[running])
    return name


def test_what_a_prober_tells_becomes_the_answer_at_once(prober: Prober) -> None:
    prober.tell()
    green = prober.comes_to("Passed")
    assert (green["resident"]["targets"], green["resident"]["passed"]) == (3, 3)
    conditions = {one["type"]: one["status"] for one in green["conditions"]}
    assert (conditions["Healthy"], conditions["Fresh"]) == ("True", "True")
    assert green["window"][0]["passed"] == 30
    told = prober.message(prober.sample("b", "Failed", failed=1), complete=False)
    began = time.monotonic()
    assert prober.post(told).status_code == 200
    red = prober.comes_to("Failed")
    assert time.monotonic() - began < 5
    assert red["message"] == "1 of 3 targets fails: b (connection refused)"
    assert [one["target"] for one in red["resident"]["failing"]] == ["b"]
    table = prober.operator.kubectl("get", "proberesults", "-n", prober.namespace)
    assert "Failed" in table
    assert "1 of 3 targets fails: b" in table
    page = httpx.get(f"{prober.operator.url}/metrics", timeout=20).text
    labels = f'config="{prober.config}",namespace="{prober.namespace}",target="b",target_team="shop"'
    found = [line for line in page.splitlines() if line.startswith("probe_success{") and prober.config in line]
    assert any(line.endswith("} 0") and all(one in line for one in labels.split(",")) for line in found), found


def test_what_is_not_to_be_believed_is_refused_and_changes_nothing(prober: Prober) -> None:
    prober.epoch = "2"
    prober.tell()
    prober.tell()
    prober.comes_to("Passed")
    failing = [prober.sample(one, "Failed", 10, 5) for one in TARGETS]
    again = prober.post(prober.message(*failing, sequence=prober.sequence))
    older = prober.post(prober.message(*failing, sequence=1))
    assert [(one.status_code, "nothing is new" in one.text) for one in (again, older)] == [(200, True)] * 2
    backwards = prober.post(prober.message(*(prober.sample(one, passed=9) for one in TARGETS)))
    assert (backwards.status_code, "counts are lower" in backwards.text) == (409, True)
    prober.epoch = "1"
    dead = prober.post(prober.message(*failing))
    assert (dead.status_code, "the epoch is over" in dead.text) == (410, True)
    assert prober.result()["verdict"] == "Passed"
    assert prober.result()["window"][0]["passed"] == 30


def test_another_pod_is_refused(operator: Operator, prober: Prober, namespace: str) -> None:
    spec = {"serviceAccountName": "default", "containers": [{"name": "one", "image": "none"}]}
    metadata = {"name": "stranger", "namespace": namespace}
    operator.kubectl.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    samples = prober.message(*(prober.sample(one, "Failed", 0, 1) for one in TARGETS))
    answer = prober.post(samples, operator.token("stranger", namespace))
    assert (answer.status_code, "not a resident prober" in answer.text) == (403, True)
    operator.template(f"o{namespace}")
    operator.config(f"o{namespace}", namespace)
    run, _ = operator.run(f"o{namespace}", namespace)
    assert prober.post(samples, operator.token(run, namespace)).status_code == 403
    assert prober.post(samples, "nonsense").status_code == 401
    assert operator.report(operator.token(prober.pod, namespace), {"ok": True}).status_code == 403


def test_the_log_is_read_through_the_kubelet_when_nothing_arrives(
    operator: Operator, namespace: str, tmp_path: Path
) -> None:
    name = f"k{namespace}"
    operator.template(name, modes=["Resident"])
    targets = {"static": [{"name": one} for one in TARGETS]}
    operator.config(name, namespace, mode="Resident", resident={"interval": "1s", "targets": targets})
    with kubelet(operator, f"n{namespace}", tmp_path) as log:
        prober = Prober(operator, namespace, name, add_pod(operator, name, namespace, node=f"n{namespace}"))
        prober.tell()
        prober.comes_to("Passed")
        log.latest = lambda: line(prober, "b")
        red = prober.comes_to("Failed", "Kubelet", SILENT_SECONDS)
        assert red["message"].startswith("1 of 3 targets fails: b (no such host); this is from a prober's log")
        assert log.asked[0].endswith(f"/containerLogs/{namespace}/prober/probe?sinceSeconds=30&tailLines=500")
        prober.tell()
        prober.comes_to("Passed")


def line(prober: Prober, failing: str) -> str:
    """The line that a prober writes when a target turns."""
    prober.sequence += 1
    bad = LoggedTarget(target=failing, verdict="Failed", since=datetime.now(UTC), message="no such host")
    told = LogLine(
        epoch=prober.epoch, sequence=prober.sequence, sent_at=datetime.now(UTC), round=0, interval_seconds=1.0,
        served_ratio=1.0, targets=len(TARGETS), targets_failed=1, targets_unknown=0, passed=30, failed=1, unknown=0,
        not_passed=(bad,), more=0,
    )  # fmt: skip
    return told.text() + "\n"


class Log:
    """What the containers of a node wrote, and who asked for it. A prober repeats itself: its latest line is new
    whenever somebody looks."""

    def __init__(self) -> None:
        self.latest: Callable[[], str] = str
        self.asked: list[str] = []

    def text(self) -> str:
        return "the prober begins\n" + self.latest()


@contextmanager
def kubelet(operator: Operator, node: str, folder: Path) -> Iterator[Log]:
    """A node whose kubelet does nothing but show logs."""
    log = Log()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            log.asked.append(self.path)
            body = log.text().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Not on the terminal."""

    pki = operator.kubectl.kubeconfig.parent / "pki"
    pair = Authority(KeyPair.at(pki, "ca")).issue(KeyPair.at(folder, "kubelet"), "system:node", names=[HOST])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    server = ThreadingHTTPServer((HOST, 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = {"type": "InternalIP", "address": HOST}
    operator.kubectl.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}})
    status = {"addresses": [address], "daemonEndpoints": {"kubeletEndpoint": {"Port": server.server_port}}}
    patch = json.dumps({"status": status})
    operator.kubectl("patch", "node", node, "--subresource=status", "--type=merge", "-p", patch)
    try:
        yield log
    finally:
        operator.kubectl("delete", "node", node, "--wait=false")
        server.shutdown()
        thread.join()
        server.server_close()

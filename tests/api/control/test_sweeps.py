"""Sweeps on a real API server: waves, their pace, what they remember of each node, and a restart in their middle."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.api.control.conftest import Operator, working
from tests.api.control.kubelets import Kubelets, kubelets
from tests.lab.kubectl import Kubectl, eventually

NODES = 120
SWEEP_SECONDS = 180
SOON_SECONDS = 30


@dataclass
class Cluster:
    """An API server with many nodes and an operator that can be killed."""

    operator: Operator

    def restart(self) -> None:
        """Kill the operator as a power cut would, and start another one at its address."""
        self.operator.kill()
        self.operator.begin()

    def sweep(self, config: str, namespace: str, **target: Any) -> str:
        """Ask for a sweep, or for a run on some nodes; its name."""
        name = f"{config}-{uuid.uuid4().hex[:6]}"
        spec = {"configRef": {"name": config}, **target}
        meta = {"name": name, "namespace": namespace}
        body = {"apiVersion": "kubeprobe.io/v1alpha1", "kind": "ProbeRun", "metadata": meta, "spec": spec}
        self.operator.kubectl.apply(body)
        return name

    def result(self, config: str, namespace: str, verdict: str, reason: str) -> dict[str, Any]:
        """Wait for an answer."""

        def look() -> dict[str, Any] | None:
            found = self.operator.kubectl.get("proberesult", config, namespace) or {}
            status: dict[str, Any] = found.get("status", {})
            return status if (status.get("verdict"), status.get("reason")) == (verdict, reason) else None

        return eventually(
            f"{config} is {verdict}", look, SOON_SECONDS,
            lambda: self.operator.kubectl.get("proberesult", config, namespace),
        )  # fmt: skip


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("sweeps")
    with working(folder, before=_with_nodes, audit_log=folder / "audit" / "audit.log") as operator:
        yield Cluster(operator)


def _with_nodes(kubectl: Kubectl) -> None:
    kubectl.apply(*(_node(f"node-{number:03}", pool="many") for number in range(NODES)))


def _node(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    name = f"t-{uuid.uuid4().hex[:8]}"
    cluster.operator.kubectl("create", "namespace", name)
    cluster.operator.kubectl("create", "serviceaccount", "default", "-n", name)
    yield name
    cluster.operator.kubectl("delete", "namespace", name, "--wait=false")


def _config(cluster: Cluster, name: str, namespace: str, pool: str = "many", **each_node: Any) -> None:
    cluster.operator.template(name, timeout="10m")
    each_node = {"selector": {"matchLabels": {"pool": pool}}, **each_node}
    cluster.operator.config(name, namespace, targets={"eachNode": each_node})


def _once(seen: Kubelets, names: list[str]) -> None:
    assert {name: seen.begun[name] for name in names} == dict.fromkeys(names, 1)


ALL = [f"node-{number:03}" for number in range(NODES)]


def test_a_sweep_goes_in_waves_and_a_failing_node_is_cleared_by_itself_alone(cluster: Cluster, namespace: str) -> None:
    _config(cluster, "waves", namespace, maxConcurrent=7)
    with kubelets(cluster.operator.plane.kubeconfig, namespace, quota=0, failing={"node-007": "no disk"}) as seen:
        sweep = cluster.sweep("waves", namespace)
        eventually("seven pods", lambda: len(seen.begun) == 7, SOON_SECONDS, lambda: seen.begun)
        seen.quota = NODES * 2
        status = cluster.operator.completed(sweep, namespace, SWEEP_SECONDS)
        assert (status["verdict"], status["reason"]) == ("Failed", "NodesFailed")
        assert status["message"] == "1 of 120 nodes failed: node-007 (ExitCode)"
        assert (status["targets"]["passed"], status["targets"]["failed"]) == (119, 1)
        assert seen.runs == {f"{sweep}-{wave}" for wave in range(3)}
        assert seen.most == 7
        _once(seen, ALL)

        answer = cluster.result("waves", namespace, "Failed", "NodesFailed")
        (failing,) = answer["targets"]["failing"]
        assert (failing["node"], failing["reason"]) == ("node-007", "ExitCode")
        assert "no disk" in failing["message"]

        seen.failing.clear()
        others = cluster.sweep("waves", namespace, target={"nodes": ["node-001", "node-002"]})
        assert cluster.operator.completed(others, namespace)["verdict"] == "Passed"
        cluster.result("waves", namespace, "Failed", "NodesFailing")
        own = cluster.sweep("waves", namespace, target={"nodes": ["node-007"]})
        assert cluster.operator.completed(own, namespace)["verdict"] == "Passed"
        assert cluster.result("waves", namespace, "Passed", "Passed")["targets"]["failing"] == []

    def pods() -> list[str]:
        return [pod["metadata"]["name"] for pod in cluster.operator.kubectl.list("pods", namespace)]

    eventually("only the failed node's pod is kept", lambda: len(pods()) == 1, SOON_SECONDS, pods)


def test_a_restart_in_the_middle_of_a_wave_repeats_no_node(cluster: Cluster, namespace: str) -> None:
    _config(cluster, "restart", namespace, maxConcurrent=5)
    with kubelets(cluster.operator.plane.kubeconfig, namespace, quota=23) as seen:
        sweep = cluster.sweep("restart", namespace)
        eventually("23 are done, five under way", lambda: len(seen.begun) == 28, SOON_SECONDS, lambda: seen.begun)
        cluster.restart()
        seen.quota = 30
        eventually("the second wave is under way", lambda: len(seen.begun) == 58, 60, lambda: seen.begun)
        cluster.restart()
        seen.quota = NODES
        status = cluster.operator.completed(sweep, namespace, SWEEP_SECONDS)
        assert (status["verdict"], status["targets"]["passed"]) == ("Passed", NODES)
        assert seen.most <= 5
        _once(seen, ALL)


def test_samples_take_turns(cluster: Cluster, namespace: str) -> None:
    _config(cluster, "sample", namespace, maxConcurrent=50, sample=50)
    with kubelets(cluster.operator.plane.kubeconfig, namespace) as seen:
        for number in range(1, 4):
            run = cluster.sweep("sample", namespace)
            assert cluster.operator.completed(run, namespace, SWEEP_SECONDS)["targets"]["passed"] == 50
            assert len(seen.begun) == min(50 * number, NODES)


def test_a_selector_that_matches_no_node_is_told(cluster: Cluster, namespace: str) -> None:
    _config(cluster, "none", namespace, pool="nowhere")
    status = cluster.operator.completed(cluster.sweep("none", namespace), namespace)
    assert (status["verdict"], status["reason"]) == ("Unknown", "NoNodes")
    assert '{"matchLabels": {"pool": "nowhere"}}' in status["message"]
    assert "nowhere" in cluster.result("none", namespace, "Unknown", "NoNodes")["message"]


def test_a_node_that_is_gone_fails_no_more_and_long_words_make_no_large_objects(
    cluster: Cluster, namespace: str
) -> None:
    names = [f"long-{number:02}-{'x' * 50}" for number in range(40)]
    kubectl = cluster.operator.kubectl
    kubectl.apply(*(_node(name, pool="long") for name in names))
    _config(cluster, "long", namespace, pool="long", maxConcurrent=50)
    with kubelets(cluster.operator.plane.kubeconfig, namespace, failing=dict.fromkeys(names, "<" * 1024)):
        sweep = cluster.sweep("long", namespace)
        assert cluster.operator.completed(sweep, namespace, SWEEP_SECONDS)["targets"]["failed"] == 40
        answer = cluster.result("long", namespace, "Failed", "NodesFailed")
        assert len(answer["targets"]["failing"]) + answer["targets"]["more"] == 40
        for path in ("proberuns", "proberesults"):
            listed = json.loads(kubectl("get", "--raw", f"/apis/kubeprobe.io/v1alpha1/namespaces/{namespace}/{path}"))
            sizes = [len(json.dumps(one, separators=(",", ":"))) for one in listed["items"]]
            assert 0 < max(sizes) < 10_000
        kubectl("delete", "node", *names[1:])
        again = cluster.sweep("long", namespace)
        cluster.operator.completed(again, namespace, SWEEP_SECONDS)
    last = eventually(
        "only the node that is left fails",
        lambda: [
            one["node"] for one in (kubectl.get("proberesult", "long", namespace) or {})["status"]["targets"]["failing"]
        ] == [names[0]],
        SOON_SECONDS,
        lambda: kubectl.get("proberesult", "long", namespace),
    )  # fmt: skip
    assert last


def test_reports_that_come_together_are_written_together_and_answered_when_they_are(
    cluster: Cluster, namespace: str
) -> None:
    _config(cluster, "reports", namespace, maxConcurrent=40)
    with kubelets(cluster.operator.plane.kubeconfig, namespace, quota=0) as seen:
        sweep = cluster.sweep("reports", namespace)
        eventually("forty pods", lambda: len(seen.begun) == 40, SOON_SECONDS, lambda: seen.begun)
        pods = [f"{sweep}-0-{index}" for index in range(40)]
        with ThreadPoolExecutor(10) as pool:
            tokens = list(pool.map(lambda pod: cluster.operator.token(pod, namespace), pods))
        with ThreadPoolExecutor(40) as pool:
            answers = list(pool.map(lambda token: _deliver(cluster, token), tokens))
        assert [answer.text for answer in answers if answer.status_code != 200] == []
        assert 1 <= _writes(cluster, f"{sweep}-0") <= 20
        wave = cluster.operator.kubectl.get("proberun", f"{sweep}-0", namespace) or {}
        assert wave["status"]["targets"]["outcomes"][:40] == "P" * 40
        assert cluster.operator.report(tokens[0], {"ok": True}).status_code in (200, 401, 403)
        seen.quota = NODES
        assert cluster.operator.completed(sweep, namespace, SWEEP_SECONDS)["verdict"] == "Passed"


def _deliver(cluster: Cluster, token: str) -> httpx.Response:
    """Send a report as the SDK does: again, while the operator says that it could not write it in time."""
    for _ in range(10):
        answer = cluster.operator.report(token, {"ok": True})
        if answer.status_code != 503:
            break
    return answer


def _writes(cluster: Cluster, run: str) -> int:
    """How often the status of a run was written, as the API server's audit log has it."""
    assert cluster.operator.plane.audit_log is not None
    events = [
        json.loads(line) for line in cluster.operator.plane.audit_log.read_text().splitlines() if f'"{run}"' in line
    ]
    told = [(event["verb"], event.get("objectRef", {}).get("resource"), event["stage"]) for event in events]
    return told.count(("patch", "proberuns", "ResponseComplete"))

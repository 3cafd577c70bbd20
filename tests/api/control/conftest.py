"""The operator as a process beside a real apiserver without kubelets: the tests say what a kubelet would."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from kubeprobe.cli.crds import crd_files
from testbed import ControlPlane
from tests.lab.kubectl import Kubectl, eventually
from tests.lab.process import free_port

SOON_SECONDS = 30
HOST = "127.0.0.1"
ROLLED_OUT = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}


@dataclass
class Operator:
    """A running operator that can be killed, and the cluster around it."""

    plane: ControlPlane
    kubectl: Kubectl
    url: str
    log: Path
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=30)

    def begin(self, *args: str) -> None:
        """Start another one at its address."""
        port = int(self.url.rpartition(":")[2])
        self.process = start(self.plane.kubeconfig, port, self.log, *args)

    def end(self) -> None:
        """Tell it to end, and see that it does so cleanly."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=30) == 0, self.log.read_text()

    def template(self, name: str, **spec: Any) -> None:
        """Register an image that nobody will run."""
        self._apply("ProbeTemplate", name, "", {"image": "none", "timeout": "60s", **spec})

    def config(self, name: str, namespace: str, **spec: Any) -> None:
        """Apply a config."""
        self._apply("ProbeConfig", name, namespace, {"templateRef": {"name": name}, "mode": "OnDemand", **spec})

    def deploy(self, namespace: str, image: str, name: str = "cart") -> None:
        """Apply a Deployment, and say of it what its controller would once it is rolled out."""
        labels = {"app": name}
        metadata = {"name": name, "namespace": namespace, "labels": labels}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": image}]}}
        spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
        self.kubectl.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})
        generation = (self.kubectl.get("deployment", name, namespace) or {})["metadata"]["generation"]
        patch = json.dumps({"status": {**ROLLED_OUT, "observedGeneration": generation}})
        self.kubectl("patch", "deployment", name, "-n", namespace, "--subresource=status", "--type=merge", "-p", patch)

    def run(self, config: str, namespace: str) -> tuple[str, dict[str, Any]]:
        """Start a manual run; its name, and its pod once that is there."""
        name = f"{config}-{uuid.uuid4().hex[:6]}"
        self._apply("ProbeRun", name, namespace, {"configRef": {"name": config}})
        pod = eventually(
            f"pod of {name}",
            lambda: self.kubectl.get("pod", name, namespace),
            SOON_SECONDS,
            lambda: (self.kubectl.get("proberun", name, namespace), self.kubectl.list("events", namespace)),
        )
        return name, pod

    def token(self, pod: str, namespace: str, *args: str, audience: str = "kubeprobe") -> str:
        """The token that the kubelet would project into a pod."""
        bound = ("--bound-object-kind", "Pod", "--bound-object-name", pod)
        return self.kubectl(
            "create", "token", "default", "-n", namespace, "--audience", audience, *bound, *args
        ).strip()

    def report(self, token: str | None, body: bytes | dict[str, Any]) -> httpx.Response:
        """Post a report."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        return httpx.post(f"{self.url}/v1/report", content=content, headers=headers, timeout=20)

    def kubelet(self, pod: str, namespace: str, **status: Any) -> None:
        """Say of a pod what a kubelet would."""
        patch = json.dumps({"status": status})
        self.kubectl("patch", "pod", pod, "-n", namespace, "--subresource=status", "--type=merge", "-p", patch)

    def completed(self, run: str, namespace: str, seconds: float = SOON_SECONDS) -> dict[str, Any]:
        """Wait for a run's record."""

        def look() -> dict[str, Any] | None:
            status: dict[str, Any] = (self.kubectl.get("proberun", run, namespace) or {}).get("status", {})
            return status if status.get("phase") == "Completed" else None

        return eventually(f"{run} completed", look, seconds, lambda: self.kubectl.get("proberun", run, namespace))

    def _apply(self, kind: str, name: str, namespace: str, spec: dict[str, Any]) -> None:
        metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
        self.kubectl.apply({"apiVersion": "kubeprobe.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})


@pytest.fixture(scope="session")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """The operator, ready."""
    with working(tmp_path_factory.mktemp("operator")) as operator:
        yield operator


@contextlib.contextmanager
def working(
    folder: Path, *args: str, before: Callable[[Kubectl], object] = lambda kubectl: None, audit_log: Path | None = None
) -> Iterator[Operator]:
    """An operator, ready, on an API server of its own: it would answer the objects of other tests.

    Args:
        folder: where all of it is kept.
        args: options of `kubeprobe operator`.
        before: makes what is to be there when the operator starts.
        audit_log: where the API server writes down what is asked of it.
    """
    log = folder / "operator.log"
    with ControlPlane.start(folder / "plane", audit_log=audit_log) as plane:
        kubectl = Kubectl(plane.bin_dir / "kubectl", plane.kubeconfig)
        kubectl("apply", "--server-side", "-f", "-", stdin="---\n".join(crd_files().values()))
        kubectl("wait", "--for=condition=Established", "crd", "-l", "app.kubernetes.io/part-of=kubeprobe")
        before(kubectl)
        port = free_port(HOST)
        process = start(plane.kubeconfig, port, log, *args)
        operator = Operator(plane, kubectl, f"http://{HOST}:{port}", log, process)
        yield operator
        operator.end()
    assert "Traceback" not in log.read_text(), log.read_text()


def start(kubeconfig: Path, port: int, log: Path, *args: str) -> subprocess.Popen[bytes]:
    """Start an operator and wait until it is ready."""
    url = f"http://{HOST}:{port}"
    command = [
        sys.executable, "-m", "kubeprobe.cli", "operator", "--kubeconfig", str(kubeconfig),
        "--intake-url", url, "--host", HOST, "--port", str(port), *args,
    ]  # fmt: skip
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)

    def ready() -> bool:
        try:
            return httpx.get(f"{url}/readyz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    eventually("the operator is ready", ready, 60, log.read_text)
    return process


@pytest.fixture
def namespace(operator: Operator) -> Iterator[str]:
    """A namespace with the service account that the controller-manager would make."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    operator.kubectl("create", "namespace", name)
    operator.kubectl("create", "serviceaccount", "default", "-n", name)
    yield name
    operator.kubectl("delete", "namespace", name, "--wait=false")

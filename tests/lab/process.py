"""The operator as a process of this machine, to be killed and started as often as a test likes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.lab.kubectl import eventually
from tests.lab.lab import NAMESPACE, RELEASE, Lab

READY_SECONDS = 60
END_SECONDS = 30
REPLICAS = 2
"""As many as the chart's default."""
UNBUDGETED = ("--writes-per-second", "10000", "--writes-burst", "10000")
"""For what measures how fast the operator is, and not how gentle."""


class OperatorProcess:
    """One operator beside the cluster; pods report to it at the testbed's bridge address.

    Args:
        kubeconfig: the cluster.
        address: what its intake listens on.
        log: where its output goes.
        args: further options of `kubeprobe operator`.
        env: what it finds in its environment besides what is in ours.
    """

    def __init__(
        self, kubeconfig: Path, address: str, log: Path, *args: str, env: Mapping[str, str] | None = None
    ) -> None:
        self._env = {**os.environ, "COLUMNS": "200", **(env or {})}
        self._kubeconfig = kubeconfig
        self._args = args
        self._address = address
        self._port = free_port(address)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where its intake is."""
        return f"http://{self._address}:{self._port}"

    @property
    def pid(self) -> int:
        """The running process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it is ready."""
        command = [
            sys.executable, "-m", "kubeprobe.cli", "operator", "--kubeconfig", str(self._kubeconfig),
            "--intake-url", self.url, "--host", self._address, "--port", str(self._port), *self._args,
        ]  # fmt: skip
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=self._env)
        eventually("the operator is ready", self._ready, READY_SECONDS, lambda: self._log.read_text()[-2000:])

    def freeze(self) -> None:
        """Hold it still, as a machine under a hypervisor may be."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def says(self, path: str) -> str:
        """What it answers; nothing when it does not answer."""
        try:
            return httpx.get(f"{self.url}{path}", timeout=2).text
        except httpx.HTTPError:
            return ""

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as Kubernetes would."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._signal(number)
            try:
                self._process.wait(timeout=END_SECONDS)
            finally:
                self._process.kill()
                self._process = None

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False


def free_port(address: str) -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def without_operator(lab: Lab) -> Iterator[None]:
    """The cluster without its operator, which comes back afterwards."""
    deployment = f"deployment/{RELEASE}"
    lab.kubectl("-n", NAMESPACE, "scale", deployment, "--replicas=0")
    try:
        eventually(
            "the operator in the cluster is gone",
            lambda: not lab.kubectl.list("pods", NAMESPACE, "-l", "app.kubernetes.io/name=kubeprobe"),
            READY_SECONDS,
        )
        yield
    finally:
        lab.kubectl("-n", NAMESPACE, "scale", deployment, f"--replicas={REPLICAS}")
        lab.kubectl("-n", NAMESPACE, "rollout", "status", deployment, "--timeout=90s", timeout_seconds=100)


@contextmanager
def operator_beside(lab: Lab, log: Path, *args: str) -> Iterator[OperatorProcess]:
    """The operator as a process instead of the one in the cluster, which comes back afterwards.

    Args:
        lab: the cluster.
        log: where its output goes.
        args: further options of `kubeprobe operator`, such as what it is to share with the one in the cluster.
    """
    with without_operator(lab):
        process = OperatorProcess(lab.testbed.kubeconfig, lab.testbed.host_address, log, *args)
        try:
            process.start()
            yield process
        finally:
            process.stop()

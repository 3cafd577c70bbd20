"""Running a case against a real control plane, as its pod would: with its own service account's rights, no more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from probe_sdk import ProbeFailure
from probe_sdk.steps import Recorder, recording
from probe_sdk.wire import ENV_NAMESPACE, Step
from testbed import ControlPlane
from tests.lab.kubectl import Kubectl
from tests.unit.probes.manifests import documents

NAMESPACE = "probes"


@dataclass(frozen=True)
class Outcome:
    """What a check said."""

    errors: tuple[str, ...]
    steps: dict[str, Step]
    attributes: dict[str, str]

    def only_error(self) -> str:
        (error,) = self.errors
        return error


@dataclass(frozen=True)
class Cluster:
    """A control plane, and the way in of a service account."""

    plane: ControlPlane
    folder: Path

    @property
    def kubectl(self) -> Kubectl:
        return Kubectl(self.plane.bin_dir / "kubectl", self.plane.kubeconfig)

    @property
    def etcd_url(self) -> str:
        """Where its etcd listens, as the API server is told."""
        argv = self.plane.supervisor.record("apiserver").spec.argv
        return next(each.partition("=")[2] for each in argv if each.startswith("--etcd-servers="))

    @property
    def etcd_files(self) -> dict[str, str]:
        """Parameters with the client certificate for etcd."""
        pki = self.plane.directory / "pki" / "etcd"
        files = {"caFile": "ca.crt", "certFile": "kubeprobe-client.crt", "keyFile": "kubeprobe-client.key"}
        return {name: str(pki / file) for name, file in files.items()}

    def install(self, case: str) -> None:
        """Apply a case's accounts and rights."""
        self.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        self.kubectl.apply(*documents(case, "rbac.yaml"))

    def kubeconfig(self, account: str) -> Path:
        """A kubeconfig that is nobody but a service account of the cases' namespace."""
        token = self.kubectl("create", "token", account, "-n", NAMESPACE).strip()
        document = yaml.safe_load(self.plane.kubeconfig.read_text())
        document["users"][0]["user"] = {"token": token}
        path = self.folder / f"{account}.kubeconfig"
        path.write_text(yaml.safe_dump(document))
        return path


async def run(check: Callable[[Any], Awaitable[None]], params: object) -> Outcome:
    """Run a check to its end."""
    with recording(Recorder()) as recorder:
        errors: tuple[str, ...] = ()
        try:
            await check(params)
        except ProbeFailure as failure:
            errors = failure.errors
        return Outcome(errors, {step.name: step for step in recorder.steps()}, recorder.attributes())


def act_as(monkeypatch: pytest.MonkeyPatch, kubeconfig: Path) -> None:
    """Be that account in the cases' namespace."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.setenv(ENV_NAMESPACE, NAMESPACE)

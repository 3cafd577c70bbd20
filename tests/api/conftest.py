"""A real apiserver and etcd for the whole session, nothing more: what is stored and refused, not what runs."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from kubeprobe.api import API_VERSION, KINDS
from kubeprobe.api.check import KINDS as BY_NAME
from kubeprobe.cli.crds import crd_files
from testbed import ControlPlane

ESTABLISHED_SECONDS = 30.0
POLL_SECONDS = 0.05


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane.start(tmp_path_factory.mktemp("control-plane")) as started:
        yield started


@dataclass(frozen=True)
class Server:
    """The API server, spoken to as its administrator."""

    http: httpx.Client
    kubectl_path: Path
    kubeconfig: Path

    def path(self, kind: str, namespace: str = "default") -> str:
        crd = BY_NAME[kind].crd
        scope = f"namespaces/{namespace}/" if crd.namespaced else ""
        return f"/apis/{API_VERSION}/{scope}{crd.plural}"

    def create(self, body: dict[str, Any], *, dry_run: bool = False) -> httpx.Response:
        params = {"fieldValidation": "Strict", **({"dryRun": "All"} if dry_run else {})}
        return self.http.post(self.path(body["kind"]), params=params, json=body)

    def patch(self, kind: str, name: str, patch: dict[str, Any], subresource: str = "") -> httpx.Response:
        return self.http.patch(
            f"{self.path(kind)}/{name}{subresource}",
            content=json.dumps(patch),
            headers={"Content-Type": "application/merge-patch+json"},
        )

    def kubectl(self, *arguments: str) -> str:
        command = [str(self.kubectl_path), "--kubeconfig", str(self.kubeconfig), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.fixture(scope="session")
def server(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    context = _tls(control_plane.kubeconfig, tmp_path_factory.mktemp("client"))
    with httpx.Client(base_url=control_plane.api_url, verify=context, timeout=30) as http:
        yield Server(http, control_plane.bin_dir / "kubectl", control_plane.kubeconfig)


@pytest.fixture(scope="session")
def crds(server: Server) -> dict[str, dict[str, Any]]:
    """The CRDs by kind, as the server has them once it serves them."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    for text in crd_files().values():
        answer = server.http.post(path, json=yaml.safe_load(text))
        assert answer.status_code == 201, answer.text
    return {kind.__name__: _established(server.http, f"{path}/{kind.crd.plural}.kubeprobe.io") for kind in KINDS}


def _established(http: httpx.Client, path: str) -> dict[str, Any]:
    deadline = time.monotonic() + ESTABLISHED_SECONDS
    while time.monotonic() < deadline:
        crd: dict[str, Any] = http.get(path).json()
        if any(one["type"] == "Established" and one["status"] == "True" for one in crd["status"].get("conditions", ())):
            return crd
        time.sleep(POLL_SECONDS)
    raise TimeoutError(f"{path} is not established after {ESTABLISHED_SECONDS:.0f}s: {crd['status']}")


def _tls(kubeconfig: Path, folder: Path) -> ssl.SSLContext:
    """The kubeconfig's certificates, given in it or as files."""
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cafile=str(_file(cluster, "certificate-authority", kubeconfig, folder)))
    certificate = _file(user, "client-certificate", kubeconfig, folder)
    context.load_cert_chain(certificate, _file(user, "client-key", kubeconfig, folder))
    return context


def _file(entry: dict[str, str], name: str, kubeconfig: Path, folder: Path) -> Path:
    if name in entry:
        return kubeconfig.parent / entry[name]
    path = folder / name
    path.write_bytes(base64.b64decode(entry[f"{name}-data"]))
    return path

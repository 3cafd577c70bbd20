"""The few calls that the testbed itself makes to its API server."""

from __future__ import annotations

import base64
import ssl
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import yaml

from testbed.errors import TestbedError

FIELD_MANAGER = "kubeprobe-testbed"
ANSWER_SECONDS = 30.0
"""An API server whose etcd comes back answers late, though it calls itself ready: it backs off before it connects."""
READY_SECONDS = 5.0


def _context(cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    if "client-certificate-data" in user:
        with tempfile.TemporaryDirectory() as folder:  # ssl reads a client's key from files only
            files = [Path(folder) / "tls.crt", Path(folder) / "tls.key"]
            for path, field in zip(files, ("client-certificate-data", "client-key-data"), strict=True):
                path.touch(mode=0o600)
                path.write_bytes(base64.b64decode(user[field]))
            context.load_cert_chain(str(files[0]), str(files[1]))
    return context


class KubeApi:
    """A client made from a kubeconfig that the testbed wrote."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        self._client = httpx.Client(
            base_url=cluster["server"],
            verify=_context(cluster, user),
            headers={**headers, "User-Agent": FIELD_MANAGER},
            timeout=ANSWER_SECONDS,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def ready(self) -> bool:
        """Whether the API server says that it is."""
        try:
            return self._client.get("/readyz", timeout=READY_SECONDS).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def get(self, path: str) -> dict[str, Any] | None:
        """An object or a list, None where there is none."""
        response = self._client.get(path)
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        return _answer(response)

    def apply(self, path: str, manifest: dict[str, Any]) -> dict[str, Any]:
        """Server-side apply, so that doing it twice changes nothing."""
        return self._patch(
            path, manifest, "application/apply-patch+yaml", {"fieldManager": FIELD_MANAGER, "force": "true"}
        )

    def merge(self, path: str, patch: dict[str, Any]) -> dict[str, Any]:
        """A merge patch."""
        return self._patch(path, patch, "application/merge-patch+json", {})

    def _patch(self, path: str, body: dict[str, Any], content_type: str, params: dict[str, str]) -> dict[str, Any]:
        return _answer(self._client.patch(path, json=body, params=params, headers={"Content-Type": content_type}))


def _answer(response: httpx.Response) -> dict[str, Any]:
    if response.is_error:
        raise TestbedError(f"{response.request.method} {response.url}: {response.status_code}: {response.text[:500]}")
    found: dict[str, Any] = response.json()
    return found

"""What a client of the cluster's etcd is given, as files or as a Secret."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import TestbedError
from testbed.kubeapi import KubeApi


@dataclass(frozen=True)
class EtcdClientFiles:
    """A client certificate, its key, the authority of the server's, and where the server is."""

    ca: Path
    cert: Path
    key: Path
    endpoint: str

    def put(self, api: KubeApi, namespace: str, name: str) -> None:
        """Put them into a namespace as a Secret with ca.crt, tls.crt and tls.key."""
        if api.get(f"/api/v1/namespaces/{namespace}") is None:
            raise TestbedError(f"namespace {namespace!r} is not there: `kubectl create namespace {namespace}` first")
        content = {"ca.crt": self.ca, "tls.crt": self.cert, "tls.key": self.key}
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": name},
            "data": {key: base64.b64encode(path.read_bytes()).decode() for key, path in content.items()},
        }
        api.apply(f"/api/v1/namespaces/{namespace}/secrets/{name}", secret)

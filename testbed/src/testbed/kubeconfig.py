"""Write kubeconfigs whose certificates are inside, so that one file is a way in."""

from __future__ import annotations

import base64
from pathlib import Path

import yaml

from testbed.pki import KeyPair


def _inline(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def write_kubeconfig(
    path: Path, *, name: str, server: str, authority: Path, client: KeyPair | None = None, token: str | None = None
) -> Path:
    """One cluster, one user (by certificate or by token), one context."""
    user = {"token": token} if token else {}
    if client:
        user |= {"client-certificate-data": _inline(client.cert), "client-key-data": _inline(client.key)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": _inline(authority)}}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path

"""The sandbox image, written by hand: one program in one layer, so that no image builder is needed to start pods."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

SANDBOX_IMAGE = "testbed.kubeprobe.io/pause:1"
_OCI = "application/vnd.oci.image"


def _layer(program: Path) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        entry = tarfile.TarInfo("pause")
        entry.mode = 0o755
        content = program.read_bytes()
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return data.getvalue()


def _blob(blobs: dict[str, bytes], media_type: str, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    blobs[f"blobs/sha256/{digest}"] = content
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def write_image(program: Path, archive: Path) -> None:
    """An OCI archive of the sandbox image, as `ctr images import` reads it."""
    files: dict[str, bytes] = {}
    layer = _blob(files, f"{_OCI}.layer.v1.tar", _layer(program))
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    }
    manifest = {
        "schemaVersion": 2,
        "config": _blob(files, f"{_OCI}.config.v1+json", json.dumps(config).encode()),
        "layers": [layer],
    }
    entry = _blob(files, f"{_OCI}.manifest.v1+json", json.dumps(manifest).encode())
    entry["annotations"] = {
        "io.containerd.image.name": SANDBOX_IMAGE,
        "org.opencontainers.image.ref.name": SANDBOX_IMAGE,
    }
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    files["oci-layout"] = b'{"imageLayoutVersion":"1.0.0"}'
    with tarfile.open(archive, "w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))

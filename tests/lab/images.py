"""The product's two images, built once for each state of their sources and pushed where the cluster's nodes pull."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from testbed import Testbed

ROOT = Path(__file__).parents[2]
SOURCES = ("Dockerfile", "requirements", "operator", "probe_sdk", "probes")
TARGETS = ("operator", "probes")


@dataclass(frozen=True)
class Images:
    """Where the images are."""

    repository: str
    tag: str

    def reference(self, target: str) -> str:
        """The full reference of one image."""
        return f"{self.repository}/{target}:{self.tag}"


def build(testbed: Testbed) -> Images:
    """Build and push what is not in the cluster's registry yet."""
    images = Images(f"{testbed.registry}/kubeprobe", _digest())
    for target in TARGETS:
        if not testbed.has_image(images.reference(target)):
            testbed.build(ROOT, dockerfile=ROOT / "Dockerfile", target=target, tag=images.reference(target))
            testbed.push(images.reference(target))
    return images


def _digest() -> str:
    seen = hashlib.sha256()
    for source in SOURCES:
        path = ROOT / source
        files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
        for file in files:
            if "__pycache__" not in file.parts:
                seen.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return seen.hexdigest()[:12]

"""The chart as Helm renders it, for what is tried without installing it."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from testbed.gobuild import HELM, Builder
from testbed.layout import cache_root
from tests.lab.images import ROOT

CHART = ROOT / "charts" / "kubeprobe"
KUBERNETES = "1.34.4"


class ChartError(Exception):
    """Helm refuses to render the chart."""


def render(
    *options: str, release: str = "kubeprobe", namespace: str = "kubeprobe-system", kubernetes: str = KUBERNETES
) -> list[dict[str, Any]]:
    """The chart's objects.

    Args:
        options: such as `--set gates.enforcement.enabled=false`, in words.
        release: what it would be installed as.
        namespace: where it would be installed.
        kubernetes: the version that it would be installed into.

    Raises:
        ChartError: it cannot be rendered so.
    """
    command = [str(_helm()), "template", release, str(CHART), "--namespace", namespace]
    done = subprocess.run(
        [*command, "--kube-version", kubernetes, *options], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode:
        raise ChartError(done.stderr.strip())
    return [one for one in yaml.safe_load_all(done.stdout) if one]


@cache
def _helm() -> Path:
    """Helm, built if it is not there yet."""
    return Builder(cache_root(), print).build(HELM, lambda _: None) / "helm"

"""Which cluster is used: the one the user names, else kind, else one of our own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from testbed.errors import TestbedError
from testbed.machine import run

_FILE_FIELDS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


class ProviderKind(StrEnum):
    """Where a cluster comes from."""

    EXISTING = "existing"
    KIND = "kind"
    NATIVE = "native"
    CONTROL_PLANE = "control-plane"


@dataclass(frozen=True)
class Choice:
    """A provider, and why it is this one."""

    kind: ProviderKind
    reason: str
    kubeconfig: Path | None = None
    context: str = ""


@dataclass(frozen=True)
class Machine:
    """What the choice depends on."""

    kubeconfig: str  # the environment's KUBECONFIG
    own_folders: tuple[Path, ...]  # a kubeconfig in one of them is a testbed's, and names no other cluster
    container_engine: str  # "docker" or "podman" if it answers
    has_kind: bool
    linux: bool
    home_kubeconfig: Path


def choose(machine: Machine, *, context: str = "", provider: ProviderKind | None = None) -> Choice:
    """Pick the provider: what the user names goes first."""
    if provider in (ProviderKind.NATIVE, ProviderKind.CONTROL_PLANE, ProviderKind.KIND):
        return Choice(provider, "it was asked for")
    named = _named_file(machine)
    if context or named or provider is ProviderKind.EXISTING:
        file = named or machine.home_kubeconfig
        why = f"--context {context} names it" if context else f"KUBECONFIG names {file}"
        return Choice(ProviderKind.EXISTING, why, file, context)
    if machine.container_engine and machine.has_kind:
        return Choice(ProviderKind.KIND, f"{machine.container_engine} answers and kind is here")
    if machine.linux:
        return Choice(ProviderKind.NATIVE, "no cluster is named, and there is no kind with a container engine")
    raise TestbedError(
        "no cluster: name one with --context or KUBECONFIG, or install kind with Docker or Podman "
        "(a native testbed needs Linux)"
    )


def _named_file(machine: Machine) -> Path | None:
    first = machine.kubeconfig.split(":")[0]
    ours = any(Path(first).absolute().is_relative_to(folder) for folder in machine.own_folders)
    return Path(first) if first and not ours else None


def container_engine() -> str:
    """The container engine that answers, not merely the one whose command is there."""
    for name in ("docker", "podman"):
        if shutil.which(name):
            asked = subprocess.run([name, "info"], capture_output=True, check=False, timeout=20)
            if asked.returncode == 0:
                return name
    return ""


def select_context(config: dict[str, Any], folder: Path, context: str) -> dict[str, Any]:
    """A kubeconfig with another current context, whose file names hold from anywhere."""
    names = [each["name"] for each in config.get("contexts") or []]
    wanted = context or config.get("current-context", "")
    if wanted not in names:
        raise TestbedError(f"no context {wanted!r} in the kubeconfig; there are: {', '.join(names) or 'none'}")
    entries = [each.get("cluster") or {} for each in config.get("clusters") or []]
    entries += [each.get("user") or {} for each in config.get("users") or []]
    for entry in entries:
        for field in _FILE_FIELDS:
            if field in entry:
                entry[field] = str(folder / entry[field])
    return {**config, "current-context": wanted}


def write_existing(choice: Choice, target: Path) -> None:
    """Take a named cluster over: a kubeconfig of ours that leads to it."""
    source = choice.kubeconfig
    if source is None or not source.exists():
        raise TestbedError(f"the kubeconfig {source} is not there: name one with KUBECONFIG")
    config = select_context(yaml.safe_load(source.read_text()) or {}, source.parent.absolute(), choice.context)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.touch(mode=0o600)
    target.write_text(yaml.safe_dump(config, sort_keys=False))


class Kind:
    """A kind cluster; kind itself knows how."""

    def __init__(self, name: str, kubeconfig: Path) -> None:
        self._name = name
        self._kubeconfig = kubeconfig

    def up(self, node_count: int, say: Callable[[str], None]) -> None:
        """Create it unless it is there; workers are nodes, as in a native testbed."""
        if self._name not in run(["kind", "get", "clusters"]).stdout.split():
            say(f"kind creates a cluster {self._name!r} with {node_count} workers (a minute or two)")
            roles = [{"role": "control-plane"}, *({"role": "worker"} for _ in range(node_count))]
            config = {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": roles}
            argv = ["kind", "create", "cluster", "--name", self._name, "--config", "-", "--wait", "300s"]
            run([*argv, "--kubeconfig", str(self._kubeconfig)], stdin=yaml.safe_dump(config), timeout_seconds=900)
        run(["kind", "export", "kubeconfig", "--name", self._name, "--kubeconfig", str(self._kubeconfig)])

    def down(self) -> None:
        """Delete it."""
        run(["kind", "delete", "cluster", "--name", self._name, "--kubeconfig", str(self._kubeconfig)])

    def load(self, tag: str) -> None:
        """Bring an image to its nodes."""
        run(["kind", "load", "docker-image", tag, "--name", self._name], timeout_seconds=900)

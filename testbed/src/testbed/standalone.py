"""The control plane alone: etcd and an API server on loopback, up in seconds, as many beside each other as one likes.

For tests of what is stored and refused. Nothing runs pods here, and no controller fills in what controllers fill in:
therefore the admission of service accounts is off (a pod needs no `default` account), and tokens come from
TokenRequest as everywhere. It needs no root.
"""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed.controlplane import APISERVER, ETCD, Plane
from testbed.errors import TestbedError
from testbed.gobuild import CONTROL_PLANE_TOOLS, Builder
from testbed.kubeapi import KubeApi
from testbed.layout import cache_root
from testbed.machine import wait_until
from testbed.process import Supervisor
from testbed.progress import Durations, Progress, quiet_progress

_ADDRESS = "127.0.0.1"
_ATTEMPTS = 3  # a port that was free may be taken when it is needed
_READY_SECONDS = 60.0
# The API server must not advertise loopback; nobody is told this address, since no Service leads to it.
_NOT_ADVERTISED = ("--advertise-address=10.255.255.1", "--endpoint-reconciler-type=none")


@dataclass(frozen=True)
class ControlPlane:
    """A running control plane; its parts can be stopped, started, frozen and thawed by name."""

    directory: Path
    api_url: str
    token: str
    audit_log: Path | None

    @property
    def kubeconfig(self) -> Path:
        """The administrator's way in, by client certificate."""
        return self.directory / "kubeconfig"

    @property
    def ca(self) -> Path:
        """The certificate that signs the API server's."""
        return self.directory / "pki" / "ca.crt"

    @property
    def bin_dir(self) -> Path:
        """kubectl, etcd and the Kubernetes programs."""
        return self.directory / "bin"

    @property
    def supervisor(self) -> Supervisor:
        """Its processes: `etcd` and `apiserver`."""
        return Supervisor(self.directory / "processes", self.directory / "logs")

    @classmethod
    @contextmanager
    def start(
        cls,
        directory: Path,
        *,
        audit_log: Path | None = None,
        flags: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> Iterator[ControlPlane]:
        """Start one in a folder for as long as the block lasts; `flags` are further ones for the API server."""
        directory = directory.absolute()
        with ExitStack() as stack:
            stack.enter_context(_guarded(directory))
            yield bring_up(directory, audit_log=audit_log, flags=flags, progress=progress)

    def stop(self, component: str) -> None:
        """End etcd or the API server."""
        self.supervisor.stop(component)

    def restart(self, component: str) -> None:
        """Start it again as it was."""
        self.supervisor.start(component)

    def freeze(self, component: str) -> None:
        """Hold it still, with its connections open."""
        self.supervisor.freeze(component)

    def thaw(self, component: str) -> None:
        """Let it go on."""
        self.supervisor.thaw(component)


def bring_up(
    directory: Path,
    *,
    audit_log: Path | None = None,
    flags: Sequence[str] = (),
    progress: Progress | None = None,
) -> ControlPlane:
    """Have a control plane run in a folder, on the ports it had before if it had some."""
    progress = progress or quiet_progress(Durations(cache_root() / "durations.json"))
    builder = Builder(cache_root(), progress.say)
    lacking = builder.lacking(CONTROL_PLANE_TOOLS)
    builds = [(f"build-{tool.name}", f"build {tool.name}", tool.expected_seconds) for tool in lacking]
    progress.plan([*builds, *([("alone", "etcd and API server", 5.0)] if builds else [])])
    with progress.shown(), ExitStack() as last:
        for tool in lacking:
            with progress.step(f"build-{tool.name}") as step:
                builder.build(tool, lambda text, step=step: setattr(step, "detail", text))  # type: ignore[misc]
        if builds:
            last.enter_context(progress.step("alone"))
        builder.link(CONTROL_PLANE_TOOLS, directory / "bin")
        return _start_somewhere(directory, audit_log, flags)


def take_down(directory: Path) -> None:
    """End its processes; the folder stays."""
    supervisor = Supervisor(directory / "processes", directory / "logs")
    for name in supervisor.names():
        supervisor.stop(name, at_once=True)


def _start_somewhere(directory: Path, audit_log: Path | None, flags: Sequence[str]) -> ControlPlane:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _start(directory, audit_log, flags)
        except TestbedError:
            take_down(directory)
            if attempt == _ATTEMPTS:
                raise
            (directory / "ports.json").unlink(missing_ok=True)
    raise AssertionError("the last attempt returns or raises")


def _start(directory: Path, audit_log: Path | None, flags: Sequence[str]) -> ControlPlane:
    ports = _ports(directory / "ports.json")
    plane = Plane(directory, directory / "bin", _ADDRESS, *ports, audit_log)
    supervisor = Supervisor(directory / "processes", directory / "logs")
    plane.write_pki()
    token = _token(directory / "pki" / "tokens.csv")
    kubeconfig = directory / "kubeconfig"
    kubeconfig.unlink(missing_ok=True)  # the port may be another one now
    plane.kubeconfig(kubeconfig, "kubeprobe-testbed-admin", "system:masters", cluster="control-plane")
    supervisor.ensure(plane.etcd())
    alone = (f"--token-auth-file={directory / 'pki' / 'tokens.csv'}", "--disable-admission-plugins=ServiceAccount")
    supervisor.ensure(plane.apiserver(*_NOT_ADVERTISED, *alone, *flags))
    with KubeApi(kubeconfig) as api:
        wait_until(
            api.ready,
            "the API server is ready",
            timeout_seconds=_READY_SECONDS,
            alive=lambda: supervisor.check_alive(ETCD, APISERVER),
            every_seconds=0.05,
        )
    return ControlPlane(directory, plane.api_url, token, audit_log)


def _ports(path: Path) -> tuple[int, int, int]:
    """Three free ports, the same ones for one folder: etcd, its peer port, the API."""
    if not path.exists():
        sockets = [socket.socket() for _ in range(3)]
        for each in sockets:
            each.bind((_ADDRESS, 0))
        free = [each.getsockname()[1] for each in sockets]
        for each in sockets:
            each.close()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(free))
    etcd, peer, api = json.loads(path.read_text())
    return int(etcd), int(peer), int(api)


def _token(path: Path) -> str:
    """The administrator's static token."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(f'{secrets.token_urlsafe(24)},kubeprobe-testbed-admin,admin,"system:masters"\n')
    return path.read_text().split(",")[0]


@contextmanager
def _guarded(directory: Path) -> Iterator[None]:
    """While the block lasts, and no longer, its processes may run: a guard ends them, also when we are killed."""
    argv = [sys.executable, "-m", "testbed.guard", str(directory)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, start_new_session=True) as guard:
        try:
            yield
        finally:
            if guard.stdin:
                guard.stdin.close()
            if guard.wait(timeout=60) != 0:
                take_down(directory)

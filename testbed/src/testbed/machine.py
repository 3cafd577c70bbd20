"""Run the machine's own programs, and say exactly which of them are missing.

Everything native is done by programs of the distribution (`ip`, `nft`, `containerd`, …). A missing one is
installed when we may (root on Debian or a child of it), and named with its package when we may not.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import TestbedError


@dataclass(frozen=True)
class Need:
    """A program (or file) that must be there, the Debian package that brings it, and what it is for."""

    program: str
    package: str
    purpose: str

    def met(self) -> bool:
        """Whether the machine has it."""
        return Path(self.program).exists() if self.program.startswith("/") else shutil.which(self.program) is not None


NODE_NEEDS = (
    Need("containerd", "containerd", "runs the nodes' containers"),
    Need("ctr", "containerd", "loads the sandbox image into the nodes"),
    Need("runc", "runc", "starts the containers"),
    Need("/usr/lib/cni/ptp", "containernetworking-plugins", "gives pods their network"),
    Need("nft", "nftables", "kube-proxy's rules"),
    Need("iptables", "iptables", "host ports of pods"),
    Need("ip", "iproute2", "makes the nodes' network namespaces"),
)
IMAGE_NEEDS = (
    Need("buildah", "buildah", "builds and pushes images without a daemon"),
    Need("mmdebstrap", "mmdebstrap", "makes the Python base image from Debian packages"),
)


def run(
    argv: Sequence[str],
    *,
    check: bool = True,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_seconds: float = 600,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; a failure is an error that shows the command and what it said."""
    try:
        done = subprocess.run(
            list(argv),
            input=stdin,
            capture_output=True,
            text=True,
            env=None if env is None else dict(env),
            cwd=cwd,
            timeout=timeout_seconds,
            check=False,
        )
    except FileNotFoundError as missing:
        raise TestbedError(f"{argv[0]} is not on the PATH: {missing}") from missing
    except subprocess.TimeoutExpired as late:
        raise TestbedError(f"{' '.join(argv)}: not done after {timeout_seconds:.0f} s") from late
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise TestbedError(f"{' '.join(argv)}: exit code {done.returncode}: {said}")
    return done


def write_if_new(path: Path, text: str) -> None:
    """Write a file only if that changes it: kube-proxy ends itself when its configuration is written."""
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def missing(needs: Sequence[Need]) -> tuple[Need, ...]:
    """The needs that the machine does not meet."""
    return tuple(need for need in needs if not need.met())


def is_root() -> bool:
    """Whether this process may do what root may."""
    return os.geteuid() == 0


def install(needs: Sequence[Need], say: Callable[[str], None]) -> None:
    """Install the packages of unmet needs, or say exactly what is missing."""
    lacking = missing(needs)
    if not lacking:
        return
    packages = sorted({need.package for need in lacking})
    listing = "; ".join(f"{need.program} ({need.package}: {need.purpose})" for need in lacking)
    if not is_root() or shutil.which("apt-get") is None:
        raise TestbedError(f"missing: {listing}. As root on Debian: apt-get install {' '.join(packages)}")
    say(f"installing Debian packages: {listing}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update"], env=env)
    run(["apt-get", "install", "--yes", "--no-install-recommends", *packages], env=env, timeout_seconds=1800)
    still = missing(needs)
    if still:
        raise TestbedError(f"still missing after the installation: {', '.join(need.program for need in still)}")


def wait_until(
    condition: Callable[[], bool],
    what: str,
    *,
    timeout_seconds: float,
    alive: Callable[[], None] = lambda: None,
    every_seconds: float = 0.1,
) -> None:
    """Wait for a condition; `alive` may end the wait early by raising what it found dead."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        alive()
        if time.monotonic() > deadline:
            raise TestbedError(f"{what}: not so after {timeout_seconds:.0f} s")
        time.sleep(every_seconds)

"""A machine within the machine: network and mounts of its own, where a second testbed can live and break."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

NAME = "lifecycle"
_PREPARE = "ip link set lo up && mount -t tmpfs tmpfs /run && mkdir /run/lock && echo ready && exec cat"


@dataclass(frozen=True)
class Machine:
    """Namespaces that are held open, and the way to run something in them."""

    pid: int
    state_home: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        """The testbed's folder."""
        return self.state_home / "kubeprobe" / "testbed" / NAME

    def command(self, *argv: str) -> list[str]:
        """A command line that runs in this machine."""
        return ["nsenter", f"--target={self.pid}", "--net", "--mount", "--wd=.", "--", *argv]

    def run(self, *argv: str, check: bool = True, timeout_seconds: float = 120) -> str:
        """What a program says; both of its streams."""
        done = subprocess.run(
            self.command(*argv),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=timeout_seconds,
        )
        assert not check or done.returncode == 0, f"{argv}: {done.returncode}: {done.stdout}"
        return done.stdout

    def testbed(self, *argv: str, check: bool = True) -> str:
        """A verb of the testbed."""
        return self.run(sys.executable, "-m", "testbed", *argv, check=check)

    def kubectl(self, *argv: str, check: bool = True) -> str:
        """A call of the testbed's kubectl."""
        return self.run(str(self.state / "bin" / "kubectl"), *argv, check=check)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Such a machine, empty; whatever is left in it at the end is taken away."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces and control groups need root")
    home = tmp_path_factory.mktemp("state")
    argv = ["unshare", "--net", "--mount", "sh", "-c", _PREPARE]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        environment = {**os.environ, "XDG_STATE_HOME": str(home), "TESTBED_NAME": NAME, "COLUMNS": "200"}
        environment["KUBECONFIG"] = str(home / "kubeprobe" / "testbed" / NAME / "kubeconfig")
        machine = Machine(holder.pid, home, environment)
        try:
            yield machine
        finally:
            machine.testbed("down", check=False)
            assert holder.stdin is not None
            holder.stdin.close()

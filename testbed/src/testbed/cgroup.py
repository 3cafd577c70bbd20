"""The control group that holds every process of a testbed.

The kernel keeps the list of what we started, and of what that started: shims, containers, their children. So the end
of a testbed after a crash needs no guess about whose process something is.
"""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import TestbedError
from testbed.machine import wait_until


@dataclass(frozen=True)
class Hierarchy:
    """A mounted cgroup hierarchy; version 1 has one for each controller."""

    mount: Path
    controllers: frozenset[str]
    unified: bool


def parse_mountinfo(text: str) -> list[Hierarchy]:
    """The hierarchies in /proc/self/mountinfo; version 1's may stand beside a unified one."""
    found: list[Hierarchy] = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            mount = Path(before.split()[4])
            if not any(each.mount == mount for each in found):
                found.append(Hierarchy(mount, frozenset(options.split(",")), kind == "cgroup2"))
    return found


def in_use(hierarchies: list[Hierarchy]) -> list[Hierarchy]:
    """Those that hold the limits: version 1's where there are some, else the unified one."""
    return [each for each in hierarchies if not each.unified] or hierarchies


class Cgroup:
    """A testbed's group in all hierarchies."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._all = parse_mountinfo(Path("/proc/self/mountinfo").read_text())
        self._hierarchies = in_use(self._all)

    def procs(self) -> tuple[Path, ...]:
        """The files that a starting process writes itself into."""
        return tuple(base / "system" / "cgroup.procs" for base in (self._counting(),))

    def create(self, nodes: list[str]) -> None:
        """Make the groups: one for the testbed's own processes, one for each node's pods."""
        if not self._hierarchies:
            raise TestbedError("no cgroup hierarchy is mounted under /sys/fs/cgroup: containers cannot run here")
        for hierarchy in self._hierarchies:
            base = hierarchy.mount / self._name
            for path in (base, base / "system", *(base / node for node in nodes)):
                path.mkdir(exist_ok=True)
                _prepare(hierarchy, path, leaf=path.name == "system")

    def pids(self) -> list[int]:
        """Everything that runs in the testbed's groups."""
        found: list[int] = []
        for path in self._counting().rglob("cgroup.procs"):
            with contextlib.suppress(OSError):  # a container's group may go while we look
                found += [int(line) for line in path.read_text().split()]
        return found

    def kill(self) -> None:
        """End all of it, however often it forks."""
        wait_until(self._kill_once, f"processes of cgroup {self._name} end", timeout_seconds=20)

    def remove(self) -> None:
        """Remove the groups, innermost first."""
        for hierarchy in self._all:  # runc makes groups in the unified one even where it holds no limits
            base = hierarchy.mount / self._name
            wait_until(lambda base=base: _removed(base), f"cgroup {base} can be removed", timeout_seconds=20)  # type: ignore[misc]

    def _counting(self) -> Path:
        """The hierarchy in which processes are counted: version 1's pids, or the unified one."""
        best = next((each for each in self._hierarchies if "pids" in each.controllers), self._hierarchies[0])
        return best.mount / self._name

    def _kill_once(self) -> bool:
        pids = self.pids()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not pids


def _prepare(hierarchy: Hierarchy, path: Path, *, leaf: bool) -> None:
    if hierarchy.unified and not leaf:
        available = (path / "cgroup.controllers").read_text().split()
        (path / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in available))
    elif "cpuset" in hierarchy.controllers:  # a new cpuset of version 1 is empty, and an empty one runs nothing
        for name in ("cpuset.cpus", "cpuset.mems"):
            (path / name).write_text((path.parent / name).read_text())


def _removed(base: Path) -> bool:
    groups = sorted((path for path in base.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts))
    for path in (*groups, base):
        with contextlib.suppress(OSError):
            path.rmdir()
    return not base.exists()

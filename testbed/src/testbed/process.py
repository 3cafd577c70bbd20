"""Start programs that outlive the command that started them, and end only those.

A process is known by its pid **and** its start time (a pid alone may be somebody else's by now), and is signalled
through a pidfd, so there is no moment in which the wrong one could be hit.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from testbed.errors import TestbedError

# The background job of a shell that ends at once belongs to init, so no Python program has to wait for it.
_LAUNCH = 'for group in $GROUPS_OF_OURS; do echo 0 > "$group"; done; setsid -- "$@" >>"$LOG" 2>&1 </dev/null & echo $!'
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class State(StrEnum):
    """What a component's process is doing."""

    RUNNING = "running"
    FROZEN = "frozen"
    STOPPED = "stopped"
    DEAD = "dead"  # it ended by itself


@dataclass(frozen=True)
class ProcessSpec:
    """How a component is started, so that it can be started again."""

    name: str
    argv: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    netns: str = ""
    stop_seconds: float = 10

    def command(self) -> list[str]:
        """The command line; only the network namespace changes, so that mounts are seen by all."""
        enter = ["nsenter", f"--net=/run/netns/{self.netns}", "--"] if self.netns else []
        return [*enter, *self.argv]


@dataclass(frozen=True)
class Record:
    """A component as it was started last; no pid once it was stopped on purpose."""

    spec: ProcessSpec
    boot_id: str
    pid: int | None
    start_ticks: int


def boot_id() -> str:
    """This boot of the machine: pids of another one mean nothing."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def stat_of(pid: int) -> tuple[str, int] | None:
    """State letter and start time of a process, or None where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[19])


class Supervisor:
    """The components of one testbed: their records, their logs, and their processes."""

    def __init__(self, records: Path, logs: Path, groups: tuple[Path, ...] = ()) -> None:
        self._records = records
        self._logs = logs
        self._groups = groups

    def log_path(self, name: str) -> Path:
        """Where a component writes."""
        return self._logs / f"{name.replace('/', '_')}.log"

    def names(self) -> list[str]:
        """All components that were ever started, in order of their names."""
        return sorted(path.stem.replace("_", "/") for path in self._records.glob("*.json"))

    def state(self, name: str) -> State:
        """What a component is doing now."""
        record = self.record(name)
        if record.pid is None:
            return State.STOPPED
        found = self._found(record)
        if found is None:
            return State.DEAD
        return State.FROZEN if found == "T" else State.RUNNING

    def record(self, name: str) -> Record:
        """A component's record; an unknown name lists the known ones."""
        path = self._record_path(name)
        if not path.exists():
            raise TestbedError(f"no component {name!r} here; there are: {', '.join(self.names()) or 'none'}")
        data = json.loads(path.read_text())
        spec = data.pop("spec")
        return Record(spec=ProcessSpec(**{**spec, "argv": tuple(spec["argv"])}), **data)

    def ensure(self, spec: ProcessSpec) -> None:
        """Have the component run exactly as told: start it if it is not, thaw it if it is frozen."""
        if self._record_path(spec.name).exists():
            if self.state(spec.name) is State.FROZEN:
                self.thaw(spec.name)
            if self.state(spec.name) is State.RUNNING and self.record(spec.name).spec == spec:
                return
            self.stop(spec.name)
        self._launch(spec)

    def start(self, name: str) -> None:
        """Start a component again as it was started last."""
        record = self.record(name)
        if self._found(record) is None:
            self._launch(record.spec)

    def stop(self, name: str, *, at_once: bool = False) -> None:
        """End a component: asked first, then made to; `at_once` it is not asked. It stays stopped until started."""
        record = self.record(name)
        with self._handle(record) as handle:
            if handle is not None and (at_once or not _asked_to_end(handle, record.spec.stop_seconds)):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                if not _ended(handle, 10):
                    raise TestbedError(f"{name} (pid {record.pid}) does not end, not even killed")
        self._write(Record(record.spec, record.boot_id, None, 0))

    def freeze(self, name: str) -> None:
        """Hold a component still, with its connections open."""
        self._signal(name, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let a frozen component go on."""
        self._signal(name, signal.SIGCONT)

    def check_alive(self, *names: str) -> None:
        """Raise what a component said last when it ended by itself."""
        for name in names:
            if self.state(name) is State.DEAD:
                raise TestbedError(
                    f"{name} ended by itself. Its last words ({self.log_path(name)}):\n{self.tail(name)}"
                )

    def tail(self, name: str, lines: int = 15) -> str:
        """The end of a component's log."""
        path = self.log_path(name)
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    def _record_path(self, name: str) -> Path:
        return self._records / f"{name.replace('/', '_')}.json"

    def _write(self, record: Record) -> None:
        self._records.mkdir(parents=True, exist_ok=True)
        path = self._record_path(record.spec.name)
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(record), indent=1))
        fresh.replace(path)

    def _launch(self, spec: ProcessSpec) -> None:
        self._logs.mkdir(parents=True, exist_ok=True)
        env = {
            "PATH": _PATH,
            "HOME": os.environ.get("HOME", "/"),
            **spec.env,
            "LOG": str(self.log_path(spec.name)),
            "GROUPS_OF_OURS": " ".join(str(group) for group in self._groups),
        }
        done = subprocess.run(
            ["/bin/sh", "-c", _LAUNCH, "sh", *spec.command()], env=env, capture_output=True, text=True, check=False
        )
        if done.returncode != 0 or not done.stdout.strip():
            raise TestbedError(f"{spec.name} did not start: {done.stderr.strip()}")
        pid = int(done.stdout)
        stat = stat_of(pid)
        self._write(Record(spec, boot_id(), pid, stat[1] if stat else 0))

    def _found(self, record: Record) -> str | None:
        """The state letter of the recorded process, None if it is gone or the pid is somebody else's."""
        if record.pid is None or record.boot_id != boot_id():
            return None
        stat = stat_of(record.pid)
        return stat[0] if stat and stat[1] == record.start_ticks and stat[0] not in "ZX" else None

    @contextmanager
    def _handle(self, record: Record) -> Iterator[int | None]:
        """A pidfd of the recorded process; its start time is checked after the handle is held."""
        try:
            handle = os.pidfd_open(record.pid) if record.pid is not None else None
        except ProcessLookupError:
            handle = None
        if handle is None:
            yield None
            return
        try:
            yield handle if self._found(record) else None
        finally:
            os.close(handle)

    def _signal(self, name: str, number: signal.Signals) -> None:
        with self._handle(self.record(name)) as handle:
            if handle is None:
                raise TestbedError(f"{name} is not running: start it with `testbed start {name}`")
            signal.pidfd_send_signal(handle, number)


def _asked_to_end(handle: int, patience_seconds: float) -> bool:
    """Whether a process ends when it is asked to; a frozen one is thawed to hear it."""
    signal.pidfd_send_signal(handle, signal.SIGTERM)
    signal.pidfd_send_signal(handle, signal.SIGCONT)
    return _ended(handle, patience_seconds)


def _ended(handle: int, timeout_seconds: float) -> bool:
    """A pidfd becomes readable when its process has ended."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(timeout_seconds * 1000))

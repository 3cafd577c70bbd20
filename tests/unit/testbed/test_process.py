from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from testbed.errors import TestbedError
from testbed.machine import wait_until
from testbed.process import ProcessSpec, State, Supervisor, stat_of

SLEEP = ProcessSpec("node-1/sleeper", ("sleep", "600"))


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(tmp_path / "processes", tmp_path / "logs")
    yield supervisor
    for name in supervisor.names():
        supervisor.stop(name, at_once=True)


def pid_of(supervisor: Supervisor, name: str = SLEEP.name) -> int:
    pid = supervisor.record(name).pid
    assert pid is not None
    return pid


def test_a_component_runs_in_a_session_of_its_own(supervisor: Supervisor) -> None:
    supervisor.ensure(SLEEP)
    pid = pid_of(supervisor)
    assert supervisor.names() == [SLEEP.name]
    assert supervisor.state(SLEEP.name) is State.RUNNING
    # Its session is its own, so that a terminal's Ctrl-C does not reach it, as soon as it has been started at all.
    wait_until(lambda: os.getsid(pid) == pid, "a session of its own", timeout_seconds=10)


def test_ensuring_twice_leaves_the_process_alone(supervisor: Supervisor) -> None:
    supervisor.ensure(SLEEP)
    first = pid_of(supervisor)
    supervisor.ensure(SLEEP)
    assert pid_of(supervisor) == first


def test_another_command_line_replaces_the_process(supervisor: Supervisor) -> None:
    supervisor.ensure(SLEEP)
    first = pid_of(supervisor)
    supervisor.ensure(replace(SLEEP, argv=("sleep", "601")))
    assert pid_of(supervisor) != first
    wait_until(lambda: stat_of(first) is None, "the first is gone", timeout_seconds=5)


def test_a_stopped_component_is_stopped_not_dead_and_starts_as_it_was(supervisor: Supervisor) -> None:
    supervisor.ensure(SLEEP)
    supervisor.stop(SLEEP.name)
    assert supervisor.state(SLEEP.name) is State.STOPPED
    supervisor.start(SLEEP.name)
    assert supervisor.state(SLEEP.name) is State.RUNNING
    assert supervisor.record(SLEEP.name).spec == SLEEP


def test_a_component_that_ended_by_itself_is_dead_and_its_last_words_are_told(supervisor: Supervisor) -> None:
    supervisor.ensure(replace(SLEEP, argv=("sh", "-c", "echo no such flag; exit 3")))
    wait_until(lambda: supervisor.state(SLEEP.name) is State.DEAD, "it ended", timeout_seconds=5)
    with pytest.raises(TestbedError, match="no such flag"):
        supervisor.check_alive(SLEEP.name)


@pytest.mark.parametrize("by", ["thaw", "ensure"])
def test_a_frozen_component_goes_on_when_it_is_told_to(supervisor: Supervisor, by: str) -> None:
    supervisor.ensure(SLEEP)
    first = pid_of(supervisor)
    supervisor.freeze(SLEEP.name)
    wait_until(lambda: supervisor.state(SLEEP.name) is State.FROZEN, "it is frozen", timeout_seconds=5)
    if by == "thaw":
        supervisor.thaw(SLEEP.name)
    else:
        supervisor.ensure(SLEEP)
    wait_until(lambda: supervisor.state(SLEEP.name) is State.RUNNING, "it runs", timeout_seconds=5)
    assert pid_of(supervisor) == first


def test_a_frozen_component_can_be_stopped(supervisor: Supervisor) -> None:
    supervisor.ensure(SLEEP)
    supervisor.freeze(SLEEP.name)
    supervisor.stop(SLEEP.name)
    assert supervisor.state(SLEEP.name) is State.STOPPED


def test_one_that_does_not_listen_is_killed(supervisor: Supervisor) -> None:
    deaf = ProcessSpec("deaf", ("sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done"), stop_seconds=0.2)
    supervisor.ensure(deaf)
    wait_until(lambda: "deaf" in supervisor.tail("deaf"), "it is deaf", timeout_seconds=5)
    pid = pid_of(supervisor, "deaf")
    supervisor.stop("deaf")
    assert (stat_of(pid) or "Z")[0] == "Z"


def test_a_pid_that_is_somebody_elses_by_now_is_not_signalled(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.ensure(SLEEP)
    pid = pid_of(supervisor)
    path = next((tmp_path / "processes").glob("*.json"))
    ticks = f'"start_ticks": {supervisor.record(SLEEP.name).start_ticks}'
    text = path.read_text()
    path.write_text(text.replace(ticks, '"start_ticks": 1'))
    assert supervisor.state(SLEEP.name) is State.DEAD
    with pytest.raises(TestbedError, match="not running"):
        supervisor.freeze(SLEEP.name)
    supervisor.stop(SLEEP.name)
    assert stat_of(pid) is not None
    os.kill(pid, signal.SIGKILL)


def test_a_record_of_another_boot_names_no_process(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.ensure(SLEEP)
    pid, boot = pid_of(supervisor), supervisor.record(SLEEP.name).boot_id
    path = next((tmp_path / "processes").glob("*.json"))
    path.write_text(path.read_text().replace(boot, "another-boot"))
    assert supervisor.state(SLEEP.name) is State.DEAD
    os.kill(pid, signal.SIGKILL)


def test_an_unknown_component_lists_the_known_ones(supervisor: Supervisor) -> None:
    supervisor.ensure(SLEEP)
    with pytest.raises(TestbedError, match=r"no component 'ectd' here; there are: node-1/sleeper"):
        supervisor.stop("ectd")

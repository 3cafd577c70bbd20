"""The whole prober in one process: it probes, shows, tells, follows its file, and ends when it is asked to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from probe_sdk.environment import Environment
from probe_sdk.resident.rota import Rota
from probe_sdk.resident.service import SICK_SECONDS, Loop, serve
from probe_sdk.resident.spec import SPEC_FILE, Spec, SpecFile
from probe_sdk.resident.teller import Turns
from probe_sdk.samples import LOG_MARK

SOON_SECONDS = 20.0


class Stub:
    """A driver whose targets all pass, but for one called broken."""

    def __init__(self, rota: Rota) -> None:
        self._rota = rota
        self._over = threading.Event()
        self._calls: list[Callable[[], None]] = []

    def run(self) -> None:
        while not self._over.wait(0.005):
            while self._calls:
                self._calls.pop(0)()
            now = time.monotonic()
            for attempt in self._rota.begin(now):
                if attempt.account.target == "broken":
                    self._rota.failed(attempt, now, "Broken", "it is broken")
                else:
                    self._rota.passed(attempt, now, 0.001)
                self._rota.release(attempt)

    def stop(self) -> None:
        self._over.set()

    def call(self, function: Callable[[], None]) -> None:
        self._calls.append(function)

    def retarget(self, spec: Spec) -> None:
        """It needs to know nothing of them."""


def write(folder: Path, *targets: str) -> None:
    spec: dict[str, Any] = {"interval": "20ms", "targets": [{"name": name} for name in targets]}
    (folder / SPEC_FILE).write_text(json.dumps(spec))


class Said:
    """All that was printed so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._out = self._err = ""

    def out(self) -> str:
        self._read()
        return self._out

    def err(self) -> str:
        self._read()
        return self._err

    def _read(self) -> None:
        out, err = self._capsys.readouterr()
        self._out, self._err = self._out + out, self._err + err


def eventually(look: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON_SECONDS
    while not look():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_from_the_file_to_the_page_and_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], free_port: int
) -> None:
    write(tmp_path, "well", "broken")
    stop, codes = threading.Event(), []
    environment = Environment(config="web", namespace="probes")
    thread = threading.Thread(
        target=lambda: codes.append(serve(SpecFile(tmp_path), environment, Stub, free_port, stop)), daemon=True
    )
    thread.start()

    def page(path: str = "/metrics") -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{free_port}{path}", trust_env=False)

    def shows(text: str) -> bool:
        try:
            return text in page().text
        except httpx.TransportError:
            return False

    labels = 'config="web",namespace="probes",target="{}"'
    eventually(lambda: shows(f"kubeprobe_target_verdict{{{labels.format('well')}}} 1.0"))
    eventually(lambda: shows(f"kubeprobe_target_verdict{{{labels.format('broken')}}} 0.0"))
    assert shows(f"probe_success{{{labels.format('well')}}} 1.0")
    assert shows('le="0.001"')
    assert (page("/healthz").status_code, page("/healthz").text) == (200, "ok")
    assert page("/nothing").status_code == 404
    write(tmp_path, "well", "new")
    eventually(lambda: shows(labels.format("new")) and not shows(labels.format("broken")))
    stop.set()
    thread.join(SOON_SECONDS)
    assert codes == [0]
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(LOG_MARK)]
    last = json.loads(lines[-1].removeprefix(LOG_MARK))
    assert (last["targets"], last["notPassed"], last["round"]) == (2, [], 1)
    assert any('"target":"broken","verdict":"Failed"' in line for line in lines)


def test_a_driver_that_cannot_be_made_ends_the_process_with_its_reason(tmp_path: Path, free_port: int) -> None:
    def make(_: Rota) -> Stub:
        raise OSError("no timer")

    write(tmp_path)
    with pytest.raises(OSError, match="no timer"):
        serve(SpecFile(tmp_path), Environment(), make, free_port, threading.Event())


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], free_port: int) -> None:
    (tmp_path / SPEC_FILE).write_text('{"interval": "1ms"}')
    assert serve(SpecFile(tmp_path), Environment(), Stub, free_port, threading.Event()) == 2
    assert "the shortest is 10ms" in capsys.readouterr().err


class Breaking(Stub):
    """A driver that breaks down at a target of that name."""

    def retarget(self, spec: Spec) -> None:
        if any(target.name == "breaks" for target in spec.targets):
            raise OSError("epoll is gone")

    def stop(self) -> None:
        raise AssertionError("it has ended")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_loop_that_breaks_down_ends_the_process_and_says_nothing_more_of_its_targets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], free_port: int
) -> None:
    write(tmp_path, "well")
    codes: list[int] = []
    thread = threading.Thread(
        target=lambda: codes.append(serve(SpecFile(tmp_path), Environment(), Breaking, free_port, threading.Event()))
    )
    thread.start()
    said = Said(capsys)
    eventually(lambda: LOG_MARK in said.out())
    write(tmp_path, "breaks")
    thread.join(SOON_SECONDS)
    assert codes == [1]
    assert "the loop has ended: epoll is gone" in said.err()
    assert '"round":1' not in said.out()


class Stuck(Stub):
    """A driver that begins nothing."""

    def run(self) -> None:
        self._over.wait(SOON_SECONDS)


def test_a_loop_that_is_stuck_is_sick(tmp_path: Path) -> None:
    write(tmp_path, "well")
    now = [time.monotonic()]
    loop = Loop(SpecFile(tmp_path).read(), Stuck, Turns(), lambda: now[0])
    loop.start()
    try:
        assert loop.sick() == ""
        now[0] += 2 * SICK_SECONDS
        assert "late" in loop.sick()
    finally:
        loop.stop()
    assert loop.sick() == "the loop has ended: stopped"


@pytest.mark.parametrize("error", [IndexError, RuntimeError, StopIteration])
def test_a_loop_that_moves_while_it_is_looked_at_is_well(tmp_path: Path, error: type[Exception]) -> None:
    def next_at() -> float:
        raise error("changed meanwhile")

    write(tmp_path, "well")
    loop = Loop(SpecFile(tmp_path).read(), Stuck, Turns(), time.monotonic)
    loop.start()
    loop.rota.next_at = next_at  # type: ignore[method-assign]
    try:
        assert loop.sick() == ""
    finally:
        loop.stop()


def test_the_pace_is_of_slots_since_it_was_asked_and_of_targets_that_do_not_fail(tmp_path: Path) -> None:
    write(tmp_path, "well", "slow", "hangs")
    loop = Loop(SpecFile(tmp_path).read(), Stuck, Turns(), time.monotonic)
    loop.start()
    try:
        well, slow, hangs = loop.rota.accounts.values()
        for account in (well, slow):
            account.pass_(1.0, 0.1)
        hangs.fail(1.0, 1.0, "Timeout", "no answer")
        assert loop.pace().served_ratio == 1.0
        for _ in range(3):
            well.pass_(2.0, 0.1)
            hangs.skip("StillUnderWay")
        slow.lose(2.0, "ProberLate", "late", missed=1)
        assert loop.pace().served_ratio == 0.75
        assert loop.pace().served_ratio == 1.0
        loop.rota.remove("well")
        slow.lose(2.0, "ProberLate", "late", missed=1)
        slow.pass_(2.0, 0.1)
        assert loop.pace().served_ratio == 0.5
    finally:
        loop.stop()


def test_what_cannot_be_read_later_is_told_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], free_port: int
) -> None:
    write(tmp_path, "well")
    stop, said = threading.Event(), Said(capsys)
    thread = threading.Thread(target=lambda: serve(SpecFile(tmp_path), Environment(), Stub, free_port, stop))
    thread.start()
    try:
        eventually(lambda: LOG_MARK in said.out())
        (tmp_path / SPEC_FILE).write_text('{"interval": "1s", "speed": 9}')
        eventually(lambda: "speed" in said.err())
        metrics = httpx.get(f"http://127.0.0.1:{free_port}/metrics", trust_env=False).text
    finally:
        stop.set()
        thread.join(SOON_SECONDS)
    assert 'target="well"' in metrics


def test_a_loop_with_more_to_do_than_it_can_is_not_sick(tmp_path: Path) -> None:
    write(tmp_path, "well")
    now = [time.monotonic()]
    loop = Loop(SpecFile(tmp_path).read(), Stuck, Turns(), lambda: now[0])
    loop.start()
    try:
        now[0] += 2 * SICK_SECONDS
        loop.rota.next_at = lambda: now[0] - SICK_SECONDS - 1  # type: ignore[method-assign]
        assert "late" in loop.sick()
        list(loop.rota.begin(now[0]))
        assert loop.sick() == ""
    finally:
        loop.stop()


def test_what_rolls_the_prober_is_left_to_the_next_one(tmp_path: Path) -> None:
    taken: list[Spec] = []

    class Noting(Stub):
        def retarget(self, spec: Spec) -> None:
            taken.append(spec)

    write(tmp_path, "well")
    loop = Loop(SpecFile(tmp_path).read(), Noting, Turns(), time.monotonic)
    loop.start()
    try:
        other = {"interval": "5s", "params": {"url": "other"}, "targets": [{"name": "new"}]}
        loop.retarget(Spec.model_validate(other))
        eventually(lambda: len(taken) == 2)
    finally:
        loop.stop()
    assert [one.name for one in taken[1].targets] == ["new"]
    assert (taken[1].interval, taken[1].params) == (taken[0].interval, taken[0].params)

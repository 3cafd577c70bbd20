"""A check ends by itself or by its deadline, and is reported once."""

import asyncio
import functools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path

import pytest

from probe_sdk import ProbeFailure, step
from probe_sdk.clock import Deadline
from probe_sdk.environment import Environment
from probe_sdk.execution import Execution, TerminatedError, Watchdog
from probe_sdk.reporting import Reporter
from probe_sdk.steps import Recorder
from probe_sdk.wire import Report, parse_termination_message


@dataclass(frozen=True)
class Bench:
    """An execution, what it left behind, and the exit codes by which it would have ended the process."""

    recorder: Recorder
    log: Path
    ended: list[int]

    def run(self, check: Callable[[], object], seconds: float = inf) -> int:
        now = datetime.now(UTC)
        deadline = Deadline(None if seconds == inf else now + timedelta(seconds=seconds), now)
        reporter = Reporter(Environment(), deadline, str(self.log))
        return Execution(reporter, self.recorder, deadline, self.ended.append).run(check)

    @property
    def report(self) -> Report:
        report = parse_termination_message(self.log.read_text())
        assert report is not None
        return report


@pytest.fixture
def bench(recorder: Recorder, termination_log: Path) -> Bench:
    return Bench(recorder, termination_log, [])


def test_returning_is_success(bench: Bench) -> None:
    assert bench.run(lambda: None, seconds=60) == 0
    assert bench.report == Report(ok=True)
    assert bench.ended == []


def test_raising_is_failure_and_the_traceback_is_in_the_log(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    def check() -> None:
        with step("put"):
            raise ConnectionResetError("by peer")

    assert bench.run(check) == 1
    assert bench.report.errors == ("put: ConnectionResetError: by peer",)
    assert bench.report.steps[0].ok == 0
    assert "in check" in capsys.readouterr().err


def test_a_finding_is_reported_as_it_stands(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    def check() -> None:
        raise ProbeFailure("no leader", "no quorum")

    assert bench.run(check) == 1
    assert bench.report.errors == ("no leader", "no quorum")
    assert "Traceback" not in capsys.readouterr().err


def test_a_coroutine_is_run(bench: Bench) -> None:
    async def check() -> None:
        async with step("put"):
            await asyncio.sleep(0)

    assert bench.run(check, seconds=60) == 0
    assert bench.run(check) == 0
    assert bench.report.steps[0].name == "put"


def test_what_returns_a_coroutine_is_run_as_well(bench: Bench) -> None:
    async def check() -> None:
        raise ProbeFailure("seen")

    assert bench.run(lambda: check()) == 1
    assert bench.report.errors == ("seen",)


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (None, 0), (3, 1), ("give up", 1)])
def test_a_check_that_ends_the_process_is_taken_at_its_exit_code(
    bench: Bench, code: int | str | None, expected: int
) -> None:
    def check() -> None:
        raise SystemExit(code)

    assert bench.run(check) == expected
    if expected:
        assert bench.report.errors == (f"the check ended the process: {code}",)


@pytest.mark.parametrize("interruption", [TerminatedError(143), KeyboardInterrupt()])
def test_an_interrupted_check_has_no_verdict(bench: Bench, interruption: BaseException) -> None:
    def check() -> None:
        raise interruption

    with pytest.raises(type(interruption)):
        bench.run(check)
    assert bench.log.read_text() == ""


def test_a_check_that_hangs_is_reported_by_the_watchdog_with_its_step(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = threading.Event()

    def check() -> None:
        with step("create"):
            pass
        with step("gone"):
            assert _wait_for(lambda: bench.ended == [1])
        ended.set()

    assert bench.run(check, seconds=0.4) == 1
    assert ended.is_set()
    assert bench.report.errors == ("deadline of 0.4s passed in step 'gone'",)
    assert [(each.name, each.count, each.ok) for each in bench.report.steps] == [("create", 1, 1), ("gone", 1, 0)]
    assert "_wait_for" in capsys.readouterr().err


def test_the_deadline_is_told_with_every_open_step_or_with_none(bench: Bench) -> None:
    def check() -> None:
        with step("outer"), step("inner"):
            _wait_for(lambda: bench.ended == [1])

    bench.run(check, seconds=0.2)
    assert bench.report.errors == ("deadline of 0.2s passed in steps 'outer', 'inner'",)
    bench.log.write_text("")
    bench.ended.clear()
    bench.run(lambda: _wait_for(lambda: bench.ended == [1]), seconds=0.2)
    assert bench.report.errors == ("deadline of 0.2s passed",)


def test_a_coroutine_is_cancelled_at_the_reserve_and_cleans_up(bench: Bench) -> None:
    cleaned: list[bool] = []

    async def check() -> None:
        try:
            async with step("gone"):
                await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    # The time to clean up is a share of it, which a busy machine must not use up.
    assert bench.run(check, seconds=4) == 1
    assert cleaned == [True]
    assert bench.ended == []
    assert bench.report.errors == ("deadline of 4s passed in step 'gone'",)


def test_a_coroutine_with_its_parameters_bound_is_given_time_to_clean_up(bench: Bench) -> None:
    async def check(seconds: float) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(seconds)

    bench.run(functools.partial(check, 0.05), seconds=4)
    assert bench.ended == []
    assert bench.report.errors == ("deadline of 4s passed",)


def test_a_coroutine_that_does_not_give_way_is_left_to_the_watchdog(bench: Bench) -> None:
    async def check() -> None:
        with step("stuck"):
            assert _wait_for(lambda: bench.ended == [1])

    assert bench.run(check, seconds=0.4) == 1
    assert bench.report.errors == ("deadline of 0.4s passed in step 'stuck'",)


def test_a_run_that_starts_after_its_deadline_says_so(bench: Bench) -> None:
    assert bench.run(lambda: _wait_for(lambda: bench.ended == [1]), seconds=-5) == 1
    assert bench.report.errors == ("the deadline had passed before the check began: its pod started too late",)


def test_the_last_word_is_had_once() -> None:
    for _ in range(50):
        words: list[str] = []
        watchdog = Watchdog(0.001, lambda words=words: words.append("watchdog"))  # type: ignore[misc]
        watchdog.start()
        time.sleep(0.001)  # the race is what is tested
        if watchdog.claim():
            words.append("check")
        assert len(words) == 1


def test_the_process_ends_even_if_the_report_fails(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    monkeypatch.setattr(Reporter, "send", lambda *_: 1 / 0)
    assert bench.run(lambda: _wait_for(lambda: bench.ended == [1]), seconds=0.1) == 1


def _wait_for(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + 10
    while not condition() and time.monotonic() < until:
        time.sleep(0.005)
    return condition()

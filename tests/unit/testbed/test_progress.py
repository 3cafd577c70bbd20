from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from testbed.progress import Durations, Progress, Step, clock_text


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def progress(tmp_path: Path, clock: Clock, *, terminal: bool = False) -> tuple[Progress, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120)
    return Progress(console, Durations(tmp_path / "durations.json"), monotonic=clock), out


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (61, "1:01"), (-3, "0:00"), (3601, "60:01")]
)
def test_seconds_are_told_as_minutes(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text


def test_what_is_left_is_what_the_steps_usually_take(tmp_path: Path) -> None:
    clock = Clock()
    shown, _ = progress(tmp_path, clock)
    shown.plan([("a", "first", 60), ("b", "second", 30)])
    assert shown.left_seconds() == 90
    with shown.step("a"):
        clock.now = 20
        assert shown.left_seconds() == 70
        clock.now = 100  # late: nothing is left of it, but the next one is
        assert shown.left_seconds() == 30


def test_how_long_a_step_took_is_what_it_is_expected_to_take_next_time(tmp_path: Path) -> None:
    clock = Clock()
    shown, _ = progress(tmp_path, clock)
    shown.plan([("a", "first", 60)])
    with shown.step("a"):
        clock.now = 12.5
    again, _ = progress(tmp_path, clock)
    again.plan([("a", "first", 60)])
    assert again.left_seconds() == 12.5


def test_a_step_that_failed_is_not_remembered(tmp_path: Path) -> None:
    clock = Clock()
    shown, out = progress(tmp_path, clock)
    shown.plan([("a", "first", 60)])

    def fail() -> None:
        with shown.step("a"):
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        fail()
    assert Durations(tmp_path / "durations.json").expected("a", 60) == 60
    assert "done" not in out.getvalue()


def test_without_a_terminal_there_are_plain_lines(tmp_path: Path) -> None:
    clock = Clock()
    shown, out = progress(tmp_path, clock)
    shown.plan([("a", "first", 60), ("b", "second", 1)])
    with shown.shown(), shown.step("a"):
        clock.now = 61
    assert out.getvalue().splitlines() == ["[1/2] first: about 1:00", "[1/2] first: done in 1:01"]


def test_on_a_terminal_it_is_a_live_table(tmp_path: Path) -> None:
    clock = Clock()
    shown, out = progress(tmp_path, clock, terminal=True)
    shown.plan([("a", "first", 60), ("b", "second", 30)])
    with shown.shown(), shown.step("a") as step:
        clock.now = 15
        step.detail = "k8s.io/api"
    text = out.getvalue()
    assert "first" in text
    assert "about 0:30" in text
    assert "together" in text


def test_a_step_is_never_all_done_before_it_is() -> None:
    step = Step("a", "first", 10, started=0)
    assert step.share(5) == 0.5
    assert step.share(500) == 0.97
    step.took_seconds = 500
    assert step.share(500) == 1.0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": "x"}'])
def test_a_broken_record_of_durations_counts_as_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "durations.json"
    path.write_text(text)
    durations = Durations(path)
    assert durations.expected("a", 7) == 7
    durations.record("a", 3)
    assert durations.expected("a", 7) == 3

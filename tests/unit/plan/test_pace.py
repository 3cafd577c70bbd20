from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.builders import at

from kubeprobe.api import ProbeResultStatus, Schedule
from kubeprobe.plan.pace import paced, repaced

ADAPTIVE = {"every": "60s", "adaptive": {"fastest": "10s", "slowest": "5m"}}


def answer(verdict: str, history: list[str], passed: int = 0) -> ProbeResultStatus:
    outcomes = [{"run": f"r{i}", "verdict": one, "at": at(i).isoformat()} for i, one in enumerate(history)]
    return ProbeResultStatus.model_validate(
        {"verdict": verdict, "history": outcomes, "consecutive": {"passed": passed}}
    )


@pytest.mark.parametrize(
    ("known", "seconds"),
    [
        (None, 60),
        (answer("Unknown", []), 60),
        (answer("Failed", ["Failed"]), 10),
        (answer("Unknown", ["Unknown", "Passed"]), 10),
        (answer("Passed", ["Passed", "Failed"], 1), 10),
        (answer("Passed", ["Passed"], 1), 60),
        (answer("Passed", ["Passed"], 49), 60),
        (answer("Passed", ["Passed"], 50), 120),
        (answer("Passed", ["Passed"], 149), 240),
        (answer("Passed", ["Passed"], 150), 300),
        (answer("Passed", ["Passed"], 10**9), 300),
    ],
)
def test_fast_in_trouble_slow_when_long_green(known: ProbeResultStatus | None, seconds: float) -> None:
    found = paced(Schedule.model_validate(ADAPTIVE), known)
    assert found.every is not None
    assert found.every.seconds == seconds


def test_the_longest_cadence_that_can_be_written_is_one() -> None:
    longest = {"every": "366d", "adaptive": {"fastest": "1s", "slowest": "366d"}}
    found = paced(Schedule.model_validate(longest), answer("Passed", ["Passed"], 999)).every
    assert found is not None
    assert found.seconds == 366 * 86400


@pytest.mark.parametrize("fields", [{"every": "60s"}, {"cron": "* * * * *"}])
def test_who_does_not_ask_for_it_keeps_the_cadence(fields: dict[str, Any]) -> None:
    one = Schedule.model_validate(fields)
    assert paced(one, answer("Failed", ["Failed"])) is one
    assert not repaced(one, answer("Passed", ["Passed"]), answer("Failed", ["Failed"]))


def test_a_new_answer_may_ask_for_another_cadence() -> None:
    one = Schedule.model_validate(ADAPTIVE)
    well, broken = answer("Passed", ["Passed"], 1), answer("Passed", ["Failed", "Passed"])
    assert repaced(one, well, broken)
    assert not repaced(one, well, answer("Unknown", []))
    assert not repaced(one, well, answer("Passed", ["Passed"], 2))

"""Deadline, budget and reserve."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import inf

import pytest

from probe_sdk import clock, deadline, remaining_seconds
from probe_sdk.clock import Deadline
from probe_sdk.environment import Environment

START = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


def deadline_after(budget_seconds: float, elapsed_seconds: float = 0.0) -> Deadline:
    return Deadline(
        START + timedelta(seconds=budget_seconds), START, lambda: START + timedelta(seconds=elapsed_seconds)
    )


@pytest.mark.parametrize(
    ("budget", "elapsed", "reserve", "remaining"),
    [(60, 10, None, 47), (60, 10, 5, 45), (60, 10, 0, 50), (8, 0, None, 6), (60, 58, None, 0), (60, 70, 0, 0)],
)
def test_remaining_seconds(budget: float, elapsed: float, reserve: float | None, remaining: float) -> None:
    assert deadline_after(budget, elapsed).remaining_seconds(reserve) == remaining


@pytest.mark.parametrize(("budget", "reserve"), [(60, 3), (12, 3), (8, 2), (1, 0.25), (-5, 0)])
def test_a_short_run_keeps_a_short_reserve(budget: float, reserve: float) -> None:
    assert deadline_after(budget).reserve_seconds == reserve


def test_without_a_deadline_there_is_all_the_time() -> None:
    endless = Deadline(None, START)
    assert endless.remaining_seconds() == inf
    assert endless.remaining_seconds(5) == inf
    assert endless.reserve_seconds == clock.RESERVE_SECONDS


def test_the_process_has_the_deadline_of_its_environment(no_environment: Callable[..., None]) -> None:
    assert deadline() is None
    assert remaining_seconds() == inf
    at = datetime.now(UTC) + timedelta(seconds=100)
    no_environment(DEADLINE=at.isoformat())
    assert deadline() == at
    assert 90 < remaining_seconds() < 98
    assert 40 < remaining_seconds(reserve=50) <= 50


def test_a_deadline_is_read_as_rfc_3339() -> None:
    assert Environment.read({"KUBEPROBE_DEADLINE": "2026-01-31T12:00:00Z"}).deadline == START


@pytest.mark.parametrize("text", ["soon", "2026-01-31T12:00:00", "30s"])
def test_a_deadline_that_is_none_is_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(ValueError, match=r"KUBEPROBE_DEADLINE is .* set a time such as"):
        Environment.read({"KUBEPROBE_DEADLINE": text})

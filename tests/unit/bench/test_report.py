"""Figures are counted as benches say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.bench.report import most_within

START = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "most"),
    [([], 0), ([5.0], 1), ([0.0, 10.0], 1), ([0.0, 9.9], 2), ([20.0, 0.0, 11.0, 5.0, 14.0, 12.0], 4)],
)
def test_the_most_in_any_stretch(seconds: list[float], most: int) -> None:
    times = [START + timedelta(seconds=one) for one in seconds]
    assert most_within(times, timedelta(seconds=10)) == most

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kubeprobe.plan import cron


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("* * *", "Wrong number of fields"),
        ("61 * * * *", "Bad minute"),
        ("0 0 30 2 *", "Bad day-of-month"),
        ("0 0 */31 * MON#5", "never comes"),
    ],
)
def test_what_is_no_cron_is_told(text: str, says: str) -> None:
    assert says in str(cron.cron_error(text))


def test_what_is_one_is_not() -> None:
    assert cron.cron_error("0 0 29 2 *") is None
    assert cron.zone_error(None) is None
    assert "Mars" in str(cron.zone_error("Mars/Olympus"))


def test_how_close_together_times_come() -> None:
    assert cron.shortest_interval("0,10 * * * *", None) == timedelta(minutes=10)
    assert cron.shortest_interval("0 2 * * 0", "Europe/Berlin") == timedelta(days=7)


def test_times_before_and_after_meet_at_a_moment_and_share_none() -> None:
    noon = utc("2026-03-01T12:00")
    assert next(cron.after("0 12 * * *", None, noon)) == utc("2026-03-02T12:00")
    assert cron.latest("0 12 * * *", None, noon) == noon
    assert cron.latest("0 12 * * *", None, noon - timedelta(microseconds=1)) == utc("2026-02-28T12:00")


def test_a_fixed_time_comes_once_when_clocks_go_back() -> None:
    moment = utc("2026-10-25T01:45")  # the second 02:45 in Berlin; the first 02:30 was at 00:30
    assert cron.latest("30 2 * * *", "Europe/Berlin", moment) == utc("2026-10-25T00:30")
    assert next(cron.after("30 2 * * *", "Europe/Berlin", moment)) == utc("2026-10-26T01:30")

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.plan.builders import CREATED, at

from kubeprobe.api import Schedule
from kubeprobe.plan.schedule import Rhythm, Slots, interval_seconds, schedule_error, shortest_seconds, spread

HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
MOMENTS = st.integers(0, 365 * 86_400_000_000).map(lambda passed: CREATED + timedelta(microseconds=passed))
CRONS = ("* * * * *", "*/5 * * * *", "30 2 * * *", "30 1 * * *", "15 2,3 * * *", "0 * * * *", "0 0 * * 0", "0 3 29 * *")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Asia/Kathmandu", "Pacific/Auckland")


def schedule(**fields: Any) -> Schedule:
    return Schedule.model_validate(fields)


def slots(one: Schedule, created: datetime, uid: str, now: datetime) -> Slots:
    return Rhythm(one, created, uid).slots(now)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "due", "following"),
    [
        (at(-1), None, at(0)),
        (at(0), at(0), at(60)),
        (at(59.999999), at(0), at(60)),
        (at(60), at(60), at(120)),
        (at(60 * 1000 + 1), at(60 * 1000), at(60 * 1001)),
    ],
)
def test_every_counts_from_the_creation(now: datetime, due: datetime | None, following: datetime) -> None:
    assert slots(schedule(every="60s"), CREATED, "uid", now) == Slots(due, following)


def test_every_is_exact_where_floats_are_not() -> None:
    assert slots(schedule(every="1001ms"), CREATED, "uid", at(3.003)) == Slots(at(3.003), at(4.004))


every_schedules = st.builds(
    lambda period, jitter: schedule(every=f"{period}ms", jitter=f"{int(jitter * period)}ms"),
    st.integers(1000, 86_400_000),
    st.floats(0, 1, exclude_max=True),
)
cron_schedules = st.builds(
    lambda cron, zone, jitter: schedule(cron=cron, timeZone=zone, jitter=f"{jitter}ms"),
    st.sampled_from(CRONS),
    st.sampled_from(ZONES),
    st.integers(0, 59_999),
)


@given(every_schedules | cron_schedules, MOMENTS, st.text(max_size=8), st.floats(0, 1, exclude_max=True))
def test_a_slot_is_the_same_whenever_one_looks(rhythm: Schedule, now: datetime, uid: str, share: float) -> None:
    found = slots(rhythm, CREATED, uid, now)
    assert found.next is not None
    assert found.due is None or CREATED <= found.due <= now
    assert now < found.next
    start = found.due or now
    assert slots(rhythm, CREATED, uid, start + (found.next - start - TICK) * share) == found
    assert slots(rhythm, CREATED, uid, found.next - TICK) == found
    assert slots(rhythm, CREATED, uid, found.next).due == found.next


@given(every_schedules | cron_schedules, MOMENTS, st.text(max_size=8))
def test_the_clocks_own_time_zone_does_not_matter(rhythm: Schedule, now: datetime, uid: str) -> None:
    elsewhere = now.astimezone(timezone(timedelta(hours=-7)))
    assert slots(rhythm, CREATED, uid, elsewhere) == slots(rhythm, CREATED, uid, now)


@given(st.text(max_size=40), st.integers(1, 59_999), MOMENTS)
def test_jitter_moves_all_slots_of_an_object_by_the_same_share(uid: str, jitter: int, now: datetime) -> None:
    plain = slots(schedule(every="60s"), CREATED, uid, CREATED).due
    assert plain is not None
    moved = schedule(every="60s", jitter=f"{jitter}ms")
    first = slots(moved, CREATED, uid, CREATED + timedelta(seconds=60)).due
    assert first is not None
    shift = first - plain
    assert timedelta(0) <= shift <= timedelta(milliseconds=jitter)
    due = slots(moved, CREATED, uid, now + HOUR).due
    assert due is not None
    assert (due - CREATED - shift) % timedelta(seconds=60) == timedelta(0)


def test_jitter_spreads_a_fleet() -> None:
    shares = sorted(spread(f"uid-{number}") for number in range(1000))
    assert 0 <= shares[0] < 0.01
    assert 0.99 < shares[-1] < 1
    assert 0.45 < shares[500] < 0.55


def test_jitter_holds_a_slot_back_until_it_has_passed() -> None:
    jittered = schedule(every="60s", jitter="30s")
    shift = timedelta(seconds=30 * spread("uid"))
    assert slots(jittered, CREATED, "uid", CREATED) == Slots(None, CREATED + shift)
    assert slots(jittered, CREATED, "uid", CREATED + shift).due == CREATED + shift


@pytest.mark.parametrize(
    ("cron", "zone", "now", "due", "following"),
    [
        ("*/5 * * * *", None, "2026-03-01T12:07:30", "2026-03-01T12:05", "2026-03-01T12:10"),
        ("*/5 * * * *", None, "2026-03-01T12:05:00.000001", "2026-03-01T12:05", "2026-03-01T12:10"),
        ("0 6 * * *", "Asia/Kathmandu", "2026-03-02T01:00", "2026-03-02T00:15", "2026-03-03T00:15"),
        # 29 March: 02:00 becomes 03:00 in Berlin. What was to run at 02:30 runs as soon as that time is past.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", "2026-03-28T01:30", "2026-03-29T01:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-03-29T12:00", "2026-03-29T01:00", "2026-03-30T00:30"),
        ("0 * * * *", "Europe/Berlin", "2026-03-29T00:30", "2026-03-29T00:00", "2026-03-29T01:00"),
        ("0 * * * *", "Europe/Berlin", "2026-03-29T01:30", "2026-03-29T01:00", "2026-03-29T02:00"),
        # 25 October: 03:00 becomes 02:00 again. A fixed time is met once, a rhythm goes on through both hours.
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:40", "2026-10-25T00:30", "2026-10-26T01:30"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10", "2026-10-25T00:30", "2026-10-26T01:30"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:40", "2026-10-25T00:30", "2026-10-26T01:30"),
        ("*/20 * * * *", "Europe/Berlin", "2026-10-25T00:45", "2026-10-25T00:40", "2026-10-25T01:00"),
        ("*/20 * * * *", "Europe/Berlin", "2026-10-25T01:30", "2026-10-25T01:20", "2026-10-25T01:40"),
        ("*/20 * * * *", "America/New_York", "2026-11-01T06:30", "2026-11-01T06:20", "2026-11-01T06:40"),
    ],
)
def test_cron_follows_the_wall_clock(cron: str, zone: str | None, now: str, due: str, following: str) -> None:
    created = utc("2026-01-01")
    assert slots(schedule(cron=cron, timeZone=zone), created, "uid", utc(now)) == Slots(utc(due), utc(following))


@pytest.mark.parametrize("cron", ["*/5 * * * *", "30 2 * * *", "15 1-3 * * *"])
@pytest.mark.parametrize("change", ["2026-03-29", "2026-10-25"])
def test_no_slot_is_lost_or_told_twice_where_clocks_change(cron: str, change: str) -> None:
    rhythm = schedule(cron=cron, timeZone="Europe/Berlin")
    start, end = utc(change) - 2 * HOUR, utc(change) + 28 * HOUR
    ahead, now = [], start
    while (following := slots(rhythm, utc("2026-01-01"), "uid", now).next) and following < end:
        ahead.append(following)
        now = following
    minutes = (start + timedelta(minutes=minute) for minute in range(30 * 60))
    seen = [due for due in (slots(rhythm, utc("2026-01-01"), "uid", minute).due for minute in minutes) if due]
    assert sorted({due for due in seen if due > start}) == ahead
    assert seen == sorted(seen)
    if cron == "30 2 * * *":
        assert len(ahead) == 2


def test_half_hour_clock_changes_keep_the_order() -> None:
    rhythm = schedule(cron="0 */2 * * *", timeZone="Australia/Lord_Howe")
    for minute in range(0, 48 * 60, 7):
        now = utc("2026-04-04") + timedelta(minutes=minute)
        found = slots(rhythm, CREATED, "uid", now)
        assert found.due is not None
        assert found.next is not None
        assert found.due <= now < found.next


def test_no_cron_slot_lies_before_the_creation() -> None:
    assert slots(schedule(cron="0 0 1 1 *"), CREATED, "uid", at(60)) == Slots(None, utc("2027-01-01"))
    assert slots(schedule(cron="0 12 * * *"), CREATED, "uid", at(60)).due == CREATED


def test_a_time_that_never_comes_is_no_slot() -> None:
    never = schedule(cron="0 0 */31 * MON#5")
    assert slots(never, CREATED, "uid", at(60)) == Slots(None, None)
    assert interval_seconds(never, at(60)) == 86400


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"every": "90s"}, 90),
        ({"cron": "*/5 * * * *"}, 300),
        ({"cron": "0 6 * * *", "timeZone": "Asia/Kathmandu"}, 86400),
    ],
)
def test_the_interval_is_the_time_between_two_slots(fields: dict[str, str], seconds: float) -> None:
    assert interval_seconds(schedule(**fields), at(1)) == seconds


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"cron": "* * *"}, "spec.schedule.cron: '* * *': Wrong number of fields; write five fields such as"),
        ({"cron": "* * * * * *"}, "Wrong number of fields"),
        ({"cron": "@daily"}, "Wrong number of fields"),
        ({"cron": "61 * * * *"}, "Bad minute"),
        ({"cron": "0 0 30 2 *"}, "Bad day-of-month"),
        ({"cron": "0 0 */31 * MON#5"}, "'0 0 */31 * MON#5' never comes"),
        (
            {"cron": "*/5 * * * *", "jitter": "5m"},
            "spec.schedule.jitter: 5m is not shorter than the 300s between two times of cron '*/5 * * * *'",
        ),
        (
            {"cron": "* * * * *", "timeZone": "Mars/Olympus"},
            "spec.schedule.timeZone: 'Mars/Olympus' is not a time zone",
        ),
        ({"cron": "* * * * *", "timeZone": "Europe"}, "spec.schedule.timeZone"),
        ({"cron": "* * * * *", "timeZone": "../../etc/passwd"}, "spec.schedule.timeZone"),
        ({"cron": "* * * * *", "timeZone": "a\0b"}, "spec.schedule.timeZone"),
    ],
)
def test_a_wrong_schedule_is_named_and_has_no_slots(fields: dict[str, str], says: str) -> None:
    wrong = schedule(**fields)
    assert says in str(schedule_error(wrong))
    assert slots(wrong, CREATED, "uid", at(60)) == Slots(None, None)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", None])
def test_a_right_schedule_has_no_error(zone: str | None) -> None:
    assert schedule_error(schedule(cron="*/5 * * * *", timeZone=zone)) is None
    assert schedule_error(schedule(every="1s")) is None
    assert zone is None or ZoneInfo(zone)


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"every": "90s"}, 90),
        ({"every": "90s", "adaptive": {"fastest": "10s", "slowest": "10m"}}, 10),
        ({"cron": "0,5 * * * *"}, 300),
        ({}, float("inf")),
    ],
)
def test_the_shortest_time_between_two_slots(fields: dict[str, Any], seconds: float) -> None:
    assert shortest_seconds(schedule(**fields)) == seconds


RHYTHMS = st.sampled_from(
    [schedule(every="7s"), schedule(every="90s", jitter="60s"), schedule(cron="*/5 * * * *", jitter="100s")]
)


@given(RHYTHMS, st.integers(-100, 2000), st.integers(0, 2000))
def test_slots_are_counted_as_they_come(one: Schedule, begin: int, length: int) -> None:
    rhythm = Rhythm(one, CREATED, "uid-counted")
    start, end = at(begin), at(begin + length)
    expected, found = 0, rhythm.slots(start - TICK).next
    while found is not None and found < end:
        expected, found = expected + 1, rhythm.slots(found).next
    assert rhythm.count(start, end) == expected


def test_nothing_is_counted_backwards() -> None:
    assert Rhythm(schedule(every="1s"), CREATED, "uid").count(at(10), at(5)) == 0

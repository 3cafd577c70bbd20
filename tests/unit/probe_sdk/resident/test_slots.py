"""Slots are computed from their numbers: none drifts, none is served twice, what passed unserved is counted."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe_sdk.resident.slots import Due, Slots

START = 1000.0


def drained(slots: Slots, now: float) -> list[Due]:
    return list(iter(lambda: slots.take(now), None))


def test_a_target_is_due_once_an_interval() -> None:
    slots = Slots(10.0, START)
    slots.add("a", START)
    assert slots.next_at() == START
    assert [slots.take(START), slots.take(START), slots.next_at()] == [Due("a", START, 0), None, START + 10]


def test_slots_that_passed_are_missed_and_only_the_newest_is_served() -> None:
    slots = Slots(10.0, START)
    slots.add("a", START)
    assert drained(slots, START + 35) == [Due("a", START + 30, 3)]
    assert slots.next_at() == START + 40


def test_a_target_that_comes_later_has_no_slots_from_before() -> None:
    slots = Slots(10.0, START)
    slots.add("a", START + 1234.5)
    assert slots.next_at() == START + 1240
    slots.add("a", START + 5000)
    assert len(slots) == 1
    assert slots.next_at() == START + 1240


def test_a_target_that_goes_has_no_more_slots() -> None:
    slots = Slots(10.0, START)
    for name in "abc":
        slots.add(name, START)
    slots.remove("b")
    slots.remove("never there")
    assert {due.target for due in drained(slots, START + 10)} == {"a", "c"}
    slots.remove("a")
    slots.remove("c")
    assert slots.next_at() is None
    assert slots.take(START + 100) is None


def test_targets_are_spread_over_the_interval_unless_they_are_to_be_alike() -> None:
    spread, alike = Slots(1.0, START), Slots(1.0, START, spread=False)
    for number in range(100):
        spread.add(str(number), START)
        alike.add(str(number), START)
    firsts = sorted(due.at for due in drained(spread, START + 0.999))
    gaps = [after - before for before, after in pairwise(firsts)]
    assert max(gaps) < 0.03
    assert len(drained(alike, START)) == 100


def test_targets_of_the_same_millisecond_are_due_together() -> None:
    slots = Slots(0.01, START)
    for number in range(50):
        slots.add(str(number), START)
    together = Counter(round((due.at - START) * 1000, 6) for due in drained(slots, START + 0.0099))
    assert sorted(together) == list(range(10))
    assert set(together.values()) <= {4, 5, 6}


def test_a_slot_that_waited_too_long_comes_after_those_that_are_in_time() -> None:
    slots = Slots(10.0, START)
    for name in ("late", "in time"):  # the second one is due 6.18 s after the first
        slots.add(name, START)
    assert slots.take(START + 7) == Due("in time", START + 6.18, 0)
    assert slots.next_at() == START
    assert slots.take(START + 7) == Due("late", START, 0)
    assert slots.take(START + 7) is None


def test_a_late_slot_gives_way_to_the_next_one_of_its_target_when_that_begins() -> None:
    slots = Slots(10.0, START)
    for name in ("late", "in time", "gone"):  # due after 0, 6.18 and 2.36 s
        slots.add(name, START)
    assert [due.target for at in (0.0, 2.5, 6.5) for due in drained(slots, START + at)] == ["late", "gone", "in time"]
    assert slots.take(START + 17.5) == Due("in time", START + 16.18, 0)
    slots.remove("gone")
    assert drained(slots, START + 21) == [Due("late", START + 20, 1)]


@given(
    interval=st.sampled_from([0.01, 0.1, 1.0, 7.0]),
    looks=st.lists(st.floats(min_value=0.0, max_value=25.0), min_size=1, max_size=30),
    targets=st.integers(min_value=1, max_value=5),
)
def test_every_slot_is_served_or_missed_exactly_once(interval: float, looks: list[float], targets: int) -> None:
    slots = Slots(interval, START)
    for number in range(targets):
        slots.add(str(number), START)
    now = START
    firsts = {due.target: due.at for due in drained(slots, START + interval * 0.9999)}
    seen = dict.fromkeys(firsts, 1)
    assert len(firsts) == targets
    for look in looks:
        now += look * interval
        for due in drained(slots, now):
            place = (due.at - firsts[due.target]) / interval
            assert place == pytest.approx(round(place), abs=1e-3)
            assert due.at <= now + 1e-9
            seen[due.target] += 1 + due.missed
    for name, first in firsts.items():
        begun = int((now - first) / interval + 1e-6) + 1
        assert abs(seen[name] - max(begun, 1)) <= 1  # a slot on the very edge of the last look

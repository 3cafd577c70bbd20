"""When a config's runs are due: slots, computed in UTC, the same after every restart.

`every` counts from the config's creation; `cron` follows the wall clock of its time zone. Jitter moves a config's
slots by an amount that its uid decides, so that a fleet spreads and yet each object keeps its own rhythm.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from kubeprobe.api import Schedule
from kubeprobe.plan import cron

SPREAD_STEPS = 2**32
SKEW_SECONDS = 5.0
"""What lies further ahead than this was written by a clock that ran ahead, or by hand."""
MOST_COUNTED = 100_000
"""More slots of a cron than these are not told apart from them when they are counted."""


@dataclass(frozen=True, slots=True)
class Slots:
    """The slot that is due now (None before the first) and the one that comes next (None when there is none)."""

    due: datetime | None
    next: datetime | None


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A config's own slots: its schedule, counted from its creation and shifted by its share of the jitter."""

    schedule: Schedule
    created: datetime
    uid: str

    @property
    def shift(self) -> timedelta:
        """This config's share of the jitter."""
        jitter = self.schedule.jitter
        return timedelta(seconds=spread(self.uid) * jitter.seconds) if jitter else timedelta()

    def slots(self, now: datetime) -> Slots:
        """The slots around `now`; a wrong schedule (see `schedule_error`) has none."""
        if schedule_error(self.schedule) is not None:
            return Slots(due=None, next=None)
        around = _every if self.schedule.every else _cron
        found = around(self.schedule, self.created, now - self.shift)
        return Slots(
            due=found.due + self.shift if found.due else None,
            next=found.next + self.shift if found.next else None,
        )

    def count(self, start: datetime, end: datetime) -> int:
        """How many slots lie from `start` on and before `end`."""
        begin, stop = max(start - self.shift, self.created), end - self.shift
        if stop <= begin:
            return 0
        if self.schedule.every is None:
            return sum(1 for _ in _between(self.schedule, begin, stop))
        period = timedelta(milliseconds=self.schedule.every.milliseconds)
        first, last = -((self.created - begin) // period), -((self.created - stop) // period)
        return last - first


def spread(uid: str) -> float:
    """A number in [0, 1) that depends on the uid alone, evenly spread over uids."""
    digest = hashlib.sha256(uid.encode()).digest()
    return int.from_bytes(digest[:4], "big") / SPREAD_STEPS


def _every(schedule: Schedule, created: datetime, now: datetime) -> Slots:
    assert schedule.every is not None
    # In whole microseconds: as floats, three times 1.001s is less than 3.003s.
    period = timedelta(milliseconds=schedule.every.milliseconds)
    passed = (now - created) // period
    if passed < 0:
        return Slots(due=None, next=created)
    return Slots(due=created + passed * period, next=created + (passed + 1) * period)


def _cron(schedule: Schedule, created: datetime, now: datetime) -> Slots:
    assert schedule.cron is not None
    moment = max(now, created - timedelta(microseconds=1))  # what would have come before the config is no slot
    coming = next(cron.after(schedule.cron, schedule.time_zone, moment), None)
    due = cron.latest(schedule.cron, schedule.time_zone, now)
    return Slots(due=due if due >= created else None, next=coming)


def _between(schedule: Schedule, start: datetime, end: datetime) -> Iterator[datetime]:
    assert schedule.cron is not None
    coming = cron.after(schedule.cron, schedule.time_zone, start - timedelta(microseconds=1))
    numbered = takewhile(lambda one: one[1] < end and one[0] < MOST_COUNTED, enumerate(coming))
    return (time for _, time in numbered)


def interval_seconds(schedule: Schedule, now: datetime) -> float:
    """How long from one slot to the one after it, about `now`; caps the back-off of what fails over and over."""
    if schedule.every:
        return schedule.every.seconds
    assert schedule.cron is not None
    times = cron.after(schedule.cron, schedule.time_zone, now)
    first, second = next(times, None), next(times, None)
    return (second - first).total_seconds() if first and second else timedelta(days=1).total_seconds()


def shortest_seconds(schedule: Schedule) -> float:
    """The shortest time from one slot to the next; infinite for a schedule that says neither every nor cron."""
    if schedule.cron is not None:
        return cron.shortest_interval(schedule.cron, schedule.time_zone).total_seconds()
    every = schedule.adaptive.fastest if schedule.adaptive else schedule.every
    return every.seconds if every else math.inf


def schedule_error(schedule: Schedule) -> str | None:
    """What is wrong with a schedule that its schema cannot tell; None when it is right."""
    if (error := cron.zone_error(schedule.time_zone)) is not None:
        return f"spec.schedule.timeZone: {error}"
    if schedule.cron is None:
        return None
    if (error := cron.cron_error(schedule.cron)) is not None:
        return f"spec.schedule.cron: {error}"
    jitter, shortest = schedule.jitter, cron.shortest_interval(schedule.cron, schedule.time_zone)
    if jitter is not None and timedelta(seconds=jitter.seconds) >= shortest:
        return (
            f"spec.schedule.jitter: {jitter} is not shorter than the {shortest.total_seconds():g}s between two times "
            f"of cron {schedule.cron!r}; write a shorter one"
        )
    return None

"""When a config's runs are due: slots, computed in UTC, the same after every restart.

`every` counts from the config's creation; `cron` follows the wall clock of its time zone. Jitter moves a config's
slots by an amount that its uid decides, so that a fleet spreads and yet each object keeps its own rhythm.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from kubeprobe.api import Schedule

SPREAD_STEPS = 2**32
CRON_FIELDS = 5


@dataclass(frozen=True, slots=True)
class Slots:
    """The slot that is due now (None before the first) and the one that comes next (None when there is none)."""

    due: datetime | None
    next: datetime | None


def slots(schedule: Schedule, created: datetime, uid: str, now: datetime) -> Slots:
    """The slots of a schedule around `now`.

    Args:
        schedule: the schedule; a wrong one (see `schedule_error`) has no slots.
        created: when the config was created; the first slot of `every`, and no slot lies before it.
        uid: the config's uid, which decides its share of the jitter.
        now: the time, with its time zone.
    """
    if schedule_error(schedule) is not None:
        return Slots(due=None, next=None)
    shift = timedelta(seconds=spread(uid) * (schedule.jitter.seconds if schedule.jitter else 0.0))
    around = _every if schedule.every else _cron
    found = around(schedule, created, now - shift)
    return Slots(
        due=found.due + shift if found.due else None,
        next=found.next + shift if found.next else None,
    )


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
    zone = ZoneInfo(schedule.time_zone or "UTC")
    if now < created:  # by the jitter; what would have come before the config is no slot
        coming = _times(CronSim(schedule.cron, (created - timedelta(seconds=1)).astimezone(zone)))
        return Slots(due=None, next=next((found for found in coming if found >= created), None))
    # In reverse CronSim looks for what lies strictly before: a second later makes a slot at this very second count.
    # The second is added in UTC, since local time would forget which of the two hours it is when clocks go back.
    second = (now.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)).astimezone(zone)
    due = next(_times(CronSim(schedule.cron, second, reverse=True)), None)
    for found in _times(CronSim(schedule.cron, now.astimezone(zone))):
        if found > now:
            return Slots(due=_not_before(created, due), next=found)
        # A fixed time is met in the first of two equal hours; all through the second one CronSim still calls it next.
        due = found
    return Slots(due=_not_before(created, due), next=None)


def _times(times: CronSim) -> Iterator[datetime]:
    return (found.astimezone(UTC) for found in times)


def _not_before(created: datetime, due: datetime | None) -> datetime | None:
    return due if due is not None and due >= created else None


def interval_seconds(schedule: Schedule, now: datetime) -> float:
    """How long from one slot to the one after it, about `now`; caps the back-off of what fails over and over."""
    if schedule.every:
        return schedule.every.seconds
    assert schedule.cron is not None
    times = CronSim(schedule.cron, now.astimezone(ZoneInfo(schedule.time_zone or "UTC")))
    first, second = next(times, None), next(times, None)
    return (second - first).total_seconds() if first and second else timedelta(days=1).total_seconds()


def schedule_error(schedule: Schedule) -> str | None:
    """What is wrong with a schedule that its schema cannot tell; None when it is right."""
    if schedule.time_zone is not None:
        try:
            ZoneInfo(schedule.time_zone)
        except (KeyError, ValueError, OSError):
            return (
                f"spec.schedule.timeZone: {schedule.time_zone!r} is not a time zone of the IANA database; "
                "write one such as Europe/Berlin or UTC"
            )
    if schedule.cron is not None:
        error = _cron_error(schedule.cron)
        if error is not None:
            return f"spec.schedule.cron: {schedule.cron!r}: {error}; write five fields such as '*/5 * * * *'"
    return None


def _cron_error(cron: str) -> str | None:
    if len(cron.split()) != CRON_FIELDS:  # CronSim would take a sixth one, for seconds, at the front
        return "Wrong number of fields"
    try:
        CronSim(cron, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        return str(error)
    return None

"""When a config's runs are due: slots, computed in UTC, the same after every restart.

`every` counts from the config's creation; `cron` follows the wall clock of its time zone. Jitter moves a config's
slots by an amount that its uid decides, so that a fleet spreads and yet each object keeps its own rhythm.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from kubeprobe.api import Schedule

SPREAD_STEPS = 2**32


@dataclass(frozen=True, slots=True)
class Slots:
    """The slot that is due now (None before the first) and the one that comes next (None when there is none)."""

    due: datetime | None
    next: datetime | None


def slots(schedule: Schedule, created: datetime, uid: str, now: datetime) -> Slots:
    """The slots of a schedule around `now`.

    Args:
        schedule: a valid schedule.
        created: when the config was created; the first slot of `every`, and no slot lies before it.
        uid: the config's uid, which decides its share of the jitter.
        now: the time, with its time zone.
    """
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
    period = schedule.every.seconds
    passed = (now - created).total_seconds() // period
    if passed < 0:
        return Slots(due=None, next=created)
    due = created + timedelta(seconds=passed * period)
    return Slots(due=due, next=created + timedelta(seconds=(passed + 1) * period))


def _cron(schedule: Schedule, created: datetime, now: datetime) -> Slots:
    assert schedule.cron is not None
    zone = ZoneInfo(schedule.time_zone or "UTC")
    local = now.astimezone(zone)
    # In reverse CronSim looks for what lies strictly before: a second later makes a slot at this very second count.
    due = _first(CronSim(schedule.cron, local.replace(microsecond=0) + timedelta(seconds=1), reverse=True))
    if due is not None and due < created:
        due = None
    return Slots(due=due, next=_first(CronSim(schedule.cron, local)))


def _first(times: CronSim) -> datetime | None:
    found = next(times, None)
    return found.astimezone(UTC) if found else None


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
        try:
            CronSim(schedule.cron, datetime(2000, 1, 1, tzinfo=UTC))
        except CronSimError as error:
            return f"spec.schedule.cron: {schedule.cron!r}: {error}; write five fields such as '*/5 * * * *'"
    return None

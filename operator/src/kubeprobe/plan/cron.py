"""Cron expressions: what is wrong with one, and the times that it names, in UTC and right where clocks change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

FIELDS = 5
REFERENCE = datetime(2024, 1, 1, tzinfo=UTC)
"""A leap year's beginning, from which the times of a cron are looked at when no time is given."""
LOOKED_AT = 12
"""So many times of a cron tell how close together they come: a year of a monthly one, an hour of a frequent one."""


def zone_error(name: str | None) -> str | None:
    """What is wrong with a time zone's name; None when it is right."""
    try:
        ZoneInfo(name or "UTC")
    except (KeyError, ValueError, OSError):
        return f"{name!r} is not a time zone of the IANA database; write one such as Europe/Berlin or UTC"
    return None


@lru_cache(maxsize=4096)
def cron_error(cron: str) -> str | None:
    """What is wrong with a cron expression, a date that never comes included; None when it is right."""
    if len(cron.split()) != FIELDS:  # CronSim would take a sixth one, for seconds, at the front
        return f"{cron!r}: Wrong number of fields; write five fields such as '*/5 * * * *'"
    try:
        first = next(CronSim(cron, REFERENCE), None)
    except CronSimError as error:
        return f"{cron!r}: {error}; write five fields such as '*/5 * * * *'"
    return None if first else f"{cron!r} never comes: there is no such date; write one that exists"


@lru_cache(maxsize=4096)
def shortest_interval(cron: str, zone: str | None) -> timedelta:
    """How close together the times of a cron come, looked at from a fixed date."""
    times = islice(after(cron, zone, REFERENCE), LOOKED_AT)
    return min((later - earlier for earlier, later in pairwise(times)), default=timedelta.max)


def after(cron: str, zone: str | None, moment: datetime) -> Iterator[datetime]:
    """The times that lie after a moment, the soonest first."""
    # A fixed time is met in the first of two equal hours; all through the second one CronSim still calls it next.
    times = (found.astimezone(UTC) for found in CronSim(cron, moment.astimezone(ZoneInfo(zone or "UTC"))))
    return (found for found in times if found > moment)


def latest(cron: str, zone: str | None, moment: datetime) -> datetime:
    """The last time up to a moment, itself included; of a cron that comes at all there always is one."""
    # In reverse CronSim looks for what lies strictly before: a second later makes a time of this very second count.
    # The second is added in UTC, since local time would forget which of the two hours it is when clocks go back.
    local = ZoneInfo(zone or "UTC")
    second = (moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)).astimezone(local)
    last = next(CronSim(cron, second, reverse=True)).astimezone(UTC)
    # Asked in the second of two equal hours, CronSim still calls a time in the first one the next.
    coming = (found.astimezone(UTC) for found in CronSim(cron, moment.astimezone(local)))
    return max((last, *takewhile(lambda time: time <= moment, coming)))

"""Maintenance windows: whether one is open, and the stretches in which no runs are due because of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from kubeprobe.api import MaintenanceRuns, MaintenanceWindow
from kubeprobe.plan import cron

MOST_OPENINGS = 10_000
"""A stretch of time with more openings than these is looked at so far and no further."""


@dataclass(frozen=True, slots=True)
class Maintenance:
    """The state of all of a config's windows at one time."""

    until: datetime | None
    """When the last of the open windows closes; None when none is open."""
    pauses: bool
    """Whether one of the open windows lets no run begin."""
    changes_at: datetime | None
    """When a window opens or closes next; None when none ever does."""


NONE = Maintenance(until=None, pauses=False, changes_at=None)


@dataclass(frozen=True, slots=True)
class Stretch:
    """From `start` on and before `end`."""

    start: datetime
    end: datetime


def maintenance(windows: Sequence[MaintenanceWindow], now: datetime) -> Maintenance:
    """The state of the windows now; wrong ones (see `maintenance_error`) are passed over."""
    right = [window for window in windows if _error(window) is None]
    if not right:
        return NONE
    opened = [(window, closing) for window in right if (closing := _closes(window, now)) is not None]
    openings = (next(cron.after(window.cron, window.time_zone, now), None) for window in right)
    closings = [closing for _, closing in opened]
    return Maintenance(
        until=max(closings, default=None),
        pauses=any(window.runs is MaintenanceRuns.PAUSE for window, _ in opened),
        changes_at=min((time for time in (*openings, *closings) if time is not None), default=None),
    )


def _closes(window: MaintenanceWindow, now: datetime) -> datetime | None:
    closing = cron.latest(window.cron, window.time_zone, now) + timedelta(seconds=window.duration.seconds)
    return closing if closing > now else None


def pauses(windows: Sequence[MaintenanceWindow], start: datetime, end: datetime) -> tuple[Stretch, ...]:
    """The stretches between two times in which no runs were due, apart from one another and in order."""
    pausing = [one for one in windows if one.runs is MaintenanceRuns.PAUSE and _error(one) is None]
    return tuple(_merged(sorted((one.start, one.end) for window in pausing for one in _stretches(window, start, end))))


def _stretches(window: MaintenanceWindow, start: datetime, end: datetime) -> Iterator[Stretch]:
    length = timedelta(seconds=window.duration.seconds)
    openings = enumerate(cron.after(window.cron, window.time_zone, start - length))
    for _, opened in takewhile(lambda one: one[1] < end and one[0] < MOST_OPENINGS, openings):
        yield Stretch(max(opened, start), min(opened + length, end))


def _merged(stretches: Iterable[tuple[datetime, datetime]]) -> Iterator[Stretch]:
    current: Stretch | None = None
    for start, end in stretches:
        if current is not None and start <= current.end:
            current = Stretch(current.start, max(current.end, end))
            continue
        if current is not None:
            yield current
        current = Stretch(start, end)
    if current is not None:
        yield current


def maintenance_error(windows: Sequence[MaintenanceWindow]) -> str | None:
    """What is wrong with the windows that their schema cannot tell; None when they are right."""
    for index, window in enumerate(windows):
        if (error := _error(window)) is not None:
            return f"spec.maintenance[{index}].{error}"
    return None


def _error(window: MaintenanceWindow) -> str | None:
    if (error := cron.zone_error(window.time_zone)) is not None:
        return f"timeZone: {error}"
    if (error := cron.cron_error(window.cron)) is not None:
        return f"cron: {error}"
    period = cron.shortest_interval(window.cron, window.time_zone)
    if timedelta(seconds=window.duration.seconds) >= period:
        return (
            f"duration: the window is open for {window.duration}, but opens again after {period.total_seconds():g}s: "
            "it would never close; write a shorter duration, or a cron whose times lie further apart"
        )
    return None

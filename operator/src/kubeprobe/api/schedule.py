"""When a config's runs are due, when they are tried again, and when failures are expected: the parts about time."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kubeprobe.api.base import ApiModel
from kubeprobe.api.common import MaintenanceRuns
from kubeprobe.api.duration import Duration, between, cel_milliseconds
from kubeprobe.api.rules import Rule


class Adaptive(ApiModel):
    """How far the cadence may leave spec.schedule.every, by how things are."""

    fastest: Annotated[Duration, between("1s", "366d")] = Field(
        description="Time from one run to the next while the target fails or has only just recovered, such as 10s."
    )
    slowest: Annotated[Duration, between("1s", "366d")] = Field(
        description="Longest time from one run to the next when the target has long been green, such as 10m."
    )


class Schedule(ApiModel):
    """When a periodic config's runs are due."""

    rules = (
        Rule(
            cel="has(self.every) != has(self.cron)",
            check=lambda self: (self.every is None) != (self.cron is None),
            message="set exactly one of every (such as 60s) and cron (such as '*/5 * * * *')",
        ),
        Rule(
            cel="!has(self.timeZone) || has(self.cron)",
            check=lambda self: self.time_zone is None or self.cron is not None,
            message="a time zone goes with cron only: remove timeZone, or write the schedule as cron",
            field="timeZone",
        ),
        Rule(
            cel=f"!has(self.jitter) || !has(self.every) || "
            f"{cel_milliseconds('self.jitter')} < {cel_milliseconds('self.every')}",
            check=lambda self: (
                self.jitter is None or self.every is None or self.jitter.milliseconds < self.every.milliseconds
            ),
            message="jitter must be shorter than every",
            field="jitter",
        ),
        Rule(
            cel=f"!has(self.adaptive) || (has(self.every) && "
            f"{cel_milliseconds('self.adaptive.fastest')} <= {cel_milliseconds('self.every')} && "
            f"{cel_milliseconds('self.every')} <= {cel_milliseconds('self.adaptive.slowest')})",
            check=lambda self: (
                self.adaptive is None
                or (
                    self.every is not None
                    and self.adaptive.fastest.milliseconds
                    <= self.every.milliseconds
                    <= self.adaptive.slowest.milliseconds
                )
            ),
            message="adaptive goes with every, which must lie between adaptive.fastest and adaptive.slowest",
            field="adaptive",
        ),
    )

    every: Annotated[Duration | None, between("1s", "366d")] = Field(
        None,
        description="Time from one run to the next, counted from the config's creation, such as 30s or 5m: at least "
        "1s. Either this or cron.",
    )
    cron: str | None = Field(
        None,
        min_length=1,
        max_length=256,
        description="Times as the five fields of cron: minute, hour, day of month, month, day of week. Either this or "
        "every.",
    )
    time_zone: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        description="Time zone of cron by its IANA name, such as Europe/Berlin; UTC if absent.",
    )
    jitter: Annotated[Duration | None, between("0s", "24h")] = Field(
        None,
        description="How far runs may be moved back, so that many configs do not all start at once. Each config gets a "
        "share of it that stays the same. Less than every; none if absent.",
    )
    starting_deadline: Annotated[Duration | None, between("1s", "366d")] = Field(
        None,
        description="How late a run may start; a slot that could not be served by then is missed, and counted as such. "
        "Until the next slot if absent. Slots that were missed are never made up for.",
    )
    adaptive: Adaptive | None = Field(
        None,
        description="Run more often while the target fails or has just recovered, and less often when it has long been "
        "green, within these bounds; with every only. The same cadence always if absent.",
    )


class Retries(ApiModel):
    """Whether a run that did not pass is tried again before it counts."""

    limit: int = Field(
        0, ge=0, le=10, description="How often a run that did not pass is tried again; 0, the default, is never."
    )
    delay: Annotated[Duration, between("0s", "1h")] = Field(
        Duration("5s"), description="How long after the run's end the next attempt begins; 5s by default."
    )


class MaintenanceWindow(ApiModel):
    """A stretch of time that comes again and again, in which failures are expected."""

    cron: str = Field(
        min_length=1, max_length=256, description="When the window opens, as the five fields of cron: '0 2 * * 0'."
    )
    duration: Annotated[Duration, between("1m", "31d")] = Field(
        description="How long the window stays open, such as 2h; shorter than the time to the next one."
    )
    time_zone: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        description="Time zone of cron by its IANA name, such as Europe/Berlin; UTC if absent.",
    )
    runs: MaintenanceRuns = Field(
        MaintenanceRuns.CONTINUE,
        description="Continue (the default): runs go on, and their verdict raises no alarm. Pause: none is started. "
        "A resident prober goes on in both.",
    )

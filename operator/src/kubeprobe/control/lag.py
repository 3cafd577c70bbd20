"""Whether this process keeps up: one that was held up must not call others late.

Held up is: the event loop did not turn in time (a busy or frozen host), keys wait too long for a worker, a watch hears
nothing, or the wall clock moved by itself. What falls into such a time is judged Unknown.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

logger = logging.getLogger("kubeprobe.lag")

TURN_SECONDS = 0.5
LOOP_LIMIT_SECONDS = 2.0
"""A loop that turns so much too late was held up."""
QUEUE_LIMIT_SECONDS = 5.0
WATCH_LIMIT_SECONDS = 100.0
"""A watch is told something every minute, and ended by its reader after 90 seconds of silence."""
JUMP_LIMIT_SECONDS = 1.0
"""Clocks are corrected by less than this without anybody's noticing."""


@dataclass(frozen=True, slots=True)
class Gauges:
    """What is looked at besides the loop itself, each in seconds."""

    queue_age: Callable[[], float]
    watch_age: Callable[[], float]


class LagMonitor:
    """Looks twice a second.

    Args:
        clock: seconds that only go forward, and go on while the machine sleeps.
        now: the wall clock.
        gauges: what else is looked at.
        moved: called when the wall clock moved by itself: what was planned by it has to be planned anew.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        gauges: Gauges,
        moved: Callable[[], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._now = now
        self._gauges = gauges
        self._moved = moved
        self._sleep = sleep
        self._held_until: datetime | None = None
        self.loop_lag_seconds = 0.0
        """How much too late the loop turned, the last time."""

    def held_up_since(self, moment: datetime) -> bool:
        """Whether the process was held up at any time after a moment."""
        return self._held_until is not None and self._held_until >= moment

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            began, wall = self._clock(), self._now()
            await self._sleep(TURN_SECONDS)
            self._look(self._clock() - began, (self._now() - wall).total_seconds())

    def _look(self, passed_seconds: float, wall_seconds: float) -> None:
        self.loop_lag_seconds = max(passed_seconds - TURN_SECONDS, 0.0)
        jump_seconds = wall_seconds - passed_seconds
        jumped = abs(jump_seconds) > JUMP_LIMIT_SECONDS
        if jumped:
            logger.warning("the clock moved by %+.1fs: everything is planned anew", jump_seconds)
            self._moved()
        if self.loop_lag_seconds > LOOP_LIMIT_SECONDS:
            logger.warning("held up for %.1fs: what ended meanwhile is Unknown", self.loop_lag_seconds)
        slow = self._gauges.queue_age() > QUEUE_LIMIT_SECONDS or self._gauges.watch_age() > WATCH_LIMIT_SECONDS
        if jumped or slow or self.loop_lag_seconds > LOOP_LIMIT_SECONDS:
            self._held_until = self._now()

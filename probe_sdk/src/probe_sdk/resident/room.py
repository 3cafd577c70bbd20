"""How many probes may be young at a time: few while our CPU is what they lack, more while it has time to spare.

Of probes that want the CPU, more at a time make each slower and none better, until all of them time out. Probes that
wait for their targets want none: a thousand targets at fifty milliseconds' distance are fifty probes under way for
each second's share of them, and no load at all. How busy this thread is tells the two apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

LOOK_SECONDS: Final = 0.02
BUSY_SHARE: Final = 0.9
"""Of the time at work, or ready for it and held up: from here on the CPU is what is short."""
SPARE_SHARE: Final = 0.7


class Room:
    """Looks at how busy the thread is, and gives room by that.

    Args:
        least: as many as there is always room for.
        most: as many as there is ever room for.
        used_seconds: how long the thread has worked, or wanted to, in all.
    """

    def __init__(self, least: int, most: int, used_seconds: Callable[[], float], now: float) -> None:
        self.size = least
        self.looks_at = now + LOOK_SECONDS
        """When it looks again."""
        self._least = least
        self._most = most
        self._used_seconds = used_seconds
        self._used = used_seconds()
        self._looked_at = now
        self._wanted = False

    def wanted(self) -> None:
        """Take note that there was none left."""
        self._wanted = True

    def look(self, now: float) -> None:
        """Make room or take it back, by what there was to do since the last look; cheap when called too often."""
        if now < self.looks_at:
            return
        used = self._used_seconds()
        share = (used - self._used) / (now - self._looked_at)
        if share > BUSY_SHARE:
            self.size = self._least
        elif self._wanted and share < SPARE_SHARE:
            self.size = min(2 * self.size, self._most)
        self._used, self._looked_at, self.looks_at, self._wanted = used, now, now + LOOK_SECONDS, False

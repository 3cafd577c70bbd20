"""How often somebody may ask: who asks too often is answered later, and only then refused.

Release tools take a 429 for a check that failed, and may roll back for it. So a call too early is held back until its
time has come, which slows down whoever asks in a loop; it is refused when that would take longer than a tool waits for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

MOST_CLIENTS = 4096
"""Clients that are told apart; those beyond are one."""
ROUNDING_SECONDS = 1e-6


@dataclass(frozen=True, slots=True)
class Rate:
    """How many calls there may be."""

    per_second: float
    burst: float
    """How many may come at once after a while without."""


class Slot:
    """When the next call of one kind is due (a leaky bucket, kept as the time at which it is empty again)."""

    __slots__ = ("_rate", "empty_at")

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self.empty_at = -math.inf

    def wait_seconds(self, now: float) -> float:
        """How long a call that comes now has to be held back."""
        first = max(self.empty_at, now) + (1.0 - self._rate.burst) / self._rate.per_second
        return first - now if first - now > ROUNDING_SECONDS else 0.0

    def take(self, now: float) -> None:
        """Count a call."""
        self.empty_at = max(self.empty_at, now) + 1.0 / self._rate.per_second


class Throttle:
    """Counts calls, of each client and of all.

    Args:
        each: what one client may.
        together: what all may.
        longest_seconds: for how long a call is held back at most.
        clock: seconds that only go forward.
    """

    def __init__(self, each: Rate, together: Rate, longest_seconds: float, clock: Callable[[], float]) -> None:
        self._each = each
        self._all = Slot(together)
        self._longest_seconds = longest_seconds
        self._clock = clock
        self._slots: dict[str, Slot] = {}

    def admit(self, client: str) -> float | None:
        """How many seconds a call is to be held back; None when it is refused, and then does not count."""
        now = self._clock()
        slot = self._slots.get(client) or self._new(client, now)
        wait = max(slot.wait_seconds(now), self._all.wait_seconds(now))
        if wait > self._longest_seconds:
            return None
        slot.take(now)
        self._all.take(now)
        return wait

    def _new(self, client: str, now: float) -> Slot:
        if len(self._slots) >= MOST_CLIENTS:
            self._slots = {known: slot for known, slot in self._slots.items() if slot.empty_at > now}
        if len(self._slots) >= MOST_CLIENTS:
            client = ""
        return self._slots.setdefault(client, Slot(self._each))

"""When each target is due: slot n begins at its first one plus n intervals, whatever the slots before it took.

Times are seconds of one monotonic clock. A slot is computed from its number, never from the slot before, so that
nothing adds up over a week of slots of ten milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from math import modf
from typing import Final

GOLDEN: Final = 0.618033988749895
"""Multiples of the golden ratio, taken modulo 1, stay evenly spread however many there are: a target that comes or goes
moves no other one."""


@dataclass(frozen=True, slots=True)
class Due:
    """A slot that is to be served now.

    Args:
        missed: how many slots of the same target passed unserved before it.
    """

    target: str
    at: float
    missed: int


class Slots:
    """The slots of all targets of one prober.

    Args:
        interval_seconds: from one slot of a target to its next.
        start: when the first slots may begin.
        spread: whether targets are due at different times within the interval, or all at once.
    """

    def __init__(self, interval_seconds: float, start: float, *, spread: bool = True) -> None:
        self.interval_seconds = interval_seconds
        self._start = start
        self._spread = spread
        self._added = 0
        self._first: dict[str, float] = {}
        self._heap: list[tuple[float, str, int, float]] = []

    def __len__(self) -> int:
        return len(self._first)

    def add(self, target: str, now: float) -> None:
        """Let a target have slots from now on; one that has them keeps them."""
        if target in self._first:
            return
        phase = modf(self._added * GOLDEN)[0] if self._spread else 0.0
        self._added += 1
        first = self._start + phase * self.interval_seconds
        number = max(0, -int((first - now) // self.interval_seconds))
        self._first[target] = first
        heappush(self._heap, (first + number * self.interval_seconds, target, number, first))

    def remove(self, target: str) -> None:
        """Let a target have no more slots."""
        if self._first.pop(target, None) is not None:
            self._heap = [entry for entry in self._heap if entry[1] != target]
            heapify(self._heap)

    def next_at(self) -> float | None:
        """When the next slot begins; None without targets."""
        return self._heap[0][0] if self._heap else None

    def take(self, now: float) -> Due | None:
        """The earliest slot that has begun, if there is one; of a target's slots that have, the newest."""
        if not self._heap or self._heap[0][0] > now:
            return None
        at, target, number, first = heappop(self._heap)
        missed = int((now - at) / self.interval_seconds)
        number += missed
        heappush(self._heap, (first + (number + 1) * self.interval_seconds, target, number + 1, first))
        return Due(target, first + number * self.interval_seconds, missed)

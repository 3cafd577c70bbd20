"""When each target is due: slot n begins at its first one plus n intervals, whatever the slots before it took.

Times are seconds of one monotonic clock. A slot is computed from its number, never from the slot before, so that
nothing adds up over a week of slots of ten milliseconds. Of targets that are due at the same time, which happens where
there is more to do than can be done, the one that was served longest ago comes first: then each has the same share.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace
from math import modf
from typing import Final, NamedTuple

GOLDEN: Final = 0.618033988749895
"""Multiples of the golden ratio, taken modulo 1, stay evenly spread however many there are: a target that comes or goes
moves no other one."""


class Due(NamedTuple):
    """A slot that is to be served now."""

    target: str
    at: float
    missed: int
    """How many slots of the same target passed unserved before it."""


class Slots:
    """The slots of all targets of one prober.

    Args:
        interval_seconds: from one slot of a target to its next.
        start: when the first slots may begin.
        spread: whether targets are due at different times within the interval, or all at once.
    """

    def __init__(self, interval_seconds: float, start: float, *, spread: bool = True) -> None:
        self.interval_seconds = interval_seconds
        self.start = start
        self._spread = spread
        self._added = 0
        self._first: dict[str, float] = {}
        self._to_come: list[tuple[float, str, int, float]] = []
        """Slots by their times, each with its target, its number and when it was served last."""
        self._begun: list[tuple[float, float, str, int]] = []
        """The same for slots that have begun, by when their targets were served last."""

    def __len__(self) -> int:
        return len(self._first)

    def add(self, target: str, now: float) -> None:
        """Let a target have slots from now on; one that has them keeps them."""
        if target in self._first:
            return
        phase = modf(self._added * GOLDEN)[0] if self._spread else 0.0
        self._added += 1
        first = self.start + phase * self.interval_seconds
        number = max(0, -int((first - now) // self.interval_seconds))
        self._first[target] = first
        at = first + number * self.interval_seconds
        heappush(self._to_come, (at, target, number, at - self.interval_seconds))

    def remove(self, target: str) -> None:
        """Let a target have no more slots."""
        if self._first.pop(target, None) is not None:
            self._to_come = [entry for entry in self._to_come if entry[1] != target]
            self._begun = [entry for entry in self._begun if entry[2] != target]
            heapify(self._to_come)
            heapify(self._begun)

    def next_at(self) -> float | None:
        """When the next slot begins, or one began that waits; None without targets."""
        if self._begun:
            return self._begun[0][1]
        return self._to_come[0][0] if self._to_come else None

    def take(self, now: float) -> Due | None:
        """A slot that has begun, if there is one; of a target's slots that have, the newest."""
        to_come, begun = self._to_come, self._begun
        if not begun and to_come and to_come[0][0] <= now and not self._several(now):
            _, target, number, _ = to_come[0]
            due, next_one = self._due(target, number, now)
            heapreplace(to_come, next_one)
            return due
        while to_come and to_come[0][0] <= now:
            at, target, number, served_at = heappop(to_come)
            heappush(begun, (served_at, at, target, number))
        if not begun:
            return None
        _, _, target, number = heappop(begun)
        due, next_one = self._due(target, number, now)
        heappush(to_come, next_one)
        return due

    def _several(self, now: float) -> bool:
        """Whether more than one slot to come has begun: of a heap, one of the two after the first is the next one."""
        return any(entry[0] <= now for entry in self._to_come[1:3])

    def _due(self, target: str, number: int, now: float) -> tuple[Due, tuple[float, str, int, float]]:
        """The newest slot of a target that has begun, of those from a number on, and the entry of the next one."""
        first, interval_seconds = self._first[target], self.interval_seconds
        missed = int((now - first - number * interval_seconds) / interval_seconds)
        number += missed
        return (
            Due(target, first + number * interval_seconds, missed),
            (first + (number + 1) * interval_seconds, target, number + 1, now),
        )

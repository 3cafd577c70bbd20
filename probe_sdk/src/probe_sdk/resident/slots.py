"""When each target is due: slot n begins at its first one plus n intervals, whatever the slots before it took.

Times are seconds of one monotonic clock. A slot is computed from its number, never from the slot before, so that
nothing adds up over a week of slots of ten milliseconds. Of targets that are due at the same time, which happens where
there is more to do than can be done, the one that was served longest ago comes first: then each has the same share. A
slot that has waited for half an interval comes after those that have not: what can be done is then done in time,
instead of all of it late.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace
from math import modf
from typing import Final, NamedTuple

_Entry = tuple[float, float, str, int]
GOLDEN: Final = 0.618033988749895
"""Multiples of the golden ratio, taken modulo 1, stay evenly spread however many there are: a target that comes or goes
moves no other one."""
GRID_SECONDS: Final = 0.001
"""Targets that would be due within the same millisecond are due together: to wake for each of them costs as much as to
probe it over a kept connection (`make bench NAME=prober`)."""
LATE_SHARE: Final = 0.5
"""Of the interval: a slot that has waited for longer is nearer to the next one than to its own time."""


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
        self._to_come: list[_Entry] = []
        """Slots by their times, each with when its target was served last, the target and its number."""
        self._begun: list[_Entry] = []
        """Slots that have begun, by when their targets were served last, each with its time, target and number."""
        self._late: list[_Entry] = []
        """Those of them that have waited for too long, by when the next slots of their targets begin; else as above."""

    def __len__(self) -> int:
        return len(self._first)

    def add(self, target: str, now: float) -> None:
        """Let a target have slots from now on; one that has them keeps them."""
        if target in self._first:
            return
        phase = modf(self._added * GOLDEN)[0] if self._spread else 0.0
        self._added += 1
        first = self.start + int(phase * self.interval_seconds / GRID_SECONDS) * GRID_SECONDS
        number = max(0, -int((first - now) // self.interval_seconds))
        self._first[target] = first
        at = first + number * self.interval_seconds
        heappush(self._to_come, (at, at - self.interval_seconds, target, number))

    def remove(self, target: str) -> None:
        """Let a target have no more slots."""
        if self._first.pop(target, None) is not None:
            for entries in (self._to_come, self._begun, self._late):
                entries[:] = [entry for entry in entries if entry[2] != target]
                heapify(entries)

    def next_at(self) -> float | None:
        """When the next slot begins, or one began that waits; None without targets."""
        if self._begun:
            return self._begun[0][1]
        if self._late:
            return self._late[0][0] - self.interval_seconds
        return self._to_come[0][0] if self._to_come else None

    def take(self, now: float) -> Due | None:
        """A slot that has begun, if there is one; of a target's slots that have, the newest."""
        to_come = self._to_come
        if not (self._begun or self._late) and to_come and to_come[0][0] <= now and not self._several(now):
            _, _, target, number = to_come[0]
            due, next_one = self._due(target, number, now)
            heapreplace(to_come, next_one)
            return due
        return self._chosen(now)

    def _chosen(self, now: float) -> Due | None:
        """Of several slots that have begun, the one whose turn it is."""
        begun, late = self._begun, self._late
        for waiting in (self._to_come, late):
            while waiting and waiting[0][0] <= now:
                at, served_at, target, number = heappop(waiting)
                heappush(begun, (served_at, at, target, number))
        while begun:
            served_at, _, target, number = heappop(begun)
            due, next_one = self._due(target, number, now)
            if now - due.at <= self.interval_seconds * LATE_SHARE:
                heappush(self._to_come, next_one)
                return due
            heappush(late, (next_one[0], served_at, target, number))
        if not late:
            return None
        _, _, target, number = heappop(late)
        due, next_one = self._due(target, number, now)
        heappush(self._to_come, next_one)
        return due

    def _several(self, now: float) -> bool:
        """Whether more than one slot to come has begun: of a heap, one of the two after the first is the next one."""
        return any(entry[0] <= now for entry in self._to_come[1:3])

    def _due(self, target: str, number: int, now: float) -> tuple[Due, _Entry]:
        """The newest slot of a target that has begun, of those from a number on, and the entry of the next one."""
        first, interval_seconds = self._first[target], self.interval_seconds
        missed = int((now - first - number * interval_seconds) / interval_seconds)
        number += missed
        return (
            Due(target, first + number * interval_seconds, missed),
            (first + (number + 1) * interval_seconds, now, target, number + 1),
        )

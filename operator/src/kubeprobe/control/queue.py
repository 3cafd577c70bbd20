"""A keyed work queue: each key is worked on by one worker at a time, and what happens meanwhile is not lost.

The semantics are those of client-go's workqueue: a key that is added while it waits is one entry; one that is added
while it is worked on is worked on again afterwards; a key can be added for later, and the earliest time counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class WorkQueue(Generic[K]):
    """Keys to be worked on, now or later.

    Args:
        clock: seconds that only go forward, such as `time.monotonic`.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ready: deque[K] = deque()
        self._waiting: set[K] = set()
        self._again: set[K] = set()
        self._busy: dict[K, asyncio.Event] = {}
        self._later: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = 0
        self._wake = asyncio.Event()
        self._added_at: dict[K, float] = {}
        self._closed = False

    def open(self) -> None:
        """Take keys, as from the beginning."""
        self._closed = False

    def close(self) -> None:
        """Drop all that waits, and whatever is added from now on: nobody works on it here."""
        self._closed = True
        self._ready.clear()
        self._heap.clear()
        for planned in (self._waiting, self._again, self._later, self._added_at):
            planned.clear()

    def add(self, key: K) -> None:
        """Have the key worked on as soon as a worker is free."""
        if self._closed:
            return
        self._later.pop(key, None)
        if key in self._waiting:
            return
        if key in self._busy:
            self._again.add(key)
            return
        self._waiting.add(key)
        self._added_at[key] = self._clock()
        self._ready.append(key)
        self._wake.set()

    def add_after(self, key: K, delay_seconds: float) -> None:
        """Have the key worked on after a while; if it is due earlier anyway, then."""
        if self._closed:
            return
        if delay_seconds <= 0:
            self.add(key)
            return
        at = self._clock() + delay_seconds
        if key in self._waiting or self._later.get(key, at + 1) <= at:
            return
        self._later[key] = at
        self._order += 1
        heapq.heappush(self._heap, (at, self._order, key))
        self._wake.set()

    def forget(self, key: K) -> None:
        """Drop what was planned for later: the object is gone."""
        self._later.pop(key, None)

    def oldest_seconds(self) -> float:
        """How long the key that waits longest has been waiting for a worker."""
        return self._clock() - min(self._added_at.values()) if self._added_at else 0.0

    def __len__(self) -> int:
        return len(self._ready)

    async def work(self, handle: Callable[[K], Awaitable[None]]) -> None:
        """Hand key after key to `handle`, for ever; run several of these for several workers."""
        while True:
            key = await self._take()
            async with self._hold(key):
                await handle(key)
            # Thousands of keys that need no request must not hold up the loop, and with it the lease's renewal.
            await asyncio.sleep(0)

    @contextlib.asynccontextmanager
    async def exclusive(self, key: K) -> AsyncIterator[None]:
        """Keep the workers off a key; what is added for it meanwhile is worked on afterwards."""
        while (busy := self._busy.get(key)) is not None:
            await busy.wait()
        async with self._hold(key):
            yield

    @contextlib.asynccontextmanager
    async def _hold(self, key: K) -> AsyncIterator[None]:
        done = self._busy[key] = asyncio.Event()
        try:
            yield
        finally:
            del self._busy[key]
            done.set()
            if key in self._again:
                self._again.discard(key)
                self.add(key)

    async def _take(self) -> K:
        while True:
            self._promote()
            for _ in range(len(self._ready)):
                key = self._ready.popleft()
                self._waiting.discard(key)
                self._added_at.pop(key, None)
                if key not in self._busy:
                    return key
                self._again.add(key)
            self._wake.clear()
            await self._sleep()

    def _promote(self) -> None:
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            at, _, key = heapq.heappop(self._heap)
            if self._later.get(key) == at:
                self.add(key)

    async def _sleep(self) -> None:
        while self._heap and self._later.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        timeout = max(self._heap[0][0] - self._clock(), 0.0) if self._heap else None
        # Not wait_for: before Python 3.12 it loses a cancellation that comes together with what it waits for.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._wake.wait()

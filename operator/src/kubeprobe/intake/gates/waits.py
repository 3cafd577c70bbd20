"""Who waits for a gate's verdict: so many at once, and none for longer than they asked, or than the server is there."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator

LOOK_SECONDS = 10.0
"""How often it is looked whether who waits is still there."""


class Waits:
    """Counts who waits. Who cannot wait, since too many do, is answered at once with what there is.

    Args:
        at_once: how many may wait.
        at_once_per_client: how many of one client may.
    """

    def __init__(self, at_once: int, at_once_per_client: int) -> None:
        self._at_once = at_once
        self._at_once_per_client = at_once_per_client
        self._by_client: Counter[str] = Counter()
        self._limits: set[asyncio.Timeout] = set()
        self._ended = False
        self.waiting = 0

    async def until(
        self,
        done: Callable[[], bool],
        seconds: float,
        client: str,
        turned: Callable[[], Awaitable[None]],
    ) -> None:
        """Wait until something is so, and for no longer than so many seconds.

        Args:
            done: whether it is so, or whoever waits has gone.
            seconds: how long.
            client: who.
            turned: waits for something that it depends on to change.
        """
        if self.waiting >= self._at_once or self._by_client[client] >= self._at_once_per_client:
            return
        until = asyncio.get_running_loop().time() + seconds
        with self._place(client):
            while not (done() or self._ended):
                left = until - asyncio.get_running_loop().time()
                if left <= 0:
                    return
                await self._next(turned, min(left, LOOK_SECONDS))

    def end(self) -> None:
        """Have everybody answered who waits."""
        self._ended = True
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(0.0)

    async def _next(self, turned: Callable[[], Awaitable[None]], seconds: float) -> None:
        limit = asyncio.timeout(seconds)
        with contextlib.suppress(TimeoutError):
            async with limit:
                self._limits.add(limit)
                try:
                    await turned()
                finally:
                    self._limits.discard(limit)

    @contextlib.contextmanager
    def _place(self, client: str) -> Iterator[None]:
        self.waiting += 1
        self._by_client[client] += 1
        try:
            yield
        finally:
            self.waiting -= 1
            self._by_client[client] -= 1
            if not self._by_client[client]:
                del self._by_client[client]

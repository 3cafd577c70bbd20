"""Answers of the API server, kept for a time: asked for once, however many want them at once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from kubeprobe.kube.port import ApiError

K = TypeVar("K")
V = TypeVar("V")
MOST = 2048
"""Answers that are kept; the one that was wanted least lately goes first."""
ASK_SECONDS = 3.0
"""How long an answer may take: release tools give up after ten seconds."""
REST_SECONDS = 2.0
"""From a question that was not answered to the next one, where an answer is known that counts meanwhile."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long an answer is kept."""

    fresh_seconds: float
    """Taken as it is."""
    stale_seconds: float = 0.0
    """After that it still counts while there is no other, since a gate is asked just when something is broken."""


@dataclass(frozen=True, slots=True)
class _Kept(Generic[V]):
    value: V
    fresh_until: float
    usable_until: float


class Memo(Generic[K, V]):
    """Keeps answers.

    Args:
        keeping: how long each is kept.
        clock: seconds that only go forward.
    """

    def __init__(self, keeping: Callable[[V], Keeping], clock: Callable[[], float]) -> None:
        self._keeping = keeping
        self._clock = clock
        self._kept: OrderedDict[K, _Kept[V]] = OrderedDict()
        self._asking: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K, ask: Callable[[], Awaitable[V]], admit: Callable[[], None]) -> V:
        """The answer.

        Args:
            key: of what.
            ask: asks the API server.
            admit: may raise, so that it is not asked. Not called where an answer is known that would still
                count: whoever keeps the API server from being asked would else keep a right that was taken away.

        Raises:
            ApiError: there is none, and the API server gives none.
        """
        kept, now = self._kept.get(key), self._clock()
        if kept is not None and now < kept.fresh_until:
            self._kept.move_to_end(key)
            return kept.value
        if kept is not None and now >= kept.usable_until:
            kept = None
        task = self._asking.get(key)
        if task is None:
            if kept is None:
                admit()
            task = self._asking[key] = asyncio.create_task(self._ask(key, ask))
        try:
            return await asyncio.shield(task)
        except ApiError:
            if kept is None:
                raise
            # Who asks all the time is not to make it worse for an API server that has too much to do.
            fresh_until = min(self._clock() + REST_SECONDS, kept.usable_until)
            self._kept[key] = replace(kept, fresh_until=fresh_until)
            return kept.value

    async def close(self) -> None:
        """End what is being asked."""
        tasks = set(self._asking.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _ask(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                value = await ask()
        except TimeoutError as error:
            raise ApiError(0, "", f"no answer within {ASK_SECONDS:g}s") from error
        finally:
            del self._asking[key]
        keeping = self._keeping(value)
        until = self._clock() + keeping.fresh_seconds
        self._kept[key] = _Kept(value, until, until + keeping.stale_seconds)
        self._kept.move_to_end(key)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return value

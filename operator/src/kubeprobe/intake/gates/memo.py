"""Answers of the API server, kept for a time: asked for once, however many want them at once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from kubeprobe.kube.port import ApiError

K = TypeVar("K")
V = TypeVar("V")
MOST = 2048
"""Answers that are kept; the one that was wanted least lately goes first."""
ASK_SECONDS = 3.0
"""How long an answer may take: release tools give up after ten seconds."""


@dataclass(frozen=True, slots=True)
class _Kept(Generic[V]):
    value: V
    fresh_until: float
    usable_until: float


class Memo(Generic[K, V]):
    """Keeps answers.

    Args:
        keep_seconds: how long an answer is taken as it is.
        stale_seconds: for how long after that it still counts while there is no other, since a gate is asked just when
            something is broken.
        clock: seconds that only go forward.
    """

    def __init__(self, keep_seconds: Callable[[V], float], stale_seconds: float, clock: Callable[[], float]) -> None:
        self._keep_seconds = keep_seconds
        self._stale_seconds = stale_seconds
        self._clock = clock
        self._kept: OrderedDict[K, _Kept[V]] = OrderedDict()
        self._asking: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        """The answer.

        Raises:
            ApiError: there is none, and the API server gives none.
        """
        kept = self._kept.get(key)
        if kept is not None and self._clock() < kept.fresh_until:
            self._kept.move_to_end(key)
            return kept.value
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(self._ask(key, ask))
        try:
            return await asyncio.shield(task)
        except ApiError:
            if kept is None or self._clock() >= kept.usable_until:
                raise
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
        until = self._clock() + self._keep_seconds(value)
        self._kept[key] = _Kept(value, until, until + self._stale_seconds)
        self._kept.move_to_end(key)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return value

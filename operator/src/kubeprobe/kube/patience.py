"""Waiting for an API server that is away: what starts before it, after an outage of everything, starts all the same."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from kubeprobe.kube.port import ApiError

T = TypeVar("T")
logger = logging.getLogger("kubeprobe.kube")
FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 10.0


async def when_reachable(ask: Callable[[], Awaitable[T]], stop: asyncio.Event) -> T | None:
    """The answer, asked for again while the API server cannot give one; None when `stop` is set first.

    Raises:
        ApiError: the API server refuses, which it would do again.
    """
    delay_seconds = FIRST_RETRY_SECONDS
    while not stop.is_set():
        try:
            return await ask()
        except ApiError as error:
            if not error.passing:
                raise
            logger.warning("waiting for the API server: %s", error)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), delay_seconds)
        delay_seconds = min(2 * delay_seconds, LONGEST_RETRY_SECONDS)
    return None

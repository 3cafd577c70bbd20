"""Event loops that end with a test: connections say goodbye, which a process that ends does not wait for."""

from __future__ import annotations

import asyncio

GOODBYE_SECONDS = 20.0
POLL_SECONDS = 0.001


def is_quiet(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether a loop has no connections left: one is what wakes it."""
    return len(loop._selector.get_map()) <= 1  # type: ignore[attr-defined]


async def until_quiet() -> None:
    """Wait until the running loop has no connections left.

    Raises:
        TimeoutError: it still has some after 20 seconds.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(GOODBYE_SECONDS):
        while not is_quiet(loop):  # noqa: ASYNC110 - nobody tells of their ends
            await asyncio.sleep(POLL_SECONDS)

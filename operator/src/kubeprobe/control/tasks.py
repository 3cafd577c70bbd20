"""Coroutines that work for as long as something else does, and waiting for the first of several things."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine

from kubeprobe.kube.fence import NotLeadingError

logger = logging.getLogger("kubeprobe")
CANCEL_AGAIN_SECONDS = 1.0


class PartEndedError(Exception):
    """A part of the operator that works for as long as it does has ended."""


async def either(*events: asyncio.Event) -> None:
    """Wait until one of them is set."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()


@contextlib.asynccontextmanager
async def running(*work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run coroutines, which do not end by themselves, beside the block, and end them with it.

    Raises:
        PartEndedError: one of them did end: half an operator must not look like a whole one.
    """
    body, tasks = asyncio.current_task(), [asyncio.create_task(one) for one in work]
    ended: list[asyncio.Task[None]] = []

    def gone(task: asyncio.Task[None]) -> None:
        if task.cancelled() or ended or body is None or isinstance(task.exception(), NotLeadingError):
            return
        ended.append(task)
        body.cancel()

    for task in tasks:
        task.add_done_callback(gone)
    try:
        yield
    except asyncio.CancelledError:
        if not ended or body is None or body.uncancel():
            raise
        raise PartEndedError(f"{ended[0].get_coro()} ended") from ended[0].exception()
    finally:
        for task in tasks:
            task.remove_done_callback(gone)
        await _end(set(tasks))


async def _end(tasks: set[asyncio.Task[None]]) -> None:
    """Cancel tasks until all have ended: a library that loses a cancellation must not keep a leader in office."""
    while tasks:
        for task in tasks:
            task.cancel()
        done, tasks = await asyncio.wait(tasks, timeout=CANCEL_AGAIN_SECONDS)
        for task in done:
            error = None if task.cancelled() else task.exception()
            if error is not None and not isinstance(error, NotLeadingError):
                logger.error("something ended by an error", exc_info=error)

"""The resident loop of checks written in Python: coroutines on the loop, plain functions each in a thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from inspect import iscoroutinefunction
from typing import Any, Final

from probe_sdk.failure import ProbeFailure, errors_of, reason_of, says_nothing
from probe_sdk.resident.rota import BAD_PARAMS, Attempt, Rota
from probe_sdk.steps import Recorder, recording
from probe_sdk.wire import MAX_STEPS

BUSY_SECONDS: Final = 0.001
"""A loop that comes so late to what was due counts that as its own lateness."""
MOST_THREADS: Final = 64


class CheckLoop:
    """Runs a check for every slot of every target until stopped, on one event loop.

    Args:
        check: the function of `@probe.run`, or one like it.
        params: what it is called with for a target, by the target's name; raises ProbeFailure where they are wrong.
        timeout_seconds: how long one check may take. A coroutine is cancelled then; a thread cannot be, so its target
            has no further slots until it ends.
    """

    def __init__(
        self,
        rota: Rota,
        check: Callable[[Any], object],
        params: Callable[[str], object],
        timeout_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rota = rota
        self._check = check
        self._params = params
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._again = asyncio.Event()
        self._threads = None if iscoroutinefunction(check) else ThreadPoolExecutor(MOST_THREADS, "kubeprobe-check")

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; what is under way is cancelled then."""
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._again.set())
        try:
            while not stop.is_set():
                self._begin()
                await self._until(self._rota.next_at())
        finally:
            stopping.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if self._threads is not None:
                self._threads.shutdown(wait=False, cancel_futures=True)

    def changed(self) -> None:
        """Look again at what is due: targets came or went."""
        self._again.set()

    def _begin(self) -> None:
        for attempt in self._rota.begin(self._clock()):
            task = asyncio.create_task(self._one(attempt))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _until(self, at: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(None if at is None else max(at - self._clock(), 0.0)):
                await self._again.wait()
        self._again.clear()
        if at is not None and (late := self._clock() - at) > BUSY_SECONDS:
            self._rota.held_up(late)

    async def _one(self, attempt: Attempt) -> None:
        recorder = Recorder(self._clock)
        try:
            try:
                params = self._params(attempt.account.target)
            except ProbeFailure as wrong:
                self._rota.unanswerable(attempt, self._clock(), BAD_PARAMS, str(wrong))
                return
            with recording(recorder):
                called = self._call(params)
            done, _ = await asyncio.wait({called}, timeout=self._timeout_seconds)
            now = self._clock()
            if done:
                self._judge(attempt, called, now)
                _add_phases(recorder, attempt.account.phases)
                return
            doing = ", ".join(recorder.open_steps())
            where = f" in {doing}" if doing else ""
            self._rota.timed_out(attempt, now, f"the check did not end within {self._timeout_seconds:g}s{where}")
            if self._threads is None:
                called.cancel()
            await asyncio.wait({called})
        finally:
            self._rota.release(attempt)
            self._again.set()

    def _call(self, params: object) -> asyncio.Future[object]:
        if self._threads is None:
            return asyncio.ensure_future(_awaited(self._check(params)))
        return asyncio.get_running_loop().run_in_executor(self._threads, copy_context().run, self._check, params)

    def _judge(self, attempt: Attempt, called: asyncio.Future[object], now: float) -> None:
        error = called.exception()
        if error is None:
            self._rota.passed(attempt, now, now - attempt.started)
            return
        class_, message = reason_of(error), "; ".join(errors_of(error))
        if says_nothing(error):
            self._rota.unanswerable(attempt, now, class_, message)
        elif isinstance(error, ProbeFailure) and error.waited_seconds:
            self._rota.timed_out(attempt, now, message, error.waited_seconds, class_)
        else:
            self._rota.failed(attempt, now, class_, message)


def _add_phases(recorder: Recorder, totals: dict[str, float]) -> None:
    """A check's steps are the phases of its probe."""
    for name, seconds in recorder.seconds().items():
        if name in totals or len(totals) < MAX_STEPS:
            totals[name] = totals.get(name, 0.0) + seconds


async def _awaited(outcome: object) -> object:
    return await outcome if isinstance(outcome, Awaitable) else outcome

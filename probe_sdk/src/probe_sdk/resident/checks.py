"""The resident loop of checks written in Python: coroutines on the loop, plain functions each in a thread."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from inspect import iscoroutinefunction
from typing import Any, Final

from probe_sdk.failure import ProbeFailure, errors_of, of_time, reason_of, says_nothing
from probe_sdk.resident.rota import BAD_PARAMS, Attempt, Rota
from probe_sdk.resident.starvation import run_delay_of
from probe_sdk.steps import Recorder, recording
from probe_sdk.wire import MAX_STEPS

NEVER: Final = float("inf")
BUSY_SECONDS: Final = 0.001
"""A loop that comes so late to what was due counts that as its own lateness."""
TICK_SECONDS: Final = 0.001
"""asyncio wakes on the next whole millisecond: that much is nobody's lateness."""
MOST_THREADS: Final = 256
"""So many checks may hang at a time until there is no thread for others."""


class CheckLoop:
    """Runs a check for every slot of every target until stopped, on one event loop.

    A probe is one task and one timer, and no more: what the loop costs comes on top of every probe.

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
        self._overdue: set[Attempt] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._due_at = NEVER
        self._loop: asyncio.AbstractEventLoop | None = None
        self._broken: asyncio.Future[None]
        self._threads = None if iscoroutinefunction(check) else ThreadPoolExecutor(MOST_THREADS, "kubeprobe-check")
        self._worked_on: dict[Attempt, tuple[int, float]] = {}
        """The thread that works on a probe, and how long it had waited for a CPU before."""
        if self._threads is not None:
            rota.narrow(MOST_THREADS)  # a probe that waits for a thread would wait in vain for its target

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; what is under way is cancelled then."""
        self._loop = asyncio.get_running_loop()
        self._broken = self._loop.create_future()
        stopping = asyncio.create_task(stop.wait())
        self._turn()
        try:
            waited: set[asyncio.Future[Any]] = {stopping, self._broken}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if self._broken.done():
                self._broken.result()
        finally:
            self._loop = None
            stopping.cancel()
            if self._timer is not None:
                self._timer.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if self._threads is not None:
                self._threads.shutdown(wait=False, cancel_futures=True)

    def changed(self) -> None:
        """Look again at what is due: targets came or went."""
        if self._loop is not None:
            self._turn()

    def _turn(self) -> None:
        """Begin what is due, and come back for what is due next."""
        if self._loop is None or self._broken.done():
            return
        try:
            now = self._clock()
            if (late := now - self._due_at - TICK_SECONDS) > BUSY_SECONDS:
                self._rota.held_up(late)
            for attempt in self._rota.begin(now):
                task = self._loop.create_task(self._one(attempt))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            self._wait_until(self._rota.next_at())
        except Exception as error:  # in a callback nobody would hear of it
            self._broken.set_exception(error)

    def _wait_until(self, at: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due_at = NEVER if at is None else at
        if self._loop is not None and at is not None:
            self._timer = self._loop.call_later(max(at - self._clock(), 0.0), self._turn)

    async def _one(self, attempt: Attempt) -> None:
        try:
            if not self._rota.known(attempt):  # it went since its slot was taken, a moment ago
                return
            try:
                params = self._params(attempt.account.target)
            except ProbeFailure as wrong:
                self._rota.unanswerable(attempt, self._clock(), BAD_PARAMS, str(wrong))
                return
            await self._timed(attempt, params)
        finally:
            self._overdue.discard(attempt)
            self._worked_on.pop(attempt, None)
            self._rota.release(attempt)
            at = self._rota.next_at()
            if at is not None and at < self._due_at:  # it was waited for: as many as may be were under way
                self._wait_until(max(at, self._clock()))

    async def _timed(self, attempt: Attempt, params: object) -> None:
        recorder, loop = Recorder(self._clock), asyncio.get_running_loop()
        late = loop.call_later(self._timeout_seconds, self._give_up, attempt, recorder, asyncio.current_task())
        error: BaseException | None = None
        try:
            with recording(recorder):
                await self._called(attempt, params)
        except asyncio.CancelledError as cancelled:
            if self._loop is None:
                raise
            error = cancelled
        except SystemExit as stop:  # as in a run: the process's end is the check's
            error = ProbeFailure(f"the check ended the process: {stop.code}", reason="Exit") if stop.code else None
        except Exception as failure:
            error = failure
        finally:
            late.cancel()
        if attempt not in self._overdue:
            self._judge(attempt, error, self._clock())
            if error is None:
                _add_phases(recorder, attempt.account.phases)

    def _give_up(self, attempt: Attempt, recorder: Recorder, task: asyncio.Task[Any] | None) -> None:
        """Its time is over. A thread goes on, and its target waits for it."""
        self._overdue.add(attempt)
        doing = ", ".join(recorder.open_steps())
        where = f" in {doing}" if doing else ""
        message = f"the check did not end within {self._timeout_seconds:g}s{where}"
        self._rota.timed_out(attempt, self._clock(), message, withheld_seconds=self._withheld_seconds(attempt))
        if self._threads is None and task is not None:
            task.cancel()

    async def _called(self, attempt: Attempt, params: object) -> None:
        if self._threads is None:
            outcome = self._check(params)
        else:
            outcome = await asyncio.get_running_loop().run_in_executor(
                self._threads, copy_context().run, self._work_on, attempt, params
            )
        if isinstance(outcome, Awaitable):  # also of what is no coroutine function by its looks
            await outcome

    def _work_on(self, attempt: Attempt, params: object) -> object:
        thread = threading.get_native_id()
        self._worked_on[attempt] = thread, run_delay_of(thread)
        return self._check(params)

    def _withheld_seconds(self, attempt: Attempt) -> float:
        """How long the probe's own thread was held up; all the time if it has none yet."""
        if self._threads is None:
            return 0.0
        if (found := self._worked_on.get(attempt)) is None:
            return self._clock() - attempt.started
        thread, before = found
        return run_delay_of(thread) - before

    def _judge(self, attempt: Attempt, error: BaseException | None, now: float) -> None:
        if error is None:
            self._rota.passed(attempt, now, now - attempt.started)
            return
        class_, message = reason_of(error), "; ".join(errors_of(error))
        if says_nothing(error):
            self._rota.unanswerable(attempt, now, class_, message)
        elif waited_seconds := _waited_seconds(error, now - attempt.started):
            self._rota.timed_out(attempt, now, message, waited_seconds, class_, self._withheld_seconds(attempt))
        else:
            self._rota.failed(attempt, now, class_, message)


def _waited_seconds(error: BaseException, took_seconds: float) -> float:
    """How long was waited in vain, where that is what an exception says: a check may have time-outs of its own."""
    if isinstance(error, ProbeFailure):
        return error.waited_seconds
    return took_seconds if of_time(error) else 0.0


def _add_phases(recorder: Recorder, totals: dict[str, float]) -> None:
    """A check's steps are the phases of its probe."""
    for name, seconds in recorder.seconds().items():
        if name in totals or len(totals) < MAX_STEPS:
            totals[name] = totals.get(name, 0.0) + seconds

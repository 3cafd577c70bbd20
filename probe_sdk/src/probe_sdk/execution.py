"""One execution of a check: it ends by itself or by its deadline, and is reported exactly once.

Two things guard the deadline. A coroutine is cancelled when the reserve begins, so that it can clean up. Everything
else, also a coroutine that does not give way, is left to the watchdog: a thread that reports in the check's place and
ends the process, because a thread that hangs in a C call cannot be interrupted.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from inspect import isawaitable, iscoroutinefunction
from math import inf
from typing import Final

from probe_sdk.clock import Deadline
from probe_sdk.failure import ProbeFailure, errors_of, is_finding
from probe_sdk.reporting import Reporter, report_of
from probe_sdk.steps import Recorder

LAST_SHARE: Final = 0.5
"""The watchdog gives a coroutine this share of the reserve to clean up, and keeps the rest for the report."""


class TerminatedError(SystemExit):
    """Kubernetes ends the pod: no verdict, but the check's `finally` blocks run."""


class Watchdog:
    """Waits for the deadline beside the check. Whoever claims the last word first has it, the other is silent."""

    def __init__(self, seconds: float, speak: Callable[[], None]) -> None:
        self._seconds = seconds
        self._speak = speak
        self._over = threading.Event()
        self._word = threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="kubeprobe-deadline", daemon=True)

    def start(self) -> None:
        """Begin to wait, if there is a deadline."""
        if self._seconds < inf:
            self._thread.start()

    def claim(self) -> bool:
        """Take the last word; False when the watchdog has it, and then only after it has spoken."""
        if self._word.acquire(blocking=False):
            self._over.set()
            return True
        self._thread.join()
        return False

    def _watch(self) -> None:
        if not self._over.wait(min(self._seconds, threading.TIMEOUT_MAX)) and self._word.acquire(blocking=False):
            self._speak()


@dataclass(frozen=True, slots=True)
class Execution:
    """Runs a check once."""

    reporter: Reporter
    recorder: Recorder
    deadline: Deadline
    end_process: Callable[[int], None] = os._exit

    def run(self, check: Callable[[], object]) -> int:
        """Run the check, report, and return the exit code.

        Args:
            check: the function, its parameters bound by functools.partial (through which a coroutine function shows).
        """
        kept = self.deadline.reserve_seconds * (LAST_SHARE if iscoroutinefunction(check) else 1.0)
        watchdog = Watchdog(self.deadline.remaining_seconds(kept), self._report_in_its_place)
        watchdog.start()
        errors = self._errors(check)
        if not watchdog.claim():
            return 1
        return self.settle(errors)

    def settle(self, errors: tuple[str, ...] | None) -> int:
        """Report success (None) or failure, and return the exit code."""
        self.reporter.send(report_of(self.recorder, ok=errors is None, errors=errors or ()))
        return 0 if errors is None else 1

    def _errors(self, check: Callable[[], object]) -> tuple[str, ...] | None:
        try:
            outcome = check()
            if isawaitable(outcome):
                import asyncio

                asyncio.run(self._within_deadline(outcome))
        except (TerminatedError, KeyboardInterrupt):
            raise
        except SystemExit as stop:
            return None if stop.code in (None, 0) else (f"the check ended the process: {stop.code}",)
        except BaseException as error:
            if not is_finding(error):
                _show(error)
            return errors_of(error)
        return None

    async def _within_deadline(self, outcome: Awaitable[object]) -> None:
        import asyncio

        task = asyncio.ensure_future(outcome)
        left = self.deadline.remaining_seconds()
        done, _ = await asyncio.wait({task}, timeout=left if left < inf else None)
        if done:
            task.result()
            return
        late = self._late()  # before the cancellation closes the open steps
        task.cancel()
        await asyncio.wait({task})
        raise late

    def _late(self) -> ProbeFailure:
        budget_seconds = self.deadline.budget_seconds
        if budget_seconds <= 0:
            return ProbeFailure("the deadline had passed before the check began: its pod started too late")
        names = ", ".join(repr(name) for name in self.recorder.open_steps())
        where = f" in step{'s' if ', ' in names else ''} {names}" if names else ""
        return ProbeFailure(f"deadline of {round(budget_seconds, 1):g}s passed{where}")

    def _report_in_its_place(self) -> None:
        """End a check that does not end itself: the report first, the stack for the log, then the process."""
        try:
            self.settle(errors_of(self._late()))
            _show_main_thread()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            self.end_process(1)


def _show(error: BaseException) -> None:
    import traceback

    traceback.print_exception(error)


def _show_main_thread() -> None:
    import traceback

    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    print("kubeprobe: the check was here:", *traceback.format_stack(frame), sep="\n", file=sys.stderr)

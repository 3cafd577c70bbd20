"""Timed steps and attributes: what a check tells about itself while it runs.

A check says `with step("put"):` wherever it stands, so the recorder is found through a context variable. Its default
belongs to the whole process: threads that a check starts, and which inherit no context, record into the same run.
"""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from math import ceil
from types import TracebackType
from typing import Final, Self

from probe_sdk.wire import MAX_STEP_NAME, Step, StepSeconds, clean, cut

_BLAME: Final = "_kubeprobe_step"


class StepTimer:
    """One execution of a step; a context manager for `with` and for `async with`."""

    def __init__(self, recorder: Recorder, name: str) -> None:
        self.name = name
        self.seconds = 0.0
        self._recorder = recorder
        self._started = 0.0

    def __enter__(self) -> Self:
        self._started = self._recorder.open(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.seconds = self._recorder.close(self, self._started, ok=error is None)
        if error is not None:
            error.__dict__.setdefault(_BLAME, self.name)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


@dataclass(slots=True)
class _Tally:
    """All executions of the steps of one name; eight bytes each, since a check may do a million puts."""

    ok: int = 0
    seconds: array[float] = field(default_factory=lambda: array("d"))


class Recorder:
    """Collects the steps and attributes of one run, from any number of threads and tasks."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tallies: dict[str, _Tally] = {}
        self._open: dict[StepTimer, float] = {}
        self._attributes: dict[str, str] = {}

    def step(self, name: str) -> StepTimer:
        """Return a timer for one execution of the named step."""
        return StepTimer(self, cut(clean(name), MAX_STEP_NAME, len) or "step")

    def attribute(self, key: str, value: object) -> None:
        """Keep a fact about the run; the last value of a key stands."""
        with self._lock:
            self._attributes[key] = str(value)

    def open(self, timer: StepTimer) -> float:
        """Note that a step began, and return when."""
        now = self._clock()
        with self._lock:
            self._tallies.setdefault(timer.name, _Tally())
            self._open[timer] = now
        return now

    def close(self, timer: StepTimer, started: float, *, ok: bool) -> float:
        """Note that a step ended, and return how long it took."""
        seconds = self._clock() - started
        with self._lock:
            self._open.pop(timer, None)
            tally = self._tallies[timer.name]
            tally.ok += ok
            tally.seconds.append(seconds)
        return seconds

    def open_steps(self) -> tuple[str, ...]:
        """Return the names of the steps that are going on, the oldest first."""
        with self._lock:
            return tuple(dict.fromkeys(timer.name for timer in self._open))

    def attributes(self) -> dict[str, str]:
        """Return the attributes so far."""
        with self._lock:
            return dict(self._attributes)

    def seconds(self) -> dict[str, float]:
        """Return how long each step that is over took in all."""
        with self._lock:
            return {name: sum(tally.seconds) for name, tally in self._tallies.items()}

    def steps(self) -> tuple[Step, ...]:
        """Return the steps so far in the order of their first start; one that still goes on counts as not ok."""
        now = self._clock()
        with self._lock:
            seconds = {name: array("d", tally.seconds) for name, tally in self._tallies.items()}
            oks = {name: tally.ok for name, tally in self._tallies.items()}
            for timer, started in self._open.items():
                seconds[timer.name].append(now - started)
        return tuple(_summary(name, oks[name], sorted(each)) for name, each in seconds.items())


def step_of(error: BaseException) -> str | None:
    """Return the name of the innermost step that an exception left."""
    return error.__dict__.get(_BLAME)


def step(name: str) -> StepTimer:
    """Time one operation of the check: `with step("put"):`, also `async with`.

    Executions of the same name are told together: how many, how many ended without an exception, how long they took.
    """
    return current_recorder().step(name)


def attribute(key: str, value: object) -> None:
    """Add a fact to the report, such as the node or the member that was met."""
    current_recorder().attribute(key, value)


_process_recorder: Final = Recorder()
_recorder: ContextVar[Recorder] = ContextVar("probe_sdk.recorder", default=_process_recorder)


def current_recorder() -> Recorder:
    """Return the recorder of the run that the caller belongs to."""
    return _recorder.get()


@contextmanager
def recording(recorder: Recorder) -> Iterator[Recorder]:
    """Record the steps of a block apart from the process's own: for tests of a check."""
    token = _recorder.set(recorder)
    try:
        yield recorder
    finally:
        _recorder.reset(token)


def _summary(name: str, ok: int, ordered: list[float]) -> Step:
    seconds = StepSeconds(p50=_rank(ordered, 0.50), p99=_rank(ordered, 0.99), max=_rank(ordered, 1.0))
    return Step(name=name, count=len(ordered), ok=ok, seconds=seconds)


def _rank(ordered: list[float], share: float) -> float:
    """Return the nearest-rank percentile to the microsecond: a duration that was really measured."""
    return round(max(0.0, ordered[max(0, ceil(share * len(ordered)) - 1)]), 6)

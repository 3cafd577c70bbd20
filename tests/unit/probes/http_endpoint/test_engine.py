"""The engine's turns: what held something up is counted before that is judged, and after an end nothing is written."""

from __future__ import annotations

import os
import threading

import pytest

from http_endpoint.engine import NEVER, Engine


class Desk:
    """An engine whose clock goes on by itself only where a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.said: list[tuple[str, float]] = []
        self.engine = Engine(lambda *_: None, self._due, lambda took: self.said.append(("held up", took)), self._clock)

    def _clock(self) -> float:
        return self.now

    def _due(self, now: float) -> float:
        self.said.append(("due", now))
        if len(self.said) > 1:
            self.now += 0.005
            self.engine.stop()
        return NEVER


def test_what_is_begun_is_not_charged_with_what_came_before_it() -> None:
    desk = Desk()

    def take_long() -> None:
        desk.now += 0.02

    desk.engine.call(take_long)
    desk.engine.run()
    assert desk.said == [
        ("due", 1000.0),
        ("held up", pytest.approx(0.02)),
        ("due", 1000.02),
        ("held up", pytest.approx(0.005)),
    ]
    desk.engine.close()


def test_a_loop_that_wakes_too_late_was_held_up() -> None:
    """As when the host pauses the virtual machine: what was due at 1000.01 is looked at 30 ms later."""
    said: list[float] = []
    now = [1000.0]
    dues = iter((1000.01, NEVER))

    def due(at: float) -> float:
        if at > 1000.0:
            engine.stop()
        return next(dues)

    def clock() -> float:
        # The fourth look is the first one after the sleep.
        looks.append(now[0])
        if len(looks) == 4:
            now[0] = 1000.04
        return now[0]

    looks: list[float] = []
    engine = Engine(lambda *_: None, due, said.append, clock)
    engine.run()
    assert said == [pytest.approx(0.03)]
    engine.close()


def test_many_calls_are_one_wake_up() -> None:
    desk, done = Desk(), threading.Event()
    for _ in range(100_000):
        desk.engine.call(lambda: None)
    desk.engine.call(done.set)
    desk.engine.run()
    assert done.is_set()
    desk.engine.close()


def test_a_call_that_comes_too_late_is_written_to_nobody_else() -> None:
    desk = Desk()
    waker = desk.engine._waker_fd
    desk.engine.close()
    reader, writer = os.pipe()
    try:
        for fd in (reader, writer):
            if fd != waker:
                os.dup2(writer, waker)
        os.set_blocking(reader, False)
        desk.engine.call(lambda: None)
        with pytest.raises(BlockingIOError):
            os.read(reader, 1)
    finally:
        for fd in {reader, writer, waker}:
            os.close(fd)

"""Steps and attributes, from threads and tasks too."""

import asyncio
import threading

import pytest

from probe_sdk import attribute, step
from probe_sdk.steps import Recorder, current_recorder, recording, step_of
from probe_sdk.wire import Step, StepSeconds


class Ticks:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


def test_a_step_knows_how_long_it_took(ticks: Ticks) -> None:
    with recording(Recorder(ticks)) as recorder:
        with step("put") as put:
            ticks.now += 1.5
        assert put.seconds == 1.5
        assert recorder.steps() == (Step(name="put", count=1, ok=1, seconds=StepSeconds(p50=1.5, p99=1.5, max=1.5)),)


def test_executions_of_one_name_are_told_together(ticks: Ticks) -> None:
    recorder = Recorder(ticks)
    for milliseconds in range(1, 101):
        with recorder.step("get"):
            ticks.now += milliseconds / 1000
    (got,) = recorder.steps()
    assert (got.count, got.ok) == (100, 100)
    assert (got.seconds.p50, got.seconds.p99, got.seconds.max) == (0.05, 0.099, 0.1)


def test_an_exception_counts_as_not_ok_and_goes_on_up(recorder: Recorder) -> None:
    error = OSError("refused")
    with pytest.raises(OSError, match="refused"), step("outer"), step("inner"):
        raise error
    assert step_of(error) == "inner"
    assert [(each.name, each.count, each.ok) for each in recorder.steps()] == [("outer", 1, 0), ("inner", 1, 0)]


def test_an_exception_that_left_no_step_has_none() -> None:
    assert step_of(OSError()) is None


def test_a_step_that_goes_on_is_counted_as_not_ok(ticks: Ticks) -> None:
    recorder = Recorder(ticks)
    with recorder.step("gone"):
        ticks.now += 2
        with recorder.step("poll"):
            assert recorder.open_steps() == ("gone", "poll")
        (gone, _) = recorder.steps()
        assert (gone.count, gone.ok, gone.seconds.max) == (1, 0, 2.0)
    assert recorder.open_steps() == ()


async def test_async_with_and_tasks_record_into_the_same_run(recorder: Recorder) -> None:
    async def one() -> None:
        async with step("put"):
            await asyncio.sleep(0)

    await asyncio.gather(one(), one(), one())
    (put,) = recorder.steps()
    assert (put.count, put.ok) == (3, 3)


async def test_async_with_lets_exceptions_through(recorder: Recorder) -> None:
    with pytest.raises(KeyError):
        async with step("put"):
            raise KeyError("x")
    assert recorder.steps()[0].ok == 0


def test_threads_record_into_the_process_s_run() -> None:
    seen: list[Recorder] = []
    thread = threading.Thread(target=lambda: seen.append(current_recorder()))
    thread.start()
    thread.join()
    assert seen == [current_recorder()]


def test_many_threads_lose_no_step() -> None:
    recorder = Recorder()

    def work() -> None:
        for _ in range(500):
            with recorder.step("put"):
                pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert recorder.steps()[0].count == 4000


@pytest.mark.parametrize(("given", "kept"), [("x" * 70, "x" * 62 + "…"), ("", "step"), ("a\udcff", "a?")])
def test_a_step_s_name_is_made_to_fit(given: str, kept: str) -> None:
    recorder = Recorder()
    with recorder.step(given):
        pass
    assert recorder.steps()[0].name == kept


def test_attributes_are_facts_and_the_last_value_stands(recorder: Recorder) -> None:
    attribute("node", "node-1")
    attribute("node", "node-2")
    attribute("members", 3)
    assert recorder.attributes() == {"node": "node-2", "members": "3"}


def test_a_clock_that_goes_back_makes_no_negative_duration(ticks: Ticks) -> None:
    recorder = Recorder(ticks)
    with recorder.step("put"):
        ticks.now -= 1
    assert recorder.steps()[0].seconds.max == 0.0

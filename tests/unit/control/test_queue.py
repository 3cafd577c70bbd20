"""The queue's promises: one worker a key, nothing lost, later means later."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from kubeprobe.control.queue import WorkQueue


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Worker:
    """Records what it was handed, and can be told to hold a key until released."""

    def __init__(self, queue: WorkQueue[str], workers: int = 2) -> None:
        self.seen: list[str] = []
        self.running: list[str] = []
        self.together = 0
        self.release = asyncio.Event()
        self.release.set()
        self._tasks = [asyncio.create_task(queue.work(self.handle)) for _ in range(workers)]

    async def handle(self, key: str) -> None:
        self.together += key in self.running
        self.running.append(key)
        await self.release.wait()
        self.running.remove(key)
        self.seen.append(key)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
async def queue(clock: Clock) -> WorkQueue[str]:
    return WorkQueue(clock)


@pytest.fixture
async def worker(queue: WorkQueue[str]) -> AsyncIterator[Worker]:
    worker = Worker(queue)
    yield worker
    await worker.close()


async def test_a_waiting_key_is_one_entry(queue: WorkQueue[str], worker: Worker) -> None:
    for _ in range(5):
        queue.add("a")
    assert len(queue) == 1
    await settle()
    assert worker.seen == ["a"]


async def test_a_key_added_while_worked_on_is_worked_on_again_and_never_twice_at_once(
    queue: WorkQueue[str], worker: Worker
) -> None:
    worker.release.clear()
    queue.add("a")
    await settle()
    queue.add("a")
    queue.add("a")
    queue.add("b")
    await settle()
    assert sorted(worker.running) == ["a", "b"]
    worker.release.set()
    await settle()
    assert sorted(worker.seen) == ["a", "a", "b"]
    assert worker.together == 0


async def test_later_waits_for_its_time_and_the_earliest_counts(
    queue: WorkQueue[str], worker: Worker, clock: Clock
) -> None:
    queue.add_after("a", 10)
    queue.add_after("a", 5)
    queue.add_after("a", 20)
    await settle()
    assert worker.seen == []
    clock.now = 5.0
    queue.add("kick")
    await settle()
    assert worker.seen == ["kick", "a"]
    clock.now = 30.0
    queue.add("kick")
    await settle()
    assert worker.seen == ["kick", "a", "kick"]


async def test_added_now_needs_no_later(queue: WorkQueue[str], worker: Worker, clock: Clock) -> None:
    queue.add_after("a", 5)
    queue.add("a")
    await settle()
    clock.now = 6.0
    queue.add("kick")
    await settle()
    assert worker.seen == ["a", "kick"]


async def test_no_delay_is_now_and_forget_drops_the_later(queue: WorkQueue[str], worker: Worker, clock: Clock) -> None:
    queue.add_after("a", 0)
    queue.add_after("b", 5)
    queue.forget("b")
    await settle()
    clock.now = 6.0
    queue.add("kick")
    await settle()
    assert worker.seen == ["a", "kick"]


async def test_a_timer_wakes_a_sleeping_worker() -> None:
    queue: WorkQueue[str] = WorkQueue(asyncio.get_running_loop().time)
    seen = asyncio.Event()

    async def handle(_: str) -> None:
        seen.set()

    task = asyncio.create_task(queue.work(handle))
    queue.add_after("a", 0.01)
    await asyncio.wait_for(seen.wait(), 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_exclusive_keeps_workers_off_and_what_comes_meanwhile_is_not_lost(
    queue: WorkQueue[str], worker: Worker
) -> None:
    async with queue.exclusive("a"):
        queue.add("a")
        await settle()
        assert worker.seen == []
    await settle()
    assert worker.seen == ["a"]


async def test_exclusive_waits_for_the_worker(queue: WorkQueue[str], worker: Worker) -> None:
    worker.release.clear()
    queue.add("a")
    await settle()
    entered = asyncio.Event()

    async def enter() -> None:
        async with queue.exclusive("a"):
            entered.set()

    task = asyncio.create_task(enter())
    await settle()
    assert not entered.is_set()
    worker.release.set()
    await asyncio.wait_for(entered.wait(), 5)
    await task


async def test_the_age_of_what_waits_is_known(queue: WorkQueue[str], clock: Clock) -> None:
    assert queue.oldest_seconds() == 0
    queue.add("a")
    clock.now = 7.0
    assert queue.oldest_seconds() == 7.0


async def test_a_worker_that_is_ended_just_when_it_is_woken_ends(queue: WorkQueue[str]) -> None:
    async def handle(_: str) -> None: ...

    queue.add_after("later", 60)
    worker = asyncio.create_task(queue.work(handle))
    await settle()
    queue.add("now")
    await asyncio.sleep(0)
    worker.cancel()
    await settle()
    assert worker.cancelled()


async def test_a_closed_queue_holds_nothing_and_takes_nothing(queue: WorkQueue[str], clock: Clock) -> None:
    queue.add("ready")
    queue.add_after("later", 5)
    queue.close()
    queue.add("more")
    queue.add_after("much", 5)
    clock.now = 60
    assert (len(queue), queue.oldest_seconds()) == (0, 0.0)
    queue.open()
    worker = Worker(queue)
    queue.add("again")
    await settle()
    assert worker.seen == ["again"]
    await worker.close()


async def test_a_queue_that_is_closed_in_the_middle_of_the_work_does_not_repeat_it(queue: WorkQueue[str]) -> None:
    worker = Worker(queue)
    worker.release.clear()
    queue.add("a")
    await settle()
    queue.add("a")
    queue.close()
    worker.release.set()
    await settle()
    assert worker.seen == ["a"]
    await worker.close()


async def test_keys_that_need_no_waiting_do_not_hold_up_the_loop(queue: WorkQueue[str]) -> None:
    worker = Worker(queue, workers=1)
    for number in range(100):
        queue.add(str(number))
    for _ in range(5):
        await asyncio.sleep(0)
    assert 0 < len(worker.seen) < 100
    await worker.close()

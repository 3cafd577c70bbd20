"""The budget at work: the urgent first, workers never held up, what waited planned anew, nothing reserved and lost."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry

from kubeprobe.control.budget import Budget, Deferred
from kubeprobe.control.budget_metrics import BudgetMetrics
from kubeprobe.control.queue import WorkQueue
from kubeprobe.kube.port import ApiError
from kubeprobe.plan.budget import AGED_SECONDS, Limits, Priority

V, R, H = Priority.VERDICT, Priority.RUN, Priority.HISTORY
BURST = 8
"""Of which a run leaves two to verdicts, and history four: they need three and five tokens to have one."""
RUN_SECONDS, HISTORY_SECONDS = 3.0, 5.0
"""How long an empty bucket of one token a second takes until each may write."""


@dataclass
class Bench:
    """A budget of one token a second, its clock, its queue, and what it sent back to that."""

    now: float = 0.0
    limits: Limits = field(default_factory=lambda: Limits(1, BURST))
    requeued: list[str] = field(default_factory=list)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.queue: WorkQueue[str] = WorkQueue(lambda: self.now)
        self.budget: Budget[str] = Budget(self.limits, lambda: self.now, self.requeue, BudgetMetrics(self.registry))

    def requeue(self, work: str) -> None:
        self.requeued.append(work)
        self.queue.add(work)

    async def pump(self, seconds: float = 0.0) -> None:
        """Let time pass, and the pump notice."""
        self.now += seconds
        task = asyncio.create_task(self.budget.run())
        await settle()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def drain(self) -> None:
        """Take all tokens."""
        for number in range(BURST):
            assert self.budget.allows(f"drain-{number}", V)

    async def reconcile(self, work: str, *priorities: Priority) -> bool:
        """One turn of an object that writes so much; whether it came to its end."""
        try:
            with self.budget.turn(work):
                for priority in priorities:
                    async with self.budget.write(priority):
                        pass
        except Deferred:
            return False
        return True

    async def fail(self, status: int, retry_after: float | None = None) -> None:
        """A write that the API server refuses."""
        with pytest.raises(ApiError):
            async with self.budget.write(V):
                raise ApiError(status, "", "", retry_after_seconds=retry_after)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def waiting(self, priority: Priority) -> float | None:
        return self.value("kubeprobe_writes_waiting", priority=priority)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
async def bench() -> Bench:
    return Bench()


async def test_who_finds_a_token_writes_at_once(bench: Bench) -> None:
    assert await bench.reconcile("a", H, H, R, V)
    assert bench.requeued == []
    assert bench.budget.now().tokens == BURST - 4


async def test_what_finds_none_is_in_line_and_comes_back_with_its_token(bench: Bench) -> None:
    bench.drain()
    assert not await bench.reconcile("a", R)
    assert bench.waiting(R) == 1
    await bench.pump(RUN_SECONDS - 0.1)
    assert bench.requeued == []
    await bench.pump(0.1)
    assert (bench.requeued, bench.waiting(R)) == (["a"], 0)
    assert await bench.reconcile("a", R)
    assert bench.value("kubeprobe_write_wait_seconds_sum", priority=R) == pytest.approx(RUN_SECONDS)


async def test_the_most_urgent_comes_back_first_and_equals_in_their_order(bench: Bench) -> None:
    bench.drain()
    for work, priority in (("h", H), ("r1", R), ("v1", V), ("r2", R), ("v2", V)):
        assert not await bench.reconcile(work, priority)
    for _ in range(12):
        await bench.pump(1)
    assert bench.requeued == ["v1", "v2", "r1", "r2", "h"]


async def test_nobody_overtakes_those_in_line(bench: Bench) -> None:
    bench.drain()
    assert not await bench.reconcile("first", R)
    bench.now += RUN_SECONDS
    assert not await bench.reconcile("second", R)
    assert bench.requeued == ["first"]


async def test_history_is_not_put_off_for_ever(bench: Bench) -> None:
    bench.drain()
    assert not await bench.reconcile("h", H)
    for number in range(int(AGED_SECONDS) + 5):
        await bench.reconcile(f"r{number}", R)
        await bench.pump(1)
    assert "h" in bench.requeued
    assert (bench.waiting(R) or 0) > 1


async def test_history_by_the_thousand_does_not_hold_up_runs(bench: Bench) -> None:
    bench.drain()
    for number in range(1000):
        assert not await bench.reconcile(f"h{number}", H)
    await bench.pump(2 * AGED_SECONDS)
    before = bench.waiting(H) or 0
    for number in range(21):
        await bench.reconcile(f"r{number}", R)
        await bench.pump(1)
    assert bench.waiting(R) == pytest.approx(7, abs=2)
    assert before - (bench.waiting(H) or 0) == pytest.approx(7, abs=2)


async def test_a_reserved_token_that_the_new_plan_does_not_need_goes_back(bench: Bench) -> None:
    bench.drain()
    assert not await bench.reconcile("a", R)
    await bench.pump(RUN_SECONDS)
    before = bench.budget.now().tokens
    assert await bench.reconcile("a")
    assert bench.budget.now().tokens == before + 1


async def test_a_reserved_token_goes_back_when_the_reconciliation_fails(bench: Bench) -> None:
    bench.drain()
    assert not await bench.reconcile("a", R)
    await bench.pump(RUN_SECONDS)
    before = bench.budget.now().tokens
    with pytest.raises(RuntimeError), bench.budget.turn("a"):
        raise RuntimeError
    assert bench.budget.now().tokens == before + 1


async def test_what_needs_no_write_any_more_leaves_the_line(bench: Bench) -> None:
    bench.drain()
    assert not await bench.reconcile("a", H)
    assert await bench.reconcile("a")
    assert bench.waiting(H) == 0
    await bench.pump(HISTORY_SECONDS)
    assert bench.requeued == []


async def test_what_becomes_urgent_changes_its_line(bench: Bench) -> None:
    bench.drain()
    assert not await bench.reconcile("a", H)
    assert not await bench.reconcile("a", V)
    assert (bench.waiting(H), bench.waiting(V)) == (0, 1)
    await bench.pump(1)
    assert bench.requeued == ["a"]


async def test_a_token_that_came_for_something_urgent_pays_for_nothing_less(bench: Bench) -> None:
    bench.drain()
    assert not await bench.reconcile("a", V)
    await bench.pump(1)
    assert not await bench.reconcile("a", H)
    assert bench.budget.now().tokens == 1
    assert await bench.reconcile("b", V)


async def test_asking_again_keeps_the_place(bench: Bench) -> None:
    bench.drain()
    for work in ("a", "b", "a"):
        assert not await bench.reconcile(work, R)
    await bench.pump(RUN_SECONDS)
    assert bench.requeued == ["a"]


async def test_who_is_not_a_worker_waits_itself(bench: Bench) -> None:
    bench.drain()
    task = asyncio.create_task(bench.budget.take(V))
    await bench.pump(0.5)
    assert not task.done()
    await bench.pump(0.5)
    await task


async def test_who_gives_up_waiting_leaves_no_trace(bench: Bench) -> None:
    bench.drain()
    before_its_turn, in_its_turn = (asyncio.create_task(bench.budget.take(V)) for _ in range(2))
    await settle()
    before_its_turn.cancel()
    await asyncio.gather(before_its_turn, return_exceptions=True)
    assert bench.waiting(V) == 1
    bench.now += 1
    assert not await bench.reconcile("a", V)
    in_its_turn.cancel()
    await asyncio.gather(in_its_turn, return_exceptions=True)
    assert bench.budget.now().tokens == 1
    await bench.pump()
    assert bench.requeued == ["a"]


async def test_a_429_holds_back_all_but_verdicts_and_is_told(bench: Bench) -> None:
    await bench.fail(429, retry_after=30)
    assert await bench.reconcile("a", V)
    assert not await bench.reconcile("b", R)
    await bench.pump(29)
    assert bench.requeued == []
    await bench.pump(1)
    assert bench.requeued == ["b"]
    assert bench.value("kubeprobe_write_budget_cuts_total", reason="TooManyRequests") == 1


@pytest.mark.parametrize(("status", "answer"), [(429, "throttled"), (404, "refused"), (500, "failed"), (0, "failed")])
async def test_every_write_is_counted_with_what_became_of_it(bench: Bench, status: int, answer: str) -> None:
    assert await bench.reconcile("a", R)
    await bench.fail(status)
    assert bench.value("kubeprobe_writes_total", priority=V, answer=answer) == 1
    assert bench.value("kubeprobe_writes_total", priority=R, answer="ok") == 1


async def test_what_was_in_line_while_another_replica_led_is_forgotten(bench: Bench) -> None:
    bench.drain()
    waiting = asyncio.create_task(bench.budget.take(H))
    for work in ("a", "b", "c", "d"):
        assert not await bench.reconcile(work, V)
    await settle()
    await bench.pump(2)
    assert bench.requeued == ["a", "b"]
    bench.budget.reset()
    assert (bench.waiting(V), bench.waiting(H)) == (0, 1)
    assert not await bench.reconcile("a", R), "its token is gone"
    for _ in range(2 * BURST):
        await bench.pump(1)
    await waiting
    assert bench.requeued == ["a", "b", "a"]


async def test_slow_writes_cut_the_rate() -> None:
    bench = Bench(limits=Limits(20, 40))
    for _ in range(10):
        async with bench.budget.write(V):
            bench.now += 1.01
    assert bench.value("kubeprobe_write_budget_rate") == 14
    assert bench.value("kubeprobe_write_budget_cuts_total", reason="Latency") == 1


@dataclass
class Cluster:
    """Objects with a wanted and a written value, one worker, and all writes in their order."""

    bench: Bench
    wanted: dict[str, int]
    written: dict[str, int] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)

    async def reconcile(self, work: str) -> None:
        if self.written.get(work) == self.wanted[work]:
            return
        async with self.bench.budget.write(V if work == "verdict" else H):
            self.written[work] = self.wanted[work]
            self.order.append(work)

    async def handle(self, work: str) -> None:
        with contextlib.suppress(Deferred), self.bench.budget.turn(work):
            await self.reconcile(work)

    async def work(self, *more: str) -> None:
        """One worker does all that there is to do."""
        for one in more:
            self.bench.queue.add(one)
        task = asyncio.create_task(self.bench.queue.work(self.handle))
        await settle()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert len(self.bench.queue) == 0


async def test_a_worker_is_never_held_up_and_what_waited_is_planned_anew() -> None:
    bench = Bench(limits=Limits(1, 1))
    cluster = Cluster(bench, {"a": 1, "b": 1, "c": 1, "d": 1, "verdict": 1})
    await cluster.work("a", "b", "c", "d")
    assert cluster.order == ["a"]
    cluster.wanted["b"] = 2
    cluster.written["c"] = 1  # by somebody else's hand: there is nothing to do any more
    await cluster.work("verdict")
    for _ in range(4):
        await bench.pump(1)
        await cluster.work()
    assert cluster.order == ["a", "verdict", "b", "d"]
    assert cluster.written == cluster.wanted


async def test_a_token_that_was_not_needed_serves_the_next_one_at_once() -> None:
    bench = Bench(limits=Limits(1, 1))
    cluster = Cluster(bench, {"a": 1, "b": 1, "c": 1})
    await cluster.work("a", "b", "c")
    cluster.written["b"] = 1
    await bench.pump(1)
    await cluster.work()
    await bench.pump()
    await cluster.work()
    assert cluster.order == ["a", "c"]

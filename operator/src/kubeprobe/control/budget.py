"""The budget at work: who writes takes a token first, waits for one, or is put in line and planned anew later.

A worker of the queue never waits: when there is no token for what it wants to write, the object that it works on goes
in line, the worker goes on with the next one, and the object comes back to the queue when its token is there. By then
it is planned anew, so that the latest value is what is written, and one that stands already is not.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from kubeprobe.control.budget_metrics import BudgetMetrics
from kubeprobe.kube.port import ApiError
from kubeprobe.plan import budget as plan
from kubeprobe.plan.budget import Bucket, Limits, Priority, Turn

logger = logging.getLogger("kubeprobe.budget")
K = TypeVar("K", bound=Hashable)
LONGEST_SLEEP_SECONDS = 1.0
"""The rate recovers while the pump sleeps, so it looks again."""

_working_on: ContextVar[Hashable | None] = ContextVar("working_on", default=None)
"""The object that this task reconciles; None where nobody does and waiting is allowed."""


class Deferred(Exception):  # noqa: N818 - no error: the object is in line and will be planned anew
    """There is no token now for what was to be written."""


@dataclass(frozen=True, slots=True, eq=False)
class _Caller:
    """One who waits for a token in person."""

    granted: asyncio.Event = field(default_factory=asyncio.Event)


class Budget(Generic[K]):
    """All writes of one operator.

    Args:
        limits: the rate and the burst.
        clock: seconds that only go forward.
        requeue: has an object reconciled again, now that its token is there.
        metrics: where it is told.
    """

    def __init__(
        self, limits: Limits, clock: Callable[[], float], requeue: Callable[[K], None], metrics: BudgetMetrics
    ) -> None:
        self._clock = clock
        self._requeue = requeue
        self._metrics = metrics
        self._bucket = plan.full(limits, clock())
        self._lines: dict[Priority, dict[K | _Caller, float]] = {priority: {} for priority in Priority}
        """Who waits, the first one first, and since when."""
        self._reserved: dict[K, Priority] = {}
        """Tokens that were taken for objects which are on their way through the queue."""
        self._runs_in_a_row = 0
        """Turns that runs have had since history last had one."""
        self._wake = asyncio.Event()
        metrics.watch(self.now, self._lines)

    def now(self) -> Bucket:
        """The bucket as it is now."""
        return plan.advance(self._bucket, self._clock())

    async def run(self) -> None:
        """Hand out tokens as they come, for ever."""
        while True:
            self._wake.clear()
            delay = self._hand_out()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), delay)

    def reset(self) -> None:
        """Forget the objects in line and their tokens: all are looked at again, and then ask for what they still need.

        While another replica led, tokens came for objects that nobody worked on; together they would be more than the
        burst.
        """
        self._reserved.clear()
        for line in self._lines.values():
            for who in [one for one in line if not isinstance(one, _Caller)]:
                del line[who]

    @contextlib.contextmanager
    def turn(self, work: K) -> Iterator[None]:
        """Reconcile an object: its writes find their token, or raise `Deferred` and leave it in line."""
        mark = _working_on.set(work)
        stays = False
        try:
            yield
        except Deferred:
            stays = True
            raise
        finally:
            _working_on.reset(mark)
            if not stays:
                self._leave(work)
            self._return(work)

    @contextlib.asynccontextmanager
    async def write(self, priority: Priority) -> AsyncIterator[None]:
        """Make one write within the block, when its turn has come.

        Raises:
            Deferred: an object is being reconciled, and must wait for its turn.
        """
        work: K | None = _working_on.get()  # type: ignore[assignment]
        if work is None:
            await self.take(priority)
        elif not self.allows(work, priority):
            raise Deferred
        began = self._clock()
        try:
            yield
        except ApiError as error:
            self._observe(priority, began, error)
            raise
        self._observe(priority, began, None)

    async def take(self, priority: Priority) -> None:
        """Wait for a token: for those who may."""
        caller = _Caller()
        self._enter(caller, priority)
        try:
            await caller.granted.wait()
        except asyncio.CancelledError:
            self._lines[priority].pop(caller, None)
            if caller.granted.is_set():
                self._give_back()
            raise

    def allows(self, work: K, priority: Priority) -> bool:
        """Take a token for an object, or put the object in line, where it keeps its place until its turn needs none."""
        reserved = self._reserved.pop(work, None)
        if reserved is not None:
            if priority.rank <= reserved.rank:
                return True
            self._give_back()
        if work not in self._lines[priority]:
            self._leave(work)
        self._enter(work, priority)
        return self._reserved.pop(work, None) is not None

    def _enter(self, who: K | _Caller, priority: Priority) -> None:
        """Put one in line, and hand out what there is, perhaps to this very one."""
        self._lines[priority].setdefault(who, self._clock())
        self._hand_out(asking=who)
        if who in self._lines[priority]:
            self._wake.set()

    def _hand_out(self, asking: K | _Caller | None = None) -> float | None:
        """Give every token that there is to who is next; how long until the next one, None when nobody waits."""
        while (turn := self._next()) is not None:
            taken = plan.take(self._bucket, turn.counts_as, self._clock())
            if taken is None:
                return min(plan.wait_seconds(self._bucket, turn.counts_as, self._clock()), LONGEST_SLEEP_SECONDS)
            self._bucket = taken
            self._grant(turn.line, asking)
        return None

    def _next(self) -> Turn | None:
        heads = {priority: next(iter(line.values())) for priority, line in self._lines.items() if line}
        return plan.next_turn(heads, self._clock(), self._runs_in_a_row)

    def _grant(self, priority: Priority, asking: K | _Caller | None) -> None:
        who = next(iter(self._lines[priority]))
        waited = self._clock() - self._lines[priority].pop(who)
        self._metrics.wait_seconds.labels(priority).observe(waited)
        if priority is Priority.HISTORY:
            self._runs_in_a_row = 0
        elif priority is Priority.RUN:
            self._runs_in_a_row += 1
        if isinstance(who, _Caller):
            who.granted.set()
            return
        self._reserved[who] = priority
        if who != asking:
            self._requeue(who)

    def _leave(self, work: K) -> None:
        for line in self._lines.values():
            line.pop(work, None)

    def _return(self, work: K) -> None:
        """What was reserved for an object and not used goes back."""
        if self._reserved.pop(work, None) is not None:
            self._give_back()

    def _give_back(self) -> None:
        self._bucket = plan.give_back(self._bucket, self._clock())
        self._wake.set()

    def _observe(self, priority: Priority, began: float, error: ApiError | None) -> None:
        now = self._clock()
        written = plan.Written(
            seconds=now - began,
            throttled=error is not None and error.status == 429,
            retry_after_seconds=error.retry_after_seconds if error else None,
        )
        self._bucket, throttle = plan.observe(self._bucket, written, now)
        self._metrics.writes.labels(priority, answer_of(error)).inc()
        if throttle is not None:
            self._metrics.throttled.labels(throttle).inc()
            logger.warning("writing slows down to %.1f/s: %s", self._bucket.rate, throttle)


def answer_of(error: ApiError | None) -> str:
    """What became of a write, in four words for a metric's label."""
    if error is None:
        return "ok"
    if error.status == 429:
        return "throttled"
    return "refused" if 400 <= error.status < 500 else "failed"

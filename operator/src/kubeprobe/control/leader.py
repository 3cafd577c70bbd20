"""The life of a replica: it stands for election, leads, is a standby again, for ever and after whatever pause."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass

from kubeprobe.control.lease import LeaseStore
from kubeprobe.kube.fence import NotLeadingError
from kubeprobe.kube.port import ApiError
from kubeprobe.plan.election import (
    TIMINGS,
    Action,
    Candidate,
    LeaseRecord,
    Timings,
    decide,
    failed,
    leads,
    looked,
    patience,
    stepped_down,
    wrote,
)

logger = logging.getLogger("kubeprobe.leader")


def boot_clock() -> float:
    """Seconds that only go forward, those that the machine slept through included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Duty:
    """What a replica does with its leadership.

    Args:
        lead: the leader's work; it returns when the process is to end, and is cancelled when the lease is lost.
        lost: called at once when the leadership ends, before the work is cancelled.
    """

    lead: Callable[[], Coroutine[None, None, None]]
    lost: Callable[[], None]


class Elector:
    """Stands for one lease; `run` it.

    Args:
        clock: such as `boot_clock`.
    """

    def __init__(
        self, store: LeaseStore, identity: str, clock: Callable[[], float], timings: Timings = TIMINGS
    ) -> None:
        self._store = store
        self._clock = clock
        self._timings = timings
        self._candidate = Candidate(identity)
        self._term: asyncio.Task[None] | None = None
        self._open = False
        self._turned_at = clock()

    def leads(self) -> bool:
        """Whether this replica leads, at this moment."""
        return self._open and leads(self._candidate, self._clock(), self._timings)

    @property
    def identity(self) -> str:
        """This replica's name in the lease."""
        return self._candidate.identity

    @property
    def holder(self) -> str:
        """Who holds the lease as far as is known; empty when nobody does."""
        return self._candidate.lease.holder

    def idle_seconds(self) -> float:
        """How long ago the election was last thought about."""
        return self._clock() - self._turned_at

    async def run(self, duty: Duty, stop: asyncio.Event) -> None:
        """Stand for election and do the duty when elected, until `stop` is set and the duty is done."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not (stop.is_set() and self._term is None):
                self._turned_at = self._clock()
                try:
                    await self._turn(duty, stopping)
                except Exception:
                    logger.exception("the election")
                    self._candidate = failed(self._candidate, self._clock())
        finally:
            stopping.cancel()
            await self._end_term(duty)

    async def _turn(self, duty: Duty, stopping: asyncio.Task[bool]) -> None:
        if self._term is not None and self._term.done():
            await self._hand_over(duty)
            return
        decision = decide(self._candidate, self._clock(), self._timings)
        match decision.action:
            case Action.LOOK:
                await self._ask(self._store.read(), lambda lease, _: self._saw(lease))
            case Action.TAKE | Action.RENEW:
                before, identity = self._candidate.lease, self._candidate.identity
                await self._ask(self._store.hold(before, identity, self._timings.lease_seconds), self._held)
                self._begin_term(duty)
            case Action.STEP_DOWN:
                lost = self.holder not in (self.identity, "")
                logger.warning("the lease %s", f"was taken by {self.holder}" if lost else "was not renewed in time")
                await self._end_term(duty)
            case Action.WAIT:
                await self._wait(decision.wait_seconds, stopping)

    async def _ask(self, request: Awaitable[LeaseRecord], then: Callable[[LeaseRecord, float], None]) -> None:
        sent_at = self._clock()
        try:
            async with asyncio.timeout(patience(self._candidate, sent_at, self._timings)):
                lease = await request
        except (ApiError, TimeoutError) as error:
            first = self._candidate.failed_at is None and getattr(error, "status", 0) != 409
            logger.log(logging.WARNING if first else logging.DEBUG, "the lease: %s", str(error) or "no answer in time")
            self._candidate = failed(self._candidate, self._clock())
        else:
            then(lease, sent_at)

    def _saw(self, lease: LeaseRecord) -> None:
        self._candidate = looked(self._candidate, lease, self._clock())

    def _held(self, lease: LeaseRecord, sent_at: float) -> None:
        self._candidate = wrote(self._candidate, lease, sent_at, self._clock(), self._timings)

    def _begin_term(self, duty: Duty) -> None:
        if self._open or not leads(self._candidate, self._clock(), self._timings):
            return
        logger.info("%s leads", self._candidate.identity)
        self._open = True
        self._term = asyncio.create_task(duty.lead())

    async def _end_term(self, duty: Duty) -> None:
        self._candidate = stepped_down(self._candidate)
        if not self._open:
            return
        self._open = False
        duty.lost()
        if self._term is not None:
            self._term.cancel()
            await asyncio.wait({self._term})
            self._told(self._term)
            self._term = None
        logger.info("%s stands by", self._candidate.identity)

    async def _hand_over(self, duty: Duty) -> None:
        """The work ended by itself: at the process' end, or by an error of ours, and then another try may do better."""
        lease = self._candidate.lease
        await self._end_term(duty)
        await self._ask(self._store.release(lease), lambda released, _: self._saw(released))
        self._candidate = failed(self._candidate, self._clock())

    def _told(self, term: asyncio.Task[None]) -> None:
        error = None if term.cancelled() else term.exception()
        if error is not None and not isinstance(error, NotLeadingError):
            logger.error("the leader's work ended", exc_info=error)

    async def _wait(self, seconds: float, stopping: asyncio.Task[bool]) -> None:
        """Until the time is over, the process is to end, or the leader's work ended."""
        pending = {one for one in (stopping, self._term) if one is not None and not one.done()}
        if pending:
            await asyncio.wait(pending, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(seconds)

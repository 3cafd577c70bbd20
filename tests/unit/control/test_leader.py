"""One replica's life, against a lease in memory and a clock that skips: elected, cut off, frozen, elected again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from kubeprobe.control.leader import Duty, Elector, boot_clock
from kubeprobe.control.lease import LeaseStore
from kubeprobe.kube.port import ApiError, Object
from kubeprobe.plan.election import Timings

FAST = Timings(lease_seconds=1.0, renew_deadline_seconds=0.7, renew_seconds=0.05, look_seconds=0.05)
"""Enough room for a busy machine to renew in."""
SOON_SECONDS = 10.0


class Server:
    """One Lease as an API server keeps it."""

    def __init__(self) -> None:
        self.body: Object | None = None
        self.down = False
        self.hangs = False
        self.writes: list[str] = []

    async def _answer(self) -> None:
        if self.hangs:
            await asyncio.sleep(3600)
        if self.down:
            raise ApiError(0, "Unreachable", "nobody there")

    async def get(self, *_: object) -> Object:
        await self._answer()
        if self.body is None:
            raise ApiError(404, "NotFound", "no lease")
        return self.body

    async def create(self, _: object, __: object, body: Object) -> Object:
        await self._answer()
        if self.body is not None:
            raise ApiError(409, "AlreadyExists", "there is one")
        return self._store(body["spec"])

    async def merge_patch(self, _: object, __: object, ___: object, body: Object) -> Object:
        await self._answer()
        assert self.body is not None
        if body["metadata"]["resourceVersion"] != self.body["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "somebody was faster")
        return self._store({**self.body["spec"], **body["spec"]})

    def _store(self, spec: Object) -> Object:
        version = str(int(self.body["metadata"]["resourceVersion"]) + 1) if self.body else "1"
        self.body = {"metadata": {"resourceVersion": version}, "spec": spec}
        self.writes.append(spec["holderIdentity"])
        return self.body

    @property
    def spec(self) -> Object:
        assert self.body is not None
        spec: Object = self.body["spec"]
        return spec


class Replica:
    """A candidate that notes when it works."""

    def __init__(self, server: Server, name: str) -> None:
        api: Any = server
        self.skip_seconds = 0.0
        store = LeaseStore(api, "default", lambda: datetime.now(UTC))
        self.elector = Elector(store, name, lambda: boot_clock() + self.skip_seconds, FAST)
        self.working = 0
        self.terms = 0
        self.lost = 0
        self.breaks = False
        self.flushed = False
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(self.elector.run(Duty(self._lead, self._lose), self.stop))

    async def _lead(self) -> None:
        self.terms += 1
        self.working += 1
        try:
            if self.breaks:
                raise RuntimeError("a bug")
            await self.stop.wait()
            self.flushed = self.elector.leads()
        finally:
            self.working -= 1

    def _lose(self) -> None:
        assert not self.elector.leads()
        self.lost += 1

    async def end(self) -> None:
        self.stop.set()
        await asyncio.wait_for(self.task, SOON_SECONDS)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def first(server: Server) -> AsyncIterator[Replica]:
    replica = Replica(server, "first")
    await until(replica.elector.leads)
    yield replica
    server.down = server.hangs = False
    await replica.end()


@pytest.fixture
async def second(server: Server, first: Replica) -> AsyncIterator[Replica]:
    replica = Replica(server, "second")
    await until(lambda: replica.elector.holder == "first")
    yield replica
    await replica.end()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON_SECONDS):
        while not holds():  # noqa: ASYNC110 - what is waited for is no event
            await asyncio.sleep(0.005)


async def test_the_first_leads_and_renews_and_the_second_stands_by(
    server: Server, first: Replica, second: Replica
) -> None:
    await until(lambda: server.writes.count("first") >= 5)
    assert (first.working, first.terms, second.terms) == (1, 1, 0)
    assert server.spec["leaseTransitions"] == 0
    assert server.spec["acquireTime"] < server.spec["renewTime"]


async def test_a_leader_that_ends_hands_over_at_once(server: Server, first: Replica, second: Replica) -> None:
    await first.end()
    assert first.flushed  # with the lease still its own
    assert (first.working, first.lost) == (0, 1)
    await until(second.elector.leads)
    released = server.writes.index("")
    assert server.writes[released + 1] == "second"
    assert "first" not in server.writes[released:]
    assert server.spec["leaseTransitions"] == 1


@pytest.mark.parametrize("how", ["down", "hangs"])
async def test_a_leader_that_cannot_renew_stops_and_stands_again(server: Server, first: Replica, how: str) -> None:
    setattr(server, how, True)
    await until(lambda: not first.elector.leads())
    await until(lambda: first.lost >= 1 and first.working == 0)
    setattr(server, how, False)
    await until(lambda: first.working == 1)
    assert first.terms >= 2


async def test_a_frozen_leader_finds_out_before_it_does_anything(
    server: Server, first: Replica, second: Replica
) -> None:
    first.skip_seconds = 60.0
    assert not first.elector.leads()  # by the clock alone, before anything was asked or awaited
    await until(lambda: first.lost >= 1)
    await until(lambda: first.elector.leads() or second.elector.leads())
    await until(lambda: first.working + second.working == 1)  # whoever leads begins a moment later


async def test_a_lease_taken_by_somebody_else_ends_the_leadership(server: Server, first: Replica) -> None:
    server._store({**server.spec, "holderIdentity": "stranger"})
    await until(lambda: first.lost >= 1 and first.working == 0)
    assert first.elector.holder == "stranger"
    await until(lambda: first.working == 1)  # the stranger never renews
    assert server.spec["leaseTransitions"] == 1


async def test_work_that_breaks_gives_the_lease_away(server: Server, first: Replica) -> None:
    await first.end()
    clumsy = Replica(server, "clumsy")
    clumsy.breaks = True
    await until(lambda: clumsy.terms >= 2)  # it stands again
    assert "" in server.writes[server.writes.index("clumsy") :]
    other = Replica(server, "other")
    await until(other.elector.leads)
    await clumsy.end()
    await other.end()


async def test_an_error_that_nobody_thought_of_does_not_end_the_election(server: Server, first: Replica) -> None:
    server.body = {"metadata": {"resourceVersion": "9"}, "spec": {"holderIdentity": ["no", "text"]}}
    whole = server.get

    async def broken(*_: object) -> Object:
        raise KeyError("spec")

    server.get = broken  # type: ignore[method-assign]
    await until(lambda: first.lost >= 1)
    server.get = whole  # type: ignore[method-assign]
    server.body = None
    await until(lambda: first.working == 1)
    assert first.elector.idle_seconds() < SOON_SECONDS


async def test_a_standby_that_is_told_to_end_writes_nothing(server: Server, second: Replica) -> None:
    await second.end()
    assert "second" not in server.writes

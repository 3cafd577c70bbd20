"""How the operator looks after what it runs, and ends it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.control.cluster import Cluster

from kubeprobe.api import DiscoverKind
from kubeprobe.control import operator
from kubeprobe.kube.fence import NotLeadingError


async def test_what_loses_a_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "CANCEL_AGAIN_SECONDS", 0.01)
    lost = 0

    async def careless() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                lost += 1
                if lost == 3:
                    raise

    async with asyncio.timeout(10), operator._running(careless()):
        await asyncio.sleep(0)
    assert lost == 3


async def test_a_part_that_ends_by_itself_ends_all(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken() -> None:
        await asyncio.sleep(0)
        raise ValueError("out of luck")

    async def lasting() -> None:
        await asyncio.Event().wait()

    with pytest.raises(operator.PartEndedError, match="broken") as raised:
        async with asyncio.timeout(10), operator._running(lasting(), broken()):
            await asyncio.Event().wait()
    assert isinstance(raised.value.__cause__, ValueError)


async def test_a_part_that_is_told_not_to_write_ends_nothing_else() -> None:
    async def deposed() -> None:
        raise NotLeadingError("this replica does not lead")

    async with asyncio.timeout(10), operator._running(deposed()):
        for _ in range(5):
            await asyncio.sleep(0)


async def test_a_block_that_is_cancelled_from_outside_stays_cancelled() -> None:
    async def lasting() -> None:
        await asyncio.Event().wait()

    async def block() -> None:
        async with operator._running(lasting()):
            await asyncio.Event().wait()

    task = asyncio.create_task(block())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_watches_of_targets_are_looked_after_but_hold_no_run_up() -> None:
    class Observed(Cluster):
        def observe(self, observer: object) -> None:
            """Nobody asks."""

    api: Any = Observed()
    one = operator.Operator(api, operator.Settings("http://10.0.0.1", operator.Replica("me", "kubeprobe")))
    watching = asyncio.create_task(one._discovery.run())
    one._discovery.want(("probes", "main"), frozenset({DiscoverKind.INGRESS}))
    async with asyncio.timeout(10):
        while not one._discovery.followed:  # noqa: ASYNC110 - what is waited for is the code's own state
            await asyncio.sleep(0)
    (watch,) = one._discovery.followed
    assert watch in one._followed()
    watch.heard_at -= 1000
    assert one._watch_age_seconds() == 0
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)

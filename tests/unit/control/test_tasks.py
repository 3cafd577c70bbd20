"""What runs beside something is looked after, and ended with it."""

from __future__ import annotations

import asyncio

import pytest

from kubeprobe.control import tasks
from kubeprobe.kube.fence import NotLeadingError


async def test_what_loses_a_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "CANCEL_AGAIN_SECONDS", 0.01)
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

    async with asyncio.timeout(10), tasks.running(careless()):
        await asyncio.sleep(0)
    assert lost == 3


async def test_a_part_that_ends_by_itself_ends_all(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken() -> None:
        await asyncio.sleep(0)
        raise ValueError("out of luck")

    async def lasting() -> None:
        await asyncio.Event().wait()

    with pytest.raises(tasks.PartEndedError, match="broken") as raised:
        async with asyncio.timeout(10), tasks.running(lasting(), broken()):
            await asyncio.Event().wait()
    assert isinstance(raised.value.__cause__, ValueError)


async def test_a_part_that_is_told_not_to_write_ends_nothing_else() -> None:
    async def deposed() -> None:
        raise NotLeadingError("this replica does not lead")

    async with asyncio.timeout(10), tasks.running(deposed()):
        for _ in range(5):
            await asyncio.sleep(0)


async def test_a_block_that_is_cancelled_from_outside_stays_cancelled() -> None:
    async def lasting() -> None:
        await asyncio.Event().wait()

    async def block() -> None:
        async with tasks.running(lasting()):
            await asyncio.Event().wait()

    task = asyncio.create_task(block())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

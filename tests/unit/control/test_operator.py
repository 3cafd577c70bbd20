"""How the operator ends what it runs."""

from __future__ import annotations

import asyncio

import pytest

from kubeprobe.control import operator


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

"""Checks written in Python, at a fixed rate: what they return and raise counts, and what hangs holds up no other."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from probe_sdk import ProbeFailure, step
from probe_sdk.resident.account import Account, Denoise, Verdict
from probe_sdk.resident.checks import CheckLoop
from probe_sdk.resident.rota import Limits, Rota
from probe_sdk.resident.slots import Slots
from probe_sdk.resident.starvation import Starvation

SOON_SECONDS = 20.0
TIMEOUT_SECONDS = 0.3


class Unhurried(Starvation):
    """Blames nothing on the machine, which tests make busy themselves."""

    def late(self, seconds: float) -> None:
        """Forget it."""


async def probed(check: Callable[[str], object], *targets: str, until: Callable[[dict[str, Account]], bool]) -> Rota:
    """Probe until something is true of the accounts."""
    now = time.monotonic()
    rota = Rota(Slots(0.02, now), Limits(TIMEOUT_SECONDS), Denoise(), Unhurried(lambda: 0.0, now), lambda _: None)
    for target in targets:
        rota.add(target, now)
    loop, stop = CheckLoop(rota, check, str, TIMEOUT_SECONDS), asyncio.Event()
    running = asyncio.create_task(loop.run(stop))
    async with asyncio.timeout(SOON_SECONDS):
        while not until(rota.accounts):  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)
        stop.set()
        await running
    return rota


def ended(accounts: dict[str, Account]) -> bool:
    return all(one.passed + one.failed >= 2 for one in accounts.values())


async def test_a_coroutine_passes_by_returning_and_fails_by_raising() -> None:
    async def check(target: str) -> None:
        await asyncio.sleep(0)
        if target == "bad":
            raise ProbeFailure("it is broken", "and ugly")

    rota = await probed(check, "good", "bad", until=ended)
    good, bad = rota.accounts["good"], rota.accounts["bad"]
    assert (good.verdict, good.failed) == (Verdict.PASSED, 0)
    assert (bad.verdict, bad.passed, bad.message) == (Verdict.FAILED, 0, "it is broken; and ugly")
    assert bad.classes["Finding"] >= 2


async def test_a_function_runs_in_a_thread() -> None:
    threads = set()

    def check(target: str) -> None:
        threads.add(threading.current_thread())
        if target == "bad":
            raise ConnectionRefusedError("nobody is there")

    rota = await probed(check, "good", "bad", until=ended)
    assert threading.current_thread() not in threads
    assert rota.accounts["good"].verdict is Verdict.PASSED
    assert rota.accounts["bad"].message == "ConnectionRefusedError: nobody is there"


@pytest.mark.parametrize("kind", ["coroutine", "thread"])
async def test_a_check_that_hangs_fails_by_its_timeout_and_holds_up_no_other(kind: str) -> None:
    over = threading.Event()

    async def patient(target: str) -> None:
        if target == "hangs":
            with step("waiting"):
                await asyncio.sleep(SOON_SECONDS)

    def blocked(target: str) -> None:
        if target == "hangs":
            over.wait(SOON_SECONDS)

    try:
        rota = await probed(
            patient if kind == "coroutine" else blocked,
            "hangs",
            "goes",
            until=lambda accounts: accounts["hangs"].failed > 0 and accounts["goes"].passed > 3,
        )
    finally:
        over.set()
    hangs = rota.accounts["hangs"]
    assert hangs.message.startswith(
        "the check did not end within 0.3s" + (" in waiting" if kind == "coroutine" else "")
    )
    assert rota.accounts["goes"].failed == 0


async def test_targets_may_come_while_it_runs() -> None:
    async def check(_: str) -> None:
        await asyncio.sleep(0)

    now = time.monotonic()
    rota = Rota(Slots(0.02, now), Limits(1.0), Denoise(), Unhurried(lambda: 0.0, now), lambda _: None)
    loop, stop = CheckLoop(rota, check, str, 1.0), asyncio.Event()
    running = asyncio.create_task(loop.run(stop))
    await asyncio.sleep(0)
    rota.add("late", time.monotonic())
    loop.changed()
    async with asyncio.timeout(SOON_SECONDS):
        while not rota.accounts["late"].passed:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)
        stop.set()
        await running

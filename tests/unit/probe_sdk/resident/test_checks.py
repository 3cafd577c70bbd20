"""Checks written in Python, at a fixed rate: what they return and raise counts, and what hangs holds up no other."""

from __future__ import annotations

import asyncio
import errno
import gc
import itertools
import sys
import threading
import time
from collections.abc import Callable

import pytest

from probe_sdk import Inconclusive, ProbeFailure, step
from probe_sdk.resident import checks
from probe_sdk.resident.account import Account, Denoise, Verdict
from probe_sdk.resident.checks import CheckLoop
from probe_sdk.resident.rota import LATE, STARVED, TIMEOUT, Limits, Rota
from probe_sdk.resident.slots import Slots
from probe_sdk.resident.starvation import Starvation

SOON_SECONDS = 20.0
TIMEOUT_SECONDS = 0.3


class Unhurried(Starvation):
    """Blames nothing on the machine, which tests make busy themselves."""

    def late(self, seconds: float) -> None:
        """Forget it."""


async def probed(
    check: Callable[[str], object],
    *targets: str,
    until: Callable[[dict[str, Account]], bool],
    withheld: Callable[[], float] = lambda: 0.0,
) -> Rota:
    """Probe until something is true of the accounts."""
    now = time.monotonic()
    rota = Rota(Slots(0.02, now), Limits(TIMEOUT_SECONDS), Denoise(), Unhurried(withheld, now), lambda _: None)
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


async def test_what_the_probe_lacks_itself_says_nothing() -> None:
    async def check(target: str) -> None:
        await asyncio.sleep(0)
        if target == "files":
            raise OSError(errno.EMFILE, "too many open files")
        raise Inconclusive("no certificate is mounted", reason="TLSFiles")

    rota = await probed(check, "files", "tls", until=lambda accounts: all(one.unknown > 2 for one in accounts.values()))
    files, tls = rota.accounts["files"], rota.accounts["tls"]
    assert (files.verdict, tls.verdict, files.failed, tls.failed) == (Verdict.UNKNOWN, Verdict.UNKNOWN, 0, 0)
    assert (files.classes.keys() & {"OSError"}, tls.classes.keys() & {"TLSFiles"}) == ({"OSError"}, {"TLSFiles"})
    assert tls.message == "no certificate is mounted"


async def test_a_reason_is_counted_by_its_word() -> None:
    async def check(_: str) -> None:
        await asyncio.sleep(0)
        raise ProbeFailure("nobody listens", reason="Connect")

    rota = await probed(check, "a", until=ended)
    assert rota.accounts["a"].classes["Connect"] >= 2


@pytest.mark.parametrize(("withheld", "verdict"), [(0.0, Verdict.FAILED), (1.0, Verdict.UNKNOWN)])
async def test_a_finding_of_time_counts_unless_the_prober_was_held_up(withheld: float, verdict: Verdict) -> None:
    async def check(_: str) -> None:
        await asyncio.sleep(0)
        kernel[0] += withheld
        raise ProbeFailure("put took 0.6s", reason="Slow", waited_seconds=0.5)

    kernel = [0.0]
    rota = await probed(
        check, "a", until=lambda one: one["a"].failed + one["a"].unknown > 2, withheld=lambda: kernel[0]
    )
    assert rota.accounts["a"].verdict is verdict
    assert rota.accounts["a"].classes.keys() & {"Slow", STARVED} == {"Slow" if verdict is Verdict.FAILED else STARVED}


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


async def test_a_check_that_is_cancelled_by_something_else_failed() -> None:
    async def check(_: str) -> None:
        await asyncio.sleep(0)
        raise asyncio.CancelledError

    rota = await probed(check, "a", until=ended)
    assert rota.accounts["a"].message == "CancelledError"


async def test_what_breaks_the_loop_ends_it_with_a_word() -> None:
    async def check(_: str) -> None:
        await asyncio.sleep(0)

    now = time.monotonic()
    rota = Rota(Slots(0.02, now), Limits(1.0), Denoise(), Unhurried(lambda: 0.0, now), lambda _: None)
    rota.add("a", now)
    del rota.accounts["a"]
    with pytest.raises(KeyError):
        await CheckLoop(rota, check, str, 1.0).run(asyncio.Event())


async def test_waiting_for_others_is_no_lateness_of_the_prober() -> None:
    """One may be under way at a time: the slots of the other are due while it waits."""

    async def check(_: str) -> None:
        await asyncio.sleep(0.05)

    held_up: list[float] = []

    class Watched(Unhurried):
        def late(self, seconds: float) -> None:
            held_up.append(seconds)

    now = time.monotonic()
    rota = Rota(Slots(0.02, now), Limits(5.0, in_all=1), Denoise(), Watched(lambda: 0.0, now), lambda _: None)
    for target in ("a", "b"):
        rota.add(target, now)
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.5, stop.set)
    await CheckLoop(rota, check, str, 5.0).run(stop)
    assert sum(one.passed for one in rota.accounts.values()) >= 3
    assert sum(held_up) < 0.25


async def test_more_threads_that_hang_than_there_may_be_make_nobody_else_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others find no thread: that says nothing of them."""
    monkeypatch.setattr(checks, "MOST_THREADS", 3)
    over = threading.Event()

    def check(target: str) -> None:
        if target.startswith("hangs"):
            over.wait(SOON_SECONDS)

    hanging, going = [f"hangs{number}" for number in range(3)], ["goes", "too"]
    try:
        rota = await probed(
            check,
            *hanging,
            *going,
            until=lambda accounts: (
                all(accounts[name].failed > 1 for name in hanging) and accounts["goes"].classes.get(LATE, 0) > 20
            ),
        )
    finally:
        over.set()
    for name in going:
        assert (rota.accounts[name].failed, rota.accounts[name].verdict) == (0, Verdict.UNKNOWN)


async def test_a_thread_that_hangs_fails_its_target_until_it_ends() -> None:
    over = threading.Event()

    def check(_: str) -> None:
        over.wait(SOON_SECONDS)

    try:
        rota = await probed(check, "a", until=lambda accounts: accounts["a"].failed > 2)
    finally:
        over.set()
    assert rota.accounts["a"].classes[TIMEOUT] > 2


@pytest.mark.parametrize(("delay", "verdict"), [(0.0, Verdict.FAILED), (1.0, Verdict.UNKNOWN)])
async def test_a_thread_that_had_no_cpu_says_nothing(
    monkeypatch: pytest.MonkeyPatch, delay: float, verdict: Verdict
) -> None:
    over, delays = threading.Event(), itertools.count()
    monkeypatch.setattr(checks, "run_delay_of", lambda _: delay * next(delays))

    def check(_: str) -> None:
        over.wait(SOON_SECONDS)

    try:
        rota = await probed(
            check, "a", until=lambda accounts: accounts["a"].failed + accounts["a"].classes.get(STARVED, 0) > 0
        )
    finally:
        over.set()
    assert rota.accounts["a"].verdict is verdict


@pytest.mark.parametrize("withheld", [0.0, 1.0])
async def test_a_time_out_of_the_checks_own_counts_unless_the_prober_was_held_up(withheld: float) -> None:
    """A library has time-outs, and wraps them as it likes."""

    async def check(_: str) -> None:
        kernel[0] += withheld
        try:
            async with asyncio.timeout(0.001):
                await asyncio.sleep(SOON_SECONDS)
        except TimeoutError as error:
            raise RuntimeError("the library's read timed out") from error

    kernel = [0.0]
    rota = await probed(
        check, "a", until=lambda one: one["a"].failed + one["a"].unknown > 2, withheld=lambda: kernel[0]
    )
    assert bool(rota.accounts["a"].failed) is not bool(withheld)


@pytest.mark.parametrize(("code", "verdict"), [(0, Verdict.PASSED), (None, Verdict.PASSED), (3, Verdict.FAILED)])
async def test_a_check_that_ends_the_process_means_itself(code: int | None, verdict: Verdict) -> None:
    async def check(_: str) -> None:
        await asyncio.sleep(0)
        sys.exit(code)

    rota = await probed(check, "a", until=ended)
    assert rota.accounts["a"].verdict is verdict
    if code:
        assert rota.accounts["a"].message == "the check ended the process: 3"


async def test_what_is_no_coroutine_function_by_its_looks_is_awaited_all_the_same() -> None:
    class Check:
        async def __call__(self, _: str) -> None:
            await asyncio.sleep(0)
            raise ProbeFailure("it is broken")

    rota = await probed(Check(), "a", until=ended)
    assert rota.accounts["a"].verdict is Verdict.FAILED


async def test_only_probes_that_passed_have_phases() -> None:
    async def check(target: str) -> None:
        with step("look"):
            await asyncio.sleep(0)
            if target == "bad":
                raise ProbeFailure("it is broken")

    rota = await probed(check, "good", "bad", until=ended)
    assert ([*rota.accounts["good"].phases], [*rota.accounts["bad"].phases]) == (["look"], [])


async def test_a_target_that_goes_right_after_its_slot_was_taken_leaves_nothing_behind() -> None:
    def params(target: str) -> str:
        raise KeyError(target)

    async def check(_: str) -> None:
        """It is never called."""

    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    now = time.monotonic()
    rota = Rota(Slots(60.0, now), Limits(1.0), Denoise(), Unhurried(lambda: 0.0, now), lambda _: None)
    rota.add("a", now)
    account = rota.accounts["a"]
    stop = asyncio.Event()
    running = asyncio.create_task(CheckLoop(rota, check, params, 1.0).run(stop))
    await asyncio.sleep(0)
    assert account.under_way == 1
    rota.remove("a")
    async with asyncio.timeout(SOON_SECONDS):
        while account.under_way:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0)
    stop.set()
    await running
    gc.collect()
    assert complaints == []

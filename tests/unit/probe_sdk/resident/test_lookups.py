"""A name whose servers are silent keeps no other from being found, and no more than one thread."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from probe_sdk.failure import says_nothing
from probe_sdk.resident.lookups import Asked, Found, LookupLoop, Lookups

SOON_SECONDS = 20.0
ADDRESS = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 80))]


class Resolver:
    """One that is silent about some names until it is told to speak."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.speak = threading.Event()

    def __call__(self, host: str, *_: object) -> list[Any]:
        self.asked.append(host)
        if host.startswith("silent"):
            self.speak.wait(SOON_SECONDS)
        if host.startswith("unknown"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return ADDRESS


@pytest.fixture
def resolver() -> Iterator[Resolver]:
    made = Resolver()
    yield made
    made.speak.set()


def on_a_loop(resolver: Resolver, work: Callable[[], Any]) -> None:
    with asyncio.Runner(loop_factory=lambda: LookupLoop(resolver)) as runner:
        runner.run(work())


async def look_up(host: str) -> list[Any]:
    async with asyncio.timeout(SOON_SECONDS):
        return await asyncio.get_running_loop().getaddrinfo(host, 80)


def test_names_that_nobody_tells_keep_no_other_from_being_found(resolver: Resolver) -> None:
    async def work() -> None:
        silent = [asyncio.create_task(look_up(f"silent{number}")) for number in range(100)]
        assert await look_up("told") == ADDRESS
        for task in silent:
            task.cancel()

    on_a_loop(resolver, work)


def test_a_name_is_asked_for_once_at_a_time(resolver: Resolver) -> None:
    async def work() -> None:
        given_up = asyncio.create_task(look_up("silent"))
        await asyncio.sleep(0)
        given_up.cancel()
        waiting = [asyncio.create_task(look_up("silent")) for _ in range(50)]
        await asyncio.sleep(0)
        resolver.speak.set()
        assert [await task for task in waiting] == [ADDRESS] * 50
        assert resolver.asked == ["silent"]
        assert await look_up("silent") == ADDRESS
        assert resolver.asked == ["silent"] * 2

    on_a_loop(resolver, work)


def test_a_name_that_is_none_is_told_as_ever(resolver: Resolver) -> None:
    async def work() -> None:
        with pytest.raises(socket.gaierror, match="not known"):
            await look_up("unknown")

    on_a_loop(resolver, work)


def test_a_loop_that_has_ended_misses_nothing(resolver: Resolver) -> None:
    async def work() -> None:
        asyncio.create_task(look_up("silent"))  # noqa: RUF006 - it is to be left behind
        await asyncio.sleep(0)

    on_a_loop(resolver, work)
    resolver.speak.set()
    end = time.monotonic() + SOON_SECONDS
    while any(one.name == "kubeprobe-lookup" for one in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(0.005)


def test_no_thread_is_the_probers_own_lack(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    found: list[Found] = []
    asked: Asked = ("told", 80, 0, 0, 0, 0)
    Lookups(lambda function: function()).ask(asked, found.append)
    (error,) = found
    assert isinstance(error, OSError)
    assert error.errno == errno.ENOMEM
    assert says_nothing(error)

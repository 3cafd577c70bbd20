"""What a reflector does about what it was never told, and about failures without end; tests/api has the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from kubeprobe.kube.port import PODS, ApiError, Object
from kubeprobe.kube.reflector import LONGEST_RETRY_SECONDS, STEADY_SECONDS, Feed, Held, Key, Reflector


class Server:
    """Lists what it has at version 10, and watches in vain."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.refuses = False
        self.cut = asyncio.Event()
        """Ends the watch that is open."""

    async def pages(self, *_: object, **__: object) -> AsyncIterator[Object]:
        if self.refuses:
            raise ApiError(0, "Unreachable", "no answer")
        items = [{"metadata": {"name": name, "namespace": "a", "uid": f"uid-{name}"}} for name in self.names]
        yield {"metadata": {"resourceVersion": "10"}, "items": items}

    async def watch(self, *_: object, opened: Callable[[], None], **__: object) -> AsyncIterator[Object]:
        if self.refuses:
            raise ApiError(0, "Unreachable", "no answer")
        opened()
        await self.cut.wait()
        self.cut.clear()
        raise ApiError(0, "Unreachable", "cut off")
        yield {}


class Sink:
    def __init__(self) -> None:
        self.observed: list[str] = []
        self.forgotten: list[tuple[Key, str]] = []

    def observe(self, body: Object) -> None:
        self.observed.append(body["metadata"]["name"])

    def forget(self, key: Key, uid: str) -> None:
        self.forgotten.append((key, uid))


async def test_what_is_in_view_and_not_in_a_later_listing_is_gone() -> None:
    sink, server = Sink(), Server("there")
    held = [
        Held(("a", "there"), "uid-there", 9),
        Held(("a", "ghost"), "uid-ghost", 10),
        Held(("a", "newer"), "uid-newer", 11),
    ]
    api: Any = server
    reflector = Reflector(api, Feed(PODS, sink, held=lambda: held), lambda: 0.0)
    running = asyncio.create_task(reflector.run())
    await reflector.listed.wait()
    running.cancel()
    assert sink.observed == ["there"]
    assert sink.forgotten == [(("a", "ghost"), "uid-ghost")]


async def test_it_goes_on_after_thousands_of_failures(caplog: pytest.LogCaptureFixture) -> None:
    waits: list[float] = []
    enough = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) > 3000:
            enough.set()
        await asyncio.sleep(0)

    server = Server()
    server.refuses = True
    api: Any = server
    running = asyncio.create_task(Reflector(api, Feed(PODS, Sink()), lambda: 0.0, sleep).run())
    async with asyncio.timeout(30):
        await enough.wait()
    running.cancel()
    assert LONGEST_RETRY_SECONDS / 2 <= waits[-1] <= LONGEST_RETRY_SECONDS


class Time:
    """A clock that stands still but for those who sleep."""

    def __init__(self) -> None:
        self.now = 0.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


async def test_a_watch_that_has_long_been_open_has_nothing_to_catch_up() -> None:
    api, time = Server(), Time()
    any_api: Any = api
    reflector = Reflector(any_api, Feed(PODS, Sink()), lambda: time.now, time.sleep)
    running = asyncio.create_task(reflector.run())
    await reflector.catch_up()
    assert time.now == pytest.approx(STEADY_SECONDS)
    await reflector.catch_up()
    assert time.now == pytest.approx(STEADY_SECONDS)
    running.cancel()


async def test_whoever_wants_to_catch_up_waits_for_a_watch_that_is_open_again() -> None:
    server, ends = Server(), asyncio.Event()

    async def sleep(seconds: float) -> None:
        if seconds > STEADY_SECONDS:
            await ends.wait()  # the rest after many failures
        await asyncio.sleep(0)

    api: Any = server
    now = [0.0]
    reflector = Reflector(api, Feed(PODS, Sink()), lambda: now[0], sleep)
    running = asyncio.create_task(reflector.run())
    await reflector.listed.wait()
    server.refuses = True
    server.cut.set()
    for _ in range(200):
        await asyncio.sleep(0)  # it fails until it rests
    waiting = asyncio.create_task(reflector.catch_up())
    for _ in range(200):
        await asyncio.sleep(0)
    assert not waiting.done()
    server.refuses = False
    for _ in range(200):
        await asyncio.sleep(0)
    assert not waiting.done()  # it has only just been opened
    now[0] = STEADY_SECONDS
    async with asyncio.timeout(10):
        await waiting
    running.cancel()


async def test_whoever_ceases_to_wait_leaves_no_hurry_behind() -> None:
    server, rests = Server(), 0

    async def sleep(seconds: float) -> None:
        nonlocal rests
        if seconds > STEADY_SECONDS:
            rests += 1
            await asyncio.Event().wait()  # the rest after many failures
        await asyncio.sleep(0)

    server.refuses = True
    api: Any = server
    reflector = Reflector(api, Feed(PODS, Sink()), lambda: 0.0, sleep)
    running = asyncio.create_task(reflector.run())
    waiting = asyncio.create_task(reflector.catch_up())
    for _ in range(400):
        await asyncio.sleep(0)
    hurried = rests
    waiting.cancel()
    for _ in range(400):
        await asyncio.sleep(0)
    assert rests <= hurried + 1
    running.cancel()

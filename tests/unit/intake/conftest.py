"""A running intake on loopback, with everything behind its port in the test's hands."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from tests.unit.intake.cluster import Clock, Health, Keys, Reports, SampleTaker, claims, sign
from tests.unit.intake.desk import Gates, Reviews

from kubeprobe.intake.gates.handler import GateDeps, GateLimits
from kubeprobe.intake.posts import Limits
from kubeprobe.intake.server import Intake, IntakeDeps, serve
from probe_sdk.wire import REPORT_PATH

HOST = "127.0.0.1"
PASSED = b'{"ok":true}'


@dataclass
class Site:
    """One intake and its surroundings."""

    limits: Limits = field(default_factory=Limits)
    reports: Reports = field(default_factory=Reports)
    samples: SampleTaker = field(default_factory=SampleTaker)
    health: Health = field(default_factory=Health)
    keys: Keys = field(default_factory=Keys)
    gates: Gates = field(default_factory=Gates)
    reviews: Reviews | None = None
    gate_limits: GateLimits = field(default_factory=GateLimits)
    clock: Clock = field(default_factory=Clock)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    port: int = 0
    http: httpx.AsyncClient = field(init=False)

    def deps(self, gates: GateDeps | None = None) -> IntakeDeps:
        return IntakeDeps(
            self.reports,
            self.samples,
            self.health,
            self.keys,
            self.registry,
            self.clock.now,
            gates or GateDeps(self.gates, self.reviews, limits=self.gate_limits),
            self.clock,
            self.limits,
            lambda: b"kubeprobe_more 1\n",
        )

    async def report(
        self,
        body: bytes = PASSED,
        token: str | None = "",
        headers: Mapping[str, str] | None = None,
        path: str = REPORT_PATH,
    ) -> httpx.Response:
        """POST a report, or something else, with the given token; a good one by default, none with None."""
        shown = sign(claims()) if token == "" else token
        authorization = {} if shown is None else {"Authorization": f"Bearer {shown}"}
        return await self.http.post(path, content=body, headers=authorization | dict(headers or {}))

    def count(self, code: int, names: str = "reports") -> float:
        return self.registry.get_sample_value(f"kubeprobe_intake_{names}_total", {"code": str(code)}) or 0

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection to write anything to."""
        reader, writer = await asyncio.open_connection(HOST, self.port)
        try:
            yield Connection(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@dataclass(frozen=True)
class Connection:
    """Bytes to the intake and what it answers."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))

    async def status(self) -> int:
        """The status of the next answer."""
        return int((await self.head()).split()[1])

    async def head(self) -> bytes:
        async with asyncio.timeout(10):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def answer(self) -> tuple[int, dict[str, Any]]:
        head = await self.head()
        length = int(head.lower().split(b"content-length:")[1].split()[0])
        return int(head.split()[1]), json.loads(await self.reader.readexactly(length))


def head(token: str | None = "", *lines: str) -> bytes:
    """The head of a report's request as bytes, without a length of its own."""
    shown = sign(claims()) if token == "" else token
    authorization = [] if shown is None else [f"Authorization: Bearer {shown}"]
    return "\r\n".join([f"POST {REPORT_PATH} HTTP/1.1", f"Host: {HOST}", *authorization, *lines, "", ""]).encode()


async def until(condition: Callable[[], object]) -> None:
    """Wait for what the loop is about to do."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event to wait on
            await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def running(site: Site) -> AsyncIterator[Site]:
    async with serve(Intake(site.deps()), HOST, 0) as port:
        site.port = port
        site.http = httpx.AsyncClient(base_url=f"http://{HOST}:{port}", timeout=10)
        async with site.http:
            yield site


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with running(Site()) as ready:
        yield ready

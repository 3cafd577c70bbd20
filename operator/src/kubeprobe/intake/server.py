"""The intake's HTTP server: what is served where, and how it begins and ends.

It stands on aiohttp's server without its application framework, whose router, signals and match objects cost every
report some 30 microseconds more, for six paths that never change.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from importlib.metadata import version

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from pydantic_core import to_json

from kubeprobe.intake import openapi
from kubeprobe.intake.answer import JSON, TEXT, answer
from kubeprobe.intake.body import bounded
from kubeprobe.intake.gates.handler import PATH as GATES_PATH
from kubeprobe.intake.gates.handler import GateDeps, GateHandler
from kubeprobe.intake.identity import TokenVerifier
from kubeprobe.intake.keys import KeyRing
from kubeprobe.intake.metrics import PostMetrics
from kubeprobe.intake.port import Answer, Check, Health, KeySource, Reports, SamplesAnswer, SampleTaker
from kubeprobe.intake.posts import Limits, M, PostHandler, Ware
from kubeprobe.intake.quiet import QuietLogger
from kubeprobe.intake.refusal import SEE, RefusalError
from kubeprobe.intake.tls import Certificate
from probe_sdk.samples import MAX_SAMPLES_BYTES, SAMPLES_PATH, Samples
from probe_sdk.wire import MAX_BODY_BYTES, REPORT_PATH, Report

DRAIN_SECONDS = 5.0
IDLE_SECONDS = 15.0
"""How long a connection may wait for its first or next request."""
LINGER_SECONDS = 1.0
"""How long the rest of a refused body is read and dropped, so that the sender gets to read the answer."""
BACKLOG = 1024
"""Connections that the kernel holds for us: a minute's probes may all end in the same second."""

PAGE_REST = 10.0
"""The page of metrics is made again after so many times as long as it took."""

BELOW_GATES = f"{GATES_PATH}/"
GET = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
POST = frozenset({hdrs.METH_POST})


@dataclass(frozen=True, slots=True)
class IntakeDeps:
    """What the intake works with."""

    reports: Reports
    samples: SampleTaker
    health: Health
    keys: KeySource
    registry: CollectorRegistry
    now: Callable[[], datetime]
    gates: GateDeps
    clock: Callable[[], float] = time.monotonic
    limits: Limits = field(default_factory=Limits)
    more_metrics: Callable[[], bytes] = bytes
    """What is on the page of metrics beside the registry's, in the same format."""


@dataclass(frozen=True, slots=True)
class _Route:
    methods: frozenset[str]
    handle: Callable[[web.BaseRequest], Awaitable[web.Response]]


class Intake:
    """Everything that is served, by path; `serve` puts it on an address."""

    def __init__(self, deps: IntakeDeps) -> None:
        self._deps = deps
        self._keys = KeyRing(deps.keys, deps.clock)
        verifier = TokenVerifier(self._keys, deps.now)
        reports = Ware("a report", "reports", Report, MAX_BODY_BYTES, deps.reports.accept, Answer.UNAVAILABLE)
        samples = Ware("samples", "samples", Samples, MAX_SAMPLES_BYTES, deps.samples.accept, SamplesAnswer.UNAVAILABLE)

        def handler(ware: Ware[M], done: str) -> PostHandler[M]:
            metrics = PostMetrics(deps.registry, ware.names, done)
            return PostHandler(ware, verifier, metrics, deps.limits, deps.now, deps.clock)

        self._gates = GateHandler(deps.gates, deps.registry, deps.clock)
        self._page, self._page_until = b"", 0.0
        self._openapi = to_json(openapi.document(version("kubeprobe")))
        self._routes = {
            REPORT_PATH: _Route(POST, handler(reports, "durable").handle),
            SAMPLES_PATH: _Route(POST, handler(samples, "counted").handle),
            "/healthz": _Route(GET, self._healthz),
            "/readyz": _Route(GET, self._readyz),
            "/metrics": _Route(GET, self._metrics),
            "/openapi.json": _Route(GET, self._document),
        }

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one request."""
        path = request.path
        route = self._routes.get(path)
        if route is None and (path == GATES_PATH or path.startswith(BELOW_GATES)):
            return await self._gates.handle(request)
        if route is None:
            return RefusalError(HTTPStatus.NOT_FOUND, f"nothing is here: {SEE}").response()
        if request.method not in route.methods:
            allowed = ", ".join(sorted(route.methods))
            text = f"{request.method} is not for {request.path}: use {allowed}"
            return RefusalError(HTTPStatus.METHOD_NOT_ALLOWED, text, {hdrs.ALLOW: allowed}).response()
        return await route.handle(request)

    def end_waits(self) -> None:
        """Have everybody answered who waits for something."""
        self._gates.end_waits()

    async def close(self) -> None:
        """End what is under way besides requests."""
        await self._keys.close()
        await self._gates.close()

    async def _healthz(self, _: web.BaseRequest) -> web.Response:
        return _told(self._deps.health.live())

    async def _readyz(self, _: web.BaseRequest) -> web.Response:
        return _told(self._deps.health.ready())

    async def _metrics(self, _: web.BaseRequest) -> web.Response:
        now = self._deps.clock()
        if now >= self._page_until:
            self._page = generate_latest(self._deps.registry) + self._deps.more_metrics()
            # With thousands of configs it takes a while, in which nothing else is done: however often somebody asks,
            # that has to leave time for all else.
            self._page_until = now + PAGE_REST * (self._deps.clock() - now)
        return answer(self._page, CONTENT_TYPE_LATEST)

    async def _document(self, _: web.BaseRequest) -> web.Response:
        return answer(self._openapi, JSON)


@dataclass(frozen=True, slots=True)
class Tls:
    """Where and with what certificate the intake is served by TLS."""

    port: int
    certificate: Certificate


@contextlib.asynccontextmanager
async def serve(intake: Intake, host: str, port: int, tls: Tls | None = None) -> AsyncIterator[int]:
    """Serve until the block ends, then let requests in flight finish; gives the port, for when 0 was asked for.

    Args:
        intake: what is served.
        host: the address.
        port: the port.
        tls: another port, at which the same is served by TLS.

    Raises:
        OSError: the address cannot be listened on.
    """
    server = web.Server(
        intake.handle,
        request_factory=bounded(_max_bytes),
        access_log=None,
        logger=QuietLogger(logging.getLogger("kubeprobe.intake"), {}),
        # A compressed body is refused, so nothing may unpack it first.
        auto_decompress=False,
        keepalive_timeout=IDLE_SECONDS,
        lingering_time=LINGER_SECONDS,
    )
    runner = web.ServerRunner(server, shutdown_timeout=DRAIN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=BACKLOG).start()
        bound = int(runner.addresses[0][1])
        if tls is not None:
            await web.TCPSite(runner, host, tls.port, ssl_context=tls.certificate.context, backlog=BACKLOG).start()
        yield bound
    finally:
        intake.end_waits()
        await runner.cleanup()
        await intake.close()


def _max_bytes(path: str) -> int:
    return MAX_SAMPLES_BYTES if path == SAMPLES_PATH else MAX_BODY_BYTES


def _told(checks: tuple[Check, ...]) -> web.Response:
    lines = "".join(f"[{'+' if check.ok else '-'}] {check.name}: {check.detail}\n" for check in checks)
    status = HTTPStatus.OK if all(check.ok for check in checks) else HTTPStatus.SERVICE_UNAVAILABLE
    return answer(lines.encode(), TEXT, status)

"""The intake's HTTP server: what is served where, and how it begins and ends."""

from __future__ import annotations

import contextlib
import json
import logging
import time
import traceback
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from aiohttp import hdrs, http_exceptions, web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from kubeprobe.intake import openapi
from kubeprobe.intake.identity import TokenVerifier
from kubeprobe.intake.keys import KeyRing
from kubeprobe.intake.metrics import IntakeMetrics
from kubeprobe.intake.port import Check, Health, KeySource, Reports
from kubeprobe.intake.refusal import SEE, RefusalError
from kubeprobe.intake.reports import Limits, ReportHandler, await_token
from probe_sdk.wire import MAX_BODY_BYTES, REPORT_PATH

DRAIN_SECONDS = 5.0
IDLE_SECONDS = 15.0
"""How long a connection may wait for its first or next request."""
LINGER_SECONDS = 1.0
"""How long the rest of a refused body is read and dropped, so that the sender gets to read the answer."""
BACKLOG = 1024
"""Connections that the kernel holds for us: a minute's probes may all end in the same second."""

READ = "GET, HEAD"


@dataclass(frozen=True, slots=True)
class IntakeDeps:
    """What the intake works with."""

    reports: Reports
    health: Health
    keys: KeySource
    registry: CollectorRegistry
    now: Callable[[], datetime]
    clock: Callable[[], float] = time.monotonic
    limits: Limits = field(default_factory=Limits)


def build_app(deps: IntakeDeps) -> web.Application:
    """The intake as an aiohttp application."""
    keys = KeyRing(deps.keys, deps.clock)
    verifier = TokenVerifier(keys, deps.now)
    reports = ReportHandler(deps.reports, verifier, IntakeMetrics(deps.registry), deps.limits, deps.now, deps.clock)
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_post(REPORT_PATH, reports.handle, expect_handler=await_token)
    _add_plain(app, deps)
    app.router.add_route("*", "/{path:.*}", _nothing_here)

    async def close_keys(_: web.Application) -> None:
        await keys.close()

    app.on_response_prepare.append(_anonymous)
    app.on_cleanup.append(close_keys)
    return app


def _add_plain(app: web.Application, deps: IntakeDeps) -> None:
    document = json.dumps(openapi.document(version("kubeprobe")))

    async def healthz(_: web.Request) -> web.Response:
        return _told(deps.health.live())

    async def readyz(_: web.Request) -> web.Response:
        return _told(deps.health.ready())

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(deps.registry), headers={hdrs.CONTENT_TYPE: CONTENT_TYPE_LATEST})

    async def document_of_this(_: web.Request) -> web.Response:
        return web.Response(text=document, content_type="application/json")

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/openapi.json", document_of_this)


@contextlib.asynccontextmanager
async def serve(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve until the block ends, then let requests in flight finish; gives the port, for when 0 was asked for.

    Raises:
        OSError: the address cannot be listened on.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=_QuietLogger(logging.getLogger("kubeprobe.intake"), {}),
        # A compressed body is refused, so nothing may unpack it first.
        auto_decompress=False,
        keepalive_timeout=IDLE_SECONDS,
        lingering_time=LINGER_SECONDS,
        shutdown_timeout=DRAIN_SECONDS,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=BACKLOG).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


class _QuietLogger(logging.LoggerAdapter[logging.Logger]):
    """aiohttp's log, with the kind and place of errors but not their text: its HTTP parser quotes the headers in it."""

    def exception(self, msg: object, *args: object, exc_info: Any = True, **kwargs: Any) -> None:
        self.log(logging.ERROR, msg, *args, exc_info=exc_info, **kwargs)

    def log(self, level: int, msg: object, *args: object, exc_info: Any = None, **kwargs: Any) -> None:
        if not isinstance(exc_info, BaseException):
            super().log(level, msg, *args, **kwargs)
            return
        from_sender = isinstance(exc_info, http_exceptions.HttpProcessingError)
        where = "" if from_sender else "\n" + "".join(traceback.format_tb(exc_info.__traceback__))
        kind = type(exc_info).__name__
        super().log(logging.DEBUG if from_sender else level, f"{msg}: %s%s", *args, kind, where, **kwargs)


async def _anonymous(_: web.Request, response: web.StreamResponse) -> None:
    """Do not tell strangers which versions of what are running."""
    response.headers[hdrs.SERVER] = "kubeprobe"


async def _nothing_here(request: web.Request) -> web.Response:
    allowed = {REPORT_PATH: "POST", "/healthz": READ, "/readyz": READ, "/metrics": READ, "/openapi.json": READ}
    allow = allowed.get(request.path)
    if allow is None:
        return RefusalError(HTTPStatus.NOT_FOUND, f"nothing is here: {SEE}").response()
    text = f"{request.method} is not for {request.path}: use {allow}"
    return RefusalError(HTTPStatus.METHOD_NOT_ALLOWED, text, {hdrs.ALLOW: allow}).response()


def _told(checks: tuple[Check, ...]) -> web.Response:
    lines = "".join(f"[{'+' if check.ok else '-'}] {check.name}: {check.detail}\n" for check in checks)
    return web.Response(text=lines, status=200 if all(check.ok for check in checks) else 503)

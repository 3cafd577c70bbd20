"""The intake's HTTP server: reports, health, metrics and the OpenAPI document.

What a stranger can cost is bounded before anything is believed: the body's size, the time it may take to arrive, and
the number of requests at once; the token comes before the body is parsed. Nothing of a token or a body is logged.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from pydantic import ValidationError

from kubeprobe.intake import openapi
from kubeprobe.intake.identity import KeysUnavailableError, TokenVerifier, UnknownTokenError
from kubeprobe.intake.port import Answer, Check, Health, KeySource, PodIdentity, Reports
from probe_sdk.wire import MAX_BODY_BYTES, REPORT_PATH, Report

BODY_SECONDS = 5.0
AT_ONCE = 512
RETRY_AFTER_SECONDS = 1
DRAIN_SECONDS = 5.0
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


@dataclass(frozen=True, slots=True)
class IntakeDeps:
    """What the intake works with."""

    reports: Reports
    health: Health
    keys: KeySource
    registry: CollectorRegistry
    now: Callable[[], datetime]


class RefusalError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, text: str, **headers: str) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers


class Intake:
    """The handlers."""

    def __init__(self, deps: IntakeDeps) -> None:
        self._deps = deps
        self._verifier = TokenVerifier(deps.keys, time.monotonic)
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._openapi = json.dumps(openapi.document(version("kubeprobe")))
        self._answers = Counter(
            "kubeprobe_intake_reports", "Reports received, by HTTP status.", ["code"], registry=deps.registry
        )
        self._durable_seconds = Histogram(
            "kubeprobe_intake_durable_seconds",
            "From a report's arrival to its being durable.",
            registry=deps.registry,
            buckets=BUCKETS,
        )

    async def report(self, request: web.Request) -> web.Response:
        """POST /v1/report."""
        began = time.perf_counter()
        try:
            if self._slots.locked():
                raise _later("too many reports at once; send it again")
            async with self._slots:
                answer = await self._take(request)
        except RefusalError as refusal:
            self._answers.labels(str(refusal.status)).inc()
            headers = {name.replace("_", "-"): value for name, value in refusal.headers.items()}
            return web.json_response({"error": str(refusal)}, status=refusal.status, headers=headers)
        self._answers.labels("200").inc()
        self._durable_seconds.observe(time.perf_counter() - began)
        return web.json_response({"recorded": answer.text})

    async def _take(self, request: web.Request) -> Answer:
        if request.content_length is not None and request.content_length > MAX_BODY_BYTES:
            raise _too_large()
        who = await self._identify(request)
        report = _parse(await _body(request))
        answer = await self._deps.reports.accept(who, report, self._deps.now())
        if answer is Answer.UNAVAILABLE:
            raise _later(answer.text)
        if answer is not Answer.DURABLE:
            raise RefusalError(answer.status, answer.text)
        return answer

    async def _identify(self, request: web.Request) -> PodIdentity:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _unauthorized(
                "send 'Authorization: Bearer' with the token in the file that KUBEPROBE_TOKEN_FILE names"
            )
        try:
            return await self._verifier.identify(token.strip())
        except UnknownTokenError as error:
            raise _unauthorized(str(error)) from error
        except KeysUnavailableError as error:
            raise _later("the cluster's token keys are not known yet; send it again") from error

    async def healthz(self, _: web.Request) -> web.Response:
        """GET /healthz."""
        return _told(self._deps.health.live())

    async def readyz(self, _: web.Request) -> web.Response:
        """GET /readyz."""
        return _told(self._deps.health.ready())

    async def metrics(self, _: web.Request) -> web.Response:
        """GET /metrics."""
        return web.Response(body=generate_latest(self._deps.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def openapi(self, _: web.Request) -> web.Response:
        """GET /openapi.json."""
        return web.Response(text=self._openapi, content_type="application/json")


def build_app(deps: IntakeDeps) -> web.Application:
    """The intake as an aiohttp application."""
    intake = Intake(deps)
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_post(REPORT_PATH, intake.report)
    app.router.add_get("/healthz", intake.healthz)
    app.router.add_get("/readyz", intake.readyz)
    app.router.add_get("/metrics", intake.metrics)
    app.router.add_get("/openapi.json", intake.openapi)
    return app


@contextlib.asynccontextmanager
async def serve(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve until the block ends, then let requests in flight finish; gives the port, for when 0 was asked for.

    Raises:
        OSError: the address cannot be listened on.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=DRAIN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def _body(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise _too_large() from error
    except TimeoutError as error:
        raise RefusalError(408, f"the body did not arrive within {BODY_SECONDS:g}s", Connection="close") from error


def _parse(body: bytes) -> Report:
    try:
        return Report.model_validate_json(body)
    except ValidationError as error:
        told = error.errors(include_url=False, include_input=False, include_context=False)[:3]
        found = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in told)
        raise RefusalError(400, f"the body is not a report: {found}; see /openapi.json") from error


def _too_large() -> RefusalError:
    return RefusalError(413, f"a report may have {MAX_BODY_BYTES} bytes; shorten its texts", Connection="close")


def _unauthorized(text: str) -> RefusalError:
    return RefusalError(401, text, WWW_Authenticate="Bearer")


def _later(text: str) -> RefusalError:
    return RefusalError(503, text, Retry_After=str(RETRY_AFTER_SECONDS))


def _told(checks: tuple[Check, ...]) -> web.Response:
    lines = "".join(f"[{'+' if check.ok else '-'}] {check.name}: {check.detail}\n" for check in checks)
    return web.Response(text=lines, status=200 if all(check.ok for check in checks) else 503)

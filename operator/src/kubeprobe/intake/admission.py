"""The validating webhook: the API server asks whether a workload may be created or changed.

What fails here lets the change through (the webhook's failurePolicy is Ignore), so an answer is given well within the
time that the API server waits. Anybody who reaches the port can ask; all that they learn is what gates say. Bounded
are the reviews that are under way, in all and for each address, the bytes of their bodies, the time for each and what
is logged of them; not bounded is how many connections there are.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import ssl
import time
import traceback
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry, Counter, Histogram
from pydantic import ValidationError
from pydantic_core import to_json

from kubeprobe.api import WorkloadKind
from kubeprobe.intake import refusal
from kubeprobe.intake.answer import JSON, answer
from kubeprobe.intake.body import bounded, read_body
from kubeprobe.intake.metrics import BUCKETS
from kubeprobe.intake.places import Places
from kubeprobe.intake.quiet import QuietLogger
from kubeprobe.intake.refusal import RefusalError
from kubeprobe.intake.review import Asked, Requester, Review, answered
from kubeprobe.plan.admission import Attempt, Ruling, read_attempt
from probe_sdk.wire import cut

logger = logging.getLogger("kubeprobe.intake")
ADMISSION_PATH = "/v1/admission"
MAX_REVIEW_BYTES = 4 * 1024 * 1024
"""etcd takes objects of one and a half mebibytes, and there are two in a review."""
AT_ONCE = 64
AT_ONCE_PER_CLIENT = 32
BYTES_AT_ONCE = 4 * MAX_REVIEW_BYTES
"""Of all bodies together: with every place taken by the longest, the operator would have little memory left. What one
is parsed into can take forty times its length besides; it is one at a time, since nothing else goes on meanwhile."""
BODY_SECONDS = 1.0
RULING_SECONDS = 1.0
"""Together they are less than the three seconds that the API server waits."""
DRAIN_SECONDS = 5.0
IDLE_SECONDS = 120.0
"""Longer than API servers keep a connection that they do not use, so that none is ended just as they write to it."""
BACKLOG = 128
LOG_SECONDS = 60.0
"""From one review that is logged as not judged to the next: anybody can send such ones. All of them are counted."""
NAMED_BYTES = 400
"""Of what is said of a review's object: it may be anybody's, about anything."""


class Judge(Protocol):
    """Who decides."""

    def ready(self) -> bool:
        """Whether it sees all gates."""
        ...

    async def judge(self, attempt: Attempt, who: Requester) -> Ruling:
        """Whether a workload may be created or changed."""
        ...


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where the webhook is served, and with what certificate."""

    host: str
    port: int
    tls: ssl.SSLContext


class AdmissionHandler:
    """Answers reviews.

    Args:
        judge: who decides.
        registry: where what is counted goes.
        clock: seconds that only go forward.
    """

    def __init__(self, judge: Judge, registry: CollectorRegistry, clock: Callable[[], float] = time.monotonic) -> None:
        self._judge = judge
        self._clock = clock
        self._places = Places("reviews", AT_ONCE, AT_ONCE_PER_CLIENT)
        self._bytes = 0
        self._logs_again_at = -math.inf
        reviews = Counter(
            "kubeprobe_admission_reviews",
            "What the API server asked the webhook, by the answer; after an error the change passes.",
            ["answer"],
            registry=registry,
        )
        self._answers = {what: reviews.labels(what) for what in ("allowed", "warned", "denied", "error")}
        self._seconds = Histogram(
            "kubeprobe_admission_seconds",
            "From the arrival of a review to its answer.",
            registry=registry,
            buckets=BUCKETS,
        )

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one request."""
        began = self._clock()
        try:
            uid, ruling = await self._in_turn(request)
        except RefusalError as refused:
            self._answers["error"].inc()
            return refused.response()
        what = "denied" if ruling.denied else "warned" if ruling.warnings else "allowed"
        self._answers[what].inc()
        self._seconds.observe(self._clock() - began)
        return answer(to_json(answered(uid, ruling)), JSON)

    async def _in_turn(self, request: web.BaseRequest) -> tuple[str, Ruling]:
        if request.path != ADMISSION_PATH or request.method != hdrs.METH_POST:
            raise RefusalError(HTTPStatus.NOT_FOUND, f"only POST {ADMISSION_PATH} is here, for the API server")
        with self._places, self._places.place_for(request.remote or ""):
            uid, attempt, who = await self._read(request)
            return uid, await self._ruling(attempt, who)

    async def _read(self, request: web.BaseRequest) -> tuple[str, Attempt, Requester]:
        """What is asked. Of the body, which may be long, nothing else is left when this returns."""
        length = min(MAX_REVIEW_BYTES if request.content_length is None else request.content_length, MAX_REVIEW_BYTES)
        if self._bytes + length > BYTES_AT_ONCE:
            raise refusal.later("too many long reviews at once: send it again", end=True)
        self._bytes += length
        try:
            body = await read_body(request, "an AdmissionReview", MAX_REVIEW_BYTES, BODY_SECONDS)
            asked = Review.model_validate_json(body).request
        except ValidationError as error:
            raise refusal.malformed("an AdmissionReview", error) from error
        finally:
            self._bytes -= length
        return asked.uid, self._attempt(asked), asked.user_info

    async def _ruling(self, attempt: Attempt, who: Requester) -> Ruling:
        if not self._judge.ready():
            raise refusal.later("the gates have not all been seen yet")
        try:
            async with asyncio.timeout(RULING_SECONDS):
                return await self._judge.judge(attempt, who)
        except Exception as error:
            raise self._not_judged(
                attempt.workload.kind, (attempt.workload.namespace, attempt.workload.name), error
            ) from error

    def _attempt(self, asked: Asked) -> Attempt:
        kind, key = asked.kind.kind, (asked.namespace, asked.name)
        if kind not in set(WorkloadKind):
            text = f"{cut(kind, NAMED_BYTES)} is no kind that gates are about: correct the webhook's rules"
            raise RefusalError(HTTPStatus.BAD_REQUEST, text)
        try:
            return read_attempt(kind, key, asked.object, asked.old_object, dry_run=asked.dry_run)
        except Exception as error:
            raise self._not_judged(kind, key, error) from error

    def _not_judged(self, kind: str, key: tuple[str, str], error: Exception) -> RefusalError:
        now = self._clock()
        if now >= self._logs_again_at:
            self._logs_again_at = now + LOG_SECONDS
            # Nothing of the object is told, and the error's text may quote it.
            what, where = cut("/".join((kind, *key)), NAMED_BYTES), "".join(traceback.format_tb(error.__traceback__))
            logger.error("the review of %r: %s\n%s", what, type(error).__name__, where)
        return refusal.later("the change could not be judged")


@contextlib.asynccontextmanager
async def serve_admission(handler: AdmissionHandler, where: Webhook) -> AsyncIterator[int]:
    """Serve until the block ends; gives the port, for when 0 was asked for.

    Raises:
        OSError: the address cannot be listened on.
    """
    log = QuietLogger(logger, {})
    server = web.Server(
        handler.handle,
        request_factory=bounded(lambda _: MAX_REVIEW_BYTES),
        access_log=None,
        logger=log,
        auto_decompress=False,
        keepalive_timeout=IDLE_SECONDS,
        lingering_time=BODY_SECONDS,
    )
    runner = web.ServerRunner(server, shutdown_timeout=DRAIN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, where.host, where.port, ssl_context=where.tls, backlog=BACKLOG).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()

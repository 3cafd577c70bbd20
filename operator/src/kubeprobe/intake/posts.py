"""What pods post: everything that a sender can get wrong, cheapest check first, then the one thing that is wanted.

What a stranger can cost is bounded before anything is believed: how many requests there are at once, the body's size,
and, once the token has said who it is, the time that the body may take and how much one pod may have under way.
Nothing of a token or of a body is logged.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Generic, TypeVar

from aiohttp import hdrs, web
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from kubeprobe.intake import refusal
from kubeprobe.intake.answer import JSON, answer
from kubeprobe.intake.body import read_body
from kubeprobe.intake.identity import TokenVerifier, UnknownTokenError
from kubeprobe.intake.keys import KeysUnavailableError
from kubeprobe.intake.metrics import PostMetrics
from kubeprobe.intake.places import Places
from kubeprobe.intake.port import PodIdentity, Told
from kubeprobe.intake.refusal import RefusalError

logger = logging.getLogger("kubeprobe.intake")
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Limits:
    """What senders may cost, all together and each."""

    at_once: int = 512
    at_once_per_pod: int = 4
    """A pod that asks again while its first try is still being written needs two."""
    body_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Ware(Generic[M]):
    """One kind of thing that pods post.

    Args:
        name: what it is called, with its article, and in the plural.
        model: how it looks.
        max_bytes: how long it may be.
        accept: takes it in; what this raises is told as `unavailable`.
    """

    name: str
    names: str
    model: type[M]
    max_bytes: int
    accept: Callable[[PodIdentity, M, datetime], Awaitable[Told]]
    unavailable: Told


class PostHandler(Generic[M]):
    """Takes one kind of thing in.

    Args:
        ware: what, and where it goes.
        verifier: who sent it.
        metrics: what is counted.
        limits: what a sender may cost.
        now: the time of arrival.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        ware: Ware[M],
        verifier: TokenVerifier,
        metrics: PostMetrics,
        limits: Limits,
        now: Callable[[], datetime],
        clock: Callable[[], float],
    ) -> None:
        self._ware = ware
        self._verifier = verifier
        self._metrics = metrics
        self._limits = limits
        self._now = now
        self._clock = clock
        self._places = Places(ware.names, limits.at_once, limits.at_once_per_pod)
        metrics.in_flight.set_function(lambda: self._places.taken)

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one request."""
        began = self._clock()
        try:
            with self._places:
                became = await self._take(request, self._now())
        except RefusalError as refused:
            self._metrics.by_code[refused.status].inc()
            return refused.response()
        self._metrics.by_code[HTTPStatus.OK].inc()
        self._metrics.seconds.observe(self._clock() - began)
        return answer(to_json({"recorded": became.text}), JSON)

    async def _take(self, request: web.BaseRequest, received_at: datetime) -> Told:
        if (request.content_length or 0) > self._ware.max_bytes:
            raise refusal.too_large(self._ware.name, self._ware.max_bytes)
        who = await self._identify(request)
        with self._places.place_for(who.pod_uid):
            ware = self._ware
            body = await read_body(request, ware.name, ware.max_bytes, self._limits.body_seconds)
            posted = self._parsed(body)
            became = await self._accept(who, posted, received_at)
        if became.status != HTTPStatus.OK:
            raise refusal.not_recorded(became)
        return became

    async def _identify(self, request: web.BaseRequest) -> PodIdentity:
        scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise refusal.no_token()
        try:
            return await self._verifier.identify(token.strip())
        except UnknownTokenError as error:
            raise refusal.bad_token(str(error)) from error
        except KeysUnavailableError as error:
            raise refusal.later("the cluster's token keys cannot be read now: send it again") from error

    async def _accept(self, who: PodIdentity, posted: M, received_at: datetime) -> Told:
        try:
            return await self._ware.accept(who, posted, received_at)
        except Exception as error:
            # It is not taken in, whatever it was. The error's text stays here, since it may quote what was posted.
            where = "".join(traceback.format_tb(error.__traceback__))
            what, kind = self._ware.names, type(error).__name__
            logger.error("the %s of pod %s/%s: %s\n%s", what, who.namespace, who.pod, kind, where)
            return self._ware.unavailable

    def _parsed(self, body: bytes) -> M:
        try:
            return self._ware.model.model_validate_json(body)
        except ValidationError as error:
            raise refusal.malformed(self._ware.name, error) from error

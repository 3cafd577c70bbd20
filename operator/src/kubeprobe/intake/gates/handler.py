"""The HTTP gate: what is asked at which path, and what is answered.

Release tools speak two dialects. Argo Rollouts reads `open` from the JSON and takes any other status than 2xx for an
error; Flagger, curl and Spinnaker go by the status, 200 or 403. Both follow redirects, and Argo takes any 2xx whose
body is not JSON for a yes: so nothing here is ever redirected, and every answer of ours is JSON.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry
from pydantic_core import to_json

from kubeprobe.api import Duration
from kubeprobe.intake import refusal
from kubeprobe.intake.answer import JSON, answer
from kubeprobe.intake.body import read_body
from kubeprobe.intake.gates.access import Access
from kubeprobe.intake.gates.announced import WHAT, read_announcement
from kubeprobe.intake.gates.metrics import Call, GateMetrics
from kubeprobe.intake.gates.port import GateDesk, GateWord, Reviews
from kubeprobe.intake.gates.throttle import Rate, Throttle
from kubeprobe.intake.gates.waits import Waits
from kubeprobe.intake.places import Places
from kubeprobe.intake.refusal import SEE, RefusalError
from kubeprobe.kube.fence import NotLeadingError
from kubeprobe.kube.port import ApiError
from kubeprobe.plan.batch import is_name
from probe_sdk.wire import MAX_BODY_BYTES, cut

PATH = "/v1/gates"
LONGEST_WAIT = Duration("5m")
READ = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
POST = frozenset({hdrs.METH_POST})
METHODS = {Call.LIST: READ, Call.GATE: READ, Call.CHECK: READ | POST, Call.ROLLBACK: POST, Call.CHANGES: POST}
VERBS = {Call.LIST: "list", Call.GATE: "get", Call.CHECK: "get", Call.ROLLBACK: "get", Call.CHANGES: "announce"}
"""What a caller has to be allowed with the gate."""
AT = {"check": Call.CHECK, "rollback": Call.ROLLBACK, "changes": Call.CHANGES}
EACH, TOGETHER = Rate(200.0, 200.0), Rate(1000.0, 1000.0)
NAMED_BYTES = 64
"""Of what is said to be the name of a Change, and is none."""
UNCACHED: Mapping[str, str] = {hdrs.CACHE_CONTROL: "no-store"}


@dataclass(frozen=True, slots=True)
class GateLimits:
    """What callers may cost, all together and each."""

    each: Rate = EACH
    together: Rate = TOGETHER
    held_back_seconds: float = 1.0
    """A call too early is answered so much later at most, and refused beyond that."""
    waiting: int = 1000
    waiting_per_client: int = 100
    announcing: int = 256
    announcing_per_client: int = 32
    announce_seconds: float = 8.0
    """Flagger gives up after ten."""
    body_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class GateDeps:
    """What the HTTP gate works with."""

    desk: GateDesk
    reviews: Reviews | None = None
    """By whom callers are let in; None lets everybody in who reaches the port."""
    secure_only: bool = False
    """Whether what does not come by TLS is refused."""
    limits: GateLimits = field(default_factory=GateLimits)


class GateHandler:
    """Answers all calls below `PATH`."""

    def __init__(
        self, deps: GateDeps, registry: CollectorRegistry, clock: Callable[[], float] = time.monotonic
    ) -> None:
        limits = deps.limits
        self._desk = deps.desk
        self._secure_only = deps.secure_only
        self._limits = limits
        self._clock = clock
        self._access = Access(deps.reviews, clock) if deps.reviews is not None else None
        self._throttle = Throttle(limits.each, limits.together, limits.held_back_seconds, clock)
        self._waits = Waits(limits.waiting, limits.waiting_per_client)
        self._places = Places("announcements", limits.announcing, limits.announcing_per_client)
        self._metrics = GateMetrics(registry)
        self._metrics.waiting.set_function(lambda: self._waits.waiting)

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one call."""
        began = self._clock()
        try:
            call, name = _call(request)
        except RefusalError as refused:
            return refused.response()
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR
        try:
            response = await self._answered(request, call, name)
            status = response.status
        except RefusalError as refused:
            response = refused.response()
            status = refused.status
        finally:
            self._metrics.calls[call, status].inc()
        if not request.query_string:
            self._metrics.seconds.observe(self._clock() - began)
        return response

    def end_waits(self) -> None:
        """Have everybody answered who waits for a verdict."""
        self._waits.end()

    async def close(self) -> None:
        """End what is under way besides calls."""
        if self._access is not None:
            await self._access.close()

    async def _answered(self, request: web.BaseRequest, call: Call, name: str) -> web.Response:
        client = request.remote or ""
        if (request.content_length or 0) > MAX_BODY_BYTES:
            raise refusal.too_large(WHAT, MAX_BODY_BYTES)
        if self._secure_only and not request.secure:
            raise RefusalError(HTTPStatus.FORBIDDEN, "gates are asked by TLS here: use https and its port")
        held_back = self._throttle.admit(client)
        if held_back is None:
            raise refusal.too_often(1)
        if held_back > 0:
            await asyncio.sleep(held_back)
        who = ""
        if self._access is not None:
            shown = request.headers.get(hdrs.AUTHORIZATION, "")
            who = await self._access.admit(shown, client, VERBS[call], name)
        if not self._desk.synced():
            raise refusal.later("the gates have not been seen yet, the operator begins: ask again")
        if call is Call.LIST:
            return _told(b'{"gates":[' + b",".join(word.body for word in self._desk.words()) + b"]}")
        word = self._known(name)
        if call is Call.CHANGES:
            return await self._announce(request, name, client, who)
        if call is Call.ROLLBACK:
            return _told(word.body, HTTPStatus.OK if self._desk.rolls_back(name) else HTTPStatus.FORBIDDEN)
        body = word.body
        if request.query_string:
            word, body = await self._waited(request, name, client)
        return _told(body, HTTPStatus.OK if word.open or call is Call.GATE else HTTPStatus.FORBIDDEN)

    async def _waited(self, request: web.BaseRequest, name: str, client: str) -> tuple[GateWord, bytes]:
        """What a gate says, and its answer, once its verdict is known of the change that is asked about."""
        seconds, change_id = _wait_seconds(request), _change_asked(request)

        def done() -> bool:
            word = self._desk.word(name)
            return word is None or (word.settled and word.tells_of(change_id)) or _gone(request)

        if seconds:
            await self._waits.until(done, seconds, client, lambda: self._desk.turned(name))
        word = self._known(name)
        return word, word.body if word.tells_of(change_id) else word.before

    async def _announce(self, request: web.BaseRequest, name: str, client: str, who: str) -> web.Response:
        if not self._desk.takes_changes():
            raise refusal.later(
                "this replica stands by: announce at the Service of the one that leads, or send it again", end=True
            )
        with self._places, self._places.place_for(client):
            body = await read_body(request, WHAT, MAX_BODY_BYTES, self._limits.body_seconds)
            change_id = await self._written(name, body, who)
        return _told(to_json({"name": name, "change": {"id": change_id}}), HTTPStatus.ACCEPTED)

    async def _written(self, name: str, body: bytes, who: str) -> str:
        said = read_announcement(body, who)
        try:
            async with asyncio.timeout(self._limits.announce_seconds):
                return await self._desk.announce(name, said)
        except (ApiError, NotLeadingError, TimeoutError) as error:
            raise refusal.later("the change could not be written now: announce it again", end=True) from error

    def _known(self, name: str) -> GateWord:
        word = self._desk.word(name)
        if word is None:
            raise RefusalError(HTTPStatus.NOT_FOUND, f"there is no ChangeGate {name}: see kubectl get changegates")
        return word


def _call(request: web.BaseRequest) -> tuple[Call, str]:
    """What is asked, and of which gate."""
    _, _, _, *rest = request.path.split("/")
    name, at, *_ = (*rest, "", "")
    call = Call.LIST if not rest else Call.GATE if len(rest) == 1 else AT.get(at)
    if call is None or len(rest) > 2 or (rest and not name):
        raise RefusalError(HTTPStatus.NOT_FOUND, f"nothing is here: {SEE}")
    if request.method not in METHODS[call]:
        allowed = ", ".join(sorted(METHODS[call]))
        text = f"{request.method} is not for {request.path}: use {allowed}"
        raise RefusalError(HTTPStatus.METHOD_NOT_ALLOWED, text, {hdrs.ALLOW: allowed})
    return call, name


def _wait_seconds(request: web.BaseRequest) -> float:
    text = request.query.get("wait", "0s")
    try:
        wait = Duration(text)
    except ValueError as error:
        raise RefusalError(HTTPStatus.BAD_REQUEST, f"wait: {error}") from error
    if wait.milliseconds > LONGEST_WAIT.milliseconds:
        raise RefusalError(HTTPStatus.BAD_REQUEST, f"wait: may be {LONGEST_WAIT} at most, ask again after that")
    return wait.seconds


def _change_asked(request: web.BaseRequest) -> str:
    """The Change that is asked about; empty where none is named.

    A script whose announcement was not taken asks with an empty name, and is not to be told of the change before.
    """
    text = request.query.get("change")
    if text is None:
        return ""
    if not is_name(text):
        named = cut(text, NAMED_BYTES)
        raise RefusalError(HTTPStatus.BAD_REQUEST, f"change: {named!r} is not the name of a Change (chg-…)")
    return text


def _gone(request: web.BaseRequest) -> bool:
    return request.transport is None or request.transport.is_closing()


def _told(body: bytes, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    return answer(body, JSON, status, UNCACHED)

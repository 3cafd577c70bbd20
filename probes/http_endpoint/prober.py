"""The resident HTTP prober: the rota says which target is due, libcurl's engine does it, the answer is judged."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pycurl

from http_endpoint.classes import CONNECT, OURS, UNCLASSED
from http_endpoint.engine import NEVER, Ended, Engine
from http_endpoint.exchange import Exchange, Finding
from http_endpoint.names import Addresses, Names, NoAddressError
from http_endpoint.request import Request
from probe_sdk import ProbeFailure
from probe_sdk.arguments import checked
from probe_sdk.resident.lookups import Lookups
from probe_sdk.resident.rota import BAD_PARAMS, TIMEOUT, Attempt, Rota
from probe_sdk.resident.spec import Spec

EXPIRY = "probe_ssl_earliest_cert_expiry"
"""As blackbox_exporter calls it."""


def request_of(params: dict[str, Any]) -> Request:
    """What to ask of a target by its parameters. Raises ProbeFailure where they are wrong."""
    return checked(Request, params)


class HttpProber:
    """Probes all targets until stopped, on the thread that calls `run`: see `probe_sdk.resident.service.Driver`.

    Args:
        request_of: makes a request of a target's parameters.
        exchange: makes the handle for a request, given its timeout.
        lookups: makes what looks names up, given what has something done on this thread.
    """

    def __init__(
        self,
        rota: Rota,
        request_of: Callable[[dict[str, Any]], Request] = request_of,
        exchange: Callable[[Request, float], Exchange] = Exchange,
        lookups: Callable[[Callable[[Callable[[], None]], None]], Lookups] = Lookups,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._rota = rota
        self._request_of = request_of
        self._exchange = exchange
        self._clock = clock
        self._now = now
        self._timeout_seconds = 1.0
        self._requests: dict[str, Request | str] = {}
        """What to ask of each target, or what is wrong with its parameters."""
        self._params: dict[str, dict[str, Any]] = {}
        """What that was read from: to read the parameters of a thousand targets anew would make all of them late."""
        self._idle: dict[str, list[Exchange]] = {}
        self._exchanges: dict[object, Exchange] = {}
        self._unnamed: dict[Exchange, float] = {}
        """Exchanges that wait for their names' addresses, and until when; the first ones first."""
        self._engine = Engine(self._ended, self._due, rota.held_up, clock)
        self._names = Names(lookups(self._engine.call), clock)

    def run(self) -> None:
        """Probe until stopped."""
        try:
            self._engine.run()
        finally:
            self._engine.close()

    def stop(self) -> None:
        """End `run` soon; what is under way is not waited for."""
        self._engine.stop()

    def call(self, function: Callable[[], None]) -> None:
        """Have something done on the prober's thread."""
        self._engine.call(function)

    def retarget(self, spec: Spec) -> None:
        """Take in what targets there are now; the handles of those that ask for the same as before stay."""
        self._timeout_seconds = spec.timeout_seconds
        before, params_before = self._requests, self._params
        self._params = {one.name: {**spec.params, **one.params} for one in spec.targets}
        self._requests = {
            name: before[name] if params_before.get(name) == params else self._read(params)
            for name, params in self._params.items()
        }
        for name, asked in before.items():
            if self._requests.get(name) is not asked:
                for exchange in self._idle.pop(name, ()):
                    self._drop(exchange)

    def _due(self, now: float) -> float:
        for exchange in [one for one, until in self._unnamed.items() if until <= now] if self._unnamed else ():
            del self._unnamed[exchange]
            self._conclude(exchange, exchange.overdue(), now)
        for attempt in self._rota.begin(now):
            self._begin(attempt, now)
        at = self._rota.next_at()
        return min(NEVER if at is None else at, next(iter(self._unnamed.values()), NEVER))

    def _begin(self, attempt: Attempt, now: float) -> None:
        try:
            exchange = self._readied(attempt.account.target)
        except (ProbeFailure, ValueError, re.error, pycurl.error) as wrong:
            self._rota.unanswerable(attempt, now, BAD_PARAMS, str(wrong))
            self._rota.release(attempt)
            return
        exchange.attempt = attempt
        if exchange.place is None:
            self._engine.start(exchange.curl)
            return
        addresses, fresh = self._names.known(exchange.place, now)
        if not fresh:
            self._names.ask(exchange.place, partial(self._named, exchange, attempt))
        if fresh or (addresses and exchange.request.keep_alive):  # what is kept needs no name, and has a new one soon
            exchange.lead_to(addresses)
            self._engine.start(exchange.curl)
        else:
            self._unnamed[exchange] = now + self._timeout_seconds

    def _readied(self, target: str) -> Exchange:
        """A handle of the target's for one more exchange."""
        idle = self._idle.get(target)
        if idle:
            exchange = idle.pop()
        else:
            request = self._requests[target]
            if isinstance(request, str):
                raise ProbeFailure(request)
            exchange = self._exchange(request, self._timeout_seconds)
            self._exchanges[exchange.curl] = exchange
        try:
            exchange.ready(self._now())
        except BaseException:
            self._drop(exchange)
            raise
        return exchange

    def _named(self, exchange: Exchange, attempt: Attempt, found: Addresses | NoAddressError) -> None:
        """A name was looked up; whoever waited for it goes on."""
        if exchange.attempt is not attempt or self._unnamed.pop(exchange, None) is None:
            return
        now = self._clock()
        if isinstance(found, NoAddressError):
            self._conclude(exchange, exchange.unnamed(str(found), own_lack=found.own_lack), now)
            return
        exchange.lead_to(found)
        exchange.waited(now - attempt.started)
        self._engine.start(exchange.curl)

    def _ended(self, ended: Ended, now: float) -> None:
        exchange = self._exchanges[ended.curl]
        try:
            finding = exchange.judge(ended.code, ended.message, self._now())
        except Exception as error:  # one target's answer is to end nobody else's probes, whatever it holds
            finding = Finding(UNCLASSED, f"the answer cannot be judged: {error!r}")
        self._conclude(exchange, finding, now)

    def _conclude(self, exchange: Exchange, finding: Finding | None, now: float) -> None:
        attempt: Attempt = exchange.attempt
        exchange.attempt = None
        if exchange.certificates is not None and exchange.certificates.expire_at is not None:
            attempt.account.gauges[EXPIRY] = exchange.certificates.expire_at
        if finding is None:
            self._rota.passed(attempt, now, exchange.seconds())
            exchange.add_phases(attempt.account.phases)
        elif finding.class_ == TIMEOUT:
            self._forget_name(exchange)
            self._rota.timed_out(attempt, now, finding.message)
        elif finding.class_ in OURS:
            self._rota.unanswerable(attempt, now, finding.class_, finding.message)
        else:
            if finding.class_ == CONNECT:
                self._forget_name(exchange)
            self._rota.failed(attempt, now, finding.class_, finding.message)
        self._rota.release(attempt)
        target = attempt.account.target
        if exchange.request is self._requests.get(target):
            self._idle.setdefault(target, []).append(exchange)
        else:
            self._drop(exchange)

    def _forget_name(self, exchange: Exchange) -> None:
        """An address that takes no connection may be its name's no more."""
        if exchange.place is not None and not exchange.connected:
            self._names.forget(exchange.place)

    def _read(self, params: dict[str, Any]) -> Request | str:
        try:
            return self._request_of(params)
        except (ProbeFailure, ValueError) as wrong:
            return str(wrong)

    def _drop(self, exchange: Exchange) -> None:
        del self._exchanges[exchange.curl]
        exchange.close()

"""One request to one endpoint, again and again: a libcurl handle that is set up once, and the judge of its answers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pycurl

from http_endpoint.certificate import Certificates
from http_endpoint.classes import CLASSES, DNS, LACK, UNCLASSED
from http_endpoint.names import Addresses, place_of
from http_endpoint.options import is_secure, lead, limit, say_who, set_up
from http_endpoint.request import MAX_REDIRECTS, Request
from probe_sdk.failure import OWN_LACKS
from probe_sdk.resident.rota import TIMEOUT

PHASES: Final = (
    ("resolve", pycurl.NAMELOOKUP_TIME_T),
    ("connect", pycurl.CONNECT_TIME_T),
    ("tls", pycurl.APPCONNECT_TIME_T),
    ("processing", pycurl.STARTTRANSFER_TIME_T),
    ("transfer", pycurl.TOTAL_TIME_T),
)
"""What libcurl counts from the beginning, in microseconds; blackbox_exporter's words for the stretches between."""
HTTP2: Final = 3
"""As libcurl numbers the versions."""
WAITING_FOR: Final = ("the name's address", "a connection", "the TLS handshake", "the first byte", "the rest")


@dataclass(frozen=True, slots=True)
class Finding:
    """Why an answer was not well."""

    class_: str
    message: str


class Exchange:
    """A handle for one target. `ready` it, hand `curl` to the engine, and `judge` what came.

    Args:
        timeout_seconds: how long one exchange may take in all.
    """

    keeps_body = False
    """Whether the judge wants the body, and not only where an expectation does."""
    keeps_headers = False

    def __init__(self, request: Request, timeout_seconds: float) -> None:
        self.curl: Any = pycurl.Curl()
        self.attempt: Any = None
        self.request = request
        self._timeout_seconds = timeout_seconds
        self._body = bytearray()
        self._received = 0
        self._headers: list[bytes] = []
        self.place = place_of(request)
        """The name to connect to, and the port; None where it is an address."""
        self._led_to: Addresses = ()
        self._waited_seconds = 0.0
        """For the name's address, before libcurl began."""
        self.certificates = Certificates(self.curl, request) if is_secure(request) else None
        self._unread = ""
        """Why who asks could not be said."""
        expect = request.expect
        self._well = frozenset(code for status in expect.status for code in _codes(status))
        self._found = re.compile(expect.body_matches.encode()) if expect.body_matches else None
        self._lacks = re.compile(expect.body_lacks.encode()) if expect.body_lacks else None
        self._expected_headers = {name.lower(): re.compile(pattern) for name, pattern in expect.headers.items()}
        self._set_up()

    @property
    def payload(self) -> bytes:
        """The body that is sent."""
        return self.request.body.encode()

    @property
    def connected(self) -> bool:
        """Whether there was a new connection."""
        return bool(self.curl.getinfo(pycurl.CONNECT_TIME) > 0)

    def ready(self, now: float) -> None:
        """Forget the exchange before, and read again what may have been renewed.

        Args:
            now: the time as certificates have it, in seconds since 1970.
        """
        if self.certificates is not None:
            self.certificates.ready(now)
        if self._waited_seconds:
            self._waited_seconds = 0.0
            limit(self.curl, self._timeout_seconds)
        self._received = 0
        if self._body:
            self._body.clear()
        if self._headers:
            self._headers.clear()
        if self.request.bearer_token_file or self.request.password_file:
            self._unread = say_who(self.curl, self.request)

    def lead_to(self, addresses: Addresses) -> None:
        """Connect to one of these, which its name has."""
        if self.place is not None and addresses != self._led_to:
            self._led_to = addresses
            lead(self.curl, self.place, addresses)

    def waited(self, seconds: float) -> None:
        """Count the time that the look-up took as the exchange's own."""
        self._waited_seconds = seconds
        limit(self.curl, self._timeout_seconds - seconds)

    def unnamed(self, why: str, *, own_lack: bool) -> Finding:
        """What it means that there is no address."""
        return Finding(LACK if own_lack else DNS, f"{self.asked}: {why}")

    def overdue(self) -> Finding:
        """What it means that its time was over before there was an address."""
        return Finding(TIMEOUT, f"{self.asked}: {self._late(WAITING_FOR[0])}")

    def judge(self, code: int, message: str, now: float) -> Finding | None:
        """Why the exchange that ended was not well; None when it was."""
        if self.certificates is not None:
            self.certificates.take(now)
        if self._unread:
            return Finding(LACK, f"{self.asked}: {self._unread}")
        if code:
            return self._broken(code, message)
        if self.request.http2 and self.curl.getinfo(pycurl.INFO_HTTP_VERSION) != HTTP2:
            return Finding("HTTP2", f"{self.asked}: the answer came by HTTP/1, HTTP/2 was asked for")
        if self.certificates is not None and (problem := self.certificates.problem(now)):
            return Finding("CertificateExpiry", f"{self.asked}: {problem}")
        status = self.curl.getinfo(pycurl.RESPONSE_CODE)
        if status not in self._well:
            return Finding("Status", f"{self.asked} answered {status}, expected {self._wanted}")
        if self._found is None and self._lacks is None and not self._expected_headers:
            return None
        return next(self._unexpected(), None)

    def seconds(self) -> float:
        """How long it took in all."""
        microseconds: int = self.curl.getinfo(pycurl.TOTAL_TIME_T)
        return microseconds * 1e-6 + self._waited_seconds

    def add_phases(self, totals: dict[str, float]) -> None:
        """Add to the totals how long each phase took, in seconds; those that there was none of left out."""
        before, getinfo = 0, self.curl.getinfo
        if self._waited_seconds:
            totals["resolve"] = totals.get("resolve", 0.0) + self._waited_seconds
        for name, option in PHASES:
            at = getinfo(option)
            if at > before:
                totals[name] = totals.get(name, 0.0) + (at - before) * 1e-6
                before = at

    @property
    def body(self) -> bytes:
        """The body of the last answer, where it is kept."""
        return bytes(self._body)

    def headers(self) -> dict[str, str]:
        """The headers of the last answer; those before it only sent us on."""
        headers: dict[str, str] = {}
        for line in self._headers:
            if line.startswith(b"HTTP/"):
                headers.clear()
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        return headers

    def close(self) -> None:
        """Give the handle back."""
        self.curl.close()

    @property
    def asked(self) -> str:
        """What was asked, as texts begin."""
        at = f" at {self.request.address}" if self.request.address else ""
        return f"{self.request.method} {self.request.url}{at}"

    @property
    def _wanted(self) -> str:
        return " or ".join(self.request.expect.status)

    def _broken(self, code: int, message: str) -> Finding:
        class_ = CLASSES.get(code, UNCLASSED)
        if class_ == "Connect" and (lack := self._lack()):
            return Finding(LACK, f"{self.asked}: {lack}")
        if class_ == TIMEOUT:
            message = self._late(self._waiting_for())
        elif class_ == "BodyTooLong":
            message = f"the answer is longer than {self.request.max_body_bytes} bytes"
        elif class_ == "Redirects":
            message = f"sent on more than {MAX_REDIRECTS} times"
        return Finding(class_, f"{self.asked}: {message}")

    def _late(self, waiting_for: str) -> str:
        return f"no answer within {self._timeout_seconds:g}s, while waiting for {waiting_for}"

    def _lack(self) -> str:
        """What we lacked for a connection; empty where the system did try to make one."""
        errno = self.curl.getinfo(pycurl.OS_ERRNO)
        if not errno:
            return "no socket could be opened: this process has as many files open as it may"
        return os.strerror(errno).lower() if errno in OWN_LACKS else ""

    def _waiting_for(self) -> str:
        reached = [bool(self.curl.getinfo(option)) for _, option in PHASES[:4]]
        if self.certificates is None:
            reached[2] = reached[1]
        return next((what for what, done in zip(WAITING_FOR, reached, strict=False) if not done), WAITING_FOR[-1])

    def _unexpected(self) -> Iterator[Finding]:
        if self._found is not None and not self._found.search(self._body):
            yield Finding("Body", f"{self.asked}: the body has no match of {self.request.expect.body_matches!r}")
        if self._lacks is not None and self._lacks.search(self._body):
            yield Finding("Body", f"{self.asked}: the body has a match of {self.request.expect.body_lacks!r}")
        came = self.headers()
        for name, pattern in self._expected_headers.items():
            value = came.get(name)
            if value is None:
                yield Finding("Header", f"{self.asked}: the answer has no header {name}")
            elif not pattern.search(value):
                yield Finding("Header", f"{self.asked}: header {name} is {value!r}, expected {pattern.pattern!r}")

    def _set_up(self) -> None:
        set_up(self.curl, self.request, self.payload, self._timeout_seconds)
        keeps = self.keeps_body or self._found or self._lacks
        self.curl.setopt(pycurl.WRITEFUNCTION, self._keep if keeps else self._drop)
        if self.keeps_headers or self._expected_headers:
            self.curl.setopt(pycurl.HEADERFUNCTION, self._headers.append)

    def _drop(self, data: bytes) -> int | None:
        self._received += len(data)
        return None if self._received <= self.request.max_body_bytes else 0

    def _keep(self, data: bytes) -> int | None:
        self._body += data
        return None if len(self._body) <= self.request.max_body_bytes else 0


def _codes(status: str) -> range:
    first = int(status.replace("xx", "00"))
    return range(first, first + (100 if status.endswith("xx") else 1))

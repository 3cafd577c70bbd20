"""One request to one endpoint, again and again: a libcurl handle that is set up once, and the judge of its answers."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import pycurl

from http_endpoint.options import is_secure, say_who, set_up
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
LACK: Final = "ProberLacks"
CLASSES: Final = {
    pycurl.E_OUT_OF_MEMORY: LACK,
    pycurl.E_FAILED_INIT: LACK,
    pycurl.E_INTERFACE_FAILED: LACK,
    pycurl.E_COULDNT_RESOLVE_HOST: "DNS",
    pycurl.E_COULDNT_RESOLVE_PROXY: "DNS",
    pycurl.E_COULDNT_CONNECT: "Connect",
    pycurl.E_OPERATION_TIMEDOUT: TIMEOUT,
    pycurl.E_SSL_CONNECT_ERROR: "TLS",
    pycurl.E_PEER_FAILED_VERIFICATION: "Certificate",
    pycurl.E_SSL_CERTPROBLEM: "ClientCertificate",
    pycurl.E_SSL_CACERT_BADFILE: "CAFile",
    pycurl.E_TOO_MANY_REDIRECTS: "Redirects",
    pycurl.E_GOT_NOTHING: "EmptyReply",
    pycurl.E_SEND_ERROR: "Reset",
    pycurl.E_RECV_ERROR: "Reset",
    pycurl.E_PARTIAL_FILE: "Reset",
    pycurl.E_WRITE_ERROR: "BodyTooLong",
    pycurl.E_HTTP2: "HTTP2",
    92: "HTTP2",
}
CERTIFICATE_SECONDS: Final = 60.0
"""How often the served certificates' dates are looked at."""
OURS: Final = frozenset({"ClientCertificate", "CAFile", LACK})
"""What the prober itself lacks says nothing about the target."""
HTTP2: Final = 3
"""As libcurl numbers the versions."""
UNCLASSED: Final = "Protocol"
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
        self.expires_at: float | None = None
        """When the first of the served certificates expires, in seconds since 1970; None until it is known."""
        self._looking = False
        self._looks_at = 0.0
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

    def ready(self, now: float) -> None:
        """Forget the exchange before, and read again what may have been renewed.

        Args:
            now: the time as certificates have it, in seconds since 1970.
        """
        if is_secure(self.request) and now >= self._looks_at:
            self._looking = True
            self.curl.setopt(pycurl.OPT_CERTINFO, 1)
        self._received = 0
        if self._body:
            self._body.clear()
        if self._headers:
            self._headers.clear()
        if self.request.bearer_token_file or self.request.password_file:
            self._unread = say_who(self.curl, self.request)

    def judge(self, code: int, message: str, now: float) -> Finding | None:
        """Why the exchange that ended was not well; None when it was."""
        if self._looking:
            self._look(now)
        if self._unread:
            return Finding(LACK, f"{self.asked}: {self._unread}")
        if code:
            return self._broken(code, message)
        if self.request.http2 and self.curl.getinfo(pycurl.INFO_HTTP_VERSION) != HTTP2:
            return Finding("HTTP2", f"{self.asked}: the answer came by HTTP/1, HTTP/2 was asked for")
        if self.expires_at is not None and self.expires_at - now < self.request.tls.min_remaining:
            return Finding("CertificateExpiry", f"{self.asked}: {self._expiry(now)}")
        status = self.curl.getinfo(pycurl.RESPONSE_CODE)
        if status not in self._well:
            return Finding("Status", f"{self.asked} answered {status}, expected {self._wanted}")
        if self._found is None and self._lacks is None and not self._expected_headers:
            return None
        return next(self._unexpected(), None)

    def seconds(self) -> float:
        """How long it took in all."""
        microseconds: int = self.curl.getinfo(pycurl.TOTAL_TIME_T)
        return microseconds * 1e-6

    def add_phases(self, totals: dict[str, float]) -> None:
        """Add to the totals how long each phase took, in seconds; those that there was none of left out."""
        before, getinfo = 0, self.curl.getinfo
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
            message = f"no answer within {self._timeout_seconds:g}s, while waiting for {self._waiting_for()}"
        elif class_ == "BodyTooLong":
            message = f"the answer is longer than {self.request.max_body_bytes} bytes"
        elif class_ == "Redirects":
            message = f"sent on more than {MAX_REDIRECTS} times"
        return Finding(class_, f"{self.asked}: {message}")

    def _lack(self) -> str:
        """What we lacked for a connection; empty where the system did try to make one."""
        errno = self.curl.getinfo(pycurl.OS_ERRNO)
        if not errno:
            return "no socket could be opened: this process has as many files open as it may"
        return os.strerror(errno).lower() if errno in OWN_LACKS else ""

    def _look(self, now: float) -> None:
        """Take the certificates' dates; libcurl parses them at a cost, so not each time."""
        self._looking = False
        self._looks_at = now + CERTIFICATE_SECONDS
        self.curl.setopt(pycurl.OPT_CERTINFO, 0)
        chain = self.curl.getinfo(pycurl.INFO_CERTINFO)
        dates = [ssl.cert_time_to_seconds(value) for part in chain for name, value in part if name == "Expire date"]
        if dates:
            self.expires_at = float(min(dates))

    def _expiry(self, now: float) -> str:
        at, left = self.expires_at or now, (self.expires_at or now) - now
        when = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}Z"
        if left < 0:
            return f"a served certificate expired on {when}"
        return (
            f"a served certificate expires on {when}, in {left / 3600:.0f}h; expected {self.request.tls.min_remaining}"
        )

    def _waiting_for(self) -> str:
        reached = [bool(self.curl.getinfo(option)) for _, option in PHASES[:4]]
        if not self.request.url.startswith("https:"):
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

"""The certificates that a target serves: when the first of them expires."""

from __future__ import annotations

import ssl
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import pycurl

from http_endpoint.request import Request

LOOK_SECONDS: Final = 60.0
"""How often the dates are looked at: libcurl parses certificates at a cost, so not each time."""


class Certificates:
    """What is known of them.

    Args:
        curl: the handle that connects.
    """

    def __init__(self, curl: Any, request: Request) -> None:
        self._curl = curl
        self._kept = request.keep_alive
        self._wanted = request.tls.min_remaining
        self._looking = False
        self._looks_at = 0.0
        self.expire_at: float | None = None
        """When the first of them expires, in seconds since 1970; None until it is known."""

    def ready(self, now: float) -> None:
        """Look at them in the exchange that begins, if it is time. They are shown as a connection begins: one that is
        kept may be older than a certificate that was renewed since."""
        if now >= self._looks_at and not self._looking:
            self._look(on=True)

    def take(self, now: float) -> None:
        """Take what the exchange showed that ended."""
        if not self._looking:
            return
        dates = []
        for part in self._curl.getinfo_raw(pycurl.INFO_CERTINFO):
            with suppress(ValueError):  # a date that is none is for whoever verifies
                dates += [ssl.cert_time_to_seconds(value.decode()) for name, value in part if name == b"Expire date"]
        if dates:
            self.expire_at = float(min(dates))
            self._looks_at = now + LOOK_SECONDS
            self._look(on=False)

    def problem(self, now: float) -> str:
        """What is wrong with how long they last; empty where nothing is."""
        if self.expire_at is None or self.expire_at - now >= self._wanted:
            return ""
        left = self.expire_at - now
        when = f"{datetime.fromtimestamp(self.expire_at, UTC):%Y-%m-%d %H:%M}Z"
        if left < 0:
            return f"a served certificate expired on {when}"
        return f"a served certificate expires on {when}, in {left / 3600:.0f}h; expected {self._wanted}"

    def _look(self, *, on: bool) -> None:
        self._looking = on
        self._curl.setopt(pycurl.OPT_CERTINFO, int(on))
        if self._kept:
            self._curl.setopt(pycurl.FRESH_CONNECT, int(on))

"""The operator's intake, as a probe sees it: a few short tries, and an answer that is believed.

The POST goes through http.client because a pod pays for its imports in every run: httpx costs more than the rest of
the SDK together. For the same reason tenacity only comes in when the first try has failed.
No proxy is asked on the way, whatever the environment says: the intake is in the cluster.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

from probe_sdk.wire import ENV_TOKEN_FILE, ENV_URL, REPORT_PATH, Report

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse

    from tenacity import RetryCallState

TRIES: Final = 5
CONNECT_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 3.0
SHORTEST_TIMEOUT_SECONDS: Final = 0.1
_ANSWER_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class Delivery:
    """Whether the operator has the report; if not, why."""

    accepted: bool
    why: str = ""


class _TryAgainError(Exception):
    def __init__(self, why: str, pause_seconds: float = 0.0) -> None:
        super().__init__(why)
        self.pause_seconds = pause_seconds


@dataclass(frozen=True, slots=True)
class Intake:
    """Where to report, and as whom."""

    url: str
    token_file: str
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def deliver(self, report: Report, within_seconds: float) -> Delivery:
        """Send a report until it is answered for good, or the time or the tries are over."""
        try_once = partial(self._try_once, report, self.monotonic() + within_seconds)
        try:
            return try_once()
        except _TryAgainError as first:
            return self._again(try_once, within_seconds, first)

    def _again(self, try_once: Callable[[], Delivery], within_seconds: float, first: _TryAgainError) -> Delivery:
        from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, stop_before_delay

        already_failed = [first]  # counts as the first attempt, so that the pause before the next one is tenacity's

        def next_try() -> Delivery:
            if already_failed:
                raise already_failed.pop()
            return try_once()

        retrying = Retrying(
            sleep=self.sleep,
            stop=stop_after_attempt(TRIES) | stop_before_delay(within_seconds),
            wait=_pause_seconds,
            retry=retry_if_exception_type(_TryAgainError),
            reraise=True,
        )
        try:
            return retrying(next_try)
        except _TryAgainError as last:
            return Delivery(False, str(last))

    def _try_once(self, report: Report, until: float) -> Delivery:
        try:
            token = Path(self.token_file).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            return Delivery(False, f"no token to report with, {ENV_TOKEN_FILE} is {self.token_file!r}: {error}")
        return _post(self.url, token, report.body(), max(SHORTEST_TIMEOUT_SECONDS, until - self.monotonic()))


def _pause_seconds(state: RetryCallState) -> float:
    """Wait longer each time, and at least as long as the intake asked for."""
    from tenacity import wait_exponential_jitter

    error = state.outcome.exception() if state.outcome else None
    asked = error.pause_seconds if isinstance(error, _TryAgainError) else 0.0
    return max(asked, wait_exponential_jitter(initial=0.2, max=2.0, jitter=0.1)(state))


def _post(url: str, token: str, body: bytes, timeout_seconds: float) -> Delivery:
    from http.client import HTTPException

    try:
        connection, path = _connection(url, min(CONNECT_SECONDS, timeout_seconds))
    except ValueError as error:
        return Delivery(False, f"{ENV_URL} is {url!r}: {error}")
    try:
        connection.connect()
        connection.sock.settimeout(min(ANSWER_SECONDS, timeout_seconds))
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Connection": "close"}
        connection.request("POST", path, body, headers)
        return _answer(connection.getresponse())
    except (OSError, HTTPException) as error:
        raise _TryAgainError(f"{url} does not answer: {type(error).__name__}: {error}") from error
    finally:
        connection.close()


def _connection(url: str, timeout_seconds: float) -> tuple[HTTPConnection, str]:
    from http.client import HTTPConnection, HTTPSConnection

    parts: SplitResult = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("set it to http://HOST:PORT")
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    return kind(parts.hostname, parts.port, timeout=timeout_seconds), parts.path.rstrip("/") + REPORT_PATH


def _answer(response: HTTPResponse) -> Delivery:
    said = response.read(_ANSWER_BYTES).decode("utf-8", "replace").strip()
    if response.status < 300:
        return Delivery(True)
    why = f"the operator answered {response.status} {response.reason}: {said}"
    if response.status >= 500:
        raise _TryAgainError(why, _seconds(response.getheader("Retry-After")))
    return Delivery(False, why)


def _seconds(retry_after: str | None) -> float:
    """Read the number form of Retry-After; the form with a date is not for pauses as short as ours."""
    return float(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else 0.0

"""The way to the operator: one connection that is kept, short tries, and no word lost that the next one lacks."""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from probe_sdk.samples import SAMPLES_PATH, Samples
from probe_sdk.wire import ENV_TOKEN_FILE, ENV_URL

ANSWER_SECONDS: Final = 3.0
_ANSWER_BYTES: Final = 1024


class NoTokenError(Exception):
    """The pod's own token cannot be read."""


class Home:
    """Sends samples as the pod that the token names. A failure is told once, until something gets through again.

    Args:
        url: the operator's intake; nothing is sent when it is empty.
        complain: takes a line for the log.
    """

    def __init__(self, url: str, token_file: str, complain: Callable[[str], None]) -> None:
        self._url = url
        self._token_file = Path(token_file)
        self._complain = complain
        self._connection: HTTPConnection | None = None
        self._why = ""

    def send(self, samples: Samples) -> bool:
        """Send a message; whether the operator has it. Where there is no operator, nobody waits for one."""
        if not self._url:
            return True
        try:
            why = self._post(samples.model_dump_json(exclude_defaults=True).encode(), self._token())
        except NoTokenError as error:
            why = str(error)
        except (OSError, HTTPException, ValueError) as error:
            self.close()
            why = f"{self._url} does not answer: {type(error).__name__}: {error}"
        if why and why != self._why:
            self._complain(f"samples not delivered: {why}")
        self._why = why
        return not why

    def close(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _token(self) -> str:
        try:
            return self._token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise NoTokenError(f"no token to report with, {ENV_TOKEN_FILE} is '{self._token_file}': {error}") from None

    def _post(self, body: bytes, token: str) -> str:
        connection = self._connection = self._connection or self._connect()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request("POST", urlsplit(self._url).path.rstrip("/") + SAMPLES_PATH, body, headers)
        return self._answer(connection.getresponse())

    def _answer(self, response: HTTPResponse) -> str:
        said = response.read(_ANSWER_BYTES).decode("utf-8", "replace").strip()
        well = response.status < 300
        if response.will_close or not response.isclosed() or not well:
            self.close()  # with it the one that does not lead any more, which a kept connection would go on asking
        return "" if well else f"the operator answered {response.status} {response.reason}: {said}"

    def _connect(self) -> HTTPConnection:
        parts = urlsplit(self._url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{ENV_URL} is {self._url!r}: set it to http://HOST:PORT")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        return kind(parts.hostname, parts.port, timeout=ANSWER_SECONDS)

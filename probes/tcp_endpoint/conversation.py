"""What is said over a connection, in clear or over TLS, and how the other side's words are judged."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from endpoint import tls
from endpoint.words import cause
from probe_sdk import ProbeFailure, step

CHUNK_BYTES = 16 * 1024
QUOTED_BYTES = 60
GOODBYE_SECONDS = 1.0
"""How long the other side may take to end TLS after we did; nothing waits for that but the connection."""


class Conversation:
    """One connection's talk.

    Args:
        who: the other side, as texts name it.
    """

    def __init__(self, who: str) -> None:
        self._who = who
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    @asynccontextmanager
    async def over(
        self, connection: socket.socket, context: ssl.SSLContext | None, server_name: str
    ) -> AsyncIterator[None]:
        """Talk while the block lasts, over TLS if there is a context; the connection is ended with it."""
        try:
            await self._open(connection, context, server_name)
        except BaseException:
            connection.close()
            raise
        try:
            yield
        except BaseException:
            self._writer.transport.abort()  # whoever does not read would never let us end it well
            raise
        self._writer.close()

    def check_expiry(self, wanted: tls.Tls) -> None:
        """Fail when the served certificate runs out too soon."""
        tls.check_expiry(self._who, self._writer.get_extra_info("ssl_object"), wanted)

    async def ask(self, words: bytes, expected: re.Pattern[bytes], max_bytes: int) -> None:
        """Say something, and fail unless what comes matches before it ends or grows too long."""
        said = bytearray()
        try:
            self._writer.write(words)
            while not expected.search(said):
                if len(said) >= max_bytes:
                    raise self._unexpected(f"{len(said)} bytes came without a match", said, expected)
                if not (more := await self._reader.read(CHUNK_BYTES)):
                    raise self._unexpected(f"the connection was ended after {len(said)} bytes", said, expected)
                said += more
        except ssl.SSLError as error:
            raise tls.failure(self._who, error) from None
        except OSError as error:
            raise ProbeFailure(f"reply of {self._who}: {cause(error)}", reason="Reset") from None

    async def _open(self, connection: socket.socket, context: ssl.SSLContext | None, server_name: str) -> None:
        if context is None:
            self._reader, self._writer = await asyncio.open_connection(sock=connection)
            return
        how: dict[str, Any] = {"server_hostname": server_name, "ssl_shutdown_timeout": GOODBYE_SECONDS}
        try:
            with step("tls"):
                self._reader, self._writer = await asyncio.open_connection(sock=connection, ssl=context, **how)
        except OSError as error:  # SSLError is one
            raise tls.failure(self._who, error) from None

    def _unexpected(self, what: str, said: bytearray, expected: re.Pattern[bytes]) -> ProbeFailure:
        began = f", it began with {bytes(said[:QUOTED_BYTES])!r}" if said else ""
        return ProbeFailure(f"reply of {self._who}: {what} of {expected.pattern.decode()!r}{began}", reason="Reply")

"""Targets to be broken and mended at a moment's notice: small HTTP servers of this machine, each on its own port."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
END_OF_HEAD = b"\r\n\r\n"
BACKLOG = 512
SOON_SECONDS = 10.0


class Target:
    """One target. While it refuses, who comes is refused, and who was there is thrown out.

    Args:
        address: what it listens on.
        loop: where it answers, on a thread of its own.
    """

    def __init__(self, address: str, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Transport] = set()
        # Bound, and never listening: so the port is nobody else's while the target refuses.
        self._place = socket.socket()
        self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._place.bind((address, 0))
        self._address, self._port = self._place.getsockname()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{self._address}:{self._port}/"

    def serve(self) -> None:
        """Answer from now on, if it does not yet."""
        self._done(self._serve())

    def refuse(self) -> None:
        """Refuse from now on, if it does not yet."""
        self._done(self._refuse())

    def close(self) -> None:
        """End, and give the port back."""
        self.refuse()
        self._place.close()

    def _done(self, work: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(SOON_SECONDS)

    async def _serve(self) -> None:
        if self._server is None:
            self._server = await self._loop.create_server(
                lambda: _Connection(self._open), self._address, self._port, reuse_address=True, backlog=BACKLOG
            )

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for transport in self._open:
            transport.abort()


class _Connection(asyncio.Protocol):
    """Answers every head with a 200; requests have no bodies."""

    def __init__(self, open_: set[asyncio.Transport]) -> None:
        self._open = open_
        self._received = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open.add(transport)

    def data_received(self, data: bytes) -> None:
        *heads, self._received = (self._received + data).split(END_OF_HEAD)
        self._transport.write(ANSWER * len(heads))

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self._transport)


@contextmanager
def serving(address: str, count: int) -> Iterator[tuple[Target, ...]]:
    """So many targets that answer, until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="targets", daemon=True)
    thread.start()
    targets = tuple(Target(address, loop) for _ in range(count))
    try:
        for one in targets:
            one.serve()
        yield targets
    finally:
        for one in targets:
            one.close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(SOON_SECONDS)
        loop.close()

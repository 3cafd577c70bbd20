"""Senders for the intake's bench: keep-alive connections that write requests made beforehand, one at a time each."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from probe_sdk.wire import REPORT_PATH, Report, Step, StepSeconds

CONNECTIONS = 64


@dataclass(frozen=True)
class Load:
    """What became of the requests."""

    statuses: Counter[int]
    seconds: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Reports that were recorded, each second."""
        return self.statuses[200] / self.seconds


def typical_report() -> Report:
    """A failed report with six timed steps: about 600 bytes."""
    seconds = StepSeconds(p50=0.0123, p99=0.0456, max=0.0789)
    return Report.bounded(
        ok=False,
        errors=["put: the deadline of 500ms passed at https://10.0.0.1:2379"],
        steps=[Step(name=name, count=20, ok=19, seconds=seconds) for name in ("put", "get", "txn", "lease", "watch")],
        attributes={"node": "node-1"},
    )


def request(token: str, body: bytes) -> bytes:
    """A report's request as it goes over the wire."""
    head = (
        f"POST {REPORT_PATH} HTTP/1.1\r\nHost: 10.96.0.20\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Sender(asyncio.Protocol):
    """Sends the next request when the last one is answered, until none is left."""

    def __init__(self, requests: Iterator[bytes], statuses: Counter[int]) -> None:
        self._requests = requests
        self._statuses = statuses
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._next()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(maxsplit=1)[0])
        if len(rest) >= length:
            self._statuses[int(head[9:12])] += 1
            self._received = b""
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the intake closed a connection"))

    def _next(self) -> None:
        assert self._transport is not None
        following = next(self._requests, None)
        if following is None:
            if not self.done.done():
                self.done.set_result(None)
            self._transport.close()
        else:
            self._transport.write(following)


async def send(host: str, port: int, requests: Sequence[bytes]) -> Load:
    """Send all requests over many connections, as fast as they are answered."""
    loop = asyncio.get_running_loop()
    left, statuses = iter(requests), Counter[int]()
    began, cpu = time.perf_counter(), time.process_time()
    senders = [
        (await loop.create_connection(lambda: _Sender(left, statuses), host, port))[1] for _ in range(CONNECTIONS)
    ]
    await asyncio.gather(*(sender.done for sender in senders))
    return Load(statuses, time.perf_counter() - began, time.process_time() - cpu)

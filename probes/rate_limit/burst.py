"""A small burst that the API server has to throttle, made so that the outcome is no matter of luck.

Whether requests overlap in a level of a few seats is chance when each takes a millisecond. So each request of the
burst is a POST whose body is held back: the server has given it a seat and waits. A request that finds no seat is
refused at once, before its body. Nobody waits longer than the hold.

Raw HTTP/1.1, since HTTP clients read an answer only after they have sent the whole body.
"""

import asyncio
import json
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from cluster.api import root_cause
from cluster.config import ApiConfig
from cluster.errors import ApiSilent, ApiUnreachable

PATH = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
"""Creating one changes nothing and reads nothing: the answer is who asks."""
BODY = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}).encode()
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 2.0
UNANSWERED = 0
"""In place of a status."""
CONNECTING = 20
"""Connections opened at the same time: a crowd of handshakes would be a load of its own."""


@dataclass(frozen=True)
class Answer:
    """How one request was answered, and by which of the API server's settings."""

    status: int
    flow_schema_uid: str = ""
    priority_level_uid: str = ""
    retry_after: str = ""


async def ask_once(config: ApiConfig) -> Answer:
    """One ordinary request."""
    return (await burst(config, requests=1, hold_seconds=0))[0]


async def burst(config: ApiConfig, *, requests: int, hold_seconds: float) -> list[Answer]:
    """So many requests at once; those that get a seat keep it until all others are refused, or the hold is over."""
    tls, gate, release = config.ssl_context(), asyncio.Semaphore(CONNECTING), asyncio.Event()
    lines = []
    try:
        async with asyncio.TaskGroup() as group:
            opening = [group.create_task(_Line.open(config, tls, gate)) for _ in range(requests)]
        lines = [task.result() for task in opening]
        answering = [asyncio.ensure_future(line.ask(release)) for line in lines]
        await _until_one_is_left(answering, hold_seconds)
        release.set()
        return await _collect(answering)
    except (OSError, asyncio.IncompleteReadError, TimeoutError, BaseExceptionGroup) as error:
        kind = ApiSilent if lines else ApiUnreachable
        raise kind(config.server, f"POST {PATH}", root_cause(error)) from None
    finally:
        for line in lines:
            line.close()


async def _collect(answering: "Sequence[asyncio.Future[Answer]]") -> list[Answer]:
    """What was answered, once there was time to; a request that waits in a queue is not, and is called off."""
    done, waiting = await asyncio.wait(answering, timeout=ANSWER_SECONDS)
    for future in waiting:
        future.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return [*(future.result() for future in done), *(Answer(UNANSWERED) for _ in waiting)]


async def _until_one_is_left(answering: "Sequence[asyncio.Future[Answer]]", seconds: float) -> None:
    """Even a level without seats lets one request through while it is idle."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while sum(not future.done() for future in answering) > 1 and (left := end - loop.time()) > 0:
        pending = [future for future in answering if not future.done()]
        await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)


class _Line:
    """One connection with one request."""

    def __init__(self, config: ApiConfig, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._config = config
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, config: ApiConfig, tls: ssl.SSLContext, gate: asyncio.Semaphore) -> "_Line":
        parts = urlsplit(config.server)
        async with gate, asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 443, ssl=tls)
        return cls(config, reader, writer)

    async def ask(self, release: asyncio.Event) -> Answer:
        self._writer.write(self._head())
        await self._writer.drain()
        answer, released = asyncio.ensure_future(self._answer()), asyncio.ensure_future(release.wait())
        await asyncio.wait((answer, released), return_when=asyncio.FIRST_COMPLETED)
        released.cancel()
        if not answer.done():
            self._writer.write(BODY)
        return await answer

    def _head(self) -> bytes:
        lines = (
            f"POST {PATH} HTTP/1.1",
            f"Host: {urlsplit(self._config.server).netloc}",
            f"Authorization: Bearer {self._config.bearer_token()}",
            "User-Agent: kubeprobe-burst",
            "Content-Type: application/json",
            f"Content-Length: {len(BODY)}",
            "Connection: close",
        )
        return "\r\n".join((*lines, "", "")).encode()

    async def _answer(self) -> Answer:
        return parse((await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1"))

    def close(self) -> None:
        self._writer.transport.abort()


def parse(head: str) -> Answer:
    """The status line and the headers that matter."""
    first, *lines = head.strip().split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(
        int(first.split()[1]),
        headers.get("x-kubernetes-pf-flowschema-uid", ""),
        headers.get("x-kubernetes-pf-prioritylevel-uid", ""),
        headers.get("retry-after", ""),
    )

"""The subject's server and the request to it, over loopback; and servers that misbehave."""

import asyncio
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator

import pytest

from cluster.reach import NotReachedError, fetch, fetch_within


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
async def subject() -> AsyncIterator[tuple[Process, int]]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "cluster.serve", str(port), stderr=PIPE)
    yield process, port
    if process.returncode is None:
        process.kill()
    await process.communicate()


async def test_subject_answers_with_its_name_and_ends_when_told(subject: tuple[Process, int]) -> None:
    process, port = subject
    assert await fetch_within("127.0.0.1", port, 10) == socket.gethostname()
    assert await fetch("127.0.0.1", port) == socket.gethostname()
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_nobody_listens() -> None:
    with pytest.raises(NotReachedError, match=r"connection refused \(tried \d+ times"):
        await fetch_within("127.0.0.1", free_port(), 0.3)


async def answer_with(response: bytes | None) -> tuple[asyncio.Server, int]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readline()
            if response is None:
                await reader.read(-1)
            else:
                writer.write(response)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    return server, int(server.sockets[0].getsockname()[1])


@pytest.mark.parametrize(
    ("response", "says"),
    [
        (b"HTTP/1.1 503 Busy\r\n\r\nno", "503 Busy"),
        (b"", "without an answer"),
        (None, "no answer within 0.2s"),
    ],
)
async def test_bad_answers_are_told(response: bytes | None, says: str) -> None:
    server, port = await answer_with(response)
    async with server:
        with pytest.raises(NotReachedError, match=says):
            await fetch("127.0.0.1", port, try_seconds=0.2)

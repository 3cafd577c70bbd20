from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration

from kubeprobe.kube.client import LOG_BYTES, LOG_READ_BYTES, Client
from kubeprobe.kube.port import PODS, ApiError


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port where no connection comes about: the queue of its listener is full, so that it answers no packet."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for one in waiting:
            one.close()


async def test_a_connection_that_does_not_come_about_is_given_up_long_before_an_answer(deaf: int) -> None:
    async with Client(Configuration(host=f"http://127.0.0.1:{deaf}"), connect_seconds=0.05) as api:
        with pytest.raises(ApiError, match="no connection came about in time"):
            await api.get(PODS, "a", "b")
        with pytest.raises(ApiError, match="no connection came about in time"):
            await anext(aiter(api.watch(PODS, "1", timeout_seconds=60)))


def connected(server: TestServer) -> Client:
    """A client of a server that plays the API server."""
    return Client(Configuration(host=str(server.make_url("")).rstrip("/")))


async def test_what_is_tried_is_asked_of_the_api_server_as_a_dry_run() -> None:
    asked: list[tuple[str, str, Any]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.method, request.path_qs, await request.json()))
        return web.json_response({"reason": "Forbidden", "message": "denied"}, status=403 if len(asked) > 1 else 201)

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    server = TestServer(app)
    async with server, connected(server) as api:
        await api.try_create(PODS, "a", {"kind": "Pod"})
        with pytest.raises(ApiError, match="denied"):
            await api.try_create(PODS, "a", {"kind": "Pod"})
    assert asked == [("POST", "/api/v1/namespaces/a/pods?dryRun=All", {"kind": "Pod"})] * 2


@asynccontextmanager
async def logged(text: bytes, times: int) -> AsyncIterator[Client]:
    """An API server that has a log: this text, so many times."""

    async def log(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(times):
            await response.write(text)
        return response

    app = web.Application()
    app.router.add_get("/api/v1/namespaces/a/pods/b/log", log)
    server = TestServer(app)
    async with server, connected(server) as api:
        yield api


async def test_the_end_of_a_long_log_is_what_counts() -> None:
    lines = b"".join(b"line %d\n" % number for number in range(LOG_BYTES // 4))
    async with logged(lines, 1) as api:
        read = await api.pod_log("a", "b", "c", since_seconds=30, tail_lines=500)
    assert len(read) == LOG_BYTES
    assert lines.decode().endswith(read)


async def test_a_log_without_end_is_not_read_for_ever() -> None:
    async with logged(b"x" * LOG_BYTES, 10 * LOG_READ_BYTES) as api:
        assert len(await api.pod_log("a", "b", "c", since_seconds=30, tail_lines=500)) == LOG_BYTES

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from kubernetes.aio.client import Configuration

from kubeprobe.kube.client import Client
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

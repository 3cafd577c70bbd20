"""Paths, the API's own words, and telling a silent server from a way that was cut."""

import socket

import httpx
import pytest

from cluster.api import DEPLOYMENTS, NODES, PODS, Api, raise_for_status, selection
from cluster.config import ApiConfig
from cluster.errors import ApiError, ApiSilent, ApiUnreachable


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (PODS.path("ns", "a"), "/api/v1/namespaces/ns/pods/a"),
        (PODS.path(), "/api/v1/pods"),
        (DEPLOYMENTS.path("ns", "a", "scale"), "/apis/apps/v1/namespaces/ns/deployments/a/scale"),
        (NODES.path("ignored", "node-1"), "/api/v1/nodes/node-1"),
        (PODS.path("ns", "a/../b"), "/api/v1/namespaces/ns/pods/a%2F..%2Fb"),
    ],
)
def test_paths(path: str, expected: str) -> None:
    assert path == expected


def test_selection_leaves_out_what_is_not_asked() -> None:
    assert selection() == {}
    assert selection(fields="metadata.name=a") == {"fieldSelector": "metadata.name=a"}


def test_the_words_of_a_status_are_kept() -> None:
    status = {"kind": "Status", "reason": "Forbidden", "message": "exceeded quota: full"}
    with pytest.raises(ApiError, match=r"POST /pods: 403 Forbidden: exceeded quota: full; look at .*ResourceQuota"):
        raise_for_status("POST /pods", httpx.Response(403, json=status))


def test_an_error_without_a_status_is_told_as_it_came() -> None:
    with pytest.raises(ApiError, match="502 Bad Gateway: upstream is away"):
        raise_for_status("GET /pods", httpx.Response(502, text="upstream is away"))


async def after_silence(port: int) -> Exception:
    async with httpx.AsyncClient() as client:
        api = Api(ApiConfig(f"https://127.0.0.1:{port}", "probes"), client)
        return await api.no_answer("GET /pods", httpx.ReadTimeout("no answer"))


async def test_a_server_that_takes_connections_and_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        error = await after_silence(server.getsockname()[1])
    assert isinstance(error, ApiSilent)
    assert "no answer within 10s" in str(error.errors[0])


async def test_a_way_that_was_cut_under_an_open_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    error = await after_silence(port)
    assert isinstance(error, ApiUnreachable)
    assert "no answer within 10s, and no new connection: connection refused" in str(error.errors[0])

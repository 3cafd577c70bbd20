"""Targets serve and refuse at a moment's notice, and keep their port."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
from tests.lab.target import Target, serving


@pytest.fixture
def target() -> Iterator[Target]:
    with serving("127.0.0.1", 1) as (found,):
        yield found


def place(target: Target) -> tuple[str, int]:
    url = httpx.URL(target.url)
    assert url.port is not None
    return url.host, url.port


def refused(target: Target) -> bool:
    with closing(socket.socket()) as client:
        return client.connect_ex(place(target)) == errno.ECONNREFUSED


def test_it_answers_again_and_again_on_one_connection(target: Target) -> None:
    with httpx.Client(trust_env=False) as client:
        assert [client.get(target.url).status_code for _ in range(3)] == [200, 200, 200]
        assert client.head(target.url).status_code == 200


def test_it_refuses_and_serves_as_often_as_it_is_told(target: Target) -> None:
    target.serve()
    for _ in range(20):
        target.refuse()
        assert refused(target)
        target.refuse()
        target.serve()
        assert httpx.get(target.url, trust_env=False).status_code == 200


def test_who_was_there_is_thrown_out_when_it_refuses(target: Target) -> None:
    with socket.create_connection(place(target), 5) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        target.refuse()
        assert client.recv(100) == b""


def test_its_port_is_nobody_elses_while_it_refuses(target: Target) -> None:
    target.refuse()
    with closing(socket.socket()) as other, pytest.raises(OSError, match="in use"):
        other.bind(place(target))

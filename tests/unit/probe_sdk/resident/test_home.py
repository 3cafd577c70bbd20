"""The way to the operator: one connection, the pod's token, and no exception whatever is there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from probe_sdk.resident.home import Home
from probe_sdk.samples import SAMPLES_PATH, Samples

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Operator(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.code = 200
        self.heard: list[tuple[str, str, Samples]] = []
        self.connections = 0

    def get_request(self) -> Any:
        self.connections += 1
        return super().get_request()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Operator

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.path, self.headers["Authorization"], Samples.model_validate_json(body)))
        said = b"what it thinks of it"
        self.send_response(self.server.code)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def operator() -> Iterator[Operator]:
    with Operator() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("first\n")
    return path


def samples(sequence: int = 1) -> Samples:
    return Samples(
        epoch="1-a",
        sequence=sequence,
        sent_at=NOW,
        started_at=NOW,
        complete=True,
        of=0,
        interval_seconds=1.0,
        served_ratio=1.0,
        withheld_seconds=0.0,
        targets=(),
    )


@contextmanager
def home(operator: Operator, token: Path, complaints: list[str]) -> Iterator[Home]:
    way = Home(f"http://127.0.0.1:{operator.server_port}", str(token), complaints.append)
    yield way
    way.close()


def test_messages_go_over_one_connection_with_the_token_of_the_moment(operator: Operator, token: Path) -> None:
    with home(operator, token, []) as way:
        assert way.send(samples(1))
        token.write_text("renewed")
        assert way.send(samples(2))
    assert [(path, who, one.sequence) for path, who, one in operator.heard] == [
        (SAMPLES_PATH, "Bearer first", 1),
        (SAMPLES_PATH, "Bearer renewed", 2),
    ]
    assert operator.connections == 1


def test_whoever_refuses_is_not_asked_again_over_the_same_connection(operator: Operator, token: Path) -> None:
    """A replica that leads no more keeps its connections, and answers 503 on them."""
    with home(operator, token, []) as way:
        operator.code = 503
        assert not way.send(samples(1))
        operator.code = 200
        assert way.send(samples(2))
    assert operator.connections == 2


def test_a_refusal_is_told_once_until_something_gets_through_again(operator: Operator, token: Path) -> None:
    complaints: list[str] = []
    with home(operator, token, complaints) as way:
        operator.code = 503
        assert not way.send(samples())
        assert not way.send(samples())
        operator.code = 200
        assert way.send(samples())
        operator.code = 503
        assert not way.send(samples())
    assert len(complaints) == 2
    assert "503 Service Unavailable: what it thinks of it" in complaints[0]


def test_an_operator_that_is_away_is_found_again(operator: Operator, token: Path) -> None:
    complaints: list[str] = []
    with home(operator, token, complaints) as way:
        assert way.send(samples(1))
        assert way._connection is not None
        way._connection.sock.close()  # as a restarted operator would
        assert not way.send(samples(2))
        assert way.send(samples(3))
    assert "does not answer" in complaints[0]


@pytest.mark.parametrize("url", ["ftp://nowhere", "http://", "http://127.0.0.1:1"])
def test_nowhere_to_go_is_a_complaint_and_no_exception(url: str, token: Path) -> None:
    complaints: list[str] = []
    assert not Home(url, str(token), complaints.append).send(samples())
    assert len(complaints) == 1


def test_without_a_token_nothing_is_sent(operator: Operator, tmp_path: Path) -> None:
    complaints: list[str] = []
    with home(operator, tmp_path / "none", complaints) as way:
        assert not way.send(samples())
    assert operator.heard == []
    assert "No such file" in complaints[0]
    assert "does not answer" not in complaints[0]


def test_outside_a_cluster_nobody_waits_for_the_operator() -> None:
    assert Home("", "", pytest.fail).send(samples())

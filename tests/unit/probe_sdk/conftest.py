"""A real intake on loopback that answers what a test wrote into its script."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from probe_sdk.steps import Recorder, recording


@dataclass(frozen=True)
class Received:
    path: str
    authorization: str
    content_type: str
    length: int
    body: bytes


@dataclass
class ScriptedIntake:
    """Answers each request with the next status of its script (the last one stays); 0 means never to answer."""

    script: list[int] = field(default_factory=lambda: [200])
    retry_after: str = "0"
    received: list[Received] = field(default_factory=list)
    url: str = ""
    released: threading.Event = field(default_factory=threading.Event)

    def next_status(self, request: Received) -> int:
        self.received.append(request)
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]


def _handler(intake: ScriptedIntake) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            headers = self.headers
            status = intake.next_status(
                Received(self.path, headers["Authorization"], headers["Content-Type"], length, body)
            )
            if status == 0:
                intake.released.wait(30)
                return
            said = f"scripted {status}".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            if status == 503:
                self.send_header("Retry-After", intake.retry_after)
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    return Handler


@pytest.fixture
def intake() -> Iterator[ScriptedIntake]:
    scripted = ScriptedIntake()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(scripted))
    scripted.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield scripted
    scripted.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text("a-token\n")
    return str(path)


@pytest.fixture
def termination_log(tmp_path: Path) -> Path:
    path = tmp_path / "termination-log"
    path.touch()
    return path


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with recording(Recorder()) as fresh:
        yield fresh


@pytest.fixture
def no_environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Clear what a run's environment has, then set what the test says."""

    def put(**variables: str) -> None:
        for name in ("URL", "TOKEN_FILE", "RUN", "RUN_UID", "CONFIG", "NAMESPACE", "DEADLINE", "PARAMS"):
            monkeypatch.delenv(f"KUBEPROBE_{name}", raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(f"KUBEPROBE_{name}", value)

    put()
    return put

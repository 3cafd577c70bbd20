"""API servers that are not ready, slow, silent, talk without end, or refuse us: small ones, on loopback."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.probes.cert_expiry.pki import Minted, mint
from tests.unit.probes.loopback import (
    Behave,
    assert_fails,
    drips,
    driver_of,
    ended,
    endless,
    free_port,
    never_answers,
    reasons,
    resident,
    tcp_server,
)

from apiserver.echo import subject_name
from apiserver.probe import probe
from cluster import api
from probe_sdk.resident.account import Account, Verdict

NOW = datetime.now(UTC)
Json = dict[str, Any]


class Behaviour:
    """How the server is."""

    ready: tuple[int, str] = (200, "[+]ping ok\n")
    read: tuple[int, Json] = (200, {"metadata": {"resourceVersion": "1"}, "items": []})
    write: tuple[int, Json] = (200, {})
    created: tuple[int, Json] = (201, {})
    missing = 0
    """So many times the object that is written is not there."""
    read_seconds = 0.0
    events: Callable[[str], Iterator[Json]] | None = None

    def __init__(self) -> None:
        self.written: list[str] = []
        self.wrote = threading.Event()


def status(reason: str, message: str) -> Json:
    return {"kind": "Status", "reason": reason, "message": message}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    behaviour: Behaviour

    def do_GET(self) -> None:
        if self.path.startswith("/readyz"):
            code, text = self.behaviour.ready
            self.say(code, text.encode())
        elif "watch=true" in self.path:
            self.watch()
        elif self.behaviour.missing and self.path.endswith(f"/{subject_name()}"):
            self.behaviour.missing -= 1
            self.say(404, json.dumps(status("NotFound", "not there")).encode())
        else:
            time.sleep(self.behaviour.read_seconds)  # how slow it is, is what it does
            code, body = self.behaviour.read
            self.say(code, json.dumps(body).encode())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        code, answer = self.behaviour.created
        self.say(code, json.dumps(answer).encode())

    def do_PATCH(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        code, answer = self.behaviour.write
        self.say(code, json.dumps(answer).encode())
        self.behaviour.written.append(body["data"]["written"])
        self.behaviour.wrote.set()

    def watch(self) -> None:
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.event("ADDED", "before")
        self.behaviour.wrote.wait(5.0)
        self.behaviour.wrote.clear()
        for written in self.behaviour.written[-1:]:
            self.event("MODIFIED", "somebody else's")
            self.event("MODIFIED", written)
        self.close_connection = True

    def event(self, kind: str, written: str) -> None:
        with suppress(OSError):
            line = json.dumps({"type": kind, "object": {"data": {"written": written}}})
            self.wfile.write(line.encode() + b"\n")
            self.wfile.flush()

    def say(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def authority() -> Minted:
    return mint("authority", now=NOW, authority=True)


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: Minted) -> None:
    """A way to a cluster whose server the tests name themselves."""
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    cluster = {"server": "https://127.0.0.1:1", "certificate-authority": "ca.crt"}
    document = {
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a", "namespace": "probes"}}],
        "clusters": [{"name": "a", "cluster": cluster}],
        "users": [{"name": "a", "user": {"token": "secret"}}],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(document))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))


@contextmanager
def serving(folder: Path, leaf: Minted, behaviour: Behaviour) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*leaf.write(folder))
    handler = type("Handler", (Handler,), {"behaviour": behaviour})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()


def probed(until: Callable[[Account], bool] = ended, /, **params: Any) -> Account:
    return resident(driver_of(probe), params, until, timeout="5s")


@pytest.fixture
def leaf(authority: Minted) -> Minted:
    return mint("apiserver", authority, now=NOW, names=["127.0.0.1"])


def test_a_server_that_is_well(tmp_path: Path, leaf: Minted) -> None:
    with serving(tmp_path, leaf, Behaviour()) as server:
        found = probed(lambda one: one.passed > 1, server=server, watch=True)
    assert (found.verdict, found.failed) == (Verdict.PASSED, 0), found.message
    assert set(found.phases) == {"readyz", "get", "list", "write", "event"}


@pytest.mark.parametrize("code", [201, 409])
def test_the_object_that_is_written_is_made_by_whoever_is_first(tmp_path: Path, leaf: Minted, code: int) -> None:
    behaviour = Behaviour()
    behaviour.missing, behaviour.created = 1, (code, status("AlreadyExists", "there is one"))
    with serving(tmp_path, leaf, behaviour) as server:
        found = probed(lambda one: one.passed > 1, server=server, watch=True)
    assert (found.failed, behaviour.missing) == (0, 0)


@pytest.mark.parametrize(
    ("behaviour", "params", "class_", "text"),
    [
        (
            {"ready": (500, "[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n")},
            {},
            "NotReady",
            "/readyz answered 500, 1 of 2 checks fail: etcd",
        ),
        ({"read_seconds": 0.1}, {"maxLatency": "50ms"}, "Slow", "get took 1"),
        ({"read": (500, status("InternalError", "etcdserver: no leader"))}, {}, "InternalError", "etcd (leader"),
        ({"read": (429, status("TooManyRequests", "later"))}, {}, "TooManyRequests", "priority and fairness"),
    ],
)
def test_a_server_that_is_not(
    tmp_path: Path, leaf: Minted, behaviour: Json, params: Json, class_: str, text: str
) -> None:
    how = Behaviour()
    for name, value in behaviour.items():
        setattr(how, name, value)
    with serving(tmp_path, leaf, how) as server:
        found = probed(server=server, **params)
    assert_fails(found, class_, text)
    assert server.removeprefix("https://") in found.message or class_ not in ("NotReady", "Slow")


def test_a_missing_object_was_read_as_well(tmp_path: Path, leaf: Minted) -> None:
    how = Behaviour()
    how.read = (404, status("NotFound", "no"))
    with serving(tmp_path, leaf, how) as server:
        assert_fails(probed(server=server), "NotFound", "/configmaps: 404")


def talks_on(handler: Handler) -> None:
    with suppress(OSError):
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b"x" * 65536)


def test_an_answer_without_end_is_not_waited_for_nor_kept(
    tmp_path: Path, leaf: Minted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "MOST_BYTES", 1_000_000)
    monkeypatch.setattr(Handler, "do_GET", talks_on)
    with serving(tmp_path, leaf, Behaviour()) as server:
        assert_fails(probed(server=server), "BodyTooLong", "GET /readyz: the answer is longer than 1000000 bytes")


@pytest.mark.parametrize("lost", ["ca.crt", "kubeconfig", "token"])
def test_what_we_lack_ourselves_says_nothing_of_the_server(tmp_path: Path, leaf: Minted, lost: str) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    if lost == "token":
        kubeconfig.write_text(kubeconfig.read_text().replace("token: secret", "tokenFile: token"))
    else:
        (tmp_path / lost).unlink()
    with serving(tmp_path, leaf, Behaviour()) as server:
        found = probed(server=server)
    assert (found.verdict, found.failed) == (Verdict.UNKNOWN, 0), found.message


def test_a_server_that_hangs(tmp_path: Path, leaf: Minted) -> None:
    how = Behaviour()
    how.read_seconds = 7.0
    with serving(tmp_path, leaf, how) as server:
        assert_fails(probed(lambda one: one.failed > 0, server=server), "Timeout", "did not end within 5s in get")


@pytest.mark.parametrize("part", ["ready", "read", "write"])
def test_rights_that_we_lack_say_nothing_of_the_server(tmp_path: Path, leaf: Minted, part: str) -> None:
    how = Behaviour()
    refusal = status("Forbidden", "configmaps is forbidden")
    setattr(how, part, (403, json.dumps(refusal) if part == "ready" else refusal))
    with serving(tmp_path, leaf, how) as server:
        found = probed(server=server, watch=True)
    assert (found.verdict, found.failed, reasons(found)) == (Verdict.UNKNOWN, 0, {"Forbidden"})


@pytest.mark.parametrize(
    ("behave", "class_", "text"),
    [
        (never_answers, "Connect", "GET /readyz: no connection within 2s"),
        (drips, "TLS", "came to nothing (GET /readyz: "),
        (endless, "TLS", "came to nothing (GET /readyz: "),
    ],
)
def test_what_listens_there_is_no_api_server(behave: Behave, class_: str, text: str) -> None:
    with tcp_server(behave) as port:
        assert_fails(probed(server=f"https://127.0.0.1:{port}"), class_, text)


def test_nobody_listens() -> None:
    port = free_port()
    assert_fails(probed(server=f"https://127.0.0.1:{port}"), "Connect", f"https://127.0.0.1:{port} cannot be reached")


def test_a_name_that_is_none() -> None:
    assert_fails(probed(server="https://nobody.invalid:6443"), "Connect", "https://nobody.invalid:6443 cannot")


@pytest.mark.parametrize(
    ("minted", "text"),
    [
        ({"left_days": -1}, "certificate has expired"),
        ({"names": ["other.example"]}, "not valid for '127.0.0.1'"),
    ],
)
def test_the_certificate(tmp_path: Path, authority: Minted, minted: Json, text: str) -> None:
    leaf = mint("apiserver", authority, now=NOW, **{"names": ["127.0.0.1"], **minted})
    with serving(tmp_path, leaf, Behaviour()) as server:
        assert_fails(probed(server=server), "TLS", text)

"""What else the HTTP probe promises: HTTP/2, client certificates, what is sent, other addresses, and a single run."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from pydantic import ValidationError
from tests.unit.probes.cert_expiry.pki import Minted, mint
from tests.unit.probes.http_endpoint.test_prober import Handler, Server
from tests.unit.probes.loopback import (
    Behave,
    assert_fails,
    drips,
    ended,
    endless,
    never_answers,
    reasons,
    resident,
    run_once,
    tcp_server,
)

from http_endpoint.probe import probe
from http_endpoint.prober import HttpProber
from http_endpoint.request import Request
from probe_sdk import Inconclusive, ProbeFailure
from probe_sdk.resident.account import Account, Verdict

NOW = datetime.now(UTC)


def probed(**params: Any) -> Account:
    return resident(HttpProber, params, ended)


class Telling(Handler):
    """Tells what it was sent."""

    def do_GET(self) -> None:  # noqa: N802 - as the base class has it
        if self.path == "/sends-on":
            self.say_well(status=307, Location=f"http://localhost:{self.headers['Host'].partition(':')[2]}/arrived")
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        told = {"method": self.command, "path": self.path, "body": body, "host": self.headers["Host"]}
        self.say_well(json.dumps({**told, "tenant": self.headers.get("X-Tenant", "")}).encode())

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_HEAD = do_GET  # noqa: N815 - as the base class has it


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[int]:
    with Server(("127.0.0.1", 0), Telling) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def telling() -> Iterator[int]:
    with serving() as port:
        yield port


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_the_method_the_headers_and_the_body_arrive(telling: int, method: str) -> None:
    told = f'"method": "{method}".*"body": "order=1".*"tenant": "blue"'
    sent = {"method": method, "body": "order=1", "headers": {"X-Tenant": "blue"}}
    account = probed(url=f"http://127.0.0.1:{telling}/", expect={"bodyMatches": told}, **sent)
    assert account.verdict is Verdict.PASSED, account.message


def test_head_waits_for_no_body(telling: int) -> None:
    account = probed(url=f"http://127.0.0.1:{telling}/", method="HEAD", expect={"headers": {"X-Role": "primary"}})
    assert account.verdict is Verdict.PASSED, account.message


def test_another_address_keeps_the_name(telling: int) -> None:
    expect = {"bodyMatches": f'"host": "shop.example:{telling}"'}
    account = probed(url=f"http://shop.example:{telling}/", address="127.0.0.1", expect=expect)
    assert account.verdict is Verdict.PASSED, account.message


def test_a_redirect_leads_to_its_own_host_and_not_to_the_address(telling: int) -> None:
    expect = {"bodyMatches": f'"path": "/arrived".*"host": "localhost:{telling}"'}
    account = probed(url=f"http://shop.example:{telling}/sends-on", address="127.0.0.1", expect=expect)
    assert account.verdict is Verdict.PASSED, account.message


def test_a_redirect_to_a_host_that_is_none() -> None:
    def leads_away(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://nobody.invalid/\r\nContent-Length: 0\r\n\r\n")

    with tcp_server(leads_away) as port:
        assert_fails(probed(url=f"http://127.0.0.1:{port}/"), "DNS", "nobody.invalid")


def drips_an_answer(connection: socket.socket) -> None:
    drips(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n")


@pytest.mark.parametrize(
    ("behave", "scheme", "class_", "text"),
    [
        (never_answers, "http", "Timeout", "no answer within 0.4s, while waiting for the first byte"),
        (never_answers, "https", "Timeout", "no answer within 0.4s, while waiting for the TLS handshake"),
        (drips_an_answer, "http", "Timeout", "no answer within 0.4s, while waiting for"),
        (drips, "http", "Protocol", ""),
        (endless, "http", "Protocol", ""),
        (endless, "https", "TLS", ""),
    ],
)
def test_what_listens_there_is_no_http_server(behave: Behave, scheme: str, class_: str, text: str) -> None:
    with tcp_server(behave) as port:
        assert_fails(probed(url=f"{scheme}://127.0.0.1:{port}/"), class_, text)


def endless_headers(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-More: " + b"x" * 4000 + b"\r\n")


def test_headers_without_end() -> None:
    with tcp_server(endless_headers) as port:
        account = probed(url=f"http://127.0.0.1:{port}/")
    assert account.verdict is Verdict.FAILED
    assert reasons(account).isdisjoint({"Timeout"})


@contextmanager
def http2_server(credentials: Any = None) -> Iterator[int]:
    """A server that speaks HTTP/2 and nothing else: one of gRPC without services, which answers all with 200."""
    made = grpc.server(ThreadPoolExecutor(2))
    add = made.add_insecure_port if credentials is None else made.add_secure_port
    port = add("127.0.0.1:0") if credentials is None else add("127.0.0.1:0", credentials)
    made.start()
    try:
        yield port
    finally:
        made.stop(None).wait()


@pytest.fixture(scope="module")
def authority() -> Minted:
    return mint("authority", now=NOW, authority=True)


CALL = {"method": "POST", "headers": {"Content-Type": "application/grpc", "TE": "trailers"}, "http2": True}
ANSWERED = {"status": ["200"], "headers": {"content-type": "^application/grpc"}}


def test_http2_in_clear() -> None:
    with http2_server() as port:
        account = probed(url=f"http://127.0.0.1:{port}/", **CALL, expect=ANSWERED)
    assert account.verdict is Verdict.PASSED, account.message


def test_http2_over_tls(authority: Minted, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    leaf = mint("leaf", authority, now=NOW, names=["127.0.0.1"])
    with http2_server(grpc.ssl_server_credentials([(leaf.key_pem, leaf.pem)])) as port:
        tls = {"caFile": str(tmp_path / "ca.crt")}
        account = probed(url=f"https://127.0.0.1:{port}/", **CALL, expect=ANSWERED, tls=tls)
    assert account.verdict is Verdict.PASSED, account.message


def tls_context(folder: Path, leaf: Minted, client_ca: Path | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*leaf.write(folder))
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
    return context


def test_a_server_without_http2_is_told(authority: Minted, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    leaf = mint("leaf", authority, now=NOW, names=["127.0.0.1"])
    with serving(tls_context(tmp_path, leaf)) as port:
        tls = {"caFile": str(tmp_path / "ca.crt")}
        account = probed(url=f"https://127.0.0.1:{port}/", http2=True, tls=tls)
    assert_fails(account, "HTTP2", "the answer came by HTTP/1, HTTP/2 was asked for")


@pytest.mark.parametrize("shown", [True, False])
def test_a_client_certificate(authority: Minted, tmp_path: Path, shown: bool) -> None:
    trusted, mine = tmp_path / "ca.crt", tmp_path / "mine"
    trusted.write_bytes(authority.pem)
    mine.mkdir()
    certificate, key = mint("client", authority, now=NOW).write(mine)
    leaf = mint("leaf", authority, now=NOW, names=["127.0.0.1"])
    tls = {"caFile": str(trusted)} | ({"certFile": str(certificate), "keyFile": str(key)} if shown else {})
    with serving(tls_context(tmp_path, leaf, trusted)) as port:
        account = probed(url=f"https://127.0.0.1:{port}/", tls=tls)
    if shown:
        assert account.verdict is Verdict.PASSED, account.message
    else:
        assert (account.verdict, account.passed) == (Verdict.FAILED, 0)


def test_the_usual_trust_knows_no_stranger(tmp_path: Path) -> None:
    leaf = mint("leaf", now=NOW, names=["127.0.0.1"])
    with serving(tls_context(tmp_path, leaf)) as port:
        assert_fails(probed(url=f"https://127.0.0.1:{port}/"), "Certificate", "self-signed certificate")


def test_a_run_asks_once(telling: int) -> None:
    run_once(probe, {"url": f"http://127.0.0.1:{telling}/"})
    with pytest.raises(ProbeFailure, match="answered 200, expected 404"):
        run_once(probe, {"url": f"http://127.0.0.1:{telling}/", "expect": {"status": ["404"]}})
    with pytest.raises(ProbeFailure, match=r"http://127.0.0.1:1/: "):
        run_once(probe, {"url": "http://127.0.0.1:1/"})
    with pytest.raises(Inconclusive):
        run_once(probe, {"url": f"https://127.0.0.1:{telling}/", "tls": {"caFile": "/none"}})


WITHOUT_FILES = """
import os, resource, time
import pycurl
from http_endpoint.exchange import Exchange
from http_endpoint.request import Request

exchange, multi = Exchange(Request(url="http://127.0.0.1:1/"), 1.0), pycurl.CurlMulti()
exchange.ready(time.time())
multi.add_handle(exchange.curl)
free = os.open(os.devnull, 0)
os.close(free)
resource.setrlimit(resource.RLIMIT_NOFILE, (free + int(os.environ["SPARE"]), 4096))
while multi.perform()[1]:
    multi.select(0.1)
_, _, ((_, code, message),) = multi.info_read()
print(exchange.judge(code, message, time.time()))
"""


@pytest.mark.parametrize(("spare", "said"), [("0", "class_='ProberLacks'"), ("500", "class_='Connect'")])
def test_a_process_without_files_blames_nobody(spare: str, said: str) -> None:
    argv = [sys.executable, "-c", WITHOUT_FILES]
    told = subprocess.run(argv, env={"SPARE": spare}, capture_output=True, text=True, check=True, timeout=60)
    assert said in told.stdout


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"url": "file:///etc/passwd"}, "pattern"),
        ({"expect": {"status": ["20x"]}}, "pattern"),
        ({"expect": {"bodyMatches": "("}}, "not a regular expression"),
        ({"headers": {"X": "a\r\nEvil: b"}}, "pattern"),
        ({"username": "a", "bearerTokenFile": "b"}, "set one of them"),
    ],
)
def test_parameters_that_make_no_sense(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        Request.model_validate({"url": "http://a/", **wrong})

"""The HTTP prober against servers that behave in every way that servers do."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.unit.probes.loopback import tcp_server

from http_endpoint.exchange import Exchange
from http_endpoint.prober import HttpProber, request_of
from http_endpoint.request import Request
from probe_sdk.resident.account import Account, Denoise, Verdict
from probe_sdk.resident.lookups import Lookups
from probe_sdk.resident.rota import BUSY, LATE, Rota
from probe_sdk.resident.slots import Slots
from probe_sdk.resident.spec import Spec, Target
from probe_sdk.resident.starvation import Starvation

SOON_SECONDS = 20.0
INTERVAL = "20ms"


class Handler(BaseHTTPRequestHandler):
    """What it answers is in the path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        getattr(self, f"say_{self.path.strip('/').partition('?')[0] or 'well'}")()

    def say_well(self, body: bytes = b"all is well", status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "X-Role": "primary", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def say_broken(self) -> None:
        self.say_well(status=503)

    def say_away(self) -> None:
        self.say_well(status=302, Location="/away")

    def say_elsewhere(self) -> None:
        self.say_well(status=302, Location="/")

    def say_endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        with suppress(OSError):
            while True:
                self.wfile.write(b"x" * 4096)

    def say_drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        with suppress(OSError):
            for _ in range(100):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.2)  # how slow it is, is what it does

    def say_nothing(self) -> None:
        self.close_connection = True

    def say_who(self) -> None:
        said = self.headers.get("Authorization", "")
        self.say_well(status=200 if said in ("Bearer secret", "Basic dXNlcjpzZWNyZXQ=") else 401)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path == "/length":
            self.say_well(self.headers.get("Content-Length", "none").encode())
        else:
            self.say_well(status=303 if self.path == "/done" else 405, Location="/")

    do_PUT = do_DELETE = do_POST  # noqa: N815 - as the library has it

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    connections = 0

    def get_request(self) -> Any:
        self.connections += 1
        return super().get_request()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


class Unhurried(Starvation):
    """Blames nothing on the machine, which tests make busy themselves."""

    def late(self, seconds: float) -> None:
        """Forget it."""


@dataclass
class Probing:
    """A prober at work, and the turns that it told."""

    rota: Rota
    prober: HttpProber
    turns: list[tuple[str, Verdict]] = field(default_factory=list)

    def account(self, target: str = "a") -> Account:
        return self.rota.accounts[target]

    def ended(self, target: str = "a", slots: int = 2) -> Account:
        """The account of a target once some probes of it have ended."""
        end = time.monotonic() + SOON_SECONDS
        while (account := self.account(target)).total - account.missed < slots:
            assert time.monotonic() < end, f"{target}: {account.total} slots of which {account.missed} missed"
            time.sleep(0.005)
        return account


@contextmanager
def probing(
    targets: dict[str, dict[str, Any]], look_up: Callable[..., list[Any]] = socket.getaddrinfo, **spec: Any
) -> Iterator[Probing]:
    """Probe while the block lasts."""
    wanted = made(targets, **spec)
    turns: list[tuple[str, Verdict]] = []
    slots = Slots(wanted.interval, time.monotonic())
    starved = Unhurried(lambda: 0.0, time.monotonic())
    rota = Rota(
        slots, wanted.limits, Denoise(), starved, lambda account: turns.append((account.target, account.verdict))
    )
    prober = HttpProber(rota, lookups=lambda call: Lookups(call, look_up))
    retarget(rota, prober, wanted)
    thread = threading.Thread(target=prober.run, daemon=True)
    thread.start()
    try:
        yield Probing(rota, prober, turns)
    finally:
        prober.stop()
        thread.join(SOON_SECONDS)
        assert not thread.is_alive()


def made(targets: dict[str, dict[str, Any]], **spec: Any) -> Spec:
    found = tuple(Target(name=name, params=params) for name, params in targets.items())
    return Spec.model_validate({"interval": INTERVAL, "timeout": "500ms", **spec, "targets": found})


def retarget(rota: Rota, prober: HttpProber, spec: Spec) -> None:
    prober.retarget(spec)
    for target in spec.targets:
        rota.add(target.name, time.monotonic())


def reasons(account: Account) -> set[str]:
    """The classes of what did not pass, but for what a busy machine adds."""
    return {*account.classes} - {BUSY, LATE}


def url(server: Server, path: str = "/") -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"


def test_an_endpoint_that_is_well_passes_and_its_phases_are_told(server: Server) -> None:
    with probing({"a": {"url": url(server)}}) as at_work:
        account = at_work.ended()
    assert (account.verdict, account.failed) == (Verdict.PASSED, 0)
    assert {"connect", "processing"} <= set(account.phases)
    assert sum(account.phases.values()) == pytest.approx(account.seconds_sum, rel=0.05)


@pytest.mark.parametrize(
    ("path", "params", "class_", "text"),
    [
        ("/broken", {}, "Status", "answered 503, expected 2xx"),
        ("/", {"expect": {"status": ["204", "3xx"]}}, "Status", "answered 200, expected 204 or 3xx"),
        ("/", {"expect": {"bodyMatches": "all is (bad|worse)"}}, "Body", "has no match of"),
        ("/", {"expect": {"bodyLacks": "is well"}}, "Body", "has a match of"),
        ("/", {"expect": {"headers": {"X-Role": "^replica$"}}}, "Header", "x-role is 'primary', expected '^replica$'"),
        ("/", {"expect": {"headers": {"X-None": "."}}}, "Header", "has no header x-none"),
        ("/away", {}, "Redirects", "sent on more than 10 times"),
        ("/elsewhere", {"followRedirects": False}, "Status", "answered 302"),
        ("/endless", {"maxBodyBytes": 100_000}, "BodyTooLong", "longer than 100000 bytes"),
        ("/drip", {}, "Timeout", "no answer within 0.5s, while waiting for the rest"),
        ("/nothing", {}, "EmptyReply", "Empty reply"),
        ("/who", {}, "Status", "answered 401"),
    ],
)
def test_what_is_not_well_is_told_in_one_sentence(
    server: Server, path: str, params: dict[str, Any], class_: str, text: str
) -> None:
    with probing({"a": {"url": url(server, path), **params}}) as at_work:
        account = at_work.ended()
    assert (account.verdict, account.passed) == (Verdict.FAILED, 0)
    assert reasons(account) == {class_}
    assert text in account.message


def test_a_target_that_refuses_and_one_that_resolves_to_nothing(server: Server) -> None:
    targets = {"refuses": {"url": "http://127.0.0.1:1/"}, "nobody": {"url": "http://nobody.invalid/"}}
    with probing(targets) as at_work:
        refuses, nobody = at_work.ended("refuses"), at_work.ended("nobody")
    assert (reasons(refuses), reasons(nobody)) == ({"Connect"}, {"DNS"})


def test_expectations_that_hold(server: Server) -> None:
    expect = {"bodyMatches": "^all", "bodyLacks": "bad", "headers": {"x-role": "^prim"}, "status": ["200"]}
    with probing({"a": {"url": url(server, "/elsewhere"), "expect": expect}}) as at_work:
        assert at_work.ended().verdict is Verdict.PASSED


@pytest.mark.parametrize("how", ["bearer", "basic"])
def test_who_asks_is_said_and_read_anew(server: Server, tmp_path: Any, how: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("wrong")
    who = {"bearerTokenFile": str(secret)} if how == "bearer" else {"username": "user", "passwordFile": str(secret)}
    with probing({"a": {"url": url(server, "/who"), **who}}) as at_work:
        assert at_work.ended().verdict is Verdict.FAILED
        secret.write_text("secret\n")
        end = time.monotonic() + SOON_SECONDS
        while at_work.account().verdict is not Verdict.PASSED:
            assert time.monotonic() < end
            time.sleep(0.005)


def test_who_asks_cannot_be_said_without_its_file(server: Server) -> None:
    with probing({"a": {"url": url(server, "/who"), "bearerTokenFile": "/none"}}) as at_work:
        account = at_work.ended()
    assert (account.verdict, account.failed, reasons(account)) == (Verdict.UNKNOWN, 0, {"ProberLacks"})
    assert "/none cannot be read" in account.message


def test_connections_are_new_unless_they_are_to_be_kept(server: Server) -> None:
    before = server.connections
    with probing({"a": {"url": url(server)}}) as at_work:
        new = at_work.ended(slots=10).passed
    between = server.connections
    with probing({"a": {"url": url(server), "keepAlive": True}}) as at_work:
        at_work.ended(slots=10)
    assert between - before >= new
    assert server.connections - between == 1


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        ({"url": "gopher://x"}, "parameter url"),
        ({"url": "http://a:port/"}, "port"),
        ({"url": "http://b\u00fccher.example/"}, "parameter url"),
        ({"url": "http://a/", "address": "a b"}, "parameter address"),
        ({"url": "http://a/", "expect": {"bodyMatches": "\\N{DIGIT ONE}"}}, "not a regular expression"),
        ({"url": "http://a/", "bearerTokenFile": "NUL"}, "null"),
    ],
)
def test_a_bad_target_says_nothing_and_disturbs_no_other(
    server: Server, tmp_path: Path, bad: dict[str, Any], text: str
) -> None:
    (tmp_path / "nul").write_bytes(b"a\0b")
    bad = {name: str(tmp_path / "nul") if value == "NUL" else value for name, value in bad.items()}
    with probing({"bad": bad, "a": {"url": url(server)}}) as at_work:
        assert at_work.ended().verdict is Verdict.PASSED
        account = at_work.ended("bad")
        assert at_work.ended(slots=5).failed == 0
    assert (account.verdict, account.failed, reasons(account)) == (Verdict.UNKNOWN, 0, {"BadParams"})
    assert text in account.message


def test_what_is_not_ascii_is_sent_as_utf_8(server: Server, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("p\u00e4ss", encoding="utf-8")
    params = {"username": "\u00fcser", "passwordFile": str(secret), "headers": {"X-Who": "\u00fc"}}
    with probing({"a": {"url": url(server), **params}}) as at_work:
        assert at_work.ended().verdict is Verdict.PASSED


def test_what_a_target_says_in_other_letters_can_be_told() -> None:
    """Its error is in bytes that are no text, of which nothing that is sent consists."""

    def leads_away(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://b\xfccher.invalid/\r\nContent-Length: 0\r\n\r\n")

    with tcp_server(leads_away) as port, probing({"a": {"url": f"http://127.0.0.1:{port}/"}}) as at_work:
        account = at_work.ended()
    assert reasons(account) == {"DNS"}
    assert "b?cher.invalid" in account.message
    account.message.encode()


def test_targets_come_go_and_change_while_the_others_go_on(server: Server) -> None:
    with probing({"a": {"url": url(server)}, "b": {"url": url(server)}}) as at_work:
        before = at_work.ended("a").passed
        spec = made({"a": {"url": url(server)}, "c": {"url": url(server, "/broken")}})

        def change() -> None:
            at_work.rota.remove("b")
            retarget(at_work.rota, at_work.prober, spec)

        at_work.prober.call(change)
        end = time.monotonic() + SOON_SECONDS
        while "c" not in at_work.rota.accounts:
            assert time.monotonic() < end
            time.sleep(0.005)
        assert at_work.ended("c").verdict is Verdict.FAILED
        assert at_work.ended("a", before + 5).failed == 0
    assert sorted(at_work.rota.accounts) == ["a", "c"]


def test_only_parameters_that_changed_are_read_again() -> None:
    read: list[str] = []

    def counting(params: dict[str, Any]) -> Request:
        read.append(params["url"])
        return request_of(params)

    now = time.monotonic()
    spec = made({"a": {"url": "http://a/"}, "b": {"url": "http://b/"}})
    rota = Rota(Slots(1.0, now), spec.limits, Denoise(), Unhurried(lambda: 0.0, now), lambda _: None)
    prober = HttpProber(rota, request_of=counting)
    prober.retarget(spec)
    prober.retarget(made({"a": {"url": "http://a/"}, "b": {"url": "http://c/"}, "d": {"url": "http://d/"}}))
    assert read == ["http://a/", "http://b/", "http://c/", "http://d/"]
    prober._engine.close()


def test_an_answer_that_cannot_be_judged_fails_its_target_alone(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = Exchange.judge

    def careless(self: Exchange, code: int, message: str, now: float) -> Any:
        if self.request.url.endswith("?odd"):
            raise ValueError("nobody thought of that")
        return judge(self, code, message, now)

    monkeypatch.setattr(Exchange, "judge", careless)
    with probing({"odd": {"url": url(server, "/?odd")}, "a": {"url": url(server)}}) as at_work:
        account = at_work.ended("odd")
        assert at_work.ended(slots=5).failed == 0
    assert account.classes.keys() >= {"Protocol"}
    assert "cannot be judged" in account.message


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_after_a_303_the_other_place_is_got(server: Server, method: str) -> None:
    params = {"url": url(server, "/done"), "method": method, "body": "a=b" if method != "DELETE" else ""}
    with probing({"a": params}) as at_work:
        account = at_work.ended()
    assert (account.failed, reasons(account)) == (0, set())


def test_a_post_of_nothing_says_how_long_it_is(server: Server) -> None:
    with probing({"a": {"url": url(server, "/length"), "method": "POST", "expect": {"bodyMatches": "^0$"}}}) as at_work:
        assert at_work.ended().failed == 0

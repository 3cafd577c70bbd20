"""Names of targets: a silent one takes nothing from the others, and the time for it is told."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.unit.probes.http_endpoint.test_prober import SOON_SECONDS, Server, probing, reasons, server

from http_endpoint import names
from http_endpoint.names import Names, place_of
from http_endpoint.request import Request
from probe_sdk.resident.account import Verdict
from probe_sdk.resident.lookups import Lookups

__all__ = ["server"]


class Resolver:
    """Knows one server, by all names but some."""

    def __init__(self, port: int) -> None:
        self.asked: Counter[str] = Counter()
        self.error: OSError | None = None
        self.silent = False
        self.seconds = 0.0
        self.speak = threading.Event()
        self._port = port

    def __call__(self, host: str, *_: object) -> list[Any]:
        self.asked[host] += 1
        if self.silent or host.startswith("silent"):
            self.speak.wait(SOON_SECONDS)
        if self.error is not None:
            raise self.error
        time.sleep(self.seconds)  # how slow it is, is what it does
        return [(family, 1, 6, "", (address, self._port)) for family, address in ADDRESSES]


ADDRESSES = ((socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1"))


@pytest.fixture
def resolver(server: Server) -> Iterator[Resolver]:
    made = Resolver(server.server_port)
    yield made
    made.speak.set()


def test_names_that_nobody_tells_keep_no_other_target_from_being_probed(server: Server, resolver: Resolver) -> None:
    """Thirty of them, where libcurl would have twenty threads for all."""
    silent = [f"silent{number}" for number in range(30)]
    targets = {name: {"url": f"http://{name}.example:{server.server_port}/"} for name in [*silent, "told"]}
    with probing(targets, look_up=resolver) as at_work:
        for name in silent:
            assert at_work.ended(name, slots=1).verdict is Verdict.FAILED
        told = at_work.ended("told", slots=10)
    assert (told.verdict, told.failed) == (Verdict.PASSED, 0)
    hung = at_work.account("silent0")
    assert (hung.passed, reasons(hung)) == (0, {"Timeout"})
    assert hung.message.endswith("no answer within 0.5s, while waiting for the name's address")
    assert set(resolver.asked.values()) == {1}


def test_the_time_for_a_name_is_part_of_the_probe(server: Server, resolver: Resolver) -> None:
    resolver.seconds = 0.1
    with probing({"a": {"url": f"http://told.example:{server.server_port}/"}}, look_up=resolver) as at_work:
        account = at_work.ended(slots=5)
    assert (account.failed, resolver.asked["told.example"]) == (0, 1)
    assert account.phases["resolve"] == pytest.approx(0.1, abs=0.09)
    assert sum(account.phases.values()) == pytest.approx(account.seconds_sum, rel=0.1)


@pytest.mark.parametrize(
    ("error", "verdict", "class_", "text"),
    [
        (
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            Verdict.FAILED,
            "DNS",
            "resolve told.example: name or service not known",
        ),
        (OSError(errno.EMFILE, "Too many open files"), Verdict.UNKNOWN, "ProberLacks", "too many open files"),
    ],
)
def test_a_name_that_has_no_address(
    server: Server, resolver: Resolver, error: OSError, verdict: Verdict, class_: str, text: str
) -> None:
    resolver.error = error
    with probing({"a": {"url": f"http://told.example:{server.server_port}/"}}, look_up=resolver) as at_work:
        account = at_work.ended()
    assert (account.verdict, account.passed, reasons(account)) == (verdict, 0, {class_})
    assert text in account.message


def test_a_label_that_is_too_long_is_no_name(server: Server) -> None:
    with probing({"a": {"url": f"http://{'x' * 70}.example:{server.server_port}/"}}) as at_work:
        account = at_work.ended()
    assert (account.verdict, reasons(account)) == (Verdict.FAILED, {"DNS"})


@pytest.mark.parametrize("kept", [True, False])
def test_a_kept_connection_needs_its_name_no_more(
    server: Server, resolver: Resolver, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    monkeypatch.setattr(names, "FRESH_SECONDS", 0.0)
    params = {"url": f"http://told.example:{server.server_port}/", "keepAlive": kept}
    with probing({"a": params}, look_up=resolver) as at_work:
        before = at_work.ended(slots=2)
        assert before.failed == 0
        resolver.silent = True
        account = at_work.ended(slots=before.total + 10) if kept else at_work.ended(slots=before.total + 2)
    assert reasons(account) == (set() if kept else {"Timeout"})


@pytest.mark.parametrize(
    ("params", "place"),
    [
        ({"url": "http://127.0.0.1:80/"}, None),
        ({"url": "http://[::1]:80/"}, None),
        ({"url": "http://a.example/"}, ("a.example", 80)),
        ({"url": "https://a.example/"}, ("a.example", 443)),
        ({"url": "https://user@a.example:8443/b:9"}, ("a.example", 8443)),
        ({"url": "https://a.example/", "address": "10.0.0.1"}, None),
        ({"url": "https://a.example:8443/", "address": "b.example"}, ("b.example", 8443)),
    ],
)
def test_what_is_to_be_looked_up(params: dict[str, Any], place: tuple[str, int] | None) -> None:
    assert place_of(Request.model_validate(params)) == place


def test_names_that_are_asked_for_no_more_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "MOST_KNOWN", 10)
    clock, found = [0.0], threading.Semaphore(0)

    def tell(told: Callable[[], None]) -> None:
        told()
        found.release()

    lookups = Lookups(tell, lambda *_: [(0, 0, 0, "", ("10.0.0.1", 80))])
    known = Names(lookups, lambda: clock[0])
    for number in range(100):
        clock[0] += names.FRESH_SECONDS / 5
        known.ask((f"pod-{number}", 80), lambda _: None)
        assert found.acquire(timeout=SOON_SECONDS)
    assert known.known(("pod-99", 80), clock[0]) == (("10.0.0.1",), True)
    assert len(known._known) <= 10


def test_a_name_whose_address_takes_no_connection_is_looked_up_anew(server: Server, resolver: Resolver) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        params = {"url": f"http://told.example:{nobody.getsockname()[1]}/"}
        with probing({"a": params, "well": {"url": f"http://well.example:{server.server_port}/"}}, resolver) as at_work:
            assert reasons(at_work.ended(slots=5)) == {"Connect"}
            assert at_work.ended("well", slots=5).failed == 0
    assert resolver.asked["told.example"] >= 4
    assert resolver.asked["well.example"] == 1

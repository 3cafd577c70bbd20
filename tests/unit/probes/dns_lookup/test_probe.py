"""DNS servers that answer well, wrongly, late, in parts, or not at all, on loopback."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from pydantic import ValidationError
from tests.unit.probes.loopback import (
    assert_fails,
    drips,
    driver_of,
    ended,
    endless,
    free_port,
    never_answers,
    reasons,
    resident,
    run_once,
    tcp_server,
    udp_server,
)

from dns_lookup.probe import Params, own_server, probe
from probe_sdk import Inconclusive, ProbeFailure
from probe_sdk.resident.account import Account, Verdict

NAME = "web.shop.svc.cluster.local."
ADDRESSES = ("10.96.0.1", "10.96.0.2")
Answer = Callable[[dns.message.Message], dns.message.Message]


def answer(
    query: dns.message.Message, rcode: str = "NOERROR", records: tuple[str, ...] = ADDRESSES, flags: int = 0
) -> dns.message.Message:
    reply = dns.message.make_response(query)
    reply.set_rcode(dns.rcode.from_text(rcode))
    reply.flags |= flags
    name, type_ = query.question[0].name, query.question[0].rdtype
    if records:
        reply.answer.append(dns.rrset.from_text_list(name, 5, "IN", dns.rdatatype.to_text(type_), records))
    return reply


def wire(data: bytes, **how: Any) -> list[bytes]:
    return [answer(dns.message.from_wire(data), **how).to_wire()]


def probed(port: int, until: Callable[[Account], bool] = ended, /, **params: Any) -> Account:
    return resident(driver_of(probe), {"server": "127.0.0.1", "port": port, "name": NAME, **params}, until)


@pytest.mark.parametrize(
    ("how", "params"),
    [
        ({}, {}),
        ({}, {"expect": {"answers": ["10.96.0.2"], "answerMatches": r"^10\.96\.", "minAnswers": 2}}),
        ({"rcode": "NXDOMAIN", "records": ()}, {"expect": {"rcodes": ["NXDOMAIN"]}}),
        ({"records": ()}, {"expect": {"minAnswers": 0}}),
        ({"flags": dns.flags.AA}, {"expect": {"authoritative": True}, "recurse": False}),
        ({"records": ('"v=spf1 -all"',)}, {"type": "TXT", "expect": {"answerMatches": "spf1"}}),
        ({}, {"name": "WEB.shop.svc.cluster.local"}),
    ],
)
def test_a_server_that_is_well(how: dict[str, Any], params: dict[str, Any]) -> None:
    with udp_server(lambda data: wire(data, **how)) as port:
        account = probed(port, lambda one: one.passed > 3, **params)
    assert (account.failed, reasons(account), set(account.phases)) == (0, set(), {"reply"})


@pytest.mark.parametrize(
    ("how", "params", "class_", "text"),
    [
        ({"rcode": "NXDOMAIN", "records": ()}, {}, "Rcode", "A of web.shop.svc.cluster.local. answered NXDOMAIN"),
        ({"rcode": "SERVFAIL", "records": ()}, {}, "Rcode", "answered SERVFAIL, expected NOERROR"),
        ({}, {"expect": {"rcodes": ["NXDOMAIN", "REFUSED"]}}, "Rcode", "NOERROR, expected NXDOMAIN or REFUSED"),
        ({"records": ()}, {}, "Answer", "answered with 0 records, expected 1 or more"),
        ({"records": ("10.0.0.1",)}, {"expect": {"minAnswers": 2}}, "Answer", "answered with 1 record, expected 2"),
        ({}, {"expect": {"answers": ["10.96.0.9"]}}, "Answer", "10.96.0.9 is not among 10.96.0."),
        ({}, {"expect": {"answerMatches": "^10.97"}}, "Answer", "nothing matches '^10.97' among 10.96.0."),
        ({}, {"expect": {"authoritative": True}}, "NotAuthoritative", "does not say that the zone is its own"),
    ],
)
def test_a_reply_that_is_not_as_expected(how: dict[str, Any], params: dict[str, Any], class_: str, text: str) -> None:
    with udp_server(lambda data: wire(data, **how)) as port:
        account = probed(port, **params)
    assert_fails(account, class_, text)
    assert f"127.0.0.1:{port}" in account.message


def other_question(data: bytes) -> list[bytes]:
    query = dns.message.from_wire(data)
    query.question = dns.message.make_query("other.example.", "A").question
    return [answer(query).to_wire()]


def other_number(data: bytes) -> list[bytes]:
    return [struct.pack("!H", (struct.unpack_from("!H", data)[0] + 1) % 65536) + wire(data)[0][2:]]


@pytest.mark.parametrize(
    ("behave", "class_", "text"),
    [
        (lambda _: [], "Timeout", "did not end within 0.4s in reply"),
        (other_number, "Timeout", "did not end within 0.4s in reply"),
        (other_question, "Reply", "about other.example. A, not"),
        (lambda data: [data], "Reply", "no DNS message: it is a question itself"),
        (lambda data: [data[:2] + b"nonsense"], "Reply", "no DNS message: ShortHeader"),
    ],
)
def test_a_server_that_talks_nonsense_or_nothing(
    behave: Callable[[bytes], list[bytes]], class_: str, text: str
) -> None:
    with udp_server(behave) as port:
        assert_fails(probed(port), class_, text)


def test_a_reply_to_somebody_else_is_passed_over() -> None:
    with udp_server(lambda data: [*other_number(data), b"", *wire(data)]) as port:
        account = probed(port, lambda one: one.passed > 2)
    assert account.failed == 0


@pytest.mark.parametrize(("transport", "way"), [("UDP", "by UDP"), ("TCP", "connect to")])
def test_nobody_listens(transport: str, way: str) -> None:
    account = probed(free_port(), transport=transport)
    assert_fails(account, "Connect", "connection refused")
    assert way in account.message


def by_tcp(connection: socket.socket) -> None:
    (length,) = struct.unpack("!H", connection.recv(2))
    (reply,) = wire(connection.recv(length))
    connection.sendall(struct.pack("!H", len(reply)) + reply)


def breaks_off(connection: socket.socket) -> None:
    connection.recv(100)
    connection.sendall(b"\x00\x20half")


def test_a_reply_by_tcp() -> None:
    with tcp_server(by_tcp) as port:
        account = probed(port, transport="TCP")
    assert (account.verdict, set(account.phases)) == (Verdict.PASSED, {"connect", "reply"})


@pytest.mark.parametrize(
    ("behave", "class_", "text"),
    [
        (never_answers, "Timeout", "in reply"),
        (lambda connection: drips(connection, b"\xff\xff" + b"x" * 100), "Timeout", "in reply"),
        (endless, "Reply", "the reply by TCP is to another question"),
        (breaks_off, "Reset", "ended after 4 of 32 bytes"),
    ],
)
def test_a_server_that_behaves_badly_by_tcp(behave: Callable[[socket.socket], None], class_: str, text: str) -> None:
    with tcp_server(behave) as port:
        assert_fails(probed(port, transport="TCP"), class_, text)


def test_a_reply_cut_short_is_asked_for_again_by_tcp() -> None:
    with tcp_server(by_tcp) as port, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", port))
        udp.settimeout(20.0)

        def cut() -> None:
            data, whose = udp.recvfrom(65535)
            udp.sendto(wire(data, records=(), flags=dns.flags.TC)[0], whose)

        thread = threading.Thread(target=cut)
        thread.start()
        run_once(probe, {"server": "127.0.0.1", "port": port, "name": NAME, "expect": {"minAnswers": 2}})
        thread.join()


@pytest.mark.parametrize(
    ("text", "server"),
    [("search a\nnameserver 10.96.0.10\nnameserver 10.96.0.11\n", "10.96.0.10"), ("nameserver fd00::a\n", "fd00::a")],
)
def test_the_pods_own_server(tmp_path: Path, text: str, server: str) -> None:
    (tmp_path / "resolv.conf").write_text(text)
    assert own_server(tmp_path / "resolv.conf") == server


def test_no_server_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("search a\n")
    with pytest.raises(Inconclusive, match="names none: set server"):
        own_server(tmp_path / "resolv.conf")
    with pytest.raises(Inconclusive, match="cannot be read"):
        own_server(tmp_path / "none")


def test_a_run_says_the_same() -> None:
    with udp_server(lambda data: wire(data, rcode="REFUSED")) as port, pytest.raises(ProbeFailure, match="REFUSED"):
        run_once(probe, {"server": "127.0.0.1", "port": port, "name": NAME})


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"server": "dns.example"}, "found without DNS"),
        ({"name": "a..b"}, "can be no name"),
        ({"type": "ANY"}, "Input should be"),
        ({"expect": {"rcodes": ["NXDOMAIN"], "answers": ["a"]}}, "answers come with NOERROR alone"),
    ],
)
def test_parameters_that_make_no_sense(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        Params.model_validate({"name": "a", **wrong})

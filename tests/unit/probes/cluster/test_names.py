"""A resolver on loopback that answers, answers with trouble, or is not there."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cluster.names import NotResolvedError, answer_words, ask, cluster_domain, nameservers, query, resolve

RESOLV_CONF = "search probes.svc.k8s.example svc.k8s.example k8s.example\nnameserver 10.96.0.10\noptions ndots:5\n"


@contextmanager
def resolver(rcode: int | None, answers: int = 0) -> Iterator[int]:
    """Answer one question with this code; None: take it and say nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))

        def answer_once() -> None:
            question, client = udp.recvfrom(4096)
            if rcode is not None:
                head = question[:2] + struct.pack("!5H", 0x8180 | rcode, 1, answers, 0, 0)
                udp.sendto(head + question[12:], client)

        thread = threading.Thread(target=answer_once)
        thread.start()
        yield udp.getsockname()[1]
        thread.join(timeout=5)


@pytest.mark.parametrize(
    ("rcode", "answers", "says"),
    [
        (2, 0, "answered SERVFAIL"),
        (3, 0, "answered NXDOMAIN"),
        (0, 0, "answered without an address"),
        (0, 1, "answered now"),
        (9, 0, "answered with code 9"),
        (None, 0, "does not answer"),
    ],
)
async def test_what_a_resolver_says(rcode: int | None, answers: int, says: str) -> None:
    with resolver(rcode, answers) as port:
        assert says in await ask("127.0.0.1", "a.b.", 0.3 if rcode is None else 5, port)


async def test_nobody_listens() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        free = udp.getsockname()[1]
    assert "refuses connections" in await ask("127.0.0.1", "a.b.", 5, free)


async def test_names_of_this_machine_resolve() -> None:
    assert "127.0.0.1" in await resolve("localhost", 5)


async def test_a_name_that_cannot_be_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(NotResolvedError, match="name or service not known"):
        await resolve("nobody", 5)


async def test_a_silent_resolver_does_not_hold_up_the_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(30) and [])
    try:
        with pytest.raises(NotResolvedError, match=r"no answer within 0\.1s"):
            await resolve("slow", 0.1)
    finally:
        release.set()


def test_resolv_conf_is_read() -> None:
    assert nameservers(RESOLV_CONF) == ["10.96.0.10"]
    assert cluster_domain(RESOLV_CONF) == "k8s.example"
    assert cluster_domain("nameserver 1.1.1.1\n") == "cluster.local"


def test_query_is_a_question_for_an_address() -> None:
    assert query("a.bc.").endswith(b"\x01a\x02bc\x00\x00\x01\x00\x01")
    assert "no DNS message" in answer_words(b"short")

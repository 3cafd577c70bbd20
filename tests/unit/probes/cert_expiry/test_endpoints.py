"""What real TLS servers on loopback present, and what is told of those that present nothing."""

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.unit.probes.cert_expiry.pki import Minted, mint

from cert_expiry.endpoints import Endpoint, read, read_all, split
from cert_expiry.trust import Trust, public

NOW = dt.datetime.now(dt.UTC)
ROOT = mint("root", now=NOW, authority=True)
MIDDLE = mint("middle", ROOT, now=NOW, authority=True)
LEAF = mint("web", MIDDLE, now=NOW, names=["127.0.0.1"])
TRUST = Trust(ROOT.pem)


@contextmanager
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def address(server: socket.socket) -> str:
    return f"127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def serving(folder: Path, leaf: Minted, *above: Minted) -> Iterator[str]:
    """A TLS server that takes one connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*leaf.write(folder, *above))

    def accept() -> None:
        connection, _ = server.accept()
        with connection, context.wrap_socket(connection, server_side=True) as tls:
            tls.recv(1)

    with listening() as server:
        thread = threading.Thread(target=accept)
        thread.start()
        yield address(server)
        thread.join()


def test_the_whole_chain_is_taken_with_what_it_has_to_lead_to(tmp_path: Path) -> None:
    with serving(tmp_path, LEAF, MIDDLE) as where:
        (presented,) = read(Endpoint(address=where), TRUST, 5).presented
    assert presented.chain == (LEAF.certificate, MIDDLE.certificate)
    assert (presented.where, presented.host) == (f"endpoint {where}", "127.0.0.1")
    assert presented.roots
    assert presented.roots[0] == ROOT.certificate
    assert len(presented.roots) == 1 + len(public())


def test_a_server_name_is_asked_for_and_an_expired_certificate_is_not_refused(tmp_path: Path) -> None:
    expired = mint("old", ROOT, now=NOW, left_days=-1)
    with serving(tmp_path, expired) as where:
        (presented,) = read(Endpoint(address=where, server_name="shop.example.org"), TRUST, 5).presented
    assert (presented.where, presented.host) == (f"endpoint {where} (as shop.example.org)", "shop.example.org")


def problem(endpoint: Endpoint, seconds: float = 5) -> str:
    (found,) = read(endpoint, TRUST, seconds).problems
    return found


def test_nobody_listens() -> None:
    with listening() as server:
        where = address(server)
    assert problem(Endpoint(address=where)).startswith(f"endpoint {where}: unreachable: connection refused; look at")


def test_somebody_listens_and_is_silent() -> None:
    with listening() as server:
        assert "no answer within 0.2s" in problem(Endpoint(address=address(server)), 0.2)


def test_somebody_speaks_something_else() -> None:
    def talk() -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"220 mail.example.org ESMTP\r\n")
            connection.recv(4096)

    with listening() as server:
        thread = threading.Thread(target=talk)
        thread.start()
        assert "no TLS handshake (WRONG_VERSION_NUMBER)" in problem(Endpoint(address=address(server)))
        thread.join()


def test_a_name_that_nobody_knows() -> None:
    assert "its name does not resolve" in problem(Endpoint(address="no-such-host.invalid:443"))


def test_a_ca_file_that_is_missing_or_no_certificate(tmp_path: Path) -> None:
    with serving(tmp_path, LEAF) as where:
        text = problem(Endpoint(address=where, ca_file="/no/such/ca.crt"))
    assert f"endpoint {where}: caFile /no/such/ca.crt: no such file or directory; mount it" in text
    (tmp_path / "ca.crt").write_text("hello")
    with serving(tmp_path, LEAF) as where:
        assert "it holds no PEM certificate" in problem(Endpoint(address=where, ca_file=str(tmp_path / "ca.crt")))


async def test_one_that_is_gone_does_not_hide_another(tmp_path: Path) -> None:
    with listening() as server:
        gone = address(server)
    with serving(tmp_path, LEAF) as where:
        first, second = await read_all([Endpoint(address=gone), Endpoint(address=where)], TRUST, 5)
    assert (len(first.problems), len(second.presented)) == (1, 1)


def test_addresses() -> None:
    assert split("[fd00::1]:6443") == ("fd00::1", 6443)
    assert split("web.example.org:443") == ("web.example.org", 443)
    for wrong in ("web.example.org", "https://web:443", "web:port", ""):
        with pytest.raises(ValidationError):
            Endpoint(address=wrong)

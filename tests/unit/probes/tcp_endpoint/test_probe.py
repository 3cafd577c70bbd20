"""TCP endpoints of every kind of bad behaviour, on loopback."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
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
    run_once,
    tcp_server,
)

from probe_sdk import ProbeFailure
from probe_sdk.resident.account import Account, Verdict
from tcp_endpoint.probe import Params, probe

NOW = datetime.now(UTC)


def probed(params: dict[str, Any], until: Callable[[Account], bool] = ended) -> Account:
    return resident(driver_of(probe), {"address": "127.0.0.1", **params}, until)


def greets(connection: socket.socket) -> None:
    connection.sendall(b"220 mail.example ready\r\n")
    connection.recv(100)


def echoes(connection: socket.socket) -> None:
    while words := connection.recv(4096):
        connection.sendall(b"you said " + words)


def hangs_up(connection: socket.socket) -> None:
    connection.recv(1)


@pytest.mark.parametrize(
    ("behave", "params"),
    [
        (never_answers, {}),
        (greets, {"expect": "^220 "}),
        (echoes, {"send": "PING\r\n", "expect": "^you said PING\r\n$"}),
        (drips, {"expect": "xx"}),
    ],
)
def test_an_endpoint_that_is_well(behave: Behave, params: dict[str, Any]) -> None:
    with tcp_server(behave) as port:
        account = probed({"port": port, **params}, lambda one: one.passed > 2)
    assert (account.failed, reasons(account)) == (0, set())
    assert set(account.phases) == {"connect", "reply"} if params else {"connect"}


@pytest.mark.parametrize(
    ("behave", "params", "class_", "text"),
    [
        (never_answers, {"expect": "."}, "Timeout", "did not end within 0.4s in reply"),
        (never_answers, {"tls": {}}, "Timeout", "did not end within 0.4s in tls"),
        (drips, {"expect": "y"}, "Timeout", "did not end within 0.4s in reply"),
        (
            endless,
            {"expect": "y", "maxBytes": 10_000},
            "Reply",
            "bytes came without a match of 'y', it began with b'xx",
        ),
        (greets, {"expect": "^421"}, "Timeout", "in reply"),
        (hangs_up, {"send": "Q", "expect": "."}, "Reply", "the connection was ended after 0 bytes"),
        (greets, {"tls": {}}, "TLS", "what listens there does not speak TLS"),
    ],
)
def test_an_endpoint_that_is_not(behave: Behave, params: dict[str, Any], class_: str, text: str) -> None:
    with tcp_server(behave) as port:
        account = probed({"port": port, **params})
    assert_fails(account, class_, text)


def test_nobody_listens() -> None:
    port = free_port()
    assert_fails(probed({"port": port}), "Connect", f"connect to 127.0.0.1:{port}: connection refused")


def test_a_name_that_is_none() -> None:
    assert_fails(probed({"port": 1, "address": "nobody.invalid"}), "DNS", "resolve nobody.invalid: ")


def test_a_name_is_resolved() -> None:
    with tcp_server(never_answers) as port:
        account = probed({"address": "localhost", "port": port}, lambda one: one.passed > 0)
    assert set(account.phases) == {"resolve", "connect"}


@pytest.fixture(scope="module")
def authority() -> Minted:
    return mint("authority", now=NOW, authority=True)


@contextmanager
def serving(folder: Path, chain: Minted, client_ca: Path | None = None) -> Iterator[int]:
    """Echo over TLS with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*chain.write(folder))
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)

    def behave(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            echoes(secured)

    with tcp_server(behave) as port:
        yield port


@pytest.mark.parametrize(
    ("minted", "tls", "class_", "text"),
    [
        ({}, {}, "", ""),
        ({"left_days": -1}, {}, "Certificate", "certificate has expired"),
        ({"left_days": -1}, {"verify": False}, "CertificateExpiry", "the served certificate expired on"),
        ({"left_days": 1}, {"minRemaining": "168h"}, "CertificateExpiry", "in 24h; expected 7d"),
        ({"left_days": 1}, {"minRemaining": "1h"}, "", ""),
        ({"names": ["other.example"]}, {}, "Certificate", "mismatch, certificate is not valid for '127.0.0.1'"),
        ({"stranger": True}, {}, "Certificate", "self-signed certificate"),
        ({"stranger": True}, {"verify": False}, "", ""),
        ({}, {"caFile": "/none"}, "TLSFiles", "are /none mounted"),
    ],
)
def test_the_certificate(
    authority: Minted, tmp_path: Path, minted: dict[str, Any], tls: dict[str, Any], class_: str, text: str
) -> None:
    trusted = tmp_path / "ca.crt"
    trusted.write_bytes(authority.pem)
    issuer = None if minted.get("stranger") else authority
    dates = {name: value for name, value in minted.items() if name != "stranger"}
    leaf = mint("leaf", issuer, now=NOW, **{"names": ["127.0.0.1"], **dates})
    params = {"tls": {"caFile": str(trusted), **tls}, "send": "hello", "expect": "said hello"}
    with serving(tmp_path, leaf) as port:
        account = probed({"port": port, **params})
    if class_ == "TLSFiles":
        assert (account.verdict, reasons(account)) == (Verdict.UNKNOWN, {class_})
        assert text in account.message
    elif class_:
        assert_fails(account, class_, text)
    else:
        assert (account.verdict, set(account.phases)) == (Verdict.PASSED, {"connect", "tls", "reply"})


def test_another_name_is_asked_for(authority: Minted, tmp_path: Path) -> None:
    trusted = tmp_path / "ca.crt"
    trusted.write_bytes(authority.pem)
    leaf = mint("leaf", authority, now=NOW, names=["db.example"])
    with serving(tmp_path, leaf) as port:
        account = probed({"port": port, "tls": {"caFile": str(trusted)}, "serverName": "db.example"})
    assert account.verdict is Verdict.PASSED


@pytest.mark.parametrize("known", [True, False])
def test_a_client_certificate(authority: Minted, tmp_path: Path, known: bool) -> None:
    trusted, mine = tmp_path / "ca.crt", tmp_path / "mine"
    trusted.write_bytes(authority.pem)
    mine.mkdir()
    certificate, key = mint("client", authority, now=NOW).write(mine)
    leaf = mint("leaf", authority, now=NOW, names=["127.0.0.1"])
    shown = {"certFile": str(certificate), "keyFile": str(key)} if known else {}
    said = {"send": "hello", "expect": "said hello"} if known else {"expect": "."}
    params = {"tls": {"caFile": str(trusted), **shown}, **said}
    with serving(tmp_path, leaf, trusted) as port:
        account = probed({"port": port, **params})
    if known:
        assert account.verdict is Verdict.PASSED
    else:
        assert_fails(account, "TLS", "certificate required")


def test_a_renewed_file_is_read_again(authority: Minted, tmp_path: Path) -> None:
    trusted = tmp_path / "ca.crt"
    trusted.write_bytes(mint("another", now=NOW, authority=True).pem)
    leaf = mint("leaf", authority, now=NOW, names=["127.0.0.1"])
    with serving(tmp_path, leaf) as port:
        params = {"address": "127.0.0.1", "port": port, "tls": {"caFile": str(trusted)}}
        with pytest.raises(ProbeFailure, match=r"self-signed|unable to get"):
            run_once(probe, params)
        trusted.write_bytes(authority.pem)
        run_once(probe, params)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"serverName": "a"}, "serverName is for TLS"),
        ({"send": "a"}, "set expect as well"),
        ({"expect": "("}, "not a regular expression"),
        ({"port": 0}, "greater than or equal to 1"),
        ({"address": "https://a"}, "pattern"),
    ],
)
def test_parameters_that_make_no_sense(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        Params.model_validate({"address": "a", "port": 1, **wrong})

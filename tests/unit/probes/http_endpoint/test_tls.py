"""HTTPS endpoints: certificates that are expired, soon to be, for another name or by a stranger."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.unit.probes.cert_expiry.pki import Minted, mint
from tests.unit.probes.http_endpoint.test_prober import SOON_SECONDS, Handler, Probing, Server, probing, reasons

from http_endpoint import certificate, options
from http_endpoint.prober import EXPIRY
from http_endpoint.request import Request
from probe_sdk.resident.account import Verdict

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def authority() -> Minted:
    return mint("authority", now=NOW, authority=True)


@contextmanager
def serving(folder: Path, *chain: Minted) -> Iterator[str]:
    """An HTTPS server with this certificate; gives its URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*chain[0].write(folder, *chain[1:]))
    with Server(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.parametrize(
    ("minted", "tls", "class_", "text"),
    [
        ({}, {}, "", ""),
        ({"left_days": -1}, {}, "Certificate", "certificate has expired"),
        ({"left_days": -1}, {"verify": False, "minRemaining": "1h"}, "CertificateExpiry", "expired on"),
        ({"left_days": 1}, {"minRemaining": "168h"}, "CertificateExpiry", "in 24h; expected 7d"),
        ({"left_days": 1}, {"minRemaining": "1h"}, "", ""),
        ({"names": ["other.example"]}, {}, "Certificate", "no alternative certificate subject name matches"),
        ({"stranger": True}, {}, "Certificate", "self-signed certificate"),
        ({"stranger": True}, {"verify": False}, "", ""),
        ({}, {"caFile": "/none"}, "CAFile", ""),
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
    with serving(tmp_path, leaf) as url, probing(
        {"a": {"url": url, "tls": {"caFile": str(trusted), **tls}}}
    ) as at_work:  # fmt: skip
        account = at_work.ended()
    wanted = Verdict.UNKNOWN if class_ == "CAFile" else Verdict.FAILED if class_ else Verdict.PASSED
    assert (account.verdict, reasons(account)) == (wanted, {class_} - {""})
    assert text in account.message
    if wanted is Verdict.PASSED:
        assert account.gauges[EXPIRY] == pytest.approx(leaf.certificate.not_valid_after_utc.timestamp())
        assert {"tls", "connect"} <= set(account.phases)


def until_passed(at_work: Probing) -> None:
    end = time.monotonic() + SOON_SECONDS
    while at_work.account().verdict is not Verdict.PASSED:
        assert time.monotonic() < end, at_work.account().message
        time.sleep(0.005)


def test_authorities_that_were_renewed_are_trusted_soon(
    authority: Minted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libcurl would go by the old file for a day."""
    monkeypatch.setattr(options, "CA_SECONDS", 1)
    trusted = tmp_path / "ca.crt"
    trusted.write_bytes(mint("before", now=NOW, authority=True).pem)
    leaf = mint("leaf", authority, now=NOW, names=["127.0.0.1"])
    with serving(tmp_path, leaf) as url, probing({"a": {"url": url, "tls": {"caFile": str(trusted)}}}) as at_work:
        assert reasons(at_work.ended()) == {"Certificate"}
        trusted.write_bytes(authority.pem)
        until_passed(at_work)


def test_a_certificate_that_was_renewed_counts_for_a_kept_connection_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is older than it, and goes on for as long as nobody ends it."""
    monkeypatch.setattr(certificate, "LOOK_SECONDS", 0.3)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*mint("old", now=NOW, names=["127.0.0.1"], left_days=1).write(tmp_path))
    params = {"keepAlive": True, "tls": {"verify": False, "minRemaining": "168h"}}
    with Server(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with probing({"a": {"url": f"https://127.0.0.1:{server.server_port}/", **params}}) as at_work:
            assert reasons(at_work.ended()) == {"CertificateExpiry"}
            context.load_cert_chain(*mint("new", now=NOW, names=["127.0.0.1"], left_days=300).write(tmp_path))
            until_passed(at_work)
        server.shutdown()


def test_a_date_that_is_none_ends_nothing() -> None:
    class Curl:
        def setopt(self, *_: object) -> None:
            """Take it."""

        def getinfo_raw(self, _: int) -> list[list[tuple[bytes, bytes]]]:
            return [[(b"Subject", b"CN=\xfc"), (b"Expire date", b"Bad time value")], [(b"Expire date", b"\xff")]]

    seen = certificate.Certificates(Curl(), Request(url="https://a/"))
    seen.ready(1.0)
    seen.take(1.0)
    assert (seen.expire_at, seen.problem(1.0)) == (None, "")

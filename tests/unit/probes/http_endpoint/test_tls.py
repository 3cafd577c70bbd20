"""HTTPS endpoints: certificates that are expired, soon to be, for another name or by a stranger."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.unit.probes.cert_expiry.pki import Minted, mint
from tests.unit.probes.http_endpoint.test_prober import Handler, Server, probing, reasons

from http_endpoint.prober import EXPIRY
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

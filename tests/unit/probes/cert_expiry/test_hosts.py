"""Hosts are matched as clients match them."""

import datetime as dt

import pytest
from tests.unit.probes.cert_expiry.pki import mint

from cert_expiry.hosts import is_for

CERTIFICATE = mint(
    "cn.example.org",
    now=dt.datetime.now(dt.UTC),
    names=["web.example.org", "*.apps.example.org", "10.0.0.1", "fd00::1"],
).certificate


@pytest.mark.parametrize(
    ("host", "matches"),
    [
        ("web.example.org", True),
        ("WEB.example.org.", True),
        ("shop.apps.example.org", True),
        ("a.shop.apps.example.org", False),
        ("apps.example.org", False),
        ("10.0.0.1", True),
        ("10.0.0.2", False),
        ("fd00:0::1", True),
        ("cn.example.org", False),
        ("", False),
    ],
)
def test_match(host: str, matches: bool) -> None:
    assert is_for(CERTIFICATE, host) is matches

"""Connections to a name with several addresses."""

from __future__ import annotations

import errno
import socket

import pytest

from endpoint import connection
from endpoint.connection import connected
from probe_sdk import ProbeFailure

LACK = OSError(errno.EADDRNOTAVAIL, "cannot assign requested address")
REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "connection refused")


def answering(monkeypatch: pytest.MonkeyPatch, **by_address: OSError | None) -> None:
    """A name whose addresses answer so."""
    known = {"four": "10.0.0.1", "six": "fd00::1"}
    answers = {known[name]: error for name, error in by_address.items()}

    async def found(_host: str, _port: int) -> list[str]:
        return list(answers)

    async def to(address: str, _port: int) -> socket.socket:
        error = answers[address]
        if error is not None:
            raise error
        return socket.socket()

    monkeypatch.setattr(connection, "addresses", found)
    monkeypatch.setattr(connection, "_to", to)


async def test_an_address_that_we_have_no_way_to_does_not_hide_that_another_one_refuses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answering(monkeypatch, four=REFUSED, six=LACK)
    with pytest.raises(ProbeFailure, match=r"connect to 10\.0\.0\.1:80: .*refused.* \(of shop\)"):
        await connected("shop", 80)


async def test_an_address_that_we_have_no_way_to_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, six=LACK, four=None)
    with await connected("shop", 80):
        pass


async def test_no_way_to_any_address_says_nothing_of_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, six=LACK)
    with pytest.raises(OSError, match="cannot assign"):
        await connected("shop", 80)

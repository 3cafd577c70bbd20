"""Addresses of the hosts to connect to, looked up here and handed to libcurl.

libcurl's own look-ups share twenty threads: a few names whose servers are silent take them all, and then other names
wait in vain and healthy targets are called failed.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from endpoint.words import cause
from http_endpoint.request import Request
from probe_sdk.failure import says_nothing
from probe_sdk.resident.lookups import Found, Lookups

FRESH_SECONDS: Final = 60.0
"""As long as libcurl would keep an answer."""
MOST_KNOWN: Final = 2000
"""Targets come and go, and so do their names."""
PORTS: Final = {"http": 80, "https": 443}
Place = tuple[str, int]
Addresses = tuple[str, ...]


class NoAddressError(Exception):
    """A name has no address, or none can be asked for.

    Args:
        own_lack: whether it is this process that lacks something.
    """

    def __init__(self, why: str, *, own_lack: bool) -> None:
        super().__init__(why)
        self.own_lack = own_lack


def place_of(request: Request) -> Place | None:
    """The name and port that a request connects to; None where it is no name but an address."""
    parts = urlsplit(request.url)
    host = request.address or parts.hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host, parts.port or PORTS[parts.scheme]
    return None


class Names:
    """What is known of names, on the prober's thread."""

    def __init__(self, lookups: Lookups, clock: Callable[[], float]) -> None:
        self._lookups = lookups
        self._clock = clock
        self._known: dict[Place, tuple[float, Addresses]] = {}

    def known(self, place: Place, now: float) -> tuple[Addresses, bool]:
        """The addresses that were found last, if any, and whether they are still fresh."""
        at, addresses = self._known.get(place, (now, ()))
        return addresses, bool(addresses) and now < at + FRESH_SECONDS

    def forget(self, place: Place) -> None:
        """Look a name up anew for the next one that wants to connect to it."""
        self._known.pop(place, None)

    def ask(self, place: Place, done: Callable[[Addresses | NoAddressError], None]) -> None:
        """Look a name up; `done` hears of it on the prober's thread."""

        def found(what: Found) -> None:
            done(self._taken(place, what))

        self._lookups.ask((*place, socket.AF_UNSPEC, socket.SOCK_STREAM, 0, 0), found)

    def _taken(self, place: Place, what: Found) -> Addresses | NoAddressError:
        if isinstance(what, OSError):
            return NoAddressError(f"resolve {place[0]}: {cause(what)}", own_lack=says_nothing(what))
        if isinstance(what, BaseException):  # what can be no name, such as one with a label of a hundred letters
            return NoAddressError(f"resolve {place[0]}: this can be no name", own_lack=False)
        addresses = tuple(dict.fromkeys(str(address[0]) for *_, address in what))
        now = self._clock()
        if len(self._known) >= MOST_KNOWN:
            self._known = {name: known for name, known in self._known.items() if now < known[0] + FRESH_SECONDS}
        self._known[place] = now, addresses
        return addresses

"""From a name to a connection, each stage a step of its own: `resolve` and `connect`."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from endpoint.patterns import authority
from endpoint.words import cause
from probe_sdk import ProbeFailure, step
from probe_sdk.failure import says_nothing


async def addresses(host: str, port: int) -> list[str]:
    """The addresses of a name, as the system's resolver has them; an address is its own, without a step."""
    if is_address(host):
        return [host]
    with step("resolve"):
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            if says_nothing(error):
                raise
            raise ProbeFailure(f"resolve {host}: {cause(error)}", reason="DNS") from None
        except UnicodeError:
            raise ProbeFailure(f"resolve {host}: this can be no name", reason="DNS") from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def connected(host: str, port: int) -> socket.socket:
    """A connection to the first address that takes one.

    Raises:
        ProbeFailure: none does.
        OSError: of all addresses it is this process that has no way there, such as without IPv6.
    """
    refused: list[str] = []
    lack: OSError | None = None
    for address in await addresses(host, port):
        try:
            return await _to(address, port)
        except OSError as error:
            if says_nothing(error):
                lack = error
                continue
            refused.append(f"connect to {authority(address, port)}: {cause(error)}")
    if lack is not None and not refused:
        raise lack
    of = "" if is_address(host) else f" (of {host})"
    raise ProbeFailure("; ".join(refused) + of, reason="Connect")


async def _to(address: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        with step("connect"):
            made.setblocking(False)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(made, (address, port))
    except BaseException:
        made.close()
        raise
    return made


def is_address(host: str) -> bool:
    """Whether it is no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True

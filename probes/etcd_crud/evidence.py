"""One more look at a member that did not do as it was asked: what says most about why."""

import asyncio
import ssl
from typing import Any
from urllib.parse import urlsplit

from etcd_crud.causes import EtcdFailure, Trouble, of_handshake
from etcd_crud.client import Etcd

LOOK_SECONDS = 1.0
NEARLY_FULL = 0.8
"""The alarm is raised by the write that would not fit any more, so the size itself stays below the quota."""


async def gather(etcd: Etcd, trouble: Trouble) -> str:
    """What the member says about itself, or how far a connection gets."""
    if trouble.lost and not trouble.silent:
        return ""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            return read_status(await etcd.status())
    except (EtcdFailure, TimeoutError):
        return await _how_far(etcd.endpoint) if trouble.silent else ""


def read_status(status: dict[str, Any]) -> str:
    """The alarms, the leader and the size, where they say something."""
    facts = [str(error).strip() for error in status.get("errors") or ()]
    if not int(status.get("leader", 0)) and not any("no leader" in fact for fact in facts):
        facts.append("no leader")
    size, quota = int(status.get("dbSize", 0)), int(status.get("dbSizeQuota", 0))
    if quota and size >= quota * NEARLY_FULL:
        facts.append(f"database of {_mib(size)} at a quota of {_mib(quota)}")
    said = ", ".join(facts) or f"a leader, no alarm, database of {_mib(size)}"
    return f"the member's own status: {said}"


async def refusal(etcd: Etcd) -> Trouble | None:
    """Why a member cut the connection, where it says so.

    Its alert about a client certificate comes after the handshake. A request that is under way meanwhile is answered
    with a reset, which can overtake the alert; so this connection sends nothing and listens.
    """
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            reader, writer = await asyncio.open_connection(*_address(etcd.endpoint), ssl=etcd.tls)
            try:
                await reader.read(1)
            finally:
                writer.transport.abort()
    except ssl.SSLError as error:
        return of_handshake(error)
    except (OSError, TimeoutError):
        return None
    return None


def _address(endpoint: str) -> tuple[str | None, int]:
    parts = urlsplit(endpoint)
    return parts.hostname, parts.port or 443


async def _how_far(endpoint: str) -> str:
    """Whether the kernel takes the connection: then it is the process that hangs."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            _, writer = await asyncio.open_connection(*_address(endpoint))
    except (OSError, TimeoutError):
        return "not even a TCP connection is taken: the host or the way to it is down"
    writer.close()
    return "TCP connections are taken, so the etcd process is there and hangs (stopped, starved, or its disk stalls)"


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 1048576:.1f} MiB"

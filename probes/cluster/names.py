"""Resolving a name as every program in a pod does (the C library, resolv.conf, its search list), with a time limit.

When that fails the resolver is asked once more by hand, because the C library's "temporary failure" does not say
whether the resolver refused, kept silent, or answered that it is broken itself.
"""

import asyncio
import errno
import os
import socket
import struct
import threading
from pathlib import Path

ASK_SECONDS = 1.0

_RCODES = {0: "answered", 1: "answered FORMERR", 2: "answered SERVFAIL", 3: "answered NXDOMAIN", 5: "answered REFUSED"}


class NotResolvedError(Exception):
    """A name gave no address; the text names the resolver and what it said."""


def quick_resolver() -> None:
    """Make the C library give up after two tries of a second; its default of 2 x 5 s outlasts most probes."""
    os.environ.setdefault("RES_OPTIONS", "timeout:1 attempts:2")


async def resolve(name: str, seconds: float) -> list[str]:
    """The addresses of a name by getaddrinfo, in a thread that may outlive the wait."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[list[str]] = loop.create_future()

    def look_up() -> None:
        try:
            answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except OSError as error:
            _hand_over(loop, future, error)
        else:
            _hand_over(loop, future, sorted({str(answer[4][0]) for answer in answers}))

    # A daemon: asyncio's own pool would be waited for at the end, and a silent resolver would hold up the verdict.
    threading.Thread(target=look_up, name="getaddrinfo", daemon=True).start()
    try:
        async with asyncio.timeout(seconds):
            return await future
    except TimeoutError as error:
        raise NotResolvedError(f"no answer within {seconds:.1f}s") from error
    except OSError as error:
        raise NotResolvedError((error.strerror or str(error)).lower()) from error


def _hand_over(
    loop: asyncio.AbstractEventLoop, future: "asyncio.Future[list[str]]", outcome: list[str] | OSError
) -> None:
    def settle() -> None:
        if future.done():
            return
        if isinstance(outcome, OSError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    if not loop.is_closed():
        loop.call_soon_threadsafe(settle)


def read_resolv_conf() -> str:
    """The resolver's configuration of this machine or pod."""
    return Path("/etc/resolv.conf").read_text()


def nameservers(resolv_conf: str) -> list[str]:
    """The resolvers that a resolv.conf names."""
    lines = (line.split() for line in resolv_conf.splitlines())
    return [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]


def cluster_domain(resolv_conf: str) -> str:
    """The cluster's domain by the search entry `svc.DOMAIN` that the kubelet writes."""
    for line in resolv_conf.splitlines():
        for word in line.split()[1:] if line.startswith("search") else ():
            if word.startswith("svc."):
                return word.removeprefix("svc.")
    return "cluster.local"


async def resolver_says(full_name: str, resolv_conf: str, seconds: float = ASK_SECONDS) -> str:
    """What each configured resolver makes of a full name: `resolver 10.96.0.10 answered SERVFAIL`."""
    servers = nameservers(resolv_conf)
    if not servers:
        return "no resolver is configured in /etc/resolv.conf"
    words = await asyncio.gather(*(ask(server, full_name, seconds) for server in servers))
    return ", ".join(f"resolver {server} {said}" for server, said in zip(servers, words, strict=True))


async def ask(server: str, full_name: str, seconds: float = ASK_SECONDS, port: int = 53) -> str:
    """Send one query for an A record and say in words what came back."""
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as udp:
        udp.setblocking(False)
        try:
            async with asyncio.timeout(seconds):
                udp.connect((server, port))
                await loop.sock_sendall(udp, query(full_name))
                return answer_words(await loop.sock_recv(udp, 4096))
        except TimeoutError:
            return f"does not answer (UDP port {port}, {seconds:g}s)"
        except OSError as error:
            if error.errno == errno.ECONNREFUSED:
                return f"refuses connections (UDP port {port})"
            return f"cannot be reached ({(error.strerror or str(error)).lower()})"


def query(full_name: str, identity: int = 0x6B70) -> bytes:
    """A DNS question for the A records of a full name."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in full_name.rstrip(".").split("."))
    return struct.pack("!6H", identity, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", 1, 1)


def answer_words(message: bytes) -> str:
    """What a DNS answer says, by its response code and its number of answers."""
    if len(message) < 12:
        return f"answered {len(message)} bytes that are no DNS message"
    code, answers = message[3] & 0x0F, struct.unpack("!H", message[6:8])[0]
    if code == 0 and not answers:
        return "answered without an address"
    if code == 0:
        return "answered now, when asked once more"
    return _RCODES.get(code, f"answered with code {code}")

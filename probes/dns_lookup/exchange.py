"""One question and its reply, by UDP or TCP, with a socket of its own: no resolver of the system's, and no cache."""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
from typing import Final

from dns_lookup.message import NotDnsError, Reply, answers, question, read
from endpoint.connection import connected
from endpoint.patterns import authority
from endpoint.words import cause
from probe_sdk import ProbeFailure, step
from probe_sdk.failure import says_nothing

MOST_BYTES: Final = 65535
LENGTH: Final = struct.Struct("!H")


class Exchange:
    """Asks one server."""

    def __init__(self, server: str, port: int) -> None:
        self._server = server
        self._port = port
        self._who = authority(server, port)

    async def ask(self, name: str, type_: str, *, recurse: bool, tcp: bool) -> Reply:
        """Ask once; by TCP as well when the reply by UDP was cut short, as every resolver does."""
        if not tcp:
            reply = await self._by_udp(name, type_, recurse=recurse)
            if not reply.truncated:
                return reply
        return await self._by_tcp(name, type_, recurse=recurse)

    async def _by_udp(self, name: str, type_: str, *, recurse: bool) -> Reply:
        id_, loop = secrets.randbits(16), asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in self._server else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as udp, step("reply"):
            udp.setblocking(False)
            try:
                udp.connect((self._server, self._port))  # so that others' datagrams are not ours, and refusals are
                udp.send(question(id_, name, type_, recurse=recurse))
                while True:
                    data = await loop.sock_recv(udp, MOST_BYTES)
                    if answers(id_, data):
                        return self._read(data, name, type_)
            except OSError as error:
                raise self._broken("UDP", error) from None

    async def _by_tcp(self, name: str, type_: str, *, recurse: bool) -> Reply:
        id_, loop = secrets.randbits(16), asyncio.get_running_loop()
        words = question(id_, name, type_, recurse=recurse)
        with await connected(self._server, self._port) as tcp, step("reply"):
            try:
                await loop.sock_sendall(tcp, LENGTH.pack(len(words)) + words)
                (length,) = LENGTH.unpack(await self._exactly(tcp, LENGTH.size))
                data = await self._exactly(tcp, length)
            except OSError as error:
                raise self._broken("TCP", error) from None
        if not answers(id_, data):
            raise ProbeFailure(f"{self._who}: the reply by TCP is to another question", reason="Reply")
        return self._read(data, name, type_)

    async def _exactly(self, tcp: socket.socket, size: int) -> bytes:
        data = b""
        while len(data) < size:
            if not (more := await asyncio.get_running_loop().sock_recv(tcp, size - len(data))):
                raise ProbeFailure(
                    f"{self._who}: the connection was ended after {len(data)} of {size} bytes of the reply",
                    reason="Reset",
                )
            data += more
        return data

    def _read(self, data: bytes, name: str, type_: str) -> Reply:
        try:
            reply = read(data)
        except NotDnsError as error:
            raise ProbeFailure(f"{self._who}: the reply is no DNS message: {error}", reason="Reply") from None
        if reply.question not in ((), (name, type_)):
            about = " ".join(reply.question)
            raise ProbeFailure(f"{self._who}: the reply is about {about}, not {name} {type_}", reason="Reply")
        return reply

    def _broken(self, way: str, error: OSError) -> Exception:
        if says_nothing(error):
            return error
        return ProbeFailure(f"{self._who} by {way}: {cause(error)}", reason="Connect")

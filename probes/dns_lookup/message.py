"""DNS messages: a question put together once, and a reply's few facts that matter here.

Building and reading a message costs more than sending it, and servers say the same thing again and again: so both are
remembered by their bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

PAYLOAD_BYTES: Final = 1232
"""How much we take by UDP: what passes everywhere without fragments (DNS Flag Day 2020)."""
ID_BYTES: Final = 2
REMEMBERED: Final = 512


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server said.

    Args:
        question: the name and type that it answers; empty where it repeats none.
        answers: types and texts of the records in its answer.
    """

    rcode: str
    authoritative: bool
    truncated: bool
    question: tuple[str, str] | tuple[()]
    answers: tuple[tuple[str, str], ...]


class NotDnsError(ValueError):
    """Bytes that are no reply."""


def absolute(name: str) -> str:
    """A name as it is asked for: from the root, in lower case. Raises ValueError where it can be no name."""
    try:
        return dns.name.from_text(name).canonicalize().to_text()
    except (dns.exception.DNSException, UnicodeError) as error:
        raise ValueError(f"{name!r} can be no name: {error}") from None


@lru_cache(REMEMBERED)
def _question(name: str, type_: str, recurse: bool) -> bytes:
    flags = dns.flags.RD if recurse else 0
    message = dns.message.make_query(name, type_, use_edns=0, payload=PAYLOAD_BYTES, flags=flags, id=0)
    return message.to_wire()[ID_BYTES:]


def question(id_: int, name: str, type_: str, *, recurse: bool) -> bytes:
    """A question as it is sent."""
    return struct.pack("!H", id_) + _question(name, type_, recurse)


def answers(id_: int, data: bytes) -> bool:
    """Whether bytes claim to answer the question of that number."""
    return len(data) >= ID_BYTES and struct.unpack_from("!H", data)[0] == id_


def read(data: bytes) -> Reply:
    """Read a reply. Raises NotDnsError where it is none."""
    return _read(data[ID_BYTES:])


@lru_cache(REMEMBERED)
def _read(data: bytes) -> Reply:
    try:
        message = dns.message.from_wire(bytes(ID_BYTES) + data, raise_on_truncation=False)
    except dns.exception.DNSException as error:
        raise NotDnsError(f"{type(error).__name__}: {error}") from None
    if not message.flags & dns.flags.QR:
        raise NotDnsError("it is a question itself")
    asked = next(((one.name.canonicalize().to_text(), one.rdtype) for one in message.question), None)
    return Reply(
        rcode=dns.rcode.to_text(message.rcode()),
        authoritative=bool(message.flags & dns.flags.AA),
        truncated=bool(message.flags & dns.flags.TC),
        question=() if asked is None else (asked[0], dns.rdatatype.to_text(asked[1])),
        answers=tuple(
            (dns.rdatatype.to_text(records.rdtype), record.to_text())
            for records in message.answer
            for record in records
        ),
    )

"""A name asked of one DNS server directly: does it answer, with which code, with which records.

How long it may take is the timeout's business, of the run or of the resident prober. A question is sent once: a
datagram that is lost is a lookup that takes a resolver seconds, and thresholds tell one from many.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from dns_lookup.exchange import Exchange
from dns_lookup.message import Reply, absolute
from endpoint.connection import is_address
from endpoint.patterns import Pattern, authority
from probe_sdk import Inconclusive, Probe, ProbeFailure, params

RESOLV_CONF: Final = Path("/etc/resolv.conf")


def _address(server: str) -> str:
    if server and not is_address(server):
        raise ValueError(f"{server!r} is no address: a DNS server has to be found without DNS")
    return server


Rcode = Literal["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"]
Type = Literal["A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"]


class Expect(params.Model):
    """What makes a reply a good one."""

    rcodes: list[Rcode] = Field(["NOERROR"], min_length=1, max_length=6, description="Codes that are well.")
    min_answers: int = Field(
        1, ge=0, le=1000, description="With NOERROR: fewer records of the type than this fail; 0 for none needed."
    )
    answers: list[str] = Field(
        [], max_length=50, description="Records that have to be in the answer, written as in a zone: 10.96.0.1."
    )
    answer_matches: Pattern = Field("", description="A regular expression that a record of the type has to match.")
    authoritative: bool = Field(False, description="True: the server has to say that the zone is its own.")


class Params(params.Model):
    """Whom to ask for what, and what the reply must be like."""

    server: Annotated[str, AfterValidator(_address)] = Field(
        "", description="Address of the server; the first one of the pod's resolv.conf if empty."
    )
    port: Annotated[int, Field(ge=1, le=65535)] = Field(53, description="Its port.")
    name: Annotated[str, AfterValidator(absolute)] = Field(
        description="Name to ask for, from the root: no search domains are tried."
    )
    type: Type = Field("A", description="Type of the records to ask for.")
    transport: Literal["UDP", "TCP"] = Field("UDP", description="UDP goes on by TCP when the reply was cut short.")
    recurse: bool = Field(True, description="Whether the server may ask others.")
    expect: Expect = Field(Expect(), description="What makes a reply a good one.")

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        wanted = self.expect.answers or self.expect.answer_matches
        if wanted and "NOERROR" not in self.expect.rcodes:
            raise ValueError("answers come with NOERROR alone: expect it, or no answers")
        return self


probe = Probe(Params)


@probe.run
async def check(p: Params) -> None:
    """Ask, and judge."""
    server = p.server or own_server()
    reply = await Exchange(server, p.port).ask(p.name, p.type, recurse=p.recurse, tcp=p.transport == "TCP")
    judge(p, authority(server, p.port), reply)


def own_server(resolv_conf: Path = RESOLV_CONF) -> str:
    """The pod's own first server."""
    try:
        lines = resolv_conf.read_text().splitlines()
    except OSError as error:
        raise Inconclusive(f"server: none is given, and {resolv_conf} cannot be read: {error.strerror}") from None
    found = next((words[1] for words in map(str.split, lines) if len(words) > 1 and words[0] == "nameserver"), "")
    if not is_address(found):
        raise Inconclusive(f"server: none is given, and {resolv_conf} names none: set server")
    return found


def judge(p: Params, who: str, reply: Reply) -> None:
    """Fail unless the reply is as expected."""
    expect, asked = p.expect, f"{who}: {p.type} of {p.name}"
    if reply.rcode not in expect.rcodes:
        raise ProbeFailure(f"{asked} answered {reply.rcode}, expected {' or '.join(expect.rcodes)}", reason="Rcode")
    if expect.authoritative and not reply.authoritative:
        raise ProbeFailure(f"{asked}: the server does not say that the zone is its own", reason="NotAuthoritative")
    if reply.rcode != "NOERROR":
        return
    found = [text for type_, text in reply.answers if type_ == p.type]
    if len(found) < expect.min_answers:
        raise ProbeFailure(
            f"{asked} answered {_count(len(found))}, expected {expect.min_answers} or more", reason="Answer"
        )
    if missing := [wanted for wanted in expect.answers if wanted not in found]:
        raise ProbeFailure(f"{asked}: {', '.join(missing)} is not among {_listed(found)}", reason="Answer")
    if expect.answer_matches and not any(re.search(expect.answer_matches, text) for text in found):
        raise ProbeFailure(
            f"{asked}: nothing matches {expect.answer_matches!r} among {_listed(found)}", reason="Answer"
        )


def _count(records: int) -> str:
    return f"with {records} records" if records != 1 else "with 1 record"


def _listed(found: list[str]) -> str:
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return (", ".join(found[:5]) or "no records") + more


if __name__ == "__main__":
    probe.main()

"""A TCP endpoint: connect, TLS where it is wanted, and something said and expected where that is.

How long all of it may take is the timeout's business, of the run or of the resident prober.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Self

from pydantic import Field, StringConstraints, model_validator

from endpoint.connection import connected
from endpoint.patterns import Host, Pattern, authority
from endpoint.tls import Tls, context_of
from probe_sdk import Probe, params, step
from tcp_endpoint.conversation import Conversation

KIBIBYTE: Final = 1 << 10


class Params(params.Model):
    """Where to connect to, and what has to happen then."""

    address: Host = Field(description="Name or address to connect to, such as db.shop.svc.")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(description="Port to connect to.")
    send: Annotated[str, StringConstraints(max_length=64 * KIBIBYTE)] = Field(
        "", description="Text to send once the connection stands."
    )
    expect: Pattern = Field("", description="A regular expression that has to be found in what comes; ^ is its begin.")
    max_bytes: int = Field(
        64 * KIBIBYTE, ge=1, le=1 << 24, description="With expect: what comes without a match up to here fails."
    )
    tls: Tls | None = Field(None, description="Speak TLS from the beginning; {} for the usual trust.")
    server_name: str = Field("", max_length=253, description="With tls: the name to ask for, if not the address.")

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if self.server_name and self.tls is None:
            raise ValueError("serverName is for TLS: set tls as well, {} for the usual trust")
        if self.send and not self.expect:
            raise ValueError("what is sent says something only by its answer: set expect as well, '(?s).' for any")
        return self


probe = Probe(Params)


@probe.run
async def check(p: Params) -> None:
    """Connect, and go as far as is asked for."""
    context = None if p.tls is None else context_of(p.tls)
    connection = await connected(p.address, p.port)
    if context is None and not p.expect:
        connection.close()
        return
    conversation = Conversation(authority(p.address, p.port))
    async with conversation.over(connection, context, p.server_name or p.address):
        if p.tls is not None:
            conversation.check_expiry(p.tls)
        if p.expect:
            with step("reply"):
                await conversation.ask(p.send.encode(), re.compile(p.expect.encode()), p.max_bytes)


if __name__ == "__main__":
    probe.main()

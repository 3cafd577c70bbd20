"""grpc.health.v1 over libcurl's HTTP/2: the one call is a POST of a few bytes, and its answer's status a trailer.

A gRPC library would be the heaviest thing in the image, and bring a second event loop beside the HTTP prober's.
"""

from __future__ import annotations

import struct
from typing import Any, Final
from urllib.parse import unquote

from pydantic import Field, model_validator

from endpoint.patterns import Host, authority
from endpoint.tls import Tls
from http_endpoint.exchange import Exchange, Finding
from http_endpoint.request import HeaderName, HeaderValue, Request
from probe_sdk import params
from probe_sdk.arguments import checked

CHECK: Final = "/grpc.health.v1.Health/Check"
FRAME: Final = struct.Struct("!BI")
"""Whether a message is compressed, and how long it is."""
STATUSES: Final = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
SERVING: Final = 1
OK, NOT_FOUND, UNIMPLEMENTED = "0", "5", "12"
CODES: Final = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
NAMES: Final = {str(number): name for number, name in enumerate(CODES)}
"""By what stands in an answer, which anybody may have written."""
HINTS: Final = {
    NOT_FOUND: "; the server knows no service of that name",
    UNIMPLEMENTED: "; the server has no grpc.health.v1.Health",
}
LONG_NAME: Final = 0x80
MOST_BYTES: Final = 4096
STATUS_FIELD: Final = 0x08
"""Of the answer: field 1, a number."""
SERVICE_FIELD: Final = 0x0A
"""Of the question: field 1, a text."""


class Health(params.Model):
    """Which server's health to ask for."""

    address: Host = Field(description="Name or address of the server, such as cart.shop.svc.")
    port: int = Field(ge=1, le=65535, description="Its port.")
    service: str = Field(
        "", max_length=256, description="The service whose health is asked for; the whole server's if empty."
    )
    metadata: dict[HeaderName, HeaderValue] = Field({}, max_length=50, description="Metadata to send.")
    bearer_token_file: str = Field("", description="File with a token to send as Authorization: Bearer.")
    keep_alive: bool = Field(
        False, description="True: go on with one connection. False: connect anew each time, as a new client does."
    )
    tls: Tls | None = Field(None, description="Speak TLS; {} for the usual trust.")
    server_name: str = Field(
        "", max_length=253, description="Name to ask for (:authority, and the certificate's), if not the address."
    )

    @model_validator(mode="after")
    def _no_reserved_names(self) -> Health:
        for name in self.metadata:
            if name.lower() in RESERVED:
                raise ValueError(f"metadata: {name} is gRPC's own")
        return self


RESERVED: Final = frozenset({"te", "content-type", "content-length", "connection", "host"})


class HealthRequest(Request):
    """The same, as the HTTP prober has it."""

    service: str


def request_of(params: dict[str, Any]) -> HealthRequest:
    """What to ask of a target by its parameters. Raises ProbeFailure where they are wrong."""
    return as_request(checked(Health, params))


def as_request(p: Health) -> HealthRequest:
    """The call as an HTTP request."""
    name = p.server_name or p.address
    return HealthRequest(
        url=f"http{'s' if p.tls else ''}://{authority(name, p.port)}{CHECK}",
        address=p.address if p.server_name else "",
        method="POST",
        headers={**p.metadata, "Content-Type": "application/grpc", "TE": "trailers"},
        bearer_token_file=p.bearer_token_file,
        keep_alive=p.keep_alive,
        http2=True,
        follow_redirects=False,
        max_body_bytes=MOST_BYTES,
        tls=p.tls or Tls(),
        service=p.service,
    )


class HealthExchange(Exchange):
    """One call, again and again."""

    request: HealthRequest
    keeps_body = True
    keeps_headers = True

    @property
    def payload(self) -> bytes:
        """The question: a frame with the service's name, which is no message at all where it is empty."""
        name = self.request.service.encode()
        message = bytes([SERVICE_FIELD]) + varint(len(name)) + name if name else b""
        return FRAME.pack(0, len(message)) + message

    @property
    def asked(self) -> str:
        """What was asked, as texts begin."""
        whose = f"of {self.request.service} " if self.request.service else ""
        at = f" at {self.request.address}" if self.request.address else ""
        return f"health {whose}by {self.request.url.removesuffix(CHECK)}{at}"

    def judge(self, code: int, message: str, now: float) -> Finding | None:
        """Why the call that ended was not well; None when the answer is SERVING."""
        if found := super().judge(code, message, now):
            return found
        came = self.headers()
        if not came.get("content-type", "").startswith("application/grpc"):
            said = came.get("content-type", "nothing")
            return Finding(
                "NotGRPC", f"{self.asked}: the answer is {said}, no application/grpc: this is no gRPC server"
            )
        status = came.get("grpc-status", "")
        if status != OK:
            return Finding("GRPCStatus", f"{self.asked}: {_told(status, came.get('grpc-message', ''))}")
        health = _health(self.body)
        if health == SERVING:
            return None
        word = STATUSES[health] if 0 <= health < len(STATUSES) else f"no health that is known ({health})"
        return Finding("NotServing", f"{self.asked}: the server says {word}")


def _told(status: str, message: str) -> str:
    name = NAMES.get(status, status or "without a grpc-status")
    said = f" ({unquote(message)})" if message else ""
    return f"the call ended {name}{said}{HINTS.get(status, '')}"


def _health(body: bytes) -> int:
    """The number in the answer; -1 where there is no answer. A message without its field has the number 0."""
    if len(body) < FRAME.size:
        return -1
    message = body[FRAME.size :]
    return message[1] if len(message) > 1 and message[0] == STATUS_FIELD else 0 if not message else -1


def varint(number: int) -> bytes:
    """A number as protobuf writes it: seven bits at a time, the last ones first."""
    encoded = bytearray()
    while number >= LONG_NAME:
        encoded.append(number % LONG_NAME | LONG_NAME)
        number //= LONG_NAME
    return bytes([*encoded, number])

"""What to ask of an endpoint, as users write it, and what its answer must be like."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from endpoint.patterns import Pattern
from endpoint.tls import Tls
from probe_sdk import params

MAX_REDIRECTS: Final = 10
MEBIBYTE: Final = 1 << 20


Url = Annotated[str, StringConstraints(pattern=r"^https?://[!-.0-~][!-~]*$", max_length=2048)]
"""In ASCII: other letters are written as %-escapes, and in names as xn--."""
Status = Annotated[str, StringConstraints(pattern=r"^[1-5]([0-9]{2}|xx)$")]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", max_length=256)]
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[^\r\n\x00]*$", max_length=4096)]


class Expect(params.Model):
    """What makes an answer a good one."""

    status: list[Status] = Field(
        ["2xx"], min_length=1, max_length=20, description="Statuses that are well: 200, or 2xx for all that begin so."
    )
    body_matches: Pattern = Field("", description="A regular expression that has to be found in the body.")
    body_lacks: Pattern = Field("", description="A regular expression that must not be found in the body.")
    headers: dict[HeaderName, Pattern] = Field(
        {}, max_length=20, description="Headers that have to be there, each with a regular expression for its value."
    )


class Request(params.Model):
    """One request, and what its answer must be like."""

    url: Url = Field(description="Where to, in ASCII, such as https://shop.example/healthz.")
    address: str = Field(
        "",
        max_length=253,
        pattern=r"^[0-9A-Za-z._:-]*$",
        description="Connect to this host or address instead of the URL's, which stays as name.",
    )
    method: Literal["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"] = Field(
        "GET", description="The request's method."
    )
    headers: dict[HeaderName, HeaderValue] = Field({}, max_length=50, description="Headers to send.")
    body: str = Field("", max_length=64 * 1024, description="Body to send.")
    bearer_token_file: str = Field("", description="File with a token to send as Authorization: Bearer.")
    username: str = Field("", pattern=r"^[^:\r\n]*$", description="User for basic authentication.")
    password_file: str = Field("", description="File with the password for basic authentication.")
    keep_alive: bool = Field(
        False, description="True: go on with one connection. False: connect anew each time, as a new user does."
    )
    http2: bool = Field(False, description="True: speak HTTP/2, over TLS by ALPN and in clear by prior knowledge.")
    follow_redirects: bool = Field(True, description="Whether to go where the answer sends us, ten times at most.")
    max_body_bytes: int = Field(
        MEBIBYTE, ge=0, le=64 * MEBIBYTE, description="A longer answer fails; reading it is stopped there."
    )
    tls: Tls = Field(Tls(), description="How the endpoint is to prove who it is.")
    expect: Expect = Field(Expect(), description="What makes an answer a good one.")

    @model_validator(mode="after")
    def _one_way_to_say_who(self) -> Self:
        if self.username and self.bearer_token_file:
            raise ValueError("username and bearerTokenFile are two ways to say who asks: set one of them")
        return self

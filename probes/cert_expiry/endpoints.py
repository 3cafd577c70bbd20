"""What a TLS endpoint presents: connect, take its chain without judging it, go away."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from typing import Annotated, Any

from cryptography import x509
from pydantic import Field, StringConstraints

from cert_expiry.certificates import Presented, Source
from cert_expiry.trust import Trust
from probe_sdk import ProbeFailure, params, step

CONCURRENT = 20
_DER = 2  # ssl's private ENCODING_DER


class Endpoint(params.Model):
    """A TLS endpoint and what its certificate has to be for."""

    address: Annotated[str, StringConstraints(pattern=r"^(\[[0-9a-fA-F:]+\]|[^\s:/]+):[0-9]{1,5}$")] = Field(
        description="host:port, or [address]:port for IPv6."
    )
    server_name: str = Field("", description="Name to ask for and to find in the certificate; empty: the host.")
    ca_file: str = Field(
        "",
        description="File with the CA that the chain has to lead to; empty: the cluster's CA or one of the public web.",
    )


async def read_all(endpoints: Sequence[Endpoint], trust: Trust, timeout_seconds: float) -> list[Source]:
    """Every endpoint, some at a time."""
    gate = asyncio.Semaphore(CONCURRENT)

    async def one(endpoint: Endpoint) -> Source:
        async with gate:
            return await asyncio.to_thread(read, endpoint, trust, timeout_seconds)

    return list(await asyncio.gather(*map(one, endpoints)))


def read(endpoint: Endpoint, trust: Trust, timeout_seconds: float) -> Source:
    """One endpoint; not reached is a finding of its own."""
    host, port = split(endpoint.address)
    name = endpoint.server_name or host
    where = f"endpoint {endpoint.address}" + (f" (as {name})" if name != host else "")
    try:
        with step("endpoint"):
            chain = present(host, port, name, timeout_seconds)
        return Source((Presented(where, chain, trust.roots(endpoint.ca_file), host=name),))
    except (OSError, ValueError) as error:
        return Source(problems=(f"{where}: unreachable: {cause(error, timeout_seconds)}",))
    except ProbeFailure as failure:
        return Source(problems=tuple(f"{where}: {text}" for text in failure.errors))


def split(address: str) -> tuple[str, int]:
    """`host:port` and `[address]:port` in two."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def present(host: str, port: int, name: str, timeout_seconds: float) -> tuple[x509.Certificate, ...]:
    """The chain that a server sends when it is asked for this name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # a bad certificate shall be seen, not refused
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with (
        socket.create_connection((host, port), timeout_seconds) as connection,
        context.wrap_socket(connection, server_hostname=name) as tls,
    ):
        return tuple(map(x509.load_der_x509_certificate, _chain_of(tls)))


def _chain_of(tls: ssl.SSLSocket) -> list[bytes]:
    """The whole chain, which Python gives officially from 3.13 on, and before that from the object inside."""
    official: Any = getattr(tls, "get_unverified_chain", None)
    if official:
        return list(official())
    inside: Any = tls._sslobj  # type: ignore[attr-defined]
    return [certificate.public_bytes(_DER) for certificate in inside.get_unverified_chain()]


def cause(error: Exception, timeout_seconds: float) -> str:
    """Why there was no certificate, and where to look."""
    if isinstance(error, socket.gaierror):
        return "its name does not resolve; look at cluster DNS and the endpoint's spelling"
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout_seconds:g}s; look at the host, the way to it, and whether the server hangs"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused; look at the server: nothing listens there"
    if isinstance(error, ssl.SSLError):
        return f"no TLS handshake ({error.reason or error}); look at the port and whether it speaks TLS"
    if isinstance(error, OSError):
        return f"{(error.strerror or str(error)).lower()}; look at the network between this node and the server"
    return f"its certificate cannot be read ({error}); look at the server's certificate"

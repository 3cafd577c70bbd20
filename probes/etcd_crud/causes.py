"""From what a socket, a certificate check or etcd said to a cause and a place to look at."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from endpoint.bounded import EndlessAnswerError

FILES = "the Secret behind caFile, certFile and keyFile"


@dataclass(frozen=True)
class Trouble:
    """Why a request failed."""

    cause: str
    look_at: str
    lost: bool = False
    """There was no answer at all: more requests would hardly fare better."""
    silent: bool = False
    """Time ran out, which alone says little: evidence is worth a request of its own."""
    cut: bool = False
    """The member cut the connection, and may say why to somebody who listens."""


class EtcdFailure(Exception):  # noqa: N818 - a finding about the target, not an error of the probe
    """A request that was not answered as it should be."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.cause)
        self.trouble = trouble


def of_transport(error: httpx.TransportError | ssl.SSLError, timeout_seconds: float) -> Trouble:
    """The trouble behind an exception of the HTTP client."""
    if isinstance(error, EndlessAnswerError):
        return Trouble(str(error), "the endpoint: what listens there may be no etcd", lost=True)
    if isinstance(error, httpx.ConnectTimeout):
        return Trouble(
            f"no connection within {timeout_seconds:g}s", "the etcd process, its host, and the way to it", True, True
        )
    if isinstance(error, httpx.TimeoutException):
        look = "the member's disk, and the quorum of its peers"
        return Trouble(f"no answer within {timeout_seconds:g}s", look, lost=True, silent=True)
    chain = tuple(_chain(error))
    for inner in chain:
        if isinstance(inner, ssl.SSLCertVerificationError):
            return _of_server_certificate(inner)
        if isinstance(inner, ssl.SSLError):
            return of_handshake(inner)
    for inner in chain:
        if isinstance(inner, OSError) and not isinstance(inner, ssl.SSLError) and inner.errno:
            return _of_socket(inner)
    return Trouble(
        f"the connection broke ({chain[-1] or type(error).__name__})", "the member's log", lost=True, cut=True
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and what it was raised from, which the layers of the client keep in different places."""
    todo: list[object] = [error]
    while todo:
        inner = todo.pop(0)
        if isinstance(inner, BaseException):
            yield inner
            members = inner.exceptions if isinstance(inner, BaseExceptionGroup) else ()
            todo += [*members, inner.__cause__ or inner.__context__, *inner.args]


_EXPIRED, _NOT_YET, _WRONG_HOST = (10,), (9,), (62, 64)  # OpenSSL's X509_V_ERR_*


def _of_server_certificate(error: ssl.SSLCertVerificationError) -> Trouble:
    said = error.verify_message
    if error.verify_code in _EXPIRED:
        return Trouble("TLS: the member's serving certificate has expired", "renewing etcd's certificates", lost=True)
    if error.verify_code in _NOT_YET:
        return Trouble("TLS: the member's serving certificate is not valid yet", "the clocks of both hosts", lost=True)
    if error.verify_code in _WRONG_HOST:
        look = "the certificate's alternative names and the endpoint's spelling"
        return Trouble(f"TLS: the member's certificate is for another host ({said})", look, lost=True)
    look = f"{FILES}: is ca.crt the CA of etcd, or has that been replaced?"
    return Trouble(f"TLS: wrong CA: the member's certificate is not signed by caFile ({said})", look, lost=True)


_ALERTS = {
    "CERTIFICATE_REQUIRED": "etcd demands a client certificate and got none",
    "UNKNOWN_CA": "etcd refuses the client certificate: its CA is not etcd's trusted CA",
    "CERTIFICATE_EXPIRED": "etcd refuses the client certificate: it has expired",
    "CERTIFICATE_REVOKED": "etcd refuses the client certificate: it was revoked",
    "BAD_CERTIFICATE": "etcd refuses the client certificate, or demands one and got none",
    "CERTIFICATE_UNKNOWN": "etcd refuses the client certificate",
}


def of_handshake(error: ssl.SSLError) -> Trouble:
    """The trouble behind an alert of the member's, or a handshake that came to nothing."""
    reason = error.reason or ""
    for alert, words in _ALERTS.items():
        if alert in reason:
            return Trouble(f"TLS: {words}", FILES, lost=True)
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
        look = "the endpoint's port: a client URL that begins with https is needed"
        return Trouble("TLS: what listens there does not speak TLS", look, lost=True)
    return Trouble(f"TLS: the handshake failed ({reason or error})", "the member's log and its TLS settings", lost=True)


def _of_socket(error: OSError) -> Trouble:
    if isinstance(error, socket.gaierror):
        return Trouble("its name does not resolve", "cluster DNS, or use addresses as endpoints", lost=True)
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return Trouble("connection refused", "the etcd process on that host: nothing listens there", lost=True)
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        look = "the member's log: it ended, or it takes no connection from this client"
        return Trouble("the connection was reset", look, lost=True, cut=True)
    return Trouble((error.strerror or str(error)).lower(), "the network between this node and the member", lost=True)


# What etcd's own words say about where to look: the first match wins.
_ANSWERS = (
    ("database space exceeded", " (NOSPACE alarm)", "etcd's quota: compact, defragment, then `etcdctl alarm disarm`"),
    ("no leader", "", "the cluster's quorum: the other members and the network between them"),
    ("leader changed", "", "the leader's disk and network: an election took place"),
    ("request timed out", "", "the cluster's quorum and the disks: the write was not agreed in time"),
    ("deadline exceeded", "", "the cluster's quorum and the disks: the write was not agreed in time"),
    ("too many requests", "", "the load on etcd: it applies slower than it is asked to"),
    ("data corruption", " (CORRUPT alarm)", "the member's data: replace the member"),
    ("corrupt", " (CORRUPT alarm)", "the member's data: replace the member"),
    ("permission denied", "", "etcd's roles: the gateway passes no user from a certificate's name"),
    ("user name is empty", "", "etcd's authentication: the gateway passes no user from a certificate's name"),
    (
        "bad certificate",
        "",
        "the member's serving certificate: its gateway calls the member with it, so it needs the usage clientAuth too",
    ),
)


def of_answer(status: int, message: str) -> Trouble:
    """The trouble behind an error that etcd's gateway answered with."""
    for pattern, note, look_at in _ANSWERS:
        if pattern in message:
            return Trouble(f"{message}{note}", look_at)
    if status == httpx.codes.NOT_FOUND and not message.startswith("etcdserver:"):
        look = "the endpoint's port, and etcd's flag --enable-grpc-gateway (on unless it was turned off)"
        return Trouble("there is no JSON gateway (404)", look)
    return Trouble(f"{status} {message}".strip(), "the member's log")

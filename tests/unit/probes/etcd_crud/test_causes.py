"""Every error of the sockets, of TLS and of etcd itself gives a cause and a place to look at."""

import socket
import ssl

import httpx
import pytest

from etcd_crud.causes import EtcdFailure, Trouble, of_answer, of_transport

SECONDS = 2.0


def wrapped(inner: BaseException, outer: type[httpx.TransportError] = httpx.ConnectError) -> httpx.TransportError:
    """As the HTTP client wraps what the operating system says."""
    error = outer(str(inner))
    error.__cause__ = inner
    return error


def refused_certificate(code: int, message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return error


def alert(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "cause", "look_at"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "connection refused", "nothing listens there"),
        (ConnectionResetError(104, "Connection reset by peer"), "the connection was reset", "log"),
        (OSError(113, "No route to host"), "no route to host", "network between"),
        (socket.gaierror(-2, "Name or service not known"), "does not resolve", "DNS"),
        (refused_certificate(20, "unable to get local issuer certificate"), "wrong CA", "caFile"),
        (refused_certificate(10, "certificate has expired"), "serving certificate has expired", "renewing"),
        (refused_certificate(9, "certificate is not yet valid"), "not valid yet", "clocks"),
        (refused_certificate(64, "IP address mismatch, not for 10.0.0.1"), "for another host", "alternative names"),
        (alert("TLSV13_ALERT_CERTIFICATE_REQUIRED"), "demands a client certificate and got none", "Secret"),
        (alert("TLSV1_ALERT_UNKNOWN_CA"), "refuses the client certificate: its CA", "Secret"),
        (alert("SSLV3_ALERT_CERTIFICATE_EXPIRED"), "refuses the client certificate: it has expired", "Secret"),
        (alert("WRONG_VERSION_NUMBER"), "does not speak TLS", "port"),
        (alert("TLSV1_ALERT_INTERNAL_ERROR"), "handshake failed (TLSV1_ALERT_INTERNAL_ERROR)", "TLS settings"),
    ],
)
def test_what_broke_the_connection_is_named(error: OSError, cause: str, look_at: str) -> None:
    trouble = of_transport(wrapped(error), SECONDS)
    assert cause in trouble.cause
    assert look_at in trouble.look_at
    assert trouble.lost


def test_an_exception_inside_the_arguments_is_found_too() -> None:
    error = httpx.ConnectError("no")
    error.args = (ConnectionRefusedError(111, "Connection refused"),)
    assert of_transport(error, SECONDS).cause == "connection refused"


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (httpx.ConnectTimeout("t"), "no connection within 2s"),
        (httpx.ReadTimeout("t"), "no answer within 2s"),
    ],
)
def test_silence_asks_for_evidence(error: httpx.TransportError, cause: str) -> None:
    trouble = of_transport(error, SECONDS)
    assert (trouble.cause, trouble.lost, trouble.silent) == (cause, True, True)


def test_a_connection_cut_in_mid_answer_is_told_in_its_words() -> None:
    trouble = of_transport(httpx.RemoteProtocolError("Server disconnected without sending a response."), SECONDS)
    assert "Server disconnected" in trouble.cause
    assert trouble.cut


@pytest.mark.parametrize(
    ("status", "message", "cause", "look_at"),
    [
        (429, "etcdserver: mvcc: database space exceeded", "(NOSPACE alarm)", "alarm disarm"),
        (503, "etcdserver: no leader", "no leader", "quorum"),
        (503, "etcdserver: request timed out", "request timed out", "quorum"),
        (503, "etcdserver: leader changed", "leader changed", "leader"),
        (503, 'connection error: desc = "remote error: tls: bad certificate"', "bad certificate", "clientAuth"),
        (404, "Not Found", "no JSON gateway", "--enable-grpc-gateway"),
        (404, "etcdserver: requested lease not found", "404 etcdserver: requested lease not found", "log"),
        (500, "", "500", "log"),
    ],
)
def test_what_etcd_answers_is_named(status: int, message: str, cause: str, look_at: str) -> None:
    trouble = of_answer(status, message)
    assert cause in trouble.cause
    assert look_at in trouble.look_at
    assert not trouble.lost


def test_a_failure_says_its_cause() -> None:
    assert str(EtcdFailure(Trouble("connection refused", "the process"))) == "connection refused"

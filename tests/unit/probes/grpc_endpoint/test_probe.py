"""gRPC servers, real ones of grpcio's and whatever else listens on a port, asked for their health."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pydantic import ValidationError
from tests.unit.probes.cert_expiry.pki import Minted, mint
from tests.unit.probes.loopback import (
    Behave,
    assert_fails,
    drips,
    ended,
    endless,
    explained,
    free_port,
    never_answers,
    reasons,
    resident,
    run_once,
    tcp_server,
)

from grpc_endpoint.health import Health, HealthExchange, _told, as_request, request_of, varint
from grpc_endpoint.probe import probe
from http_endpoint.prober import HttpProber
from probe_sdk import Inconclusive, ProbeFailure
from probe_sdk.resident.account import Account, Verdict
from probe_sdk.resident.rota import Rota

NOW = datetime.now(UTC)
Status = health_pb2.HealthCheckResponse
LONG = "shop." + "x" * 200


KNOWN = {
    "": Status.SERVING,
    "shop.Cart": Status.SERVING,
    LONG: Status.SERVING,
    "shop.Stock": Status.NOT_SERVING,
    "shop.Odd": Status.UNKNOWN,
    "shop.Late": Status.SERVICE_UNKNOWN,
}


class Servicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """Knows some services."""

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - as protobuf has it
        if request.service == "who":
            who = dict(context.invocation_metadata())
            known = (who.get("authorization"), who.get("tenant")) == ("Bearer secret", "blue")
            if not known:
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you? 100% unknown")
            return Status(status=Status.SERVING)
        if request.service not in KNOWN:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return Status(status=KNOWN[request.service])


@contextmanager
def server(credentials: Any = None, servicer: Any = None) -> Iterator[int]:
    made = grpc.server(ThreadPoolExecutor(4))
    if servicer is not None:
        health_pb2_grpc.add_HealthServicer_to_server(servicer, made)
    port = (
        made.add_insecure_port("127.0.0.1:0")
        if credentials is None
        else made.add_secure_port("127.0.0.1:0", credentials)
    )
    made.start()
    try:
        yield port
    finally:
        made.stop(None).wait()


@pytest.fixture(scope="module")
def clear() -> Iterator[int]:
    with server(servicer=Servicer()) as port:
        yield port


def make_driver(rota: Rota) -> HttpProber:
    return HttpProber(rota, request_of, HealthExchange)


def probed(port: int, until: Callable[[Account], bool] = ended, /, **params: Any) -> Account:
    return resident(make_driver, {"address": "127.0.0.1", "port": port, **params}, until)


@pytest.mark.parametrize("params", [{}, {"service": "shop.Cart"}, {"service": LONG}, {"keepAlive": True}])
def test_a_server_that_serves(clear: int, params: dict[str, Any]) -> None:
    account = probed(clear, lambda one: one.passed > 3, **params)
    assert (account.failed, reasons(account)) == (0, set())


@pytest.mark.parametrize(
    ("service", "class_", "text"),
    [
        ("shop.Stock", "NotServing", "health of shop.Stock by http://127.0.0.1:{port}: the server says NOT_SERVING"),
        ("shop.Odd", "NotServing", "the server says UNKNOWN"),
        ("shop.Late", "NotServing", "the server says SERVICE_UNKNOWN"),
        ("shop.None", "GRPCStatus", "the call ended NOT_FOUND (unknown service); the server knows no service of that"),
        ("who", "GRPCStatus", "the call ended UNAUTHENTICATED (who are you? 100% unknown)"),
    ],
)
def test_a_server_that_does_not(clear: int, service: str, class_: str, text: str) -> None:
    assert_fails(probed(clear, service=service), class_, text.format(port=clear))


def test_metadata_and_a_token(clear: int, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    known: dict[str, Any] = {"metadata": {"tenant": "blue"}, "bearerTokenFile": str(tmp_path / "token")}
    assert probed(clear, service="who", **known).verdict is Verdict.PASSED


def test_a_server_without_health() -> None:
    with server() as port:
        assert_fails(probed(port), "GRPCStatus", "the call ended UNIMPLEMENTED")


def answers_http_1(connection: Any) -> None:
    connection.recv(100)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


@pytest.mark.parametrize(
    ("behave", "classes", "text"),
    [
        (never_answers, {"Timeout"}, "no answer within 0.4s, while waiting for the first byte"),
        (drips, {"Timeout"}, "no answer within 0.4s"),
        (endless, {"HTTP2", "Protocol", "Reset"}, ""),
        (answers_http_1, {"HTTP2", "Protocol", "Reset"}, ""),
    ],
)
def test_something_else_listens(behave: Behave, classes: set[str], text: str) -> None:
    """How what is no HTTP/2 ends is a race between its first byte and its last."""
    with tcp_server(behave) as port:
        account = probed(port)
    assert (account.verdict, account.passed) == (Verdict.FAILED, 0)
    assert reasons(account) <= classes
    assert text in account.message


def test_nobody_listens_and_nobody_has_the_name() -> None:
    port = free_port()
    assert_fails(probed(port), "Connect", f"health by http://127.0.0.1:{port}: ")
    assert_fails(probed(port, address="nobody.invalid"), "DNS", "nobody.invalid")


@pytest.fixture(scope="module")
def authority() -> Minted:
    return mint("authority", now=NOW, authority=True)


@pytest.mark.parametrize(
    ("minted", "params", "class_", "text"),
    [
        ({}, {}, "", ""),
        ({"names": ["cart.example"]}, {"serverName": "cart.example"}, "", ""),
        ({"names": ["cart.example"]}, {}, "Certificate", "no alternative certificate subject name matches"),
        ({"left_days": -1}, {}, "Certificate", "certificate has expired"),
    ],
)
def test_tls(
    authority: Minted, tmp_path: Path, minted: dict[str, Any], params: dict[str, Any], class_: str, text: str
) -> None:
    trusted = tmp_path / "ca.crt"
    trusted.write_bytes(authority.pem)
    leaf = mint("leaf", authority, now=NOW, **{"names": ["127.0.0.1"], **minted})
    credentials = grpc.ssl_server_credentials([(leaf.key_pem, leaf.pem)])
    with server(credentials, Servicer()) as port:
        account = probed(port, tls={"caFile": str(trusted)}, **params)
    if class_:
        assert_fails(account, class_, text)
    else:
        assert account.verdict is Verdict.PASSED, account.message


def test_a_run_asks_once(clear: int) -> None:
    run_once(probe, {"address": "127.0.0.1", "port": clear})
    with pytest.raises(ProbeFailure, match="NOT_SERVING"):
        run_once(probe, {"address": "127.0.0.1", "port": clear, "service": "shop.Stock"})
    with pytest.raises(Inconclusive):
        run_once(probe, {"address": "127.0.0.1", "port": clear, "tls": {"caFile": "/none"}})


def test_the_question_is_what_protobuf_makes_of_it() -> None:
    for service in ("", "a", "ä", LONG):
        request = as_request(Health(address="a", port=1, service=service))
        exchange = HealthExchange(request, 1.0)
        assert exchange.payload[5:] == health_pb2.HealthCheckRequest(service=service).SerializeToString()
        exchange.close()
    assert varint(300) == b"\xac\x02"


@pytest.mark.parametrize(
    ("wrong", "text"), [({"metadata": {"TE": "a"}}, "TE is gRPC's own"), ({"service": "x" * 257}, "at most 256")]
)
def test_parameters_that_make_no_sense(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        Health.model_validate({"address": "a", "port": 1, **wrong})


@pytest.mark.parametrize("wrong", [{"serverName": "b\u00fccher.example"}, {"address": "b\u00fccher.example"}])
def test_names_that_make_no_url_say_nothing_of_the_server(wrong: dict[str, Any]) -> None:
    params = {"address": "127.0.0.1", "port": 1, **wrong}
    driver = partial(HttpProber, request_of=request_of, exchange=HealthExchange)
    account = resident(driver, params, explained)
    assert (account.verdict, account.failed, reasons(account)) == (Verdict.UNKNOWN, 0, {"BadParams"})
    assert "url" in account.message


@pytest.mark.parametrize("status", ["9" * 5000, "\u00b2", "-1", "17", "x"])
def test_a_status_that_is_none_is_told_and_nothing_more(status: str) -> None:
    assert _told(status, "").startswith(f"the call ended {status}")

"""The HTTP gate's own figures. All labels have fixed sets of values, all there from the start."""

from __future__ import annotations

import enum
from http import HTTPStatus

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Call(enum.StrEnum):
    """What is asked."""

    LIST = "list"
    GATE = "gate"
    CHECK = "check"
    ROLLBACK = "rollback"
    CHANGES = "changes"


REFUSED = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
"""What every call may be refused with."""
CODES = {
    Call.LIST: (HTTPStatus.OK, *REFUSED),
    Call.GATE: (HTTPStatus.OK, HTTPStatus.BAD_REQUEST, *REFUSED),
    Call.CHECK: (HTTPStatus.OK, HTTPStatus.BAD_REQUEST, *REFUSED),
    Call.ROLLBACK: (HTTPStatus.OK, *REFUSED),
    Call.CHANGES: (
        HTTPStatus.ACCEPTED,
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        *REFUSED,
    ),
}
"""Every status that a call is answered with."""


class GateMetrics:
    """The metrics, on the registry that is handed in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        calls = Counter(
            "kubeprobe_gate_http_calls",
            "Calls of the HTTP gate, by what was asked and the HTTP status of the answer.",
            ["call", "code"],
            registry=registry,
        )
        self.calls = {
            (call, int(code)): calls.labels(call.value, str(code.value))
            for call, codes in CODES.items()
            for code in codes
        }
        self.seconds = Histogram(
            "kubeprobe_gate_http_seconds",
            "From the arrival of a call that does not wait for a verdict to its answer.",
            registry=registry,
            buckets=BUCKETS,
        )
        self.waiting = Gauge(
            "kubeprobe_gate_http_waiting", "Calls that wait for a gate's verdict now.", registry=registry
        )

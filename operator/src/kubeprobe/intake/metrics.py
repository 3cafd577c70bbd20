"""The intake's own figures. The only label has a fixed set of values, all there from the start."""

from __future__ import annotations

from http import HTTPStatus

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CODES = (
    HTTPStatus.OK,
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,
    HTTPStatus.GONE,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
"""Every status that a report is answered with."""


class IntakeMetrics:
    """The metrics of reports, on the registry that is handed in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        reports = Counter(
            "kubeprobe_intake_reports", "Reports received, by HTTP status of the answer.", ["code"], registry=registry
        )
        self.by_code = {code: reports.labels(str(code.value)) for code in CODES}
        self.in_flight = Gauge(
            "kubeprobe_intake_reports_in_flight", "Reports that are being received or recorded now.", registry=registry
        )
        self.durable_seconds = Histogram(
            "kubeprobe_intake_durable_seconds",
            "From a report's arrival to its being durable.",
            registry=registry,
            buckets=BUCKETS,
        )

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
"""Every status that a pod is answered with."""


class PostMetrics:
    """The metrics of one kind of thing that pods post, on the registry that is handed in.

    Args:
        names: what it is called in the plural.
        done: the name of what has become of it when it is answered.
    """

    def __init__(self, registry: CollectorRegistry, names: str, done: str) -> None:
        posts = Counter(
            f"kubeprobe_intake_{names}",
            f"{names.capitalize()} received, by HTTP status of the answer.",
            ["code"],
            registry=registry,
        )
        self.by_code = {code: posts.labels(str(code.value)) for code in CODES}
        self.in_flight = Gauge(
            f"kubeprobe_intake_{names}_in_flight",
            f"{names.capitalize()} that are being received or recorded now.",
            registry=registry,
        )
        self.seconds = Histogram(
            f"kubeprobe_intake_{done}_seconds",
            f"From the arrival of {names} to their being {done}.",
            registry=registry,
            buckets=BUCKETS,
        )

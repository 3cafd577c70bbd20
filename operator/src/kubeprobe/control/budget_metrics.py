"""The budget's figures: how fast the operator may write, what waits and for how long, and what slowed it down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sized

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from kubeprobe.plan.budget import Bucket, Priority, Throttle

WAIT_BUCKETS = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class BudgetMetrics:
    """Counters, and gauges that are read when they are asked for."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.writes = Counter(
            "kubeprobe_writes",
            "Writes to the API server, by priority and answer (ok, throttled, refused, failed).",
            ["priority", "answer"],
            registry=registry,
        )
        self.wait_seconds = Histogram(
            "kubeprobe_write_wait_seconds",
            "How long a write waited for its turn.",
            ["priority"],
            registry=registry,
            buckets=WAIT_BUCKETS,
        )
        self.throttled = Counter(
            "kubeprobe_write_budget_cuts", "How often the rate was cut, by reason.", ["reason"], registry=registry
        )
        self.events_dropped = Counter(
            "kubeprobe_events_dropped", "Events that were not written, since too many waited.", registry=registry
        )
        for priority in Priority:
            self.wait_seconds.labels(priority)
        for reason in Throttle:
            self.throttled.labels(reason)

    def watch(self, bucket: Callable[[], Bucket], lines: Mapping[Priority, Sized]) -> None:
        """Tell of a bucket, and of who waits for it."""
        rate = Gauge("kubeprobe_write_budget_rate", "Writes a second that are allowed now.", registry=self._registry)
        rate.set_function(lambda: bucket().rate)
        tokens = Gauge("kubeprobe_write_budget_tokens", "Writes that are allowed at once.", registry=self._registry)
        tokens.set_function(lambda: bucket().tokens)
        waiting = Gauge("kubeprobe_writes_waiting", "Who waits to write.", ["priority"], registry=self._registry)
        for priority, line in lines.items():
            waiting.labels(priority).set_function(line.__len__)

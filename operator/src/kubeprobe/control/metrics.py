"""The operator's own figures. Label values come from fixed sets; users' names of configs are the exception."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from kubeprobe.control.view import Views

DELIVERY_BUCKETS = (0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class VerdictCollector(Collector):
    """Every config's verdict, read from the views when it is asked for: thousands of gauges would only fill memory."""

    def __init__(self, views: Views) -> None:
        self._views = views

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One series for each config, labelled with its verdict."""
        family = GaugeMetricFamily(
            "kubeprobe_verdict",
            "1, labelled with the verdict that a config has as last written.",
            labels=("namespace", "config", "severity", "verdict"),
        )
        for result in self._views.results:
            family.add_metric((result.namespace, result.name, result.severity, result.verdict), 1)
        yield family


class Metrics:
    """All metrics of the operator, on a registry of its own."""

    def __init__(self, registry: CollectorRegistry, views: Views) -> None:
        self.registry = registry
        self.runs = Counter(
            "kubeprobe_runs", "Runs completed, by verdict and source.", ["verdict", "source"], registry=registry
        )
        registry.register(VerdictCollector(views))
        self.verdict_seconds = Histogram(
            "kubeprobe_report_to_verdict_seconds",
            "From a run's completion to the write of the turned verdict.",
            registry=registry,
            buckets=DELIVERY_BUCKETS,
        )
        self.start_error_seconds = Histogram(
            "kubeprobe_run_start_error_seconds",
            "From a run's slot to its creation.",
            registry=registry,
            buckets=DELIVERY_BUCKETS,
        )
        self.reconcile_errors = Counter(
            "kubeprobe_reconcile_errors", "Reconciliations that ended in an error.", ["kind"], registry=registry
        )

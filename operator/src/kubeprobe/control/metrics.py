"""The operator's own figures. Label values come from fixed sets; users' names of configs are the exception."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from kubeprobe.api import Verdict
from kubeprobe.control.lag import Gauges, LagMonitor
from kubeprobe.control.view import Views
from kubeprobe.plan.change import is_over

DELIVERY_BUCKETS = (0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class VerdictCollector(Collector):
    """Every config's verdict, read from the views when it is asked for: thousands of gauges would only fill memory.

    An answer that is out of date is Unknown, also on a standby that sees nobody renew it.
    """

    def __init__(self, views: Views, now: Callable[[], datetime]) -> None:
        self._views = views
        self._now = now

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Series for each config: its verdict, the age of what that rests on, and whether it may raise an alarm."""
        family = GaugeMetricFamily(
            "kubeprobe_verdict",
            "1, labelled with the verdict that a config has as last written; Unknown once that is out of date.",
            labels=("namespace", "config", "severity", "verdict"),
        )
        labels = ("namespace", "config")
        finished = GaugeMetricFamily(
            "kubeprobe_last_run_timestamp_seconds", "When the newest run completed, as last written.", labels=labels
        )
        windows = GaugeMetricFamily(
            "kubeprobe_maintenance", "1 while a maintenance window is open: the verdict raises no alarm.", labels=labels
        )
        now = self._now().timestamp()
        for result in self._views.results:
            fresh = result.fresh_until is None or now <= result.fresh_until
            verdict = result.verdict if fresh else Verdict.UNKNOWN.value
            family.add_metric((result.namespace, result.name, result.severity, verdict), 1)
            if result.finished_at is not None:
                finished.add_metric((result.namespace, result.name), result.finished_at)
            if result.maintenance:
                windows.add_metric((result.namespace, result.name), 1)
        yield from (family, finished, windows)


class Metrics:
    """All metrics of the operator, on a registry of its own."""

    def __init__(self, registry: CollectorRegistry, views: Views, now: Callable[[], datetime]) -> None:
        self.registry = registry
        self.runs = Counter(
            "kubeprobe_runs", "Runs completed, by verdict and source.", ["verdict", "source"], registry=registry
        )
        registry.register(VerdictCollector(views, now))
        self.requests = Counter(
            "kubeprobe_api_requests",
            "Requests to the API server, by verb and answer.",
            ["verb", "code"],
            registry=registry,
        )
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
        self.slots_missed = Counter(
            "kubeprobe_slots_missed", "Slots of schedules that had no run, by reason.", ["reason"], registry=registry
        )
        self.leader = Gauge("kubeprobe_leader", "1 while this replica leads, else 0.", registry=registry)
        self.leader_transitions = Counter(
            "kubeprobe_leader_transitions", "Times that this replica began or ceased to lead.", registry=registry
        )
        self.reconcile_errors = Counter(
            "kubeprobe_reconcile_errors", "Reconciliations that ended in an error.", ["kind"], registry=registry
        )
        self.changes = Counter(
            "kubeprobe_changes", "Changes written, each a batch of objects, by source.", ["source"], registry=registry
        )
        self.changed_objects = Counter(
            "kubeprobe_changed_objects",
            "Objects that Changes were written for, by source.",
            ["source"],
            registry=registry,
        )
        self.change_seconds = Histogram(
            "kubeprobe_change_written_seconds",
            "From the time at which a batch of changes was complete to its Change.",
            registry=registry,
            buckets=DELIVERY_BUCKETS,
        )
        Gauge("kubeprobe_changes_open", "Changes that are not over.", registry=registry).set_function(
            lambda: sum(not is_over(one) for one in views.changes)
        )
        self.log_reads = Counter(
            "kubeprobe_resident_log_reads",
            "Logs of silent resident probers that were read, by what was found (news, silent, failed).",
            ["answer"],
            registry=registry,
        )

    def watch_lag(self, lag: LagMonitor, gauges: Gauges) -> None:
        """Tell how well the operator keeps up, read when it is asked for."""
        told = (
            (
                "kubeprobe_loop_lag_seconds",
                "How much too late the event loop last turned.",
                lambda: lag.loop_lag_seconds,
            ),
            ("kubeprobe_queue_oldest_seconds", "How long the oldest key has waited for a worker.", gauges.queue_age),
            ("kubeprobe_watch_age_seconds", "How long the quietest watch has heard nothing.", gauges.watch_age),
            ("kubeprobe_watchdog", "1 while the operator lives: alert when it is absent.", lambda: 1.0),
        )
        for name, text, read in told:
            Gauge(name, text, registry=self.registry).set_function(read)

"""What is told of gates: which are closed, read from the views when it is asked for, and how often they turn."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from kubeprobe.api import GatePhase
from kubeprobe.control.view import Views
from kubeprobe.plan.gate_words import ENFORCED


class GateCollector(Collector):
    """How every gate stands, as last written: a standby tells the same."""

    def __init__(self, views: Views) -> None:
        self._views = views

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Series for each gate: whether it is closed, since when, and whether the API server holds to it."""
        labels = ("gate",)
        closed = GaugeMetricFamily("kubeprobe_gate_closed", "1 while a gate is closed, else 0.", labels=labels)
        since = GaugeMetricFamily(
            "kubeprobe_gate_since_timestamp_seconds", "Since when a gate has been open, or closed.", labels=labels
        )
        enforced = GaugeMetricFamily(
            "kubeprobe_gate_enforced",
            "1 where the API server was seen to deny what a closed gate holds, 0 where not; absent while unknown.",
            labels=labels,
        )
        for gate in self._views.gates:
            name, status = (gate.metadata.name,), gate.status
            closed.add_metric(name, status.phase is GatePhase.CLOSED)
            if status.since is not None:
                since.add_metric(name, status.since.timestamp())
            told = next((one.status for one in status.conditions if one.type == ENFORCED), "Unknown")
            if told != "Unknown":
                enforced.add_metric(name, told == "True")
        yield from (closed, since, enforced)


class GateMetrics:
    """The figures of the gates."""

    def __init__(self, registry: CollectorRegistry, views: Views) -> None:
        registry.register(GateCollector(views))
        self.turns = Counter(
            "kubeprobe_gate_turns", "Times that a gate opened or closed.", ["phase"], registry=registry
        )
        self.judged = Counter(
            "kubeprobe_gate_verdicts", "Verdicts of gates on changes.", ["verdict"], registry=registry
        )
        self.runs = Counter("kubeprobe_gate_runs", "Runs that gates asked for.", registry=registry)

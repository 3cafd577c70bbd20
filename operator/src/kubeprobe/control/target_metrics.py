"""What resident probers told of their targets, for Prometheus; read from memory when it is asked for.

The names are those of the probers' own pages, which have more of it and in finer steps, and, for the boards that are
made for it, those of blackbox_exporter. Counts are the probers' own, so they go on when another replica leads, and
begin anew when a prober does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kubeprobe.api import ProbeConfig, Verdict
from kubeprobe.control.resident_store import ResidentStore
from kubeprobe.control.view import Key, Views
from kubeprobe.plan.owned import OwnedKind
from kubeprobe.plan.resident_answer import terms_of
from kubeprobe.plan.resident_judge import speakers
from kubeprobe.plan.resident_word import verdicts
from kubeprobe.plan.samples import Known
from probe_sdk.resident.account import BOUNDS_SECONDS
from probe_sdk.samples import TargetSample

MOST_TARGETS = 1000
"""Targets on the page: each has some forty series, and the page is made while nothing else is done."""
BOUNDS = (*map(str, BOUNDS_SECONDS), "+Inf")
VALUES = {Verdict.PASSED: 1.0, Verdict.FAILED: 0.0, Verdict.UNKNOWN: -1.0}
Labels = dict[str, str]


class _Families:
    """The metrics of one page."""

    def __init__(self) -> None:
        self.verdict = Metric("kubeprobe_target_verdict", "1: Passed, 0: Failed, -1: Unknown; after noise.", "gauge")
        self.success = Metric("probe_success", "Whether the target's verdict is Passed; absent if Unknown.", "gauge")
        self.took = Metric("probe_duration_seconds", "How long passed probes took lately, in the mean.", "gauge")
        self.histogram = Metric("kubeprobe_probe_seconds", "How long passed probes took.", "histogram")
        self.probes = Metric("kubeprobe_probes", "Slots that are over, by how they ended.", "counter")
        self.turns = Metric("kubeprobe_target_turns", "How often the verdict turned.", "counter")

    def all(self) -> tuple[Metric, ...]:
        return (self.verdict, self.success, self.took, self.histogram, self.probes, self.turns)

    def add(self, labels: Labels, known: Known, verdict: Verdict) -> None:
        """One target."""
        self.verdict.add_sample(self.verdict.name, labels, VALUES[verdict])
        if verdict is not Verdict.UNKNOWN:
            self.success.add_sample(self.success.name, labels, VALUES[verdict])
        if known.lately_seconds is not None:
            self.took.add_sample(self.took.name, labels, known.lately_seconds)
        sample = known.sample
        self._add_histogram(labels, sample)
        for outcome, count in (("passed", sample.passed), ("failed", sample.failed), ("unknown", sample.unknown)):
            self.probes.add_sample("kubeprobe_probes_total", {**labels, "outcome": outcome}, count)
        self.turns.add_sample("kubeprobe_target_turns_total", labels, sample.turns)

    def _add_histogram(self, labels: Labels, sample: TargetSample) -> None:
        total, name = 0, self.histogram.name
        for index, bound in enumerate(BOUNDS):
            total += sample.buckets.get(index, 0)
            self.histogram.add_sample(f"{name}_bucket", {**labels, "le": bound}, total)
        self.histogram.add_sample(f"{name}_count", labels, total)
        self.histogram.add_sample(f"{name}_sum", labels, sample.seconds)


class TargetCollector(Collector):
    """The targets of all resident probers that are heard, as many as there is room for."""

    def __init__(self, views: Views, store: ResidentStore, now: Callable[[], datetime]) -> None:
        self._views = views
        self._store = store
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """See `prometheus_client.registry.Collector`."""
        families, shown, left_out = _Families(), 0, 0
        for config in self._views.configs:
            for labels, known, verdict in self._targets(config):
                if shown < MOST_TARGETS:
                    families.add(labels, known, verdict)
                    shown += 1
                else:
                    left_out += 1
        yield from families.all()
        yield GaugeMetricFamily(
            "kubeprobe_targets_not_shown",
            "Targets of resident probers for which this page has no room; the probers' own pages have them.",
            value=left_out,
        )

    def _targets(self, config: ProbeConfig) -> Iterator[tuple[Labels, Known, Verdict]]:
        key = (config.metadata.namespace, config.metadata.name)
        if config.spec.resident is None or not (probers := self._store.probers(key)):
            return
        own, terms = self._labels(config, key), terms_of(config.spec.resident)
        for node, voice in speakers(self._store.voices(key), terms, self._now()).items():
            prober = probers.get(voice.uid)
            if prober is None or voice.word is None:
                continue
            where = {"namespace": key[0], "config": key[1], **({"node": node} if node else {})}
            for name, verdict in verdicts(prober, voice.word).items():
                labels = {f"target_{label}": value for label, value in own.get(name, {}).items()}
                yield {**labels, **where, "target": name}, prober.targets[name], verdict

    def _labels(self, config: ProbeConfig, key: Key) -> Mapping[str, Mapping[str, str]]:
        """The labels of the targets by their names, from the file that the prober has them from."""
        files = self._views.owned[OwnedKind.CONFIG_MAP].group(key)
        return next((one.labels for one in files if config.metadata.uid in one.owner_uids), {})

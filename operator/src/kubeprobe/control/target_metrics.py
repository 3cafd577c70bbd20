"""What resident probers told of their targets, for Prometheus; read from memory when it is asked for.

The names are those of the probers' own pages, which have more of it and in finer steps, and, for the boards that are
made for it, those of blackbox_exporter. Counts are the probers' own, so they go on when another replica leads, and
begin anew when a prober does. The text is made here: prometheus_client takes half a second for a thousand targets, in
which the operator would do nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from kubeprobe.api import ProbeConfig, Verdict
from kubeprobe.control.resident_store import ResidentStore
from kubeprobe.control.view import Views
from kubeprobe.plan.owned import OwnedKind
from kubeprobe.plan.resident_answer import terms_of
from kubeprobe.plan.resident_judge import speakers
from kubeprobe.plan.resident_word import verdicts
from kubeprobe.plan.samples import Known
from probe_sdk.resident.account import BOUNDS_SECONDS

MOST_TARGETS = 1000
"""Targets on the page: each has some forty lines."""
BOUNDS = tuple(f',le="{bound}"}}' for bound in (*BOUNDS_SECONDS, "+Inf"))
VALUES = {Verdict.PASSED: "1", Verdict.FAILED: "0", Verdict.UNKNOWN: "-1"}
FAMILIES = {
    "kubeprobe_target_verdict": ("gauge", "1: Passed, 0: Failed, -1: Unknown; after noise."),
    "probe_success": ("gauge", "Whether the target's verdict is Passed; absent if Unknown."),
    "probe_duration_seconds": ("gauge", "How long passed probes took lately, in the mean."),
    "kubeprobe_probe_seconds": ("histogram", "How long passed probes took."),
    "kubeprobe_probes_total": ("counter", "Slots that are over, by how they ended."),
    "kubeprobe_target_turns_total": ("counter", "How often the verdict turned."),
}
ESCAPED = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})


class TargetPage:
    """The targets of all resident probers that are heard, as many as there is room for."""

    def __init__(self, views: Views, store: ResidentStore, now: Callable[[], datetime]) -> None:
        self._views = views
        self._store = store
        self._now = now

    def text(self) -> bytes:
        """The page, in Prometheus' text format."""
        lines: dict[str, list[str]] = {name: [] for name in FAMILIES}
        shown = left_out = 0
        for config in self._views.configs:
            for labels, known, verdict in self._targets(config):
                if shown < MOST_TARGETS:
                    _add(lines, labels, known, verdict)
                    shown += 1
                else:
                    left_out += 1
        parts = [f"# HELP {name} {FAMILIES[name][1]}\n# TYPE {name} {FAMILIES[name][0]}\n" for name in FAMILIES]
        told = (head + "".join(lines[name]) for head, name in zip(parts, FAMILIES, strict=True))
        return ("".join(told) + _not_shown(left_out)).encode()

    def _targets(self, config: ProbeConfig) -> Iterator[tuple[str, Known, Verdict]]:
        key = (config.metadata.namespace, config.metadata.name)
        if config.spec.resident is None or not (probers := self._store.probers(key)):
            return
        own, terms = self._labels(config), terms_of(config.spec.resident)
        for node, voice in speakers(self._store.voices(key), terms, self._now()).items():
            prober = probers.get(voice.uid)
            if prober is None or voice.word is None:
                continue
            where = {"namespace": key[0], "config": key[1], **({"node": node} if node else {})}
            for name, verdict in verdicts(prober, voice.word).items():
                labels = {f"target_{label}": value for label, value in own.get(name, {}).items()}
                yield _labels({**where, "target": name, **labels}), prober.targets[name], verdict

    def _labels(self, config: ProbeConfig) -> Mapping[str, Mapping[str, str]]:
        """The labels of the targets by their names, from the file that the prober has them from."""
        meta = config.metadata
        files = self._views.owned[OwnedKind.CONFIG_MAP].group((meta.namespace, meta.name))
        return next((one.labels for one in files if meta.uid in one.owner_uids), {})


def _labels(labels: Mapping[str, str]) -> str:
    """The labels as text, up to the brace that ends them."""
    return "{" + ",".join(f'{name}="{value.translate(ESCAPED)}"' for name, value in labels.items())


def _add(lines: Mapping[str, list[str]], labels: str, known: Known, verdict: Verdict) -> None:
    """One target."""
    sample, ended = known.sample, labels + "} "
    lines["kubeprobe_target_verdict"].append(f"kubeprobe_target_verdict{ended}{VALUES[verdict]}\n")
    if verdict is not Verdict.UNKNOWN:
        lines["probe_success"].append(f"probe_success{ended}{VALUES[verdict]}\n")
    if known.lately_seconds is not None:
        lines["probe_duration_seconds"].append(f"probe_duration_seconds{ended}{known.lately_seconds!r}\n")
    lines["kubeprobe_probes_total"].extend(
        f'kubeprobe_probes_total{labels},outcome="{outcome}"}} {count}\n'
        for outcome, count in (("passed", sample.passed), ("failed", sample.failed), ("unknown", sample.unknown))
    )
    lines["kubeprobe_target_turns_total"].append(f"kubeprobe_target_turns_total{ended}{sample.turns}\n")
    histogram, name, total = lines["kubeprobe_probe_seconds"], f"kubeprobe_probe_seconds_bucket{labels}", 0
    for index, bound in enumerate(BOUNDS):
        total += sample.buckets.get(index, 0)
        histogram.append(f"{name}{bound} {total}\n")
    histogram.append(f"kubeprobe_probe_seconds_count{ended}{total}\n")
    histogram.append(f"kubeprobe_probe_seconds_sum{ended}{sample.seconds!r}\n")


def _not_shown(count: int) -> str:
    name = "kubeprobe_targets_not_shown"
    text = "Targets of resident probers for which this page has no room; the probers' own pages have them."
    return f"# HELP {name} {text}\n# TYPE {name} gauge\n{name} {count}\n"

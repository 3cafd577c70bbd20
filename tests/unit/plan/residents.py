"""Resident configs, their probers and what these say, built with as little said as a test needs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tests.unit.plan.builders import CREATED, at, config
from tests.unit.plan.test_samples import sample, samples

from kubeprobe.api import ProbeConfig, ResidentSource, Verdict
from kubeprobe.plan.resident_word import Spot, Voice, Word
from kubeprobe.plan.samples import Prober, merge
from probe_sdk.samples import LoggedTarget, LogLine, TargetSample


def resident(name: str = "main", *, suspend: bool = False, maintenance: Any = (), **spec: Any) -> ProbeConfig:
    """A config whose prober probes each second."""
    whole = {"interval": "1s", **spec}
    return config(name, mode="Resident", schedule=None, resident=whole, suspend=suspend, maintenance=list(maintenance))


def spot(target: str, verdict: str = "Failed", since: float = 0, message: str = "refused", turns: int = 0) -> Spot:
    return Spot(target, Verdict(verdict), at(since), message, turns)


def word(
    passed: int = 0, *spots: Spot, heard: float = 0, unknown: int = 0, source: str = "Intake", **more: Any
) -> Word:
    """A word about so many passed targets, and those that are named."""
    failed = sum(one.verdict is Verdict.FAILED for one in spots)
    unclear = unknown + sum(one.verdict is Verdict.UNKNOWN for one in spots)
    usual: dict[str, Any] = {"interval_seconds": 1.0, "served_ratio": 1.0, "whole": True, "epoch": "1", "sequence": 1}
    counts = {"passed": passed, "failed": failed, "unknown": unclear, "spots": spots}
    return Word(**{"heard_at": at(heard), "source": ResidentSource(source), **usual, **counts, **more})


def voice(name: str = "p", told: Word | None = None, node: str = "n1", created: float = 0) -> Voice:
    return Voice(name, f"uid-{name}", node, at(created), told)


def prober(*targets: TargetSample, epoch: str = "1", heard: float = 0, sequence: int = 1, **rest: Any) -> Prober:
    """A prober that has told of all these targets."""
    said = samples(sequence, *targets, epoch=epoch, round=1, **{"complete": True, **rest})
    return merge(None, said, at(heard)).prober


def line(*bad: str, targets: int = 3, sent: datetime = CREATED, unknown: Sequence[str] = (), **more: Any) -> LogLine:
    """A line of the log about so many targets of which some fail."""
    named = [*((one, "Failed") for one in bad), *((one, "Unknown") for one in unknown)]
    told = tuple(LoggedTarget(target=one, verdict=how, since=CREATED, message="refused") for one, how in named)
    usual: dict[str, Any] = {"epoch": "1", "sequence": 1, "round": 1, "interval_seconds": 1.0, "served_ratio": 1.0}
    counts = {"passed": 10, "failed": 1, "unknown": 0, "targets_failed": len(bad), "targets_unknown": len(unknown)}
    return LogLine(**{"sent_at": sent, "targets": targets, "not_passed": told, "more": 0, **usual, **counts, **more})


__all__ = ["line", "prober", "resident", "sample", "samples", "spot", "voice", "word"]

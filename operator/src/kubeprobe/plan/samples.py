"""What resident probers told, merged: every probe counted once, whatever is lost, repeated, late or restarted.

A prober's counts are cumulative over one life of its process, its epoch. So the newest message of a target holds all
that the older ones held, and what is new in it is the difference to the one before. What is kept is bounded by the
targets of the probers that are there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum

from probe_sdk.samples import Samples, TargetSample

SILENT_SECONDS = 20.0
"""Two summaries: after so long without a word, nobody believes that messages only take their time."""
UNREST_SECONDS = 60.0


class Taken(Enum):
    """What became of a message."""

    COUNTED = "counted"
    KNOWN = "known"
    """A message that came before, or one that newer ones have overtaken: nothing is new in it."""
    DEAD = "dead"
    """Of an epoch that has ended: its process has another one by now."""
    BACKWARDS = "backwards"
    """Counts went down within an epoch, which no prober's do."""


@dataclass(frozen=True, slots=True)
class Gain:
    """What is new of one target.

    Args:
        before: what was known of it in this epoch, if anything, and in this life.
    """

    target: str
    sample: TargetSample
    before: TargetSample | None
    passed: int
    failed: int
    unknown: int
    turns: int
    seconds: float
    buckets: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Known:
    """The newest word on a target."""

    sequence: int
    sample: TargetSample
    unrest: float
    """About how often its verdict turned in the minute before it was heard."""
    heard_at: datetime
    lately_seconds: float | None
    """How long its newest passed probes took in the mean; None before the first one."""

    def unrest_at(self, now: datetime) -> float:
        """About how often its verdict turned in the last minute, if it has not turned since it was heard."""
        return self.unrest * math.exp(-max((now - self.heard_at).total_seconds(), 0.0) / UNREST_SECONDS)


@dataclass(frozen=True, slots=True)
class Prober:
    """One prober's pod, as told."""

    epoch: str
    started_at: datetime
    heard_at: datetime
    restarts: int = 0
    round: int = 0
    told: frozenset[str] = frozenset()
    """The targets of the present round so far."""
    targets: Mapping[str, Known] = field(default_factory=dict)
    sequence: int = 0
    """Of the newest message."""
    of: int = 0
    """How many targets it says it has."""
    whole: bool = False
    """All its targets were told, in this epoch."""
    served_ratio: float = 1.0
    interval_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Merge:
    """A prober after a message, and what was new in it."""

    prober: Prober
    taken: Taken
    gains: tuple[Gain, ...] = ()
    gone: tuple[str, ...] = ()
    """Targets that the prober has no more."""


def merge(prober: Prober | None, samples: Samples, heard_at: datetime) -> Merge:
    """Take a message in.

    Args:
        prober: what was known of the pod that sent it; None for its first.
        samples: the message.
        heard_at: when it came, by the receiver's clock.
    """
    if prober is not None and samples.epoch < prober.epoch and not _silent(prober, heard_at):
        return Merge(prober, Taken.DEAD)
    if prober is None or samples.epoch != prober.epoch:
        restarts = 0 if prober is None else prober.restarts + 1
        prober = Prober(samples.epoch, samples.started_at, heard_at, restarts)
    news = {
        one.target: one
        for one in samples.targets
        if one.target not in prober.targets or prober.targets[one.target].sequence < samples.sequence
    }
    if not news and samples.sequence <= prober.sequence:
        return Merge(prober, Taken.KNOWN)  # nor is it a sign of life
    if any(_backwards(prober, one) for one in news.values()):
        return Merge(prober, Taken.BACKWARDS)
    gains = tuple(_gain(prober, one) for one in news.values())
    told = {gain.target: _known(prober, gain, samples.sequence, heard_at) for gain in gains}
    merged = replace(prober, heard_at=max(prober.heard_at, heard_at), targets={**prober.targets, **told})
    if samples.sequence > prober.sequence:
        merged = replace(
            merged,
            sequence=samples.sequence,
            of=samples.of,
            served_ratio=samples.served_ratio,
            interval_seconds=samples.interval_seconds,
        )
    merged = replace(merged, whole=merged.whole or len(merged.targets) >= merged.of)
    return _end_of_round(Merge(merged, Taken.COUNTED if news else Taken.KNOWN, gains), samples)


def _end_of_round(merge: Merge, samples: Samples) -> Merge:
    """After all of a round's messages, what was in none of them is no target any more."""
    prober = merge.prober
    if samples.round < max(prober.round, 1):
        return merge
    told = prober.told if samples.round == prober.round else frozenset[str]()
    told |= {one.target for one in samples.targets}
    merge = replace(merge, prober=replace(prober, round=samples.round, told=told))
    if not samples.complete or len(told) < samples.of:
        return merge
    gone = tuple(sorted(name for name in prober.targets if name not in told))
    targets = {name: known for name, known in prober.targets.items() if name in told}
    return replace(merge, prober=replace(merge.prober, targets=targets), gone=gone)


def _silent(prober: Prober, now: datetime) -> bool:
    """Whether its process must have ended, for one with an older name speaks: its node's clock was put back."""
    return now - prober.heard_at >= timedelta(seconds=SILENT_SECONDS)


def _known(prober: Prober, gain: Gain, sequence: int, heard_at: datetime) -> Known:
    before = prober.targets.get(gain.target)
    lately = gain.seconds / gain.passed if gain.passed else before.lately_seconds if before else None
    return Known(sequence, gain.sample, _unrest(prober, gain, heard_at), heard_at, lately)


def _unrest(prober: Prober, gain: Gain, heard_at: datetime) -> float:
    known = prober.targets.get(gain.target)
    if known is not None:
        return known.unrest_at(heard_at) + gain.turns
    life_seconds = max((heard_at - prober.started_at).total_seconds(), UNREST_SECONDS)
    return gain.turns * UNREST_SECONDS / life_seconds


def _backwards(prober: Prober, sample: TargetSample) -> bool:
    known = prober.targets.get(sample.target)
    if known is None:
        return False
    before = known.sample
    if sample.life != before.life:
        return sample.life < before.life
    pairs = (
        (before.passed, sample.passed),
        (before.failed, sample.failed),
        (before.unknown, sample.unknown),
        (before.missed, sample.missed),
        (before.turns, sample.turns),
    )
    return any(after < earlier for earlier, after in pairs)


def _gain(prober: Prober, sample: TargetSample) -> Gain:
    known = prober.targets.get(sample.target)
    before = known.sample if known and known.sample.life == sample.life else None
    old = before or sample.model_copy(
        update={"passed": 0, "failed": 0, "unknown": 0, "turns": 0, "seconds": 0.0, "buckets": {}}
    )
    buckets = {index: count - old.buckets.get(index, 0) for index, count in sample.buckets.items()}
    return Gain(
        target=sample.target,
        sample=sample,
        before=before,
        passed=sample.passed - old.passed,
        failed=sample.failed - old.failed,
        unknown=sample.unknown - old.unknown,
        turns=sample.turns - old.turns,
        seconds=max(sample.seconds - old.seconds, 0.0),
        buckets={index: count for index, count in buckets.items() if count > 0},
    )

"""How many probes a resident prober made since they were last counted, so that each is in the answer's windows once.

While an operator lives it adds up what each message brings. The next one finds in the ProbeResult how far each prober
was counted, and takes the difference to the prober's own counts: those go on while there is no operator.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from kubeprobe.api import Verdict
from kubeprobe.plan.samples import Gain, Prober
from kubeprobe.plan.window import Window
from probe_sdk.resident.account import BOUNDS_SECONDS

MOST_COUNTED = 20
"""Probers whose counts are kept in the ProbeResult. Of further ones an operator counts what it hears itself."""
_PART = 10**-0.1
"""From a bucket's upper bound to its middle; there are five of them to a decade."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Probes by how they ended, and the passed ones by the histogram's bucket."""

    passed: int = 0
    failed: int = 0
    unknown: int = 0
    buckets: Mapping[int, int] = field(default_factory=dict)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.passed + other.passed,
            self.failed + other.failed,
            self.unknown + other.unknown,
            Counter(self.buckets) + Counter(other.buckets),
        )

    def into(self, windows: Iterable[Window], at: datetime) -> tuple[Window, ...]:
        """The windows with these probes in them."""
        outcomes = {Verdict.PASSED: self.passed, Verdict.FAILED: self.failed, Verdict.UNKNOWN: self.unknown}
        if not any(outcomes.values()):
            return tuple(windows)
        took = {_middle(index): count for index, count in self.buckets.items()}
        return tuple(window.add_all(at, outcomes, took) for window in windows)


@dataclass(frozen=True, slots=True)
class Counted:
    """How far a prober is counted."""

    epoch: str
    passed: int
    failed: int
    unknown: int


def of_gains(gains: Iterable[Gain]) -> Tally:
    """What a message brought."""
    passed = failed = unknown = 0
    buckets = Counter[int]()
    for gain in gains:
        passed, failed, unknown = passed + gain.passed, failed + gain.failed, unknown + gain.unknown
        buckets.update(gain.buckets)
    return Tally(passed, failed, unknown, buckets)


def of_prober(prober: Prober) -> Tally:
    """All that it has told, in this epoch."""
    samples = [one.sample for one in prober.targets.values()]
    buckets = Counter[int]()
    for one in samples:
        buckets.update(one.buckets)
    passed, failed = sum(one.passed for one in samples), sum(one.failed for one in samples)
    return Tally(passed, failed, sum(one.unknown for one in samples), buckets)


def first(prober: Prober, uid: str, counted: Mapping[str, Counted]) -> Tally:
    """What is to be counted of a prober that is heard for the first time by this operator.

    Args:
        prober: the prober, once it has told of all its targets.
        uid: its pod's.
        counted: how far probers were counted, by the ProbeResult.
    """
    total, before = of_prober(prober), counted.get(uid)
    if before is None:
        return total if len(counted) < MOST_COUNTED else Tally()
    if before.epoch != prober.epoch:
        return total
    return Tally(
        max(total.passed - before.passed, 0),
        max(total.failed - before.failed, 0),
        max(total.unknown - before.unknown, 0),
    )


def encode(before: Iterable[str], probers: Mapping[str, Prober], present: Collection[str]) -> tuple[str, ...]:
    """How far probers are counted, by their pods' uids.

    Args:
        before: what this said.
        probers: those of which all that they told is counted.
        present: the uids of all pods that there are: of one that was not heard yet the former word stands.
    """
    told = {uid: one for uid, one in decode(before).items() if uid in present}
    for uid, prober in probers.items():
        total = of_prober(prober)
        told[uid] = Counted(prober.epoch, total.passed, total.failed, total.unknown)
    kept = sorted(told.items())[:MOST_COUNTED]
    return tuple(f"{uid} {one.epoch} {one.passed},{one.failed},{one.unknown}" for uid, one in kept)


def decode(texts: Iterable[str]) -> dict[str, Counted]:
    """What `encode` wrote; text that is not ours is passed over."""
    found = {}
    for text in texts:
        parts = text.split(" ")
        counts = parts[2].split(",") if len(parts) == 3 else ()
        if len(counts) == 3 and all(one.isascii() and one.isdigit() for one in counts):
            passed, failed, unknown = map(int, counts)
            found[parts[0]] = Counted(parts[1], passed, failed, unknown)
    return found


def _middle(bucket: int) -> float:
    return BOUNDS_SECONDS[min(bucket, len(BOUNDS_SECONDS) - 1)] * _PART

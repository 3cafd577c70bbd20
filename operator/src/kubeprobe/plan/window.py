"""How reliable a probe was lately, in constant space: outcomes and durations counted in slots of time.

The counts live in the ProbeResult itself as short strings, so that a restart forgets nothing that was written.
Durations fall into bins a tenth of an octave apart, so a percentile is right to within 4 %.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from kubeprobe.api import Verdict, WindowSummary

BINS_PER_OCTAVE = 10
HIGHEST_NUMBER = 2**53
"""Of anything that is counted here; more is not exact in every JSON reader."""
SHORTEST_SECONDS = 0.001
HIGHEST_BIN = 500
"""Thirty thousand years; what lies above was not written by us."""


@dataclass(frozen=True, slots=True)
class Span:
    """A window's length and the length of the slots that it is counted in, in seconds."""

    name: str
    seconds: int
    slot_seconds: int


HOUR = Span("1h", 3600, 300)
DAY = Span("24h", 86400, 3600)
SPANS = (HOUR, DAY)


@dataclass(frozen=True, slots=True)
class Slot:
    """The outcomes of one slot of time."""

    number: int
    """Unix time divided by the slot's length."""
    counts: Mapping[Verdict, int] = field(default_factory=dict)
    bins: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Window:
    """The slots of one span, oldest first."""

    span: Span
    slots: tuple[Slot, ...] = ()

    def add(self, at: datetime, verdict: Verdict, duration_seconds: float | None) -> Window:
        """The window with one outcome more."""
        took = {duration_seconds: 1} if duration_seconds is not None and verdict is Verdict.PASSED else {}
        return self.add_all(at, {verdict: 1}, took)

    def add_all(self, at: datetime, outcomes: Mapping[Verdict, int], took: Mapping[float, int]) -> Window:
        """The window with many outcomes more.

        Args:
            at: when they came.
            outcomes: how many of which.
            took: how many of the passed ones took how many seconds.
        """
        number = int(at.timestamp()) // self.span.slot_seconds
        current = next((slot for slot in self.slots if slot.number == number), Slot(number))
        counts, bins = Counter(current.counts), Counter(current.bins)
        counts.update(outcomes)
        for seconds, count in took.items():
            bins[_bin(seconds)] += count
        added = Slot(number, dict(counts), dict(bins))
        kept = [slot for slot in self.slots if slot.number != number]
        return replace(self, slots=tuple(sorted([*kept, added], key=lambda slot: slot.number)))

    def until(self, now: datetime) -> Window:
        """The window as it stands at `now`; what is older drops out, and what a clock counted that ran ahead."""
        newest = int(now.timestamp()) // self.span.slot_seconds
        oldest = newest - self.span.seconds // self.span.slot_seconds
        return replace(self, slots=tuple(slot for slot in self.slots if oldest < slot.number <= newest))

    def summary(self) -> WindowSummary:
        """The figures that a reader wants; Unknown runs say nothing about the target and leave the ratio alone."""
        counts: Counter[Verdict] = Counter()
        bins: Counter[int] = Counter()
        for slot in self.slots:
            counts.update(slot.counts)
            bins.update(slot.bins)
        judged = counts[Verdict.PASSED] + counts[Verdict.FAILED]
        return WindowSummary(
            period=self.span.name,
            runs=sum(counts.values()),
            passed=counts[Verdict.PASSED],
            failed=counts[Verdict.FAILED],
            unknown=counts[Verdict.UNKNOWN],
            success_ratio=round(counts[Verdict.PASSED] / judged, 4) if judged else None,
            p50_seconds=_percentile(bins, 0.50),
            p99_seconds=_percentile(bins, 0.99),
        )

    def encode(self) -> str:
        """The window as text: `span|slot:passed,failed,unknown:bin=count,…|…`."""
        return "|".join([self.span.name, *(_encode(slot) for slot in self.slots)])


def decode(texts: Iterable[str]) -> tuple[Window, ...]:
    """The windows of a ProbeResult; text that is not ours (edited by hand, say) is an empty window."""
    found = {text.split("|", 1)[0]: text for text in texts}
    return tuple(_window(span, found.get(span.name, span.name)) for span in SPANS)


def _window(span: Span, text: str) -> Window:
    try:
        return Window(span, tuple(_slot(part) for part in text.split("|")[1:]))
    except ValueError:
        return Window(span)


def _encode(slot: Slot) -> str:
    counts = ",".join(str(slot.counts.get(verdict, 0)) for verdict in (Verdict.PASSED, Verdict.FAILED, Verdict.UNKNOWN))
    bins = ",".join(f"{number}={count}" for number, count in sorted(slot.bins.items()))
    return f"{slot.number}:{counts}:{bins}"


def _slot(text: str) -> Slot:
    number, counts, bins = text.split(":")
    passed, failed, unknown = (_natural(count) for count in counts.split(","))
    pairs = (pair.split("=") for pair in bins.split(",") if pair)
    return Slot(
        _natural(number),
        {Verdict.PASSED: passed, Verdict.FAILED: failed, Verdict.UNKNOWN: unknown},
        {_natural(place, HIGHEST_BIN): _natural(count) for place, count in pairs},
    )


def _natural(text: str, most: int = HIGHEST_NUMBER) -> int:
    number = int(text)
    if not 0 <= number <= most:
        raise ValueError(f"{number} is not between 0 and {most}")
    return number


def _bin(seconds: float) -> int:
    return round(math.log2(max(seconds, SHORTEST_SECONDS) / SHORTEST_SECONDS) * BINS_PER_OCTAVE)


def _percentile(bins: Mapping[int, int], share: float) -> float | None:
    rank = math.ceil(sum(bins.values()) * share)
    seen = 0
    for number in sorted(bins):
        seen += bins[number]
        if seen >= rank:
            seconds: float = SHORTEST_SECONDS * 2.0 ** (number / BINS_PER_OCTAVE)
            return float(f"{seconds:.4g}")
    return None

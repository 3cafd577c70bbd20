"""What is known of one target: cumulative counts, a histogram of how long it took, and the verdict after noise.

Everything here is cumulative for the life of the process, so that whoever missed a message learns it from the next one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from probe_sdk.samples import MAX_CLASS
from probe_sdk.wire import clean, cut

BOUNDS_SECONDS: Final = tuple(round(10 ** (step / 5 - 4), 7) for step in range(29))
"""Upper bounds of the histogram's buckets: five to a decade, from 0.1 ms to 39.8 s. A quantile is off by 58 % at most,
and by a quarter of that on average."""
MAX_CLASSES: Final = 16
OTHER: Final = "Other"
MESSAGE_BYTES: Final = 512


class Verdict(StrEnum):
    """How a target is."""

    PASSED = "Passed"
    FAILED = "Failed"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Denoise:
    """What turns a target's verdict.

    Args:
        failures: so many failures in a row turn it to Failed.
        successes: so many successes in a row turn it to Passed.
        window: with a ratio: how many of the last probes count; 0 for thresholds in a row.
        ratio: the share of failures among those that turns it to Failed.
    """

    failures: int = 1
    successes: int = 1
    window: int = 0
    ratio: float = 0.0


class Account:
    """One target's counts and verdict. Mutable, and written by the loop's thread alone."""

    __slots__ = (
        "_denoise",
        "_recent",
        "buckets",
        "classes",
        "failed",
        "gauges",
        "in_a_row",
        "last_seconds",
        "last_success",
        "life",
        "message",
        "missed",
        "passed",
        "phases",
        "seconds_sum",
        "since",
        "target",
        "turns",
        "under_way",
        "unknown",
        "unknown_in_a_row",
        "verdict",
    )

    def __init__(self, target: str, denoise: Denoise, now: float, life: int = 0) -> None:
        self.target = target
        self.life = life
        """Higher than that of an account which there was of the same target before it."""
        self.passed = 0
        self.failed = 0
        self.unknown = 0
        self.missed = 0
        """Slots that were not served at all; they are among the unknown ones."""
        self.classes: dict[str, int] = {}
        self.buckets = [0] * (len(BOUNDS_SECONDS) + 1)
        self.seconds_sum = 0.0
        self.last_seconds = 0.0
        self.last_success: bool | None = None
        self.phases: dict[str, float] = {}
        """Seconds spent in each phase of a probe, in all."""
        self.gauges: dict[str, float] = {}
        """What else a kind of probe knows of its target, by the name of a metric."""
        self.verdict = Verdict.UNKNOWN
        self.since = now
        self.message = "no probe has ended yet"
        self.turns = 0
        self.under_way = 0
        self.in_a_row = 0
        """Probes in a row that ended as the last one did: positive for successes, negative for failures."""
        self.unknown_in_a_row = 0
        self._denoise = denoise
        self._recent: deque[bool] | None = deque(maxlen=denoise.window) if denoise.window else None

    @property
    def total(self) -> int:
        """Slots that are over."""
        return self.passed + self.failed + self.unknown

    def pass_(self, now: float, seconds: float) -> bool:
        """Count a success; whether the verdict turned."""
        self.passed += 1
        self.seconds_sum += seconds
        self.buckets[bisect_left(BOUNDS_SECONDS, seconds)] += 1
        self.last_seconds = seconds
        self.last_success = True
        self.unknown_in_a_row = 0
        self.in_a_row = self.in_a_row + 1 if self.in_a_row > 0 else 1
        if self._recent is not None:
            self._recent.append(True)
        elif self.verdict is Verdict.PASSED:
            return False
        return self._healthy() and self._turn(now, Verdict.PASSED, "")

    def fail(self, now: float, seconds: float, class_: str, message: str) -> bool:
        """Count a failure of the target; whether the verdict turned."""
        self.failed += 1
        self.last_seconds = seconds
        self.last_success = False
        self.unknown_in_a_row = 0
        self._count(class_)
        self.in_a_row = self.in_a_row - 1 if self.in_a_row < 0 else -1
        if self._recent is not None:
            self._recent.append(False)
        if self.verdict is Verdict.FAILED:
            self.message = _said(message)
            return False
        return self._broken() and self._turn(now, Verdict.FAILED, _said(message))

    def lose(self, now: float, class_: str, message: str, missed: int = 0) -> bool:
        """Count slots that say nothing about the target; whether the verdict turned.

        Args:
            missed: how many of them were not served at all; the one slot that was served for nothing if 0.
        """
        slots = missed or 1
        self.unknown += slots
        self.missed += missed
        self.unknown_in_a_row += slots
        self._count(class_, slots)
        if self.verdict is Verdict.UNKNOWN:
            self.message = _said(message)
            return False
        if self.unknown_in_a_row < self._patience():
            return False
        return self._turn(now, Verdict.UNKNOWN, _said(message))

    def skip(self, class_: str) -> None:
        """Count a slot that was left out because the one before it still goes: that one will tell."""
        self.unknown += 1
        self.missed += 1
        self._count(class_)

    def _patience(self) -> int:
        """How many slots in a row may say nothing until the verdict is not believed any more."""
        return max(10 * self._denoise.failures, self._denoise.window)

    def _healthy(self) -> bool:
        if self._recent is None:
            return self.in_a_row >= self._denoise.successes
        return self._full() and self._failing_share() < self._denoise.ratio

    def _broken(self) -> bool:
        if self._recent is None:
            return -self.in_a_row >= self._denoise.failures
        return self._full() and self._failing_share() >= self._denoise.ratio

    def _full(self) -> bool:
        return self._recent is not None and len(self._recent) == self._denoise.window

    def _failing_share(self) -> float:
        return self._recent.count(False) / self._denoise.window if self._recent is not None else 0.0

    def _turn(self, now: float, verdict: Verdict, message: str) -> bool:
        if verdict is self.verdict:
            return False
        self.verdict, self.since, self.message = verdict, now, message
        self.turns += 1
        return True

    def _count(self, class_: str, slots: int = 1) -> None:
        if class_ not in self.classes:
            class_ = clean(class_)[:MAX_CLASS]
            class_ = class_ if class_ in self.classes or len(self.classes) < MAX_CLASSES else OTHER
        self.classes[class_] = self.classes.get(class_, 0) + slots


def _said(message: str) -> str:
    """As much of a text as is kept, and only what can be sent: a check may have it from anywhere."""
    return cut(clean(message), MESSAGE_BYTES)

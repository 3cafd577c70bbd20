"""Whether a prober comes to the rate that its config asks for: from what it tells of its slots, and only if it lasts.

A slot that was not served is the prober's, unless its target does not answer. So only targets that do not fail, and did
not turn, count. The share of slots that were served is a mean over minutes, and what is told of it is left again only
well above where it began and well off the figure that stands: a prober at its limit costs no writes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from kubeprobe.api import Condition, ProbeConfig, Resident, Verdict
from kubeprobe.plan.resolve import Mistake
from kubeprobe.plan.samples import Gain

RATE_KEPT = "RateKept"
SPAN_SECONDS = 600.0
SPAN_INTERVALS = 30
SETTLED_PART = 0.2
"""Of the span: after so much of it the mean is worth telling."""
TOO_LOW = 0.9
HIGH_ENOUGH = 0.98
STEPS = 10
"""The figure is told in tenths, and stands while it is off by no more than one."""


@dataclass(frozen=True, slots=True)
class Served:
    """Of the slots of one prober that were due lately, how many were served; what is older weighs less.

    Args:
        interval_seconds: the rate that it was asked for.
        since: when this began to be counted; None before anything is.
        at: up to when it is counted.
    """

    interval_seconds: float = 0.0
    since: datetime | None = None
    at: datetime | None = None
    due: float = 0.0
    served: float = 0.0

    def plus(self, gains: Iterable[Gain], interval_seconds: float, now: datetime) -> Served:
        """With what is new in a message."""
        due = missed = 0
        for gain in gains:
            if gain.before is None or gain.turns or Verdict(gain.sample.verdict) is Verdict.FAILED:
                continue
            due += gain.passed + gain.failed + gain.unknown
            missed += gain.sample.missed - gain.before.missed
        if not due:
            return self
        before = self if math.isclose(self.interval_seconds, interval_seconds) else Served()
        span_seconds = _span_seconds(interval_seconds)
        age_seconds = (now - before.at).total_seconds() if before.at is not None else 0.0
        kept = math.exp(-max(age_seconds, 0.0) / span_seconds)
        return Served(
            interval_seconds=interval_seconds,
            since=before.since or now,
            at=now,
            due=before.due * kept + due,
            served=before.served * kept + due - missed,
        )

    def share(self, interval_seconds: float) -> float | None:
        """The share that was served, if it was asked for this rate, and for long enough to tell."""
        if self.since is None or self.at is None or not math.isclose(self.interval_seconds, interval_seconds):
            return None
        settled_seconds = _span_seconds(interval_seconds) * SETTLED_PART
        return self.served / self.due if (self.at - self.since).total_seconds() >= settled_seconds else None


def said_of_rate(config: ProbeConfig, share: float | None) -> Mapping[str, Mistake | str | None]:
    """What the condition is to say: what is wrong, the reason of what is well, None for nothing; no entry if it stands.

    Args:
        config: the config, with its conditions.
        share: of the slots that are due, those that its worst prober serves; None while that is not known.
    """
    resident, before = config.spec.resident, _standing(config)
    assert resident is not None
    if share is None:  # an operator that has just started knows no better than the one before
        stale = before is not None and before.observed_generation != config.metadata.generation
        return {RATE_KEPT: None} if stale else {}
    told = before.message if before is not None and before.status == "False" else None
    if share >= TOO_LOW and (told is None or share >= HIGH_ENOUGH):
        return {RATE_KEPT: RATE_KEPT}
    tenths = _tenths_told(resident, told)
    if tenths is None or abs(share * STEPS - tenths) > 1:
        tenths = min(max(round(share * STEPS), 0), STEPS - 1)
    return {RATE_KEPT: Mistake("IntervalTooShort", _too_short(resident, tenths))}


def turns_rate(config: ProbeConfig, share: float | None) -> bool:
    """Whether the condition is to say something else than it does."""
    said, before = said_of_rate(config, share), _standing(config)
    if RATE_KEPT not in said:
        return False
    what = said[RATE_KEPT]
    words = (what.reason, what.message) if isinstance(what, Mistake) else (what, "") if what is not None else None
    return words != ((before.reason, before.message) if before is not None else None)


def _standing(config: ProbeConfig) -> Condition | None:
    return next((one for one in config.status.conditions if one.type == RATE_KEPT), None)


def _span_seconds(interval_seconds: float) -> float:
    return max(SPAN_SECONDS, SPAN_INTERVALS * interval_seconds)


def _tenths_told(resident: Resident, message: str | None) -> int | None:
    return next((tenths for tenths in range(STEPS) if _too_short(resident, tenths) == message), None)


def _too_short(resident: Resident, tenths: int) -> str:
    who = "the slowest of its probers" if resident.each_node else "its prober"
    comes_to = (
        f"about {tenths / STEPS:.0%} of its probes, one of each target in {_text(resident, STEPS / tenths)}"
        if tenths
        else "hardly any of its probes"
    )
    return (
        f"spec.resident.interval: {resident.interval} is shorter than can be kept: {who} comes to {comes_to}. Write a "
        "longer interval, have fewer targets, give its pod more CPU by spec.podOverrides.resources, or, where targets "
        "take longer than the interval, raise spec.resident.perTarget"
    )


def _text(resident: Resident, times: float) -> str:
    seconds = resident.interval.seconds * times
    return f"{seconds * 1000:.3g}ms" if seconds < 1 else f"{seconds:.4g}s"

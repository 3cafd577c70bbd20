"""How fast the operator may write to the API server, and who goes first: one token bucket whose rate adapts.

A prober must not be what brings the API server down, least of all while it is in trouble and every verdict turns at
once. So all writes share one bucket; what matters most goes first; and the rate gives way when the server throttles or
becomes slow, and comes back by small steps. All of it is state and functions of (state, now): the clock is handed in.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

WRITES_PER_SECOND = 20.0
WRITES_BURST = 40
SLOWEST_PER_SECOND = 1.0
"""The rate never falls below this: a verdict must come through at any time."""
RECOVERY_SHARE_PER_SECOND = 0.05
"""What the rate regains in a second, as a share of the configured one."""
HOLD_SECONDS = 5.0
"""How long after a cut the rate rests before it recovers, and before slowness cuts it again."""
THROTTLED_CUT = 0.5
THROTTLED_CUT_SECONDS = 1.0
"""Refusals that come closer together are one overload, and cut the rate once."""
UNSAID_PAUSE_SECONDS = 1.0
"""How long to hold back after a 429 that does not say so itself."""
LONGEST_PAUSE_SECONDS = 60.0
SLOW_CUT = 0.7
SLOW_SECONDS = 1.0
"""A p99 below this is never slow, whatever it was before."""
SLOW_FACTOR = 3.0
"""A p99 of so many times the usual is slow."""
WINDOW_SECONDS = 10.0
WINDOW_WRITES = 100
ENOUGH_WRITES = 10
"""Fewer recent writes than these say nothing of the p99."""
BASELINE_SECONDS = 300.0
"""How long the usual p99 takes to follow: a server that is slow for good is not for ever called overloaded."""
AGED_SECONDS = 60.0
"""History that has waited for so long takes turns with runs: else, where runs alone use up the budget, the pods of
those that are over would pile up without end."""
RUNS_PER_AGED = 2
"""So many turns of runs come before each of aged history: a run takes two to begin, and leaves one pod to delete. Where
history waits by the thousand, as when as many configs are new, all of it is aged, and runs are not to wait for it."""


class Priority(enum.StrEnum):
    """What a write is worth, the most urgent first."""

    VERDICT = "verdict"
    """A run's final status, a turned ProbeResult."""
    RUN = "run"
    """Creating runs and probe pods."""
    HISTORY = "history"
    """Heartbeats of ProbeResults, conditions, Events, deletions."""

    @property
    def rank(self) -> int:
        """0 for the most urgent."""
        return list(type(self)).index(self)


RESERVE_SHARE = {Priority.VERDICT: 0.0, Priority.RUN: 0.25, Priority.HISTORY: 0.5}
"""The share of the burst that a priority leaves to those above it."""


class Throttle(enum.StrEnum):
    """Why the rate was cut."""

    TOO_MANY_REQUESTS = "TooManyRequests"
    LATENCY = "Latency"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator may write at most."""

    writes_per_second: float = WRITES_PER_SECOND
    burst: int = WRITES_BURST


@dataclass(frozen=True, slots=True)
class Written:
    """How one write went."""

    seconds: float
    throttled: bool = False
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """The budget at one moment; `advance` brings it to another."""

    limits: Limits
    tokens: float
    rate: float
    """Tokens a second now, between `slowest` and the configured rate."""
    at: float
    cut_at: float = -math.inf
    paused_until: float = -math.inf
    latencies: tuple[tuple[float, float], ...] = ()
    """(when, seconds) of the last writes."""
    usual_seconds: float = 0.0
    """What the p99 slowly follows."""
    written_at: float = -math.inf

    @property
    def slowest(self) -> float:
        """The rate below which it is never cut."""
        return min(SLOWEST_PER_SECOND, self.limits.writes_per_second)

    @property
    def p99_seconds(self) -> float:
        """The p99 of the recent writes; 0 when there are none."""
        ordered = sorted(seconds for _, seconds in self.latencies)
        return ordered[math.ceil(len(ordered) * 0.99) - 1] if ordered else 0.0


def full(limits: Limits, now: float) -> Bucket:
    """The budget of a process that begins."""
    return Bucket(limits=limits, tokens=float(limits.burst), rate=limits.writes_per_second, at=now)


def advance(bucket: Bucket, now: float) -> Bucket:
    """The budget now: tokens come at the rate that was, and the rate recovers."""
    if now <= bucket.at:
        return bucket
    limits = bucket.limits
    recovering = now - max(bucket.at, bucket.cut_at + HOLD_SECONDS)
    regained = limits.writes_per_second * RECOVERY_SHARE_PER_SECOND * max(recovering, 0.0)
    return replace(
        bucket,
        tokens=min(bucket.tokens + bucket.rate * (now - bucket.at), float(limits.burst)),
        rate=min(bucket.rate + regained, limits.writes_per_second),
        at=now,
    )


def take(bucket: Bucket, priority: Priority, now: float) -> Bucket | None:
    """The budget with one token less; None when this priority must wait."""
    current = advance(bucket, now)
    if _paused(current, priority) or current.tokens < _needed(current, priority):
        return None
    return replace(current, tokens=current.tokens - 1.0)


def give_back(bucket: Bucket, now: float) -> Bucket:
    """The budget with a token back that was taken and not used."""
    current = advance(bucket, now)
    return replace(current, tokens=min(current.tokens + 1.0, float(current.limits.burst)))


def wait_seconds(bucket: Bucket, priority: Priority, now: float) -> float:
    """How long until this priority can have a token if nobody else takes one; less when the rate recovers meanwhile."""
    current = advance(bucket, now)
    missing = max(_needed(current, priority) - current.tokens, 0.0) / current.rate
    pause = current.paused_until - current.at if _paused(current, priority) else 0.0
    return max(missing, pause)


def _needed(bucket: Bucket, priority: Priority) -> float:
    burst = float(bucket.limits.burst)
    return 1.0 + min(RESERVE_SHARE[priority] * burst, burst - 1.0)


def _paused(bucket: Bucket, priority: Priority) -> bool:
    return priority is not Priority.VERDICT and bucket.at < bucket.paused_until


@dataclass(frozen=True, slots=True)
class Turn:
    """Whose turn it is: the line's first, at the priority that it counts as."""

    line: Priority
    counts_as: Priority


def next_turn(waiting: Mapping[Priority, float], now: float, runs_in_a_row: int) -> Turn | None:
    """Who gets the next token; None when nobody waits.

    Args:
        waiting: since when the first of each line waits.
        runs_in_a_row: how many turns runs have had since history last had one.
    """
    if Priority.VERDICT in waiting:
        return Turn(Priority.VERDICT, Priority.VERDICT)
    if runs_in_a_row >= RUNS_PER_AGED and waiting.get(Priority.HISTORY, now) <= now - AGED_SECONDS:
        return Turn(Priority.HISTORY, Priority.RUN)
    return next((Turn(one, one) for one in Priority if one in waiting), None)


def observe(bucket: Bucket, written: Written, now: float) -> tuple[Bucket, Throttle | None]:
    """The budget after a write, and why its rate was cut, if it was."""
    current = _remember(advance(bucket, now), written.seconds)
    if written.throttled:
        return _throttled(current, written.retry_after_seconds)
    slow = max(SLOW_SECONDS, SLOW_FACTOR * bucket.usual_seconds)
    rested = current.at - current.cut_at >= HOLD_SECONDS
    if rested and len(current.latencies) >= ENOUGH_WRITES and current.p99_seconds > slow:
        # What was slow before the cut must not cut again.
        return replace(_cut(current, SLOW_CUT), latencies=()), Throttle.LATENCY
    return current, None


def _remember(bucket: Bucket, seconds: float) -> Bucket:
    """The budget with one latency more; the usual p99 follows the newest by the time that went by."""
    recent = tuple(one for one in bucket.latencies if one[0] > bucket.at - WINDOW_SECONDS)
    current = replace(bucket, latencies=(*recent, (bucket.at, seconds))[-WINDOW_WRITES:], written_at=bucket.at)
    weight = min(bucket.at - bucket.written_at, WINDOW_SECONDS) / BASELINE_SECONDS
    usual = bucket.usual_seconds + (current.p99_seconds - bucket.usual_seconds) * weight
    return replace(current, usual_seconds=usual)


def _throttled(bucket: Bucket, retry_after_seconds: float | None) -> tuple[Bucket, Throttle | None]:
    asked = UNSAID_PAUSE_SECONDS if retry_after_seconds is None else retry_after_seconds
    until = bucket.at + min(max(asked, 0.0), LONGEST_PAUSE_SECONDS)
    paused = replace(bucket, paused_until=max(bucket.paused_until, until))
    if bucket.at - bucket.cut_at < THROTTLED_CUT_SECONDS:
        return paused, None
    return _cut(paused, THROTTLED_CUT), Throttle.TOO_MANY_REQUESTS


def _cut(bucket: Bucket, factor: float) -> Bucket:
    return replace(bucket, rate=max(bucket.rate * factor, bucket.slowest), cut_at=bucket.at)

"""What one probe says to a gate: how its target is now, and what it came to after a change."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kubeprobe.api import (
    ChangeGateSpec,
    Duration,
    Mode,
    ProbeConfig,
    ProbeResultStatus,
    ProbeRun,
    Resident,
    Verdict,
)
from kubeprobe.plan.change_runs import Skipped
from kubeprobe.plan.gate_course import Course
from kubeprobe.plan.gate_seat import Seat
from kubeprobe.plan.standing import PENDING, STALE


class Evidence(enum.Enum):
    """What a probe came to after a change."""

    AWAITED = enum.auto()
    PASSED = enum.auto()
    FAILED = enum.auto()
    UNKNOWN = enum.auto()


@dataclass(frozen=True, slots=True)
class Bound:
    """A probe that a gate goes by."""

    config: ProbeConfig
    answer: ProbeResultStatus | None
    """What is known of its target, with all in it that is known by now, whether that was worth a write or not."""
    heard_at: datetime | None = None
    """When its prober was last heard, in mode Resident."""
    runs: Mapping[str, Sequence[ProbeRun]] = field(default_factory=dict)
    """Its runs for changes, by the change's id; under the empty one those that gates asked for of their own accord. A
    run that is tried again is not over until its last attempt is, and only that is among them."""
    due: Collection[str] = ()
    """The changes that its own triggers have still to run it for, such as on nodes where a rollout goes on."""
    skipped: Skipped | None = None
    """Why it does not run now, whoever asks; None where it does."""

    @property
    def key(self) -> tuple[str, str]:
        """Its namespace and name."""
        return (self.config.metadata.namespace, self.config.metadata.name)

    @property
    def runnable(self) -> bool:
        """Whether it can be run when asked."""
        return self.config.spec.mode is not Mode.RESIDENT and self.skipped is None


@dataclass(frozen=True, slots=True)
class Stance:
    """How a probe's target is now, as far as that may be believed."""

    verdict: Verdict
    reason: str
    message: str
    since: datetime | None
    ends_at: datetime | None = None
    """When this is out of date, if nothing newer comes."""
    passes: int = 0
    """How many runs passed in a row, up to now."""
    told_at: datetime | None = None
    """When the newest run ended that this counts."""
    looked_at: datetime | None = None
    """When the look at the target began that this rests on; None while the newest run has not turned it."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What a probe came to after a change, and why."""

    evidence: Evidence
    reason: str = ""
    message: str = ""
    since: datetime | None = None
    by_run: bool = False
    """A run for the change said so."""


def stance(bound: Bound, freshness: Duration | None, now: datetime) -> Stance:
    """How a probe's target is now: an answer that is out of date is none."""
    answer = bound.answer
    if answer is None:
        return Stance(Verdict.UNKNOWN, PENDING, "it has no answer yet", None)
    if answer.verdict is Verdict.UNKNOWN:
        return Stance(Verdict.UNKNOWN, answer.reason or PENDING, answer.message, answer.since)
    told_at = answer.last_run.finished_at if answer.last_run else None
    last = bound.heard_at or told_at
    limits = [answer.fresh_until]
    if freshness is not None and last is not None:
        limits.append(last + timedelta(seconds=freshness.seconds))
    ends_at = min((limit for limit in limits if limit is not None), default=None)
    if ends_at is not None and now >= ends_at:
        words = f"its answer, {answer.verdict}, has been out of date since {ends_at:%Y-%m-%d %H:%M:%SZ}"
        return Stance(Verdict.UNKNOWN, STALE, words, ends_at)
    return Stance(
        verdict=answer.verdict,
        reason=answer.reason,
        message=answer.message,
        since=answer.since,
        ends_at=ends_at,
        passes=answer.consecutive.passed,
        told_at=told_at,
        looked_at=_looked_at(bound, answer),
    )


def trial(bound: Bound, now_is: Stance, places: Collection[Seat], course: Course, spec: ChangeGateSpec) -> Trial:
    """What a probe came to after a change.

    Args:
        bound: the probe.
        now_is: how its target is.
        places: its runs for the change.
        course: the change, and since when it is verified.
        spec: the gate's.
    """
    for place in places:
        if (found := _failed(place, now_is, spec.success_threshold)) is not None:
            return found
    if course.verifying_since is None or course.change.id in bound.due:
        return Trial(Evidence.AWAITED)
    word = _own_word(bound, now_is, spec, course.verifying_since)
    if word is Evidence.FAILED:
        return Trial(word, now_is.reason, now_is.message, now_is.since)
    if places and bound.config.spec.mode is not Mode.RESIDENT:
        passed = all(
            (place.passes and not place.early(course.verifying_since)) or (_idle(place) and word is Evidence.PASSED)
            for place in places
        )
        word = Evidence.PASSED if passed and now_is.verdict is Verdict.PASSED else Evidence.AWAITED
    if word is Evidence.AWAITED and bound.skipped is not None and not any(place.going for place in places):
        return Trial(Evidence.UNKNOWN, bound.skipped.reason, bound.skipped.message)
    return Trial(word)


def passes_enough(bound: Bound, now_is: Stance, threshold: int) -> bool:
    """Whether a probe that failed, and passes now, has done so often enough since; a prober sees to that itself."""
    return bound.config.spec.mode is Mode.RESIDENT or now_is.passes >= threshold


def turn_seconds(resident: Resident) -> float:
    """How long a prober may take to tell that a target turned."""
    probes = resident.window or max(resident.failures, resident.successes)
    timeout_seconds = resident.timeout.seconds if resident.timeout else min(max(resident.interval.seconds, 1.0), 10.0)
    return resident.interval.seconds * probes + timeout_seconds


def _failed(place: Seat, now_is: Stance, threshold: int) -> Trial | None:
    """The failure on one node, unless it has passed often enough since."""
    if not place.failures or not place.lacks(threshold):
        return None
    last = place.failures[-1]
    # Where no node is named, the config's other runs tell as much.
    told_since = not place.node and now_is.told_at is not None and now_is.told_at > last.ended_at
    if told_since and now_is.verdict is Verdict.PASSED and now_is.passes >= threshold:
        return None
    where = f" on node {place.node}" if place.node else ""
    words = ": ".join(part for part in (f"run {last.run}{where}", last.message) if part)
    return Trial(Evidence.FAILED, last.reason, words, place.failures[0].ended_at, by_run=True)


def _idle(place: Seat) -> bool:
    """Whether nobody but the config's own runs can tell of it: anywhere will do, and no run for the change goes on."""
    return not place.node and not place.going


def _own_word(bound: Bound, now_is: Stance, spec: ChangeGateSpec, since: datetime) -> Evidence:
    """What a probe came to without being asked, by a look that began after the change had come to rest."""
    if now_is.verdict is Verdict.UNKNOWN:
        return Evidence.AWAITED
    if bound.config.spec.mode is Mode.ON_DEMAND and not spec.verify_on_change:
        return Evidence.PASSED if now_is.verdict is Verdict.PASSED else Evidence.UNKNOWN
    if now_is.looked_at is None or now_is.looked_at < since:
        return Evidence.AWAITED
    return Evidence.PASSED if now_is.verdict is Verdict.PASSED else Evidence.FAILED


def _looked_at(bound: Bound, answer: ProbeResultStatus) -> datetime | None:
    resident = bound.config.spec.resident
    if resident is not None:
        heard_at = bound.heard_at
        return heard_at - timedelta(seconds=turn_seconds(resident)) if heard_at is not None else None
    if not answer.history or answer.history[0].verdict is not answer.verdict:
        return None
    newest = answer.history[0]
    return newest.at - timedelta(seconds=newest.duration_seconds or 0.0)

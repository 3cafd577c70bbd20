"""The answer now for one ProbeConfig, folded from its runs' outcomes, and when that answer is worth a write.

A run counts once: the history tells the last ones that were counted, and what is older than all of them was counted
too. What changes the answer is written at once; that it still stands, at most every five minutes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kubeprobe.api import (
    Condition,
    Consecutive,
    LastRun,
    Outcome,
    Phase,
    ProbeConfig,
    ProbeResultStatus,
    ProbeRun,
    Thresholds,
    Verdict,
    set_condition,
)
from kubeprobe.plan.budget import Priority
from kubeprobe.plan.outcome import cut
from kubeprobe.plan.resolve import MISTAKES, Mistake
from kubeprobe.plan.run import belongs
from kubeprobe.plan.schedule import spread
from kubeprobe.plan.window import decode

HISTORY = 10
HEARTBEAT_SECONDS = 300.0
"""An answer that still stands is not written again sooner."""
RHYTHM_SECONDS = 330.0
"""From one heartbeat to the next: a little more, so that one that was written late does not put the next one off."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PENDING = "Pending"
HEALTHY = "Healthy"
SKEW_SECONDS = 5.0
"""What lies further ahead than this was written by a clock that ran ahead, or by hand."""
REASON_LENGTH = 128
NUMBERS = re.compile(r"\d+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class ResultPlan:
    """The answer now, and whether and when it is written."""

    status: ProbeResultStatus
    write: bool
    turned: bool
    """The verdict is another one than before."""
    wake_at: datetime | None

    @property
    def priority(self) -> Priority:
        """What the write is worth: a turned verdict goes before everything."""
        return Priority.VERDICT if self.turned else Priority.HISTORY


def pending(config: ProbeConfig, now: datetime) -> ProbeResultStatus:
    """The answer before the first run: not known, and nothing to be alarmed about."""
    return _with_condition(
        ProbeResultStatus(
            verdict=Verdict.UNKNOWN,
            since=now,
            reason=PENDING,
            message="no run has completed yet",
            severity=config.spec.severity,
        ),
        now,
    )


def judge(before: ProbeResultStatus, mistake: Mistake | None, now: datetime) -> ProbeResultStatus:
    """The answer with a config's mistake in it: what cannot run is not known, whatever it was before.

    When the mistake is mended the answer waits for the next run.
    """
    if mistake is None:
        reason, message = PENDING, "no run has completed since the config was corrected"
        if not any(one.type == HEALTHY and one.reason in MISTAKES for one in before.conditions):
            return before
    else:
        reason, message = mistake.reason, cut(mistake.message)
        if (before.verdict, before.reason, before.message) == (Verdict.UNKNOWN, reason, message):
            return before
    since = before.since if before.verdict is Verdict.UNKNOWN else now
    update = {"verdict": Verdict.UNKNOWN, "since": since, "reason": reason, "message": message}
    return _with_condition(before.model_copy(update=update), now)


def fold(before: ProbeResultStatus, config: ProbeConfig, runs: Iterable[ProbeRun], now: datetime) -> ProbeResultStatus:
    """The answer with all completed runs counted that it had not counted yet."""
    horizon = now + timedelta(seconds=SKEW_SECONDS)
    status = before.model_copy(update={"history": tuple(one for one in before.history if one.at <= horizon)})
    for run in _fresh(status, (run for run in runs if belongs(run, config)), horizon):
        status = _count(status, run, config.spec.thresholds)
    status = status.model_copy(
        update={"severity": config.spec.severity, "observed_generation": config.metadata.generation}
    )
    windows = tuple(window.until(now) for window in decode(status.digests))
    return status.model_copy(
        update={
            "digests": tuple(window.encode() for window in windows),
            "window": tuple(window.summary() for window in windows),
        }
    )


def _fresh(status: ProbeResultStatus, runs: Iterable[ProbeRun], horizon: datetime) -> list[ProbeRun]:
    """The completed runs that the answer has not counted, in the order in which they ended."""
    counted, mark = {_place(one) for one in status.history}, _mark(status, horizon)
    ended = {
        (run.status.finished_at, run.metadata.name): run
        for run in runs
        if run.status.phase is Phase.COMPLETED and run.status.finished_at is not None
    }
    return [
        ended[place]
        for place in sorted(ended)
        if place[0] <= horizon and place not in counted and (mark is None or place > mark)
    ]


def _mark(status: ProbeResultStatus, horizon: datetime) -> tuple[datetime, str] | None:
    """What ended up to here was counted. While the history has room for more, it names all that ever was."""
    if len(status.history) >= HISTORY:
        return min(_place(one) for one in status.history)
    last = status.last_run
    if status.history or last is None or last.finished_at > horizon:
        return None
    return (last.finished_at, last.name)


def _place(outcome: Outcome) -> tuple[datetime, str]:
    return (outcome.at, outcome.run)


def plan_write(
    written: ProbeResultStatus | None,
    written_at: datetime | None,
    current: ProbeResultStatus,
    uid: str,
    now: datetime,
) -> ResultPlan:
    """Whether the answer is written now.

    Args:
        written: what stands in the API server; None when there is no ProbeResult.
        written_at: when that was written by this process; None when it was not.
        current: the answer now.
        uid: the config's, which decides when its heartbeats come.
        now: the time.
    """
    # Where nothing was ever written nobody knew; an answer that was deleted by hand is no news.
    before = written.verdict if written else current.verdict if written_at else Verdict.UNKNOWN
    turned = before is not current.verdict
    if written is None or _answer(written) != _answer(current):
        return ResultPlan(current, write=True, turned=turned, wake_at=None)
    if written == current:
        return ResultPlan(current, write=False, turned=False, wake_at=None)
    due = _heartbeat(written_at, uid, now)
    if now >= due:
        return ResultPlan(current, write=True, turned=False, wake_at=None)
    return ResultPlan(current, write=False, turned=False, wake_at=due)


def _heartbeat(written_at: datetime | None, uid: str, now: datetime) -> datetime:
    """When the answer is written although it still stands: at the first beat of this uid that is not too early.

    Beats are the same after every restart, and lie evenly over a fleet however many were written together.
    """
    earliest = written_at + timedelta(seconds=HEARTBEAT_SECONDS) if written_at else now
    rhythm = timedelta(seconds=RHYTHM_SECONDS)
    first = EPOCH + spread(uid) * rhythm
    return first - (first - earliest) // rhythm * rhythm


def _answer(status: ProbeResultStatus) -> tuple[object, ...]:
    """What a reader would call another answer; the numbers in a message change with every run and are none."""
    return (status.verdict, status.reason, NUMBERS.sub("#", status.message), status.severity)


def _count(status: ProbeResultStatus, run: ProbeRun, thresholds: Thresholds) -> ProbeResultStatus:
    ended = run.status
    assert ended.finished_at is not None
    verdict = ended.verdict or Verdict.UNKNOWN
    streak = _streak(status.consecutive, verdict)
    outcome = Outcome(
        run=run.metadata.name,
        verdict=verdict,
        reason=ended.reason[:REASON_LENGTH] or verdict.value,
        message=cut(ended.message),
        at=ended.finished_at,
        duration_seconds=ended.duration_seconds,
        node=ended.node,
    )
    windows = (window.add(ended.finished_at, verdict, ended.duration_seconds) for window in decode(status.digests))
    counted = status.model_copy(
        update={
            "consecutive": streak,
            "digests": tuple(window.encode() for window in windows),
            "history": tuple(sorted((outcome, *status.history), key=_place, reverse=True)[:HISTORY]),
            "last_run": LastRun(
                name=run.metadata.name,
                slot=run.spec.trigger.slot or (status.last_run.slot if status.last_run else None),
                finished_at=ended.finished_at,
            ),
        }
    )
    return _turn(counted, outcome, streak, thresholds)


def _streak(before: Consecutive, verdict: Verdict) -> Consecutive:
    """An Unknown run neither continues nor breaks what is known of the target; it counts by itself."""
    if verdict is Verdict.UNKNOWN:
        return Consecutive(passed=before.passed, failed=before.failed, unknown=before.unknown + 1)
    if verdict is Verdict.PASSED:
        return Consecutive(passed=before.passed + 1, failed=0, unknown=0)
    return Consecutive(passed=0, failed=before.failed + 1, unknown=0)


def _turn(
    status: ProbeResultStatus, outcome: Outcome, streak: Consecutive, thresholds: Thresholds
) -> ProbeResultStatus:
    needed = {
        Verdict.PASSED: (streak.passed, thresholds.successes),
        Verdict.FAILED: (streak.failed, thresholds.failures),
        Verdict.UNKNOWN: (streak.unknown, thresholds.failures),
    }
    have, enough = needed[outcome.verdict]
    if have < enough:
        return status
    turned = status.verdict is not outcome.verdict
    return _with_condition(
        status.model_copy(
            update={
                "verdict": outcome.verdict,
                "since": outcome.at if turned else status.since,
                "reason": outcome.reason,
                "message": outcome.message,
            }
        ),
        outcome.at,
    )


def _with_condition(status: ProbeResultStatus, now: datetime) -> ProbeResultStatus:
    healthy = {Verdict.PASSED: "True", Verdict.FAILED: "False", Verdict.UNKNOWN: "Unknown"}[status.verdict]
    condition = Condition(
        type=HEALTHY, status=healthy, reason=status.reason, message=status.message, last_transition_time=now
    )
    return status.model_copy(update={"conditions": set_condition(status.conditions, condition, now)})

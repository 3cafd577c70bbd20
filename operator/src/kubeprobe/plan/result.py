"""The answer now for one ProbeConfig, folded from its runs' outcomes, and when that answer is worth a write.

A run counts once: the history tells the last ones that were counted, and what is older than all of them was counted
too. What changes the answer is written at once; that it still stands, at most every five minutes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kubeprobe.api import (
    Consecutive,
    LastRun,
    MissedSlots,
    Outcome,
    Phase,
    ProbeConfig,
    ProbeResultStatus,
    ProbeRun,
    ResultResident,
    Schedule,
    Thresholds,
    Verdict,
)
from kubeprobe.plan.budget import Priority
from kubeprobe.plan.due import counts
from kubeprobe.plan.outcome import cut
from kubeprobe.plan.resolve import Mistake, Work
from kubeprobe.plan.run import belongs
from kubeprobe.plan.schedule import SKEW_SECONDS, interval_seconds, spread
from kubeprobe.plan.standing import with_health
from kubeprobe.plan.sweep import is_wave
from kubeprobe.plan.targets import answer, failed_early, fold_targets, judged
from kubeprobe.plan.window import decode

HISTORY = 10
HEARTBEAT_SECONDS = 300.0
"""An answer that still stands is not written again sooner."""
RHYTHM_SECONDS = 330.0
"""From one heartbeat to the next: a little more, so that one that was written late does not put the next one off."""
RENEWED_SECONDS = HEARTBEAT_SECONDS + 2 * RHYTHM_SECONDS
"""An answer is not out of date sooner."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
REASON_LENGTH = 128
PASSING_WORDS = re.compile(r"[\w.:]*\d[\w.:]*|(?<=-)[bcdfghjklmnpqrstvwxz]{5}\b")
"""Numbers, and words with digits in them or of the letters that Kubernetes gives to generated names."""


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


def fold(
    before: ProbeResultStatus,
    config: ProbeConfig,
    runs: Iterable[ProbeRun],
    now: datetime,
    nodes: Collection[str] | None = None,
    asking: Collection[str] = (),
) -> ProbeResultStatus:
    """The answer with all completed runs counted that it had not counted yet.

    Args:
        before: the answer so far.
        config: what it is about.
        runs: the config's runs.
        now: the time.
        nodes: the names of the nodes that there are; None when they are not known.
        asking: the Changes that have the config run; none where it does not run for any.
    """
    runs = [run for run in runs if belongs(run, config)]
    horizon = now + timedelta(seconds=SKEW_SECONDS)
    status = before.model_copy(update={"history": _not_ahead(before.history, now, horizon)})
    targets = fold_targets(status.targets, config, runs, nodes)
    status = status.model_copy(update={"targets": targets})
    whole = [run for run in runs if not is_wave(run)]
    for run in _fresh(status, (run for run in whole if counts(run, config, whole, now, asking)), horizon):
        status = _count(status, judged(run, targets), config.spec.thresholds)
    status = _turn_early(status, runs, config, asking)
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


def _not_ahead(history: tuple[Outcome, ...], now: datetime, horizon: datetime) -> tuple[Outcome, ...]:
    """The history with what a clock that ran ahead wrote dated back to just before now.

    It was counted, and so was what ended before: without it in the history, that would be counted once more.
    """
    if all(one.at <= horizon for one in history):
        return history
    just = now - timedelta(seconds=SKEW_SECONDS)
    dated = (one if one.at <= horizon else one.model_copy(update={"at": just}) for one in history)
    return tuple(sorted(dated, key=_place, reverse=True))


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
    free_at: datetime | None = None,
) -> ResultPlan:
    """Whether the answer is written now.

    Args:
        written: what stands in the API server; None when there is no ProbeResult.
        written_at: when that was written by this process; None when it was not.
        current: the answer now.
        uid: the config's, which decides when its heartbeats come.
        now: the time.
        free_at: when another answer may be written at the earliest; None for at once.
    """
    # Where nothing was ever written nobody knew; an answer that was deleted by hand is no news.
    before = written.verdict if written else current.verdict if written_at else Verdict.UNKNOWN
    turned = before is not current.verdict
    if written is None or _answer(written) != _answer(current):
        wait = free_at is not None and now < free_at
        return ResultPlan(current, write=not wait, turned=turned, wake_at=free_at if wait else None)
    if written == current:
        return ResultPlan(current, write=False, turned=False, wake_at=None)
    due = _heartbeat(written_at, uid, now)
    if now >= due:
        return ResultPlan(current, write=True, turned=False, wake_at=None)
    return ResultPlan(current, write=False, turned=False, wake_at=due)


def fresh_until(work: Work | Mistake, cadence: Schedule | None, now: datetime) -> datetime | None:
    """When an answer that is written now is out of date, unless a newer one is written before.

    An operator that lives renews it with each heartbeat at the latest, and turns it when runs stop completing.
    """
    if cadence is None or isinstance(work, Mistake):
        return None
    return now + timedelta(seconds=RENEWED_SECONDS + 2 * interval_seconds(cadence, now) + work.timeout_seconds)


def _heartbeat(written_at: datetime | None, uid: str, now: datetime) -> datetime:
    """When the answer is written although it still stands: at the first beat of this uid that is not too early.

    Beats are the same after every restart, and lie evenly over a fleet however many were written together.
    """
    earliest = written_at + timedelta(seconds=HEARTBEAT_SECONDS) if written_at else now
    rhythm = timedelta(seconds=RHYTHM_SECONDS)
    first = EPOCH + spread(uid) * rhythm
    return first - (first - earliest) // rhythm * rhythm


def _answer(status: ProbeResultStatus) -> tuple[object, ...]:
    """What a reader would call another answer; the numbers and generated names in a message change with every run."""
    nodes = answer(status.targets)
    conditions = tuple((one.type, one.status) for one in status.conditions)
    message, residents = PASSING_WORDS.sub("#", status.message), _residents(status.resident)
    return (status.verdict, status.reason, message, status.severity, conditions, nodes, residents)


def _residents(resident: ResultResident | None) -> tuple[object, ...]:
    """What a reader would call another answer about a resident probe's targets."""
    if resident is None:
        return ()
    named = ((one.target, one.node) for one in resident.failing)
    return (resident.source, resident.silent, resident.more, *named)


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
            "missed": _missed(status.missed, run),
            "last_run": LastRun(
                name=run.metadata.name,
                slot=run.spec.trigger.slot or (status.last_run.slot if status.last_run else None),
                finished_at=ended.finished_at,
            ),
        }
    )
    return _turn(counted, outcome, streak, thresholds)


def _missed(before: MissedSlots, run: ProbeRun) -> MissedSlots:
    missed, slot = run.spec.trigger.missed, run.spec.trigger.slot
    if missed is None:
        return before
    return MissedSlots(total=before.total + missed.count, last=slot, reason=missed.reason)


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
    return with_health(
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


def _turn_early(
    status: ProbeResultStatus, runs: Iterable[ProbeRun], config: ProbeConfig, asking: Collection[str]
) -> ProbeResultStatus:
    """The answer with what a sweep under way is known to come to."""
    early = failed_early(status, runs, config, asking)
    if early is None:
        return status
    at, reason, message = early
    update = {"verdict": Verdict.FAILED, "since": at, "reason": reason, "message": message}
    return with_health(status.model_copy(update=update), at)

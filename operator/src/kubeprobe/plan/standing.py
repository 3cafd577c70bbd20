"""What stands above the runs of a config: a mistake in it, its suspension, silence, and maintenance windows.

An answer is worth what its age is: when runs stop completing, for whatever reason, it turns Unknown.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from kubeprobe.api import Condition, Mode, ProbeConfig, ProbeResultStatus, ProbeRun, Schedule, Verdict, set_condition
from kubeprobe.api.targets import WAVE_NODES
from kubeprobe.plan.maintenance import Maintenance, maintenance, pauses
from kubeprobe.plan.outcome import cut
from kubeprobe.plan.resolve import MISTAKES, Mistake, Work
from kubeprobe.plan.schedule import Rhythm

HEALTHY = "Healthy"
FRESH = "Fresh"
MAINTENANCE = "Maintenance"
PENDING = "Pending"
STALE = "Stale"
SUSPENDED = "Suspended"
NOTHING_HEARD = "nothing was heard of its prober yet"
LATE_SECONDS = 10.0
"""How much longer than two intervals and a timeout it may take until a run completes."""


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why the answer is not what the runs say."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Standing:
    """The answer, all told, and when it changes without a run."""

    status: ProbeResultStatus
    changes_at: datetime | None


def stand(
    answer: ProbeResultStatus,
    config: ProbeConfig,
    work: Work | Mistake,
    cadence: Schedule | None,
    runs: Iterable[ProbeRun],
    now: datetime,
) -> Standing:
    """The answer of the runs with everything in it that stands above them.

    Args:
        answer: what the runs came to.
        config: their config.
        work: what its runs execute, or what is wrong with it.
        cadence: the schedule that is followed now; None where no slots are served.
        runs: the config's runs, waves of sweeps and all.
        now: the time.
    """
    windows = maintenance(config.spec.maintenance, now)
    stale_at = _stale_at(config, work, cadence, _heard(answer, config, runs, now), now)
    above = _above(answer, config, work, stale_at, windows, now)
    status = _with_verdict(answer, above, now)
    status = _with_freshness(status, config, above, now)
    status = with_maintenance(status, config, windows, now)
    waiting = stale_at if stale_at is not None and now < stale_at else None
    return Standing(status, min((at for at in (waiting, windows.changes_at) if at is not None), default=None))


def pending(config: ProbeConfig, now: datetime) -> ProbeResultStatus:
    """The answer before the first run: not known, and nothing to be alarmed about."""
    status = ProbeResultStatus(severity=config.spec.severity, since=now)
    why = "no run has completed yet" if config.spec.mode is not Mode.RESIDENT else NOTHING_HEARD
    return with_health(_unknown(status, Reasons(PENDING, why), now), now)


def with_health(status: ProbeResultStatus, now: datetime) -> ProbeResultStatus:
    """The answer with its condition Healthy."""
    healthy = {Verdict.PASSED: "True", Verdict.FAILED: "False", Verdict.UNKNOWN: "Unknown"}[status.verdict]
    return with_condition(status, HEALTHY, healthy, status.reason, status.message, now)


def in_maintenance(status: ProbeResultStatus) -> bool:
    """Whether a window was open when the answer was given, in which it raises no alarm."""
    return any(one.type == MAINTENANCE and one.status == "True" for one in status.conditions)


def _above(
    answer: ProbeResultStatus,
    config: ProbeConfig,
    work: Work | Mistake,
    stale_at: datetime | None,
    windows: Maintenance,
    now: datetime,
) -> Reasons | None:
    if (barred := bar(config, work)) is not None:
        return barred
    if stale_at is None or now < stale_at:
        return None
    if windows.pauses:
        return Reasons(MAINTENANCE, "runs pause while a maintenance window is open")
    since = answer.last_run.finished_at if answer.last_run else config.metadata.creation_timestamp
    return Reasons(
        STALE,
        f"no run has completed since {since:%Y-%m-%d %H:%M:%SZ}, though more than two were due: look at the config's "
        "runs, and whether the operator keeps up",
    )


def bar(config: ProbeConfig, work: Work | Mistake) -> Reasons | None:
    """Why a config does not probe at all, if so."""
    if isinstance(work, Mistake):
        return Reasons(work.reason, cut(work.message))
    if config.spec.suspend:
        return Reasons(SUSPENDED, "spec.suspend is true, so nothing is probed; set it to false to have it probed again")
    return None


def _heard(answer: ProbeResultStatus, config: ProbeConfig, runs: Iterable[ProbeRun], now: datetime) -> datetime:
    """When a run, or a sweep's wave, last completed; before the first one, since when there could have been one."""
    slots = config.status.slots
    last = answer.last_run.finished_at if answer.last_run else None
    ends = (*(run.status.finished_at for run in runs), last)
    known = [min(end, now) for end in ends if end is not None]
    return max((config.metadata.creation_timestamp, *([slots.since] if slots else []), *known))


def _stale_at(
    config: ProbeConfig, work: Work | Mistake, cadence: Schedule | None, heard: datetime, now: datetime
) -> datetime | None:
    """When silence makes the answer unknown: after two slots, and the time that the second one's run may take."""
    if cadence is None or isinstance(work, Mistake):
        return None
    meta = config.metadata
    rhythm = Rhythm(cadence, meta.creation_timestamp, meta.uid)
    second = heard
    for _ in range(2):
        second = rhythm.slots(second).next or second
    retries = config.spec.retries
    attempt_seconds = work.timeout_seconds * _rounds(config) + LATE_SECONDS
    seconds = attempt_seconds + retries.limit * (retries.delay.seconds + attempt_seconds)
    paused = sum((one.end - one.start for one in pauses(config.spec.maintenance, heard, now)), timedelta())
    return second + timedelta(seconds=seconds) + paused


def _rounds(config: ProbeConfig) -> int:
    """How many pods of one wave come after each other at most."""
    each = config.spec.targets.each_node if config.spec.targets else None
    return math.ceil(WAVE_NODES / each.max_concurrent) if each else 1


def _with_verdict(answer: ProbeResultStatus, above: Reasons | None, now: datetime) -> ProbeResultStatus:
    if above is None:
        if not overruled(answer.conditions):
            return answer
        above = Reasons(PENDING, "not enough runs have completed since the last reason not to run was removed")
    return with_reasons(answer, above, now)


def with_reasons(answer: ProbeResultStatus, above: Reasons, now: datetime) -> ProbeResultStatus:
    """The answer overruled."""
    if (answer.verdict, answer.reason, answer.message) == (Verdict.UNKNOWN, above.reason, above.message):
        return answer
    return with_health(_unknown(answer, above, now), now)


def overruled(conditions: Iterable[Condition]) -> bool:
    """Whether the answer is one that stood above what is known of the target."""
    reasons = MISTAKES | {SUSPENDED, STALE, MAINTENANCE}
    return any(one.type == HEALTHY and one.reason in reasons for one in conditions)


def _unknown(answer: ProbeResultStatus, above: Reasons, now: datetime) -> ProbeResultStatus:
    since = answer.since if answer.verdict is Verdict.UNKNOWN and answer.since else now
    update = {"verdict": Verdict.UNKNOWN, "since": since, "reason": above.reason, "message": above.message}
    return answer.model_copy(update=update)


def _with_freshness(
    status: ProbeResultStatus, config: ProbeConfig, above: Reasons | None, now: datetime
) -> ProbeResultStatus:
    if config.spec.schedule is None:
        return status
    if above is not None:
        return with_condition(status, FRESH, "False", above.reason, above.message, now)
    if status.last_run is None:
        return with_condition(status, FRESH, "Unknown", PENDING, "no run has completed yet", now)
    return with_condition(status, FRESH, "True", "RunsComplete", "", now)


def with_maintenance(
    status: ProbeResultStatus, config: ProbeConfig, windows: Maintenance, now: datetime
) -> ProbeResultStatus:
    """The answer with its condition Maintenance, for a config that has windows."""
    if not config.spec.maintenance:
        others = tuple(one for one in status.conditions if one.type != MAINTENANCE)
        return status if others == status.conditions else status.model_copy(update={"conditions": others})
    if windows.until is None:
        return with_condition(status, MAINTENANCE, "False", "NoWindow", "", now)
    message = f"a window is open until {windows.until:%Y-%m-%d %H:%M:%SZ}: the verdict raises no alarm"
    return with_condition(status, MAINTENANCE, "True", "WindowOpen", message, now)


def with_condition(
    answer: ProbeResultStatus, type_: str, status: str, reason: str, message: str, now: datetime
) -> ProbeResultStatus:
    """The answer with one of its conditions."""
    condition = Condition(type=type_, status=status, reason=reason, message=message, last_transition_time=now)
    conditions = set_condition(answer.conditions, condition, now)
    return answer if conditions == answer.conditions else answer.model_copy(update={"conditions": conditions})

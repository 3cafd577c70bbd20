"""Adaptive cadence: the schedule that is followed now, which may be faster or slower than the one that is written."""

from __future__ import annotations

from kubeprobe.api import Duration, ProbeResultStatus, Schedule, Verdict

GREEN_RUNS = 50
"""So many passed runs in a row make a cadence half as fast, and so many more halve it again."""


def paced(schedule: Schedule, answer: ProbeResultStatus | None) -> Schedule:
    """The schedule for a target of which this is known.

    Fastest while the answer is not Passed or one of its last runs was not (it has just recovered); as written when it
    is green; slower, by doubling, the longer it has been.
    """
    bounds = schedule.adaptive
    if bounds is None or schedule.every is None or answer is None or not answer.history:
        return schedule
    if answer.verdict is not Verdict.PASSED or any(one.verdict is not Verdict.PASSED for one in answer.history):
        return schedule.model_copy(update={"every": bounds.fastest})
    doublings = min(answer.consecutive.passed // GREEN_RUNS, 30)
    slow_ms = min(schedule.every.milliseconds * 2**doublings, bounds.slowest.milliseconds)
    return schedule.model_copy(update={"every": Duration(f"{slow_ms // 1000}s{slow_ms % 1000}ms")})


def repaced(schedule: Schedule, before: ProbeResultStatus, after: ProbeResultStatus) -> bool:
    """Whether a new answer asks for another cadence than the one before it."""
    was, is_now = paced(schedule, before).every, paced(schedule, after).every
    return was is not None and is_now is not None and was.milliseconds != is_now.milliseconds

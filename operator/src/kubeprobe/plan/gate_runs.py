"""Which runs a gate asks for: one of each probe when a change has settled, and again of those that have not passed.

A probe with a schedule recovers by that. One that is run only when asked, or that failed on one node, would keep its
gate closed for ever unless it is asked again: soon at first, then more and more seldom.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from kubeprobe.api import ChangeGateSpec, GateProbe, GateVerdict, Mode
from kubeprobe.plan.gate_course import Course
from kubeprobe.plan.gate_entry import View
from kubeprobe.plan.gate_probe import Evidence
from kubeprobe.plan.gate_seat import Seat

FIRST_ROUND_SECONDS = 60.0
LONGEST_ROUND_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class RunAsked:
    """A run that a gate wants."""

    change_id: str
    """Empty where the gate verifies of its own accord."""
    namespace: str
    name: str
    """Of the ProbeConfig."""
    node: str
    """The node that it is to run on; empty for any."""
    at: datetime
    """When its round began: the same however often it is asked for."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The runs that are wanted now, and when more may be."""

    runs: tuple[RunAsked, ...] = ()
    next_at: datetime | None = None


def asked(
    course: Course | None, views: Iterable[View], probes: Iterable[GateProbe], spec: ChangeGateSpec, now: datetime
) -> Asked:
    """The runs to ask for.

    Args:
        course: the change that is verified, or was.
        views: what is seen of the probes.
        probes: what is remembered of them.
        spec: the gate's.
        now: the time.
    """
    if course is None or course.verifying_since is None or not spec.verify_on_change:
        return Asked()
    closing = {(one.namespace, one.name) for one in probes if one.closes}
    wanting = [view for view in views if view.bound.runnable and _unsettled(view, course, closing)]
    if not wanting:
        return Asked()
    began_at, next_at = round_of(course.verifying_since, now)
    runs = (
        RunAsked(course.change.id, *view.bound.key, place.node, began_at)
        for view in wanting
        for place in _places(view, course, course.verifying_since, spec.success_threshold)
        if not _had(place, began_at)
    )
    return Asked(tuple(runs), next_at)


def round_of(since: datetime, now: datetime) -> tuple[datetime, datetime]:
    """When the round of asking that goes on began, and when the next one does."""
    began_at, seconds = since, FIRST_ROUND_SECONDS
    while seconds < LONGEST_ROUND_SECONDS and now >= began_at + timedelta(seconds=seconds):
        began_at += timedelta(seconds=seconds)
        seconds = min(2 * seconds, LONGEST_ROUND_SECONDS)
    whole = timedelta(seconds=seconds)
    began_at += max((now - began_at) // whole, 0) * whole
    return began_at, began_at + whole


def _unsettled(view: View, course: Course, closing: set[tuple[str, str]]) -> bool:
    """Whether it is not known of a probe that it passes, for the change or at all, and nobody else sees to that."""
    if course.change.id in view.bound.due:
        return False
    if view.bound.key in closing:
        return True
    return course.change.verdict is not GateVerdict.PASSED and view.trial.evidence is not Evidence.PASSED


def _places(view: View, course: Course, rest: datetime, threshold: int) -> Iterator[Seat]:
    """Where it has to be run: where it has not passed; where it has, if that is not enough and no schedule runs it."""
    places, scheduled = view.places or (Seat(""),), view.bound.config.spec.mode is Mode.PERIODIC
    passed = course.change.verdict is GateVerdict.PASSED
    lacking = [] if passed else [one for one in places if one.lacks(threshold) or one.early(rest)]
    for place in lacking or (() if scheduled else places):
        if place.node or not place.told or place.early(rest) or not scheduled:
            yield place


def _had(place: Seat, began_at: datetime) -> bool:
    """Whether a run goes on there, or began in this round."""
    return place.going or any(look.began_at >= began_at.replace(microsecond=0) for look in place.looks)

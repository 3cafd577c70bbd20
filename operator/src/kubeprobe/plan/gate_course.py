"""Which change a gate is verifying, and how far that is: one at a time, and once more when it changed meanwhile.

Changes are in the order in which they were closed, on both sides, and not in that in which they began: those of several
sources are gathered beside each other, and one that began earlier may be closed later. Their names begin with the time
at which they were closed, and each is later in order than all before it whatever clocks do; so the order is that of the
names.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from kubeprobe.api import ChangeGate, GateChange, GateReason, GateVerdict
from kubeprobe.plan.batch import last_id

AHEAD_SECONDS = 60.0
"""So far ahead another replica's clock may be; what is later was not written by any."""


@dataclass(frozen=True, slots=True)
class ChangeSeen:
    """The newest change in a gate's scope."""

    id: str
    count: int
    began_at: datetime
    """Perhaps earlier than that of a change before it."""
    closed_at: datetime
    """When it was complete; what changed later is another change."""
    settled_at: datetime | None = None
    """When it came to rest: nothing more changed for the gate's quiet time, and its rollouts were over, one way or
    another, and so were those of the changes whose place it took; None while that is not so."""


@dataclass(frozen=True, slots=True)
class Course:
    """A verification, going on or over."""

    change: GateChange
    verifying_since: datetime | None
    """None while the change settles."""

    @property
    def pending(self) -> bool:
        """Whether it is not known yet what the change comes to."""
        return self.change.verdict is GateVerdict.PENDING

    @property
    def settling(self) -> bool:
        """Whether the change has not come to rest."""
        return self.pending and self.verifying_since is None


def overriding(gate: ChangeGate, now: datetime) -> bool:
    """Whether the gate is open because somebody said so."""
    return gate.spec.override is not None and now < gate.spec.override.until


def course_of(gate: ChangeGate, newest: ChangeSeen | None, now: datetime) -> Course | None:
    """The verification that goes on, or was the last; None where there never was one.

    What changes while the probes look at an earlier change waits until they are done: they would tell of both.
    """
    standing = _believed(taken_up(gate), newest, now)
    underway = standing is not None and standing.pending and not standing.settling
    if newest is not None and not underway and newer(newest, gate, standing):
        return begun(newest, gate, now, standing)
    if standing is None or not standing.pending:
        if gate.status.reason is GateReason.OVERRIDE and not overriding(gate, now):
            return Course(GateChange(since=now), verifying_since=now)
        return standing
    return _settled(standing, newest, gate, now) if standing.settling else standing


def begun(newest: ChangeSeen, gate: ChangeGate, now: datetime, settling: Course | None = None) -> Course:
    """The course of a change that the gate turns to.

    Args:
        newest: the change.
        gate: the gate.
        now: the time.
        settling: the course of one whose place it takes, if that has not come to rest: both do together, and in the
            time of the first, or changes that come one into the other would keep a gate from ever looking.
    """
    since = newest.began_at
    if settling is not None and settling.settling:
        since = min(since, settling.change.since)
    change = GateChange(id=newest.id, count=newest.count, since=since)
    return _settled(Course(change, verifying_since=None), newest, gate, now)


def newer(newest: ChangeSeen, gate: ChangeGate, course: Course | None) -> bool:
    """Whether a change was closed after the one that the course is about; of those before the gate none counts."""
    if course is None:
        return newest.closed_at >= gate.metadata.creation_timestamp
    if not course.change.id:
        return newest.closed_at > course.change.since
    return newest.id > course.change.id


def settles_at(course: Course, newest: ChangeSeen | None, gate: ChangeGate) -> datetime:
    """When a change counts as come to rest at the latest: as told, or when that has taken too long."""
    spec, change = gate.spec, course.change
    limit = change.since + timedelta(seconds=spec.longest_quiet.seconds + spec.timeout.seconds)
    told = newest.settled_at if newest is not None and newest.id == change.id else None
    return min(told, limit) if told is not None else limit


def taken_up(gate: ChangeGate) -> Course | None:
    """The verification that the gate's status tells of."""
    status = gate.status
    return Course(status.change, status.verifying_since) if status.change is not None else None


def _believed(course: Course | None, newest: ChangeSeen | None, now: datetime) -> Course | None:
    """A course that the gate can have come to: what somebody else wrote into its status is not to stop it for good.

    After a change of times to come none would ever be newer, and what began then would never be over. That the clock
    was set back is no forgery, though: the change that the gate is about is there.
    """
    if course is None:
        return None
    change, since, latest = course.change, course.verifying_since, now + timedelta(seconds=AHEAD_SECONDS)
    if change.id > last_id(latest) and (newest is None or newest.id != change.id):
        return None
    began = change.since if change.since <= latest else now
    verifying_since = since if since is None or since <= latest else now
    return Course(change.model_copy(update={"since": began}), verifying_since)


def _settled(course: Course, newest: ChangeSeen | None, gate: ChangeGate, now: datetime) -> Course:
    if newest is not None and newest.id == course.change.id:
        course = Course(course.change.model_copy(update={"count": newest.count}), None)
    return Course(course.change, now if now >= settles_at(course, newest, gate) else None)

"""Who leads: what one candidate knows of the lease, by its own clock, and what it does about it next.

The times that stand in the lease are for people. A candidate never compares them with its clock, nor with anybody
else's: it notes when, by a clock of its own that only goes forward, it saw the lease change, and takes it when nothing
changed for a lease's whole duration. A leader counts from before it sent its last renewal, and for a shorter time, so
it has stopped by itself before anybody else may begin, whether it was frozen, cut off or merely not answered. Every
write of the lease names the version that it replaces, so of two candidates that try at once one is refused.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, replace

LONGEST_LEASE_SECONDS = 60.0
"""A lease that says it lasts longer was written by hand."""


@dataclass(frozen=True, slots=True)
class Timings:
    """How long each thing takes.

    Raises:
        ValueError: a leader could go on after somebody else began, or could not renew in time.
    """

    lease_seconds: float = 4.0
    """How long nothing may change before somebody else takes the lease."""
    renew_deadline_seconds: float = 2.5
    """How long a leader leads by its last renewal."""
    renew_seconds: float = 1.0
    """From one renewal to the next."""
    look_seconds: float = 0.5
    """How often a candidate that does not lead looks at the lease, and how long any waits after a failure."""

    def __post_init__(self) -> None:
        if not 0 < self.look_seconds <= self.renew_seconds < self.renew_deadline_seconds < self.lease_seconds:
            raise ValueError(
                f"an election needs look ({self.look_seconds:g}s) <= renew ({self.renew_seconds:g}s) < renew deadline "
                f"({self.renew_deadline_seconds:g}s) < lease ({self.lease_seconds:g}s)"
            )


TIMINGS = Timings()


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """What stands in the lease."""

    holder: str = ""
    """Whose it is; empty when it was released, or is not there."""
    version: str = ""
    """The object's resourceVersion; empty when it is not there."""
    lease_seconds: float = 0.0
    transitions: int = 0
    """How often it went to another holder."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What one replica knows; every time in it is by its own clock."""

    identity: str
    lease: LeaseRecord = LeaseRecord()
    changed_at: float = -math.inf
    """When the lease was first seen to be as it is."""
    looked_at: float | None = None
    """When it was last read or written with an answer; None when it has to be read before anything else."""
    failed_at: float | None = None
    """When the last request about it went wrong; None when it did not."""
    renewed_at: float | None = None
    """When the request that the leadership stands on was sent; None when this one does not lead."""


class Action(enum.StrEnum):
    """What a candidate does next."""

    LOOK = "look"
    TAKE = "take"
    RENEW = "renew"
    STEP_DOWN = "step down"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now, or for how long to wait at most."""

    action: Action
    wait_seconds: float = 0.0


def decide(candidate: Candidate, now: float, timings: Timings = TIMINGS) -> Decision:
    """Decide what a candidate does at this moment of its own clock."""
    if candidate.renewed_at is not None:
        return _as_leader(candidate, candidate.renewed_at, now, timings)
    if candidate.failed_at is not None and now < candidate.failed_at + timings.look_seconds:
        return Decision(Action.WAIT, candidate.failed_at + timings.look_seconds - now)
    if candidate.looked_at is None:
        return Decision(Action.LOOK)
    free_at = _free_at(candidate, timings)
    if now >= free_at:
        return Decision(Action.TAKE)
    look_at = candidate.looked_at + timings.look_seconds
    if now >= look_at:
        return Decision(Action.LOOK)
    return Decision(Action.WAIT, min(look_at, free_at) - now)


def _as_leader(candidate: Candidate, renewed_at: float, now: float, timings: Timings) -> Decision:
    if not leads(candidate, now, timings) or candidate.lease.holder != candidate.identity:
        return Decision(Action.STEP_DOWN)
    over_at = renewed_at + timings.renew_deadline_seconds
    if candidate.failed_at is not None and now < candidate.failed_at + timings.look_seconds:
        return Decision(Action.WAIT, min(candidate.failed_at + timings.look_seconds, over_at) - now)
    if candidate.looked_at is None:
        return Decision(Action.LOOK)
    if now >= renewed_at + timings.renew_seconds:
        return Decision(Action.RENEW)
    return Decision(Action.WAIT, renewed_at + timings.renew_seconds - now)


def _free_at(candidate: Candidate, timings: Timings) -> float:
    """When the lease may be taken: a released one at once, and so one's own, which nobody else has taken meanwhile."""
    if candidate.lease.holder in ("", candidate.identity):
        return candidate.changed_at
    theirs = min(candidate.lease.lease_seconds, LONGEST_LEASE_SECONDS)
    return candidate.changed_at + max(timings.lease_seconds, theirs)


def leads(candidate: Candidate, now: float, timings: Timings = TIMINGS) -> bool:
    """Whether a candidate leads at this moment."""
    return candidate.renewed_at is not None and now < candidate.renewed_at + timings.renew_deadline_seconds


def patience(candidate: Candidate, now: float, timings: Timings = TIMINGS) -> float:
    """How long an answer about the lease is worth waiting for: a leader's only while it leads."""
    if candidate.renewed_at is None:
        return timings.renew_deadline_seconds
    return max(candidate.renewed_at + timings.renew_deadline_seconds - now, 0.0)


def looked(candidate: Candidate, lease: LeaseRecord, now: float) -> Candidate:
    """The lease was read, and this was the answer."""
    changed = lease.version != candidate.lease.version
    return replace(
        candidate,
        lease=lease,
        changed_at=now if changed else candidate.changed_at,
        looked_at=now,
        failed_at=None,
    )


def wrote(
    candidate: Candidate, lease: LeaseRecord, sent_at: float, now: float, timings: Timings = TIMINGS
) -> Candidate:
    """The lease was taken or renewed by a request that was sent at `sent_at`.

    A renewal whose answer comes when the leadership has lapsed does not mend it: writes were held back meanwhile.
    """
    lapsed = candidate.renewed_at is not None and not leads(candidate, now, timings)
    renewed_at = candidate.renewed_at if lapsed else sent_at
    return replace(candidate, lease=lease, changed_at=now, looked_at=now, failed_at=None, renewed_at=renewed_at)


def failed(candidate: Candidate, now: float) -> Candidate:
    """A request about the lease was refused or not answered: how the lease stands has to be read again."""
    return replace(candidate, looked_at=None, failed_at=now)


def stepped_down(candidate: Candidate) -> Candidate:
    """It leads no more, and stands again."""
    return replace(candidate, renewed_at=None, looked_at=None)

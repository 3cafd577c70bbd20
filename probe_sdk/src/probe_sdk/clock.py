"""How long a run may still take, and how much of that is kept for saying how it went.

A probe that is killed by its deadline cannot tell what it was waiting for. So the deadline has a reserve before it:
when that begins the check ends, and what is left is for the report.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from typing import Final

from probe_sdk.environment import Environment

RESERVE_SECONDS: Final = 3.0
"""Enough for the termination message and two tries at an intake that does not answer."""

RESERVE_SHARE: Final = 0.25
"""A short run keeps no more than this share of its time for its report."""


def utc_now() -> datetime:
    """Return the time now."""
    return datetime.now(UTC)


_PROCESS_STARTED: Final = utc_now()


@dataclass(frozen=True, slots=True)
class Deadline:
    """The end of a run, seen from the process that executes it."""

    at: datetime | None
    started: datetime
    now: Callable[[], datetime] = utc_now

    @property
    def budget_seconds(self) -> float:
        """How long the process had in all; infinite without a deadline."""
        return inf if self.at is None else max(0.0, (self.at - self.started).total_seconds())

    @property
    def reserve_seconds(self) -> float:
        """How long before the deadline the check has to be over."""
        return min(RESERVE_SECONDS, self.budget_seconds * RESERVE_SHARE)

    def remaining_seconds(self, reserve: float | None = None) -> float:
        """How long the check may still take; never negative, infinite without a deadline.

        Args:
            reserve: the seconds to keep before the deadline; by default what the SDK needs for its report.
        """
        if self.at is None:
            return inf
        kept = self.reserve_seconds if reserve is None else reserve
        return max(0.0, (self.at - self.now()).total_seconds() - kept)


def process_deadline() -> Deadline:
    """Return the deadline that the operator gave to this process."""
    return Deadline(Environment.read(os.environ).deadline, _PROCESS_STARTED)


def deadline() -> datetime | None:
    """Return when this run has to be over, in UTC; None when nobody set a deadline."""
    return process_deadline().at


def remaining_seconds(reserve: float | None = None) -> float:
    """How long the check may still take: until the SDK ends it, or until `reserve` seconds before the deadline."""
    return process_deadline().remaining_seconds(reserve)

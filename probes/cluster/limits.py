"""How long each step of a lifecycle may take: the case's own measure, the user's, and never past the run's deadline."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic

from probe_sdk import remaining_seconds

EVIDENCE_SECONDS = 1.0
"""For each of the two requests that explain a step that did not come."""
CLEANUP_SECONDS = 2.0
"""For removing what was created."""
RESERVE_SECONDS = 2 * EVIDENCE_SECONDS + CLEANUP_SECONDS
"""Kept back from every step, so that a failure is explained and cleaned up before the SDK ends the check."""


@dataclass(frozen=True)
class Limits:
    """Seconds for each step."""

    usual: Mapping[str, float]
    chosen: Mapping[str, float]

    def allow(self, step: str) -> "Allowance":
        """What the step has from now on."""
        limit = self.chosen.get(step, self.usual[step])
        left = max(remaining_seconds() - RESERVE_SECONDS, 0.1)
        return Allowance(limit) if limit <= left else Allowance(left, cut=True)


@dataclass(frozen=True)
class Allowance:
    """How long one step may take, and whether that is less than its limit because the run has no more time."""

    seconds: float
    cut: bool = False

    def __str__(self) -> str:
        return f"{self.seconds:.1f}s" + (", all the time that the run had left" if self.cut else "")


def refuse_unknown_steps(chosen: Mapping[str, float], usual: Mapping[str, float]) -> None:
    """A limit for a step that does not exist would silently limit nothing."""
    if unknown := sorted(set(chosen) - set(usual)):
        raise ValueError(f"no such step: {', '.join(unknown)}; there are {', '.join(usual)}")


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = monotonic()

    def seconds(self) -> float:
        """How long it runs."""
        return monotonic() - self._start

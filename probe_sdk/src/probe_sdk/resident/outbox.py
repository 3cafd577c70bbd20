"""Which targets to tell of now: what turned at once, everything every ten seconds, and what flaps not at each turn."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Final

SUMMARY_SECONDS: Final = 10.0
TURNS_AT_ONCE: Final = 5
"""Turns of one target that are told at once, before it counts as flapping and waits for the summaries."""
TURN_REFILL_SECONDS: Final = 30.0
"""After so long without a turn told, one more may be."""
PAUSE_SECONDS: Final = 0.1
"""Turns of so long are told together: when much breaks at once, each target at its own slot, that is a few messages."""


@dataclass(frozen=True, slots=True)
class Told:
    """What to send.

    Args:
        everything: a summary of all targets, rather than of `targets`.
    """

    targets: tuple[str, ...]
    everything: bool


class Outbox:
    """Decides what is told when. Give it turns as they come, and ask it for what to tell."""

    def __init__(self, now: float) -> None:
        self._summary_at = now + SUMMARY_SECONDS
        self._free_at = now
        self._turned: dict[str, None] = {}
        self._tokens: dict[str, tuple[float, float]] = {}

    def turned(self, target: str, now: float) -> bool:
        """Note that a target's verdict turned; whether that is told at once."""
        left, at = self._tokens.get(target, (float(TURNS_AT_ONCE), now))
        left = min(left + (now - at) / TURN_REFILL_SECONDS, TURNS_AT_ONCE)
        if left < 1:
            self._tokens[target] = (left, now)
            return False
        self._tokens[target] = (left - 1, now)
        self._turned[target] = None
        return True

    def take(self, now: float) -> Told | None:
        """What to tell now; None when there is nothing yet."""
        if now >= self._summary_at:
            self._summary_at += SUMMARY_SECONDS * (1 + (now - self._summary_at) // SUMMARY_SECONDS)
            self._turned.clear()
            return Told((), everything=True)
        if not self._turned or now < self._free_at:
            return None
        targets = tuple(self._turned)
        self._turned.clear()
        self._free_at = now + PAUSE_SECONDS
        return Told(targets, everything=False)

    def next_at(self) -> float:
        """When there may be something to tell at the latest, if nothing turns."""
        return min(self._free_at, self._summary_at) if self._turned else self._summary_at

    def keep(self, targets: Container[str]) -> None:
        """Forget those that are none of these any more."""
        self._tokens = {target: tokens for target, tokens in self._tokens.items() if target in targets}

"""How long what failed rests before it is tried again."""

from __future__ import annotations

MOST_DOUBLINGS = 30
"""More would only make the figure larger than any bound."""


def backoff_seconds(failures: int, first_seconds: float, longest_seconds: float) -> float:
    """How long to rest: twice as long after each failure.

    Args:
        failures: so many in a row, one at least.
        first_seconds: how long after the first.
        longest_seconds: never longer than this.
    """
    return min(first_seconds * 2.0 ** min(failures - 1, MOST_DOUBLINGS), longest_seconds)

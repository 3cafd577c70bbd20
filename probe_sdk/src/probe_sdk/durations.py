"""Durations as Kubernetes users write them: 500ms, 30s, 1h30m."""

from __future__ import annotations

import re
from typing import Final

PATTERN: Final = "^([0-9]+(ms|s|m|h|d))+$"
_PART: Final = re.compile("([0-9]+)(ms|s|m|h|d)")
_MILLISECONDS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}


def parse_seconds(text: str) -> float:
    """Read a duration; raises ValueError that says how to write one."""
    if not re.fullmatch(PATTERN.strip("^$"), text):
        raise ValueError(f"{text!r} is not a duration: write numbers with a unit of ms, s, m, h or d, such as 1h30m")
    return sum(int(number) * _MILLISECONDS[unit] for number, unit in _PART.findall(text)) / 1000


def format_seconds(seconds: float) -> str:
    """Write a duration to the millisecond, the largest unit first."""
    left, parts = round(seconds * 1000), []
    for unit, size in _MILLISECONDS.items():
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"

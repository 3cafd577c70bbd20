"""How benches tell what they measured: words as they go, and one JSON object as the last line."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta


def say(text: str) -> None:
    """Tell what is going on, on standard error."""
    print(text, file=sys.stderr, flush=True)


def finish(figures: Mapping[str, object]) -> None:
    """The figures, as the last line of standard output."""
    print(json.dumps(figures), flush=True)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed, between neighbours where need be."""
    if len(values) < 2:
        return values[0] if values else float("nan")
    return statistics.quantiles(values, n=1000, method="inclusive")[round(share * 1000) - 1]


def most_within(times: Iterable[datetime], window: timedelta) -> int:
    """The most of these moments that lie in any stretch of such a length."""
    moments = sorted(times)
    most = first = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= window:
            first += 1
        most = max(most, last - first + 1)
    return most

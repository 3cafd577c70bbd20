"""When a core stood still: a program of the highest priority sleeps a millisecond at a time, and writes down when it
woke too late. On a virtual machine that is its host's doing, of which the kernel knows nothing.
"""

from __future__ import annotations

import os
import sys
import time
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SLEEP_SECONDS = 0.001
PAUSE_SECONDS = 0.0005
"""A shorter one is the kernel's own work."""


@dataclass(frozen=True)
class Pauses:
    """What was written down: times of the monotonic clock, the first pauses first."""

    each: Sequence[tuple[float, float]]

    @classmethod
    def read(cls, written: Path) -> Pauses:
        """All of them up to now."""
        lines = written.read_text().splitlines(keepends=True)
        return cls([_times(line) for line in lines if line.endswith("\n")])

    def seconds(self, since: float, until: float) -> float:
        """For how long the core stood still in this time."""
        first = bisect_left(self.each, since, key=lambda pause: pause[1])
        total = 0.0
        for began, ended in self.each[first:]:
            if began >= until:
                break
            total += min(ended, until) - max(began, since)
        return total


def _times(line: str) -> tuple[float, float]:
    began, ended = line.split()
    return float(began), float(ended)


def main() -> None:
    """Write the beginning of each pause to the file, for ever."""
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    with Path(sys.argv[1]).open("w") as file:
        while True:
            slept_at = time.monotonic()
            time.sleep(SLEEP_SECONDS)
            due, woke_at = slept_at + SLEEP_SECONDS, time.monotonic()
            if woke_at - due >= PAUSE_SECONDS:
                file.write(f"{due:.6f} {woke_at:.6f}\n")
                file.flush()


if __name__ == "__main__":
    main()

"""When a core stood still: a program of the highest priority sleeps a millisecond at a time, and writes down when it
woke far too late. On a virtual machine that is its host's doing, of which the kernel knows nothing.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

SLEEP_SECONDS = 0.001
PAUSE_SECONDS = 0.005
"""Half of the interval that is measured: a target that stood still for so long cannot answer in time under load."""


def pauses(written: Path, since: float, until: float) -> int:
    """How many pauses of the core began in this time of the monotonic clock."""
    return sum(since <= float(line) < until for line in written.read_text().splitlines())


def main() -> None:
    """Write the beginning of each pause to the file, for ever."""
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    with Path(sys.argv[1]).open("w") as file:
        while True:
            slept_at = time.monotonic()
            time.sleep(SLEEP_SECONDS)
            if time.monotonic() - slept_at >= PAUSE_SECONDS:
                file.write(f"{slept_at:.6f}\n")
                file.flush()


if __name__ == "__main__":
    main()

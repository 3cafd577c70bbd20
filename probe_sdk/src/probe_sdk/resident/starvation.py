"""How long this process wanted to work and could not: what a timeout says about the target, it says after that.

Two sources, both cumulative and the kernel's own: the time that the thread was runnable and waited for a CPU
(`/proc/thread-self/schedstat`, the second number, in nanoseconds), and the time for which its cgroup was throttled by
its CPU limit (`cpu.stat`). How late the loop itself was, because a check took its time, is added by whoever runs it.
Pressure-stall information is not asked: on a node with many cores something nearly always waits for one of them.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

SCHEDSTAT: Final = "/proc/thread-self/schedstat"
THREAD_SCHEDSTAT: Final = "/proc/self/task/{}/schedstat"
CPU_STATS: Final = ("/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cpu/cpu.stat")
"""Of the unified and of the older hierarchy, as a container sees its own."""
THROTTLED: Final = re.compile(rb"throttled_(?:usec|time) (\d+)")
UNIT_SECONDS: Final = {b"throttled_usec": 1e-6, b"throttled_time": 1e-9}
SAMPLE_SECONDS: Final = 0.002
MOST_BYTES: Final = 1024


class Kernel:
    """The kernel's counts for the thread that makes this object; use it in that thread only, and close it."""

    def __init__(self, schedstat: str = SCHEDSTAT, cpu_stats: tuple[str, ...] = CPU_STATS) -> None:
        self._schedstat = _opened(schedstat)
        self._cpu_stat = next((fd for path in cpu_stats if (fd := _opened(path)) is not None), None)

    def run_delay_seconds(self) -> float:
        """How long the thread has waited for a CPU in all; 0 where the kernel does not count it."""
        if self._schedstat is None:
            return 0.0
        fields = os.pread(self._schedstat, MOST_BYTES, 0).split()
        return int(fields[1]) * 1e-9 if len(fields) > 1 else 0.0

    def throttled_seconds(self) -> float:
        """How long the container has been throttled in all; 0 where it has no limit."""
        if self._cpu_stat is None:
            return 0.0
        said = os.pread(self._cpu_stat, MOST_BYTES, 0)
        return sum(int(found[1]) * UNIT_SECONDS[found[0].split()[0]] for found in THROTTLED.finditer(said))

    def close(self) -> None:
        """Give back what is open."""
        for fd in (self._schedstat, self._cpu_stat):
            if fd is not None:
                os.close(fd)


class Starvation:
    """How long the prober was held up. What was withheld since a moment is the total now less the total of then.

    Args:
        withheld_seconds: what the kernel withheld in all up to now.
        worked_seconds: how long the thread has worked in all.
    """

    def __init__(
        self, withheld_seconds: Callable[[], float], now: float, worked_seconds: Callable[[], float] = time.thread_time
    ) -> None:
        self._withheld_seconds = withheld_seconds
        self._worked_seconds = worked_seconds
        self._late_seconds = 0.0
        self._looked_at = now
        self._latest_seconds = withheld_seconds()

    def late(self, seconds: float) -> None:
        """Count that the loop itself came so late to what it should have done."""
        self._late_seconds += seconds

    def sample(self, now: float) -> None:
        """Look at what there is by now; cheap when called too often."""
        if now - self._looked_at >= SAMPLE_SECONDS:
            self._looked_at = now
            self._latest_seconds = self.total_seconds()

    @property
    def latest_seconds(self) -> float:
        """How much had been withheld in all at the last look: never more than by now. Any thread may ask."""
        return self._latest_seconds

    def total_seconds(self) -> float:
        """How much was withheld in all."""
        return self._withheld_seconds() + self._late_seconds

    def used_seconds(self) -> float:
        """How long the thread has worked, or was ready to and withheld from it, in all."""
        return self._worked_seconds() + self._withheld_seconds()


@contextlib.contextmanager
def starvation(clock: Callable[[], float]) -> Iterator[Starvation]:
    """What the kernel says of the calling thread."""
    kernel = Kernel()
    try:
        yield Starvation(lambda: kernel.run_delay_seconds() + kernel.throttled_seconds(), clock())
    finally:
        kernel.close()


def run_delay_of(thread: int) -> float:
    """How long a thread of this process, by its native id, has waited for a CPU in all; 0 where that is not known."""
    try:
        fields = Path(THREAD_SCHEDSTAT.format(thread)).read_bytes().split()
    except OSError:
        return 0.0
    return int(fields[1]) * 1e-9 if len(fields) > 1 else 0.0


def _opened(path: str) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None

"""The HTTP prober's own process, with its slots all at once or somebody who looks at its probes, as its arguments say.

It runs as `python -m http_endpoint.probe` does. Where probes are looked at, a file says at its end how late they began
or when those were under way that failed. The first costs something for each probe, so what one costs is measured
without it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from http_endpoint.prober import HttpProber
from probe_sdk.environment import Environment
from probe_sdk.resident.rota import Attempt, Rota
from probe_sdk.resident.service import serve, spec_file

WARM_UP_SECONDS: Final = 3.0
MILLISECOND: Final = 1000
IN_PHASE: Final = "in-phase"
BEGINS: Final = "begins"
FAILURES: Final = "failures"
TOLD_FILE: Final = "told.json"


class Begins:
    """A rota that keeps how late its probes begin, in whole milliseconds."""

    def __init__(self, rota: Rota) -> None:
        self._rota = rota
        self._since = time.monotonic() + WARM_UP_SECONDS
        self.late: Counter[int] = Counter()
        self.until = self._since

    def begin(self, now: float) -> Iterator[Attempt]:
        """See `Rota.begin`."""
        for attempt in self._rota.begin(now):
            self.until = time.monotonic()
            if attempt.slot >= self._since:
                self.late[int((self.until - attempt.slot) * MILLISECOND)] += 1
            yield attempt

    def told(self) -> dict[str, object]:
        """What it saw."""
        return {"seconds": self.until - self._since, "late": dict(self.late)}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rota, name)


class Failures:
    """A rota that keeps when the probes began and ended that it calls failed."""

    def __init__(self, rota: Rota) -> None:
        self._rota = rota
        self._times: list[tuple[float, float]] = []

    def timed_out(self, attempt: Attempt, now: float, *said: Any, **waited: Any) -> None:
        """See `Rota.timed_out`."""
        before, started = attempt.account.failed, attempt.started
        self._rota.timed_out(attempt, now, *said, **waited)
        self._times += [(started, now)] * (attempt.account.failed - before)

    def failed(self, attempt: Attempt, now: float, class_: str, message: str) -> None:
        """See `Rota.failed`."""
        self._times.append((attempt.started, now))
        self._rota.failed(attempt, now, class_, message)

    def told(self) -> dict[str, object]:
        """What it saw."""
        return {"failures": self._times}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rota, name)


def main() -> int:
    """Probe until asked to end."""
    environment = Environment.read(os.environ)
    watched: list[Begins | Failures] = []

    def driver(rota: Rota) -> HttpProber:
        if IN_PHASE in sys.argv:
            rota._slots._spread = False
        for name, watch in (BEGINS, Begins), (FAILURES, Failures):
            if name in sys.argv:
                watched.append(watch(rota))
        return HttpProber(watched[0] if watched else rota)  # type: ignore[arg-type]

    code = serve(spec_file(environment.resident), environment, driver, environment.page_port)
    for one in watched:
        Path(environment.resident, TOLD_FILE).write_text(json.dumps(one.told()))
    return code


if __name__ == "__main__":
    raise SystemExit(main())

"""The HTTP prober's own process, with its slots all at once or a look at when probes begin, as its arguments say.

It runs as `python -m http_endpoint.probe` does. Where probes are looked at, a file says at its end how late they were;
that costs something for each, so what a probe costs is measured without it.
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
WATCHED: Final = "watched"
LATE_FILE: Final = "late.json"


class Watched:
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


def main() -> int:
    """Probe until asked to end."""
    environment = Environment.read(os.environ)
    watched: list[Watched] = []

    def driver(rota: Rota) -> HttpProber:
        if IN_PHASE in sys.argv:
            rota._slots._spread = False
        if WATCHED not in sys.argv:
            return HttpProber(rota)
        watched.append(Watched(rota))
        return HttpProber(watched[0])  # type: ignore[arg-type]

    code = serve(spec_file(environment.resident), environment, driver, environment.page_port)
    for one in watched:
        Path(environment.resident, LATE_FILE).write_text(json.dumps(one.told()))
    return code


if __name__ == "__main__":
    raise SystemExit(main())

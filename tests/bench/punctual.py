"""The HTTP prober's own process, with its slots all at once where that is asked for, and a look at when probes begin.

It runs as `python -m http_endpoint.probe` does, and at its end a file says how late probes were.
"""

from __future__ import annotations

import json
import os
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
        watched.append(Watched(rota))
        if os.environ.get("BENCH_IN_PHASE"):
            rota._slots._spread = False
        return HttpProber(watched[0])  # type: ignore[arg-type]

    code = serve(spec_file(environment.resident), environment, driver, environment.page_port)
    Path(environment.resident, "late.json").write_text(json.dumps(watched[0].told()))
    return code


if __name__ == "__main__":
    raise SystemExit(main())

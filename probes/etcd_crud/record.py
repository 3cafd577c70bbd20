"""What became of the operations on one member, and the sentences that follow from it. Pure."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil

from etcd_crud.causes import Trouble


@dataclass
class Tally:
    """All executions of one operation."""

    count: int = 0
    ok: int = 0
    troubles: Counter[Trouble] = field(default_factory=Counter)
    request_seconds: list[float] = field(default_factory=list)

    @property
    def p99_seconds(self) -> float:
        """99th percentile of its single requests, by nearest rank; 0 without any."""
        ordered = sorted(self.request_seconds)
        return ordered[ceil(0.99 * len(ordered)) - 1] if ordered else 0.0


@dataclass
class Record:
    """What one member did."""

    endpoint: str
    tallies: dict[str, Tally]
    evidence: str = ""

    def note(self, operation: str, request_seconds: list[float], trouble: Trouble | None) -> None:
        """One execution."""
        tally = self.tallies[operation]
        tally.count += 1
        tally.ok += trouble is None
        tally.request_seconds += request_seconds
        if trouble:
            tally.troubles[trouble] += 1

    def troubles(self) -> list[Trouble]:
        """The distinct troubles, in the order in which they were met."""
        return list(dict.fromkeys(trouble for tally in self.tallies.values() for trouble in tally.troubles))

    def findings(self, max_latency_seconds: float) -> Iterator[str]:
        """One sentence for each trouble, and for each operation that was too slow."""
        for trouble in self.troubles():
            yield self._failed(trouble)
        for operation, tally in self.tallies.items():
            if tally.p99_seconds > max_latency_seconds:
                yield self._slow(operation, tally, max_latency_seconds)

    def _failed(self, trouble: Trouble) -> str:
        hit = {name: tally for name, tally in self.tallies.items() if trouble in tally.troubles}
        counts = ", ".join(f"{name} ({tally.troubles[trouble]} of {tally.count})" for name, tally in hit.items())
        evidence = f"; {self.evidence}" if self.evidence else ""
        more = f"{evidence}{self._untried()}; look at {trouble.look_at}"
        return f"etcd {self.endpoint}: {counts} failed: {trouble.cause}{more}"

    def _untried(self) -> str:
        names = [name for name, tally in self.tallies.items() if not tally.count]
        return f"; not tried then: {', '.join(names)}" if names else ""

    def _slow(self, operation: str, tally: Tally, limit_seconds: float) -> str:
        return (
            f"etcd {self.endpoint}: {operation} is too slow: {_ms(tally.p99_seconds)} at p99 of "
            f"{len(tally.request_seconds)} requests, maxLatency is {_ms(limit_seconds)}; look at the member's disk "
            "(etcd_disk_wal_fsync_duration_seconds), its load, and the network to it"
        )


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f}ms"

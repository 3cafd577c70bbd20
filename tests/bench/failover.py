"""How long probing stands still when the leader dies: from its end by SIGKILL to the next run that was not there yet.

Two replicas of the operator, an API server and an etcd; configs are due all the time, their pods report as a node's
would, to whichever replica takes it. The gap ends with the first run that the other replica creates, by the API
server's audit log. Repeated is a run that had two pods; lost is a report that was acknowledged and is not in the run's
record, or was never acknowledged.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.report import finish, percentile, say
from tests.lab.audit import Write
from tests.lab.kubectl import eventually
from tests.lab.replicas import Replicas, identity, two_replicas
from tests.lab.stand_in import Noted, stand_in

NAMESPACE = "bench-failover"
CONFIGS = 8
EVERY = "2s"
RUNS_BETWEEN = 10
SOON_SECONDS = 60


@dataclass(frozen=True)
class Kill:
    """A leader's end, and who was to go on."""

    at: datetime
    heir: str


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="how often the leader is killed (default 20)")
    wanted = parser.parse_args().kills
    with tempfile.TemporaryDirectory() as folder, two_replicas(Path(folder)) as replicas:
        replicas.prepare(NAMESPACE, CONFIGS, EVERY)
        with stand_in(replicas.plane.kubeconfig, NAMESPACE, replicas.urls) as noted:
            kills = [_kill(replicas, noted, number) for number in range(1, wanted + 1)]
            _goes_on(noted)
            replicas.finish(NAMESPACE)
            eventually("every probe was heard", lambda: _heard(noted), SOON_SECONDS, lambda: noted.lost)
        gaps = [_gap(kill, replicas.writes()) for kill in kills]
    for run, why in noted.lost.items():
        say(f"  lost: {run}: {why}")
    finish(
        {
            "kills": len(kills),
            "gap_seconds_p50": round(percentile(gaps, 0.5), 3),
            "gap_seconds_max": round(max(gaps), 3),
            "repeated": len(noted.repeated),
            "lost": len(noted.lost),
            "runs": len(noted.pods),
        }
    )


def _kill(replicas: Replicas, noted: Noted, number: int) -> Kill:
    _goes_on(noted)
    leader = replicas.leader()
    heir = identity(replicas.other(leader))
    time.sleep(random.uniform(0, 1))
    at = datetime.now(UTC)
    leader.kill()
    say(f"killed {number}, {len(noted.acknowledged)} runs so far")
    _goes_on(noted)
    leader.start()
    return Kill(at, heir)


def _goes_on(noted: Noted) -> None:
    before = set(noted.pods)
    eventually("runs go on", lambda: len(noted.acknowledged - before) >= RUNS_BETWEEN, SOON_SECONDS)


def _heard(noted: Noted) -> bool:
    return set(noted.pods) == noted.acknowledged | set(noted.lost)


def _gap(kill: Kill, writes: list[Write]) -> float:
    """From the kill to the heir's first new run."""
    return next(
        (write.at - kill.at).total_seconds()
        for write in writes
        if write.at > kill.at and kill.heir == write.identity
        and (write.verb, write.resource, write.code) == ("create", "proberuns", 201)
    )  # fmt: skip


if __name__ == "__main__":
    main()

"""A thousand green probes for a while: how often the status of one object is written when nothing changes."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.bench.fleet import NAMESPACE, Fleet, fleet
from tests.bench.report import finish, most_within, say
from tests.lab.kubectl import Kubectl, eventually

WINDOW = timedelta(minutes=5)
GREEN_SECONDS = 900
BUDGET = ("--writes-per-second", "40")
"""A thousand runs each three minutes write 23 times a second, which is more than the usual budget lets through."""


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--probes", type=int, default=1000, help="green probes (default 1000)")
    parser.add_argument("--minutes", type=float, default=10, help="how long they are watched (default 10)")
    asked = parser.parse_args()
    spec = {"schedule": {"every": "3m", "jitter": "179s"}}
    with tempfile.TemporaryDirectory() as name, fleet(Path(name), asked.probes, spec, *BUDGET) as going:
        kubectl = Kubectl(going.plane.bin_dir / "kubectl", going.plane.kubeconfig)
        say("waiting until every probe is green")
        eventually("all are green", lambda: _green(kubectl) >= asked.probes, GREEN_SECONDS, lambda: _green(kubectl))
        since = datetime.now(UTC)
        say(f"all are green; watching for {asked.minutes:g} minutes")
        time.sleep(asked.minutes * 60)  # that little happens is what is measured
        times = _writes(going, since, datetime.now(UTC))
        green = _green(kubectl)
    if green < asked.probes:
        raise SystemExit(f"only {green} of {asked.probes} probes were green at the end: nothing was steady")
    finish(
        {
            "objects": asked.probes,
            "writes_per_object_5min": max((most_within(one, WINDOW) for one in times.values()), default=0),
            "writes": sum(len(one) for one in times.values()),
        }
    )


def _green(kubectl: Kubectl) -> int:
    return sum(one.get("status", {}).get("verdict") == "Passed" for one in kubectl.list("proberesults", NAMESPACE))


def _writes(going: Fleet, since: datetime, until: datetime) -> dict[str, list[datetime]]:
    """When the status of each ProbeResult was written."""
    times: defaultdict[str, list[datetime]] = defaultdict(list)
    for event in going.events(since, until):
        if event["verb"] == "patch" and event["objectRef"]["resource"] == "proberesults":
            times[event["objectRef"]["name"]].append(datetime.fromisoformat(event["requestReceivedTimestamp"]))
    return times


if __name__ == "__main__":
    main()

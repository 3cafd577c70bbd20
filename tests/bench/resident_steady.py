"""Hundreds of green targets, probed once a second for a while: how often one ProbeResult is written when nothing
changes. Real pods probe, each its share of the targets, over connections that they keep.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta

from tests.bench.report import finish, most_within, say
from tests.bench.residents import Residents, of_results, residents
from tests.lab.kubectl import eventually
from tests.lab.prober import OPERATOR_PAGE, read_page
from tests.lab.target import serving

WINDOW = timedelta(minutes=5)
OBJECTS = 10
GREEN_SECONDS = 300
RESIDENT = {"interval": "1s", "failures": 3}


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=int, default=500, help="green targets (default 500)")
    parser.add_argument("--minutes", type=float, default=10, help="how long they are watched (default 10)")
    asked = parser.parse_args()
    if not OBJECTS <= asked.targets <= 1000:
        parser.error(f"--targets: {OBJECTS} to 1000, which is what the operator's page shows")
    with residents() as here, serving(here.address, 1) as (target,):
        probers = []
        for number in range(OBJECTS):
            share = {f"t{index}": target for index in range(number, asked.targets, OBJECTS)}
            probers.append(here.prober(f"steady-{number}", share, RESIDENT, keepAlive=True))
        say(f"waiting until {asked.targets} targets of {OBJECTS} probers are green")
        eventually("all are green", lambda: _green(here) == asked.targets, GREEN_SECONDS, lambda: _green(here))
        for prober in probers:
            prober.comes_to("Passed")
        since, before = datetime.now(UTC), _passed(here)
        say(f"all are green; watching for {asked.minutes:g} minutes")
        time.sleep(asked.minutes * 60)  # that little happens is what is measured
        until, green, probes = datetime.now(UTC), _green(here), _passed(here) - before
        done = [one for one in here.writes(since) if one.at <= until]
    if green < asked.targets:
        raise SystemExit(f"only {green} of {asked.targets} targets were green at the end: nothing was steady")
    for (verb, resource), count in Counter((one.verb, one.resource) for one in done).most_common():
        say(f"  {verb} {resource}: {count}")
    times: defaultdict[str, list[datetime]] = defaultdict(list)
    for one in of_results(done):
        times[one.name].append(one.at)
    finish(
        {
            "objects": OBJECTS,
            "targets": asked.targets,
            "probes": round(probes),
            "writes_per_object_5min": max((most_within(one, WINDOW) for one in times.values()), default=0),
            "writes": len(done),
        }
    )


def _green(here: Residents) -> int:
    """How many targets passed, as the operator's page has it."""
    page = read_page(here.lab.kubectl, OPERATOR_PAGE)
    return sum(value == 1 for value in page.verdicts(here.namespace).values())


def _passed(here: Residents) -> float:
    """How many probes passed, as far as they were told."""
    return sum(read_page(here.lab.kubectl, OPERATOR_PAGE).counts(here.namespace, "passed").values())


if __name__ == "__main__":
    main()

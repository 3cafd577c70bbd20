"""A target that flaps ten times a second for some minutes, probed a hundred times a second without any threshold: what
that costs the API server, how many messages it takes, and whether the verdict is right in the end.

Writes of the ProbeResult are counted second by second in the API server's audit log; Events of turned verdicts are
counted apart. A message is a line of the prober's log, which it writes for each. When the flapping is over, the target
refuses for a while, and serves for another: the verdict is right if it says so at the end of each.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from tests.bench.report import finish, say
from tests.bench.residents import of_results, residents
from tests.lab.prober import Prober
from tests.lab.target import Target, serving

HALF_SECONDS = 0.05
"""For so long it refuses, and then it serves for as long."""
TOLD_TURNS = 1200
SETTLED_SECONDS = 30.0
"""A summary comes every ten seconds, and an answer that turned all the time is written every five."""
RESIDENT = {"interval": "10ms", "failures": 1, "successes": 1}
TARGET = "flapping"
LAST = timedelta(minutes=1)


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5, help="how long it flaps (default 5)")
    minutes = parser.parse_args().minutes
    with residents() as here, serving(here.address, 1) as (target,):
        prober = here.prober("flap", {TARGET: target}, RESIDENT)
        prober.comes_to("Passed")
        pod = prober.pod()
        before, since = prober.messages(pod), datetime.now(UTC)
        say(f"flapping for {minutes:g} minutes")
        turns = _flap(target, minutes * 60)
        until = datetime.now(UTC)
        messages = prober.messages(pod) - before
        say(f"the target turned {turns} times: {prober.status()['message'] or prober.status()['verdict']}")
        target.refuse()
        down = _settled(prober)
        target.serve()
        up = _settled(prober)
        done = [one for one in here.writes(since) if one.at <= until]
    writes = [one.at for one in of_results(done)]
    finish(
        {
            "writes_per_second_max": _busiest(writes, since),
            "writes_total": len(writes),
            "writes_last_minute": sum(at > until - LAST for at in writes),
            "events_total": sum(one.resource == "events" for one in done),
            "messages": messages,
            "turns_per_second": round(turns / (minutes * 60), 2),
            "verdict_right": (down, up) == ("Failed", "Passed"),
        }
    )


def _flap(target: Target, seconds: float) -> int:
    """Refuse and serve in turn; how often that was done."""
    began, turns = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        if turns % 2 == 0:
            target.refuse()
        else:
            target.serve()
        turns += 1
        if turns % TOLD_TURNS == 0:
            say(f"  {turns} turns")
        time.sleep(max(began + turns * HALF_SECONDS - time.monotonic(), 0))
    return turns


def _settled(prober: Prober) -> str:
    """The verdict that stands once all is made up for that was held back while the target flapped."""
    time.sleep(SETTLED_SECONDS)  # what stands then is what counts, and not that it was right for a moment
    status = prober.status()
    say(f"in the end {status['verdict']}: {status['message']}")
    return str(status["verdict"])


def _busiest(times: Sequence[datetime], since: datetime) -> int:
    """The most in any one second, as seconds are counted from the beginning."""
    return max(Counter(int((at - since).total_seconds()) for at in times).values(), default=0)


if __name__ == "__main__":
    main()

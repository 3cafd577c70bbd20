"""From a fault to the verdict in the API: a target refuses at a moment, and a watch of the ProbeResults tells when
whoever asks for them would know.

Real pods probe targets of this machine once a second; three failures in a row turn a verdict. The last of them is due
at most three intervals after the fault: what the verdict takes beyond that is late, and it can be early by an interval,
since the fault may come just before a probe. Several probers have their faults beside each other, each one at a time
and not so often that it would count as flapping (see flap.py for that).
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kubeprobe.kube.client import connect
from kubeprobe.kube.port import RESULTS, Object
from kubeprobe.kube.reflector import Feed, Reflector
from tests.bench.report import finish, percentile, say
from tests.bench.residents import residents
from tests.lab.target import Target, serving

INTERVAL_SECONDS = 1
FAILURES = 3
PROBERS = 4
TARGETS = 10
"""Of each prober; they take turns, so that a single one is at fault every other minute or so."""
PACE_SECONDS = 10.0
"""From one fault of a prober to its next: two writes in that time are what an answer may have in the long run."""
LOST_SECONDS = 60.0
RESIDENT = {"interval": f"{INTERVAL_SECONDS}s", "failures": FAILURES}


class Watch:
    """The newest answers of a namespace, for one waiter each. A sink of `kubeprobe.kube.reflector.Feed`."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._answers: dict[str, Object] = {}
        self._news: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def observe(self, body: Object) -> None:
        """See `Sink.observe`."""
        meta = body["metadata"]
        if meta["namespace"] == self._namespace:
            self._answers[meta["name"]] = body.get("status") or {}
            self._news[meta["name"]].set()

    def forget(self, key: tuple[str, str], uid: str) -> None:
        """See `Sink.forget`: results go with the namespace, when nobody waits any more."""

    async def comes_to(self, name: str, verdict: str, *failing: str) -> float:
        """Wait until an answer is this, with these targets failing; when that was seen, by the monotonic clock."""
        news = self._news[name]
        try:
            async with asyncio.timeout(LOST_SECONDS):
                while not _is(self._answers.get(name, {}), verdict, failing):
                    news.clear()
                    await news.wait()
                return time.monotonic()
        except TimeoutError:
            what = f"{name} {verdict} {', '.join(failing)}"
            raise AssertionError(f"{what}: not within {LOST_SECONDS:.0f}s; {self._answers.get(name)}") from None


def _is(status: Mapping[str, Any], verdict: str, failing: tuple[str, ...]) -> bool:
    named = tuple(one["target"] for one in status.get("resident", {}).get("failing", ()))
    return status.get("verdict") == verdict and named == failing


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=100, help="faults in all (default 100)")
    parser.add_argument("--probers", type=int, default=PROBERS, help=f"that share them (default {PROBERS})")
    asked = parser.parse_args()
    if not 1 <= asked.probers <= asked.faults:
        parser.error("--probers: at least one, and no more than faults")
    with residents() as here, serving(here.address, asked.probers * TARGETS) as served:
        groups = {
            f"detect-{number}": {f"t{index}": served[number * TARGETS + index] for index in range(TARGETS)}
            for number in range(asked.probers)
        }
        for prober in [here.prober(name, targets, RESIDENT) for name, targets in groups.items()]:
            prober.comes_to("Passed")
        late = asyncio.run(_measure(here.lab.testbed.kubeconfig, here.namespace, groups, asked.faults))
    finish(
        {
            "faults": len(late),
            "late_seconds_p50": round(percentile(late, 0.50), 3),
            "late_seconds_p99": round(percentile(late, 0.99), 3),
            "late_seconds_max": round(max(late), 3),
        }
    )


async def _measure(
    kubeconfig: Path, namespace: str, groups: Mapping[str, Mapping[str, Target]], faults: int
) -> list[float]:
    watch, late = Watch(namespace), list[float]()
    async with await connect(kubeconfig) as api:
        watching = asyncio.create_task(Reflector(api, Feed(RESULTS, watch), time.monotonic).run())
        try:
            shares = (len(range(number, faults, len(groups))) for number in range(len(groups)))
            each = zip(groups.items(), shares, strict=True)
            await asyncio.gather(*(_faults(watch, name, targets, share, late) for (name, targets), share in each))
        finally:
            watching.cancel()
    return late


async def _faults(watch: Watch, name: str, targets: Mapping[str, Target], count: int, late: list[float]) -> None:
    """One prober's faults, one after the other, each at any moment between two probes."""
    called = list(targets)
    for number in range(count):
        next_at = time.monotonic() + PACE_SECONDS
        target = called[number % len(called)]
        await watch.comes_to(name, "Passed")
        await asyncio.sleep(random.uniform(0, INTERVAL_SECONDS))
        try:
            targets[target].refuse()
            at = time.monotonic()
            seen_at = await watch.comes_to(name, "Failed", target)
        finally:
            targets[target].serve()
        late.append(seen_at - at - FAILURES * INTERVAL_SECONDS)
        say(f"{len(late)}: {name} {target}: {late[-1]:+.3f}s")
        await asyncio.sleep(next_at - time.monotonic())


if __name__ == "__main__":
    main()

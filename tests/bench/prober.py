"""This project's HTTP prober beside its peers: CPU for a probe, what is left under overload, punctuality, false alarms.

`make bench NAME=prober`. Everything is probed at one local target on one core; each prober has the other core alone,
and they take turns. A figure is the median of its rounds. CPU is user and system time of the whole process, over the
probes that the target answered in that time. Nothing is ever wrong with the target: whatever is called failed is false.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.peers import Counts, Load, Peers, Running, answers
from tests.bench.punctual import LATE_FILE
from tests.bench.report import finish, say

WARM_UP_SECONDS = 3.0
WITHIN_MILLISECONDS = 5
TARGETS = 50
INTERVAL_SECONDS = 0.01
TLS_INTERVAL_SECONDS = 0.05
BLACKBOX_INTERVAL_SECONDS = 0.1
Start = Callable[[Load], AbstractContextManager[Running]]


@dataclass(frozen=True)
class Measured:
    """One prober, one load, one round."""

    cpu_seconds_per_probe: float
    run_delay_share: float
    target_pauses: int
    counts: Counts

    @property
    def ok_per_second(self) -> float:
        """Probes that it says went well."""
        return self.counts.passed / max(self.counts.at, 1e-9)

    @property
    def false_failures(self) -> float:
        """The share of its probes that it calls failed."""
        done = self.counts.passed + self.counts.failed + self.counts.unknown
        return self.counts.failed / done if done else 0.0


def measured(start: Start, load: Load, bench: Bench, name: str) -> Measured:
    """Start it, let it warm up, and look at it for a while."""
    seconds = bench.seconds
    with start(load) as running:
        time.sleep(WARM_UP_SECONDS)  # the time that is measured is chosen, not waited for
        before, delay = running.counts(), running.run_delay_seconds()
        cpu, answered, began = running.cpu_seconds(), answers(), time.monotonic()
        time.sleep(seconds)
        cpu, answered = running.cpu_seconds() - cpu, answers() - answered
        ended = time.monotonic()
        share = (running.run_delay_seconds() - delay) / (ended - began)
        stood = bench.peers.target_pauses(began, ended)
        one = Measured(cpu / max(answered, 1), share, stood, running.counts().since(before))
    what = f"{name} {load.kind} {load.per_second:.0f}/s{' in phase' if load.in_phase else ''}"
    did = f"{answered / seconds:.0f}/s answered, {one.ok_per_second:.0f}/s well, {one.false_failures:.3%} called failed"
    held = f"run delay {share:.1%}, target's core paused {stood} times"
    say(f"  {what}: {one.cpu_seconds_per_probe * 1e6:.0f} µs, {did}, {held}")
    return one


def median(rounds: Sequence[Measured], figure: Callable[[Measured], float]) -> float:
    """The median of a figure."""
    return statistics.median(figure(one) for one in rounds)


@dataclass(frozen=True)
class Bench:
    """All comparisons."""

    peers: Peers
    seconds: float
    rounds: int

    def cpu(self) -> dict[str, object]:
        """What a probe costs, beside cloudprober: targets spread over the interval, and all due at once."""
        figures: dict[str, object] = {}
        for kind in ("new", "kept", "tls"):
            interval = TLS_INTERVAL_SECONDS if kind == "tls" else INTERVAL_SECONDS
            for in_phase in (False, True):
                ours, peer = self._both(Load(kind, TARGETS, interval, in_phase))
                mine = median(ours, lambda one: one.cpu_seconds_per_probe)
                theirs = median(peer, lambda one: one.cpu_seconds_per_probe)
                name = f"{kind}_in_phase" if in_phase else kind
                figures[f"ratio_{name}"] = round(mine / theirs, 3)
                figures[f"cpu_seconds_per_probe_{name}"] = round(mine, 7)
                figures[f"peer_cpu_seconds_per_probe_{name}"] = round(theirs, 7)
        load = Load("new", TARGETS, BLACKBOX_INTERVAL_SECONDS)
        blackbox = [measured(self.peers.blackbox, load, self, "blackbox_exporter") for _ in range(self.rounds)]
        seconds = median(blackbox, lambda one: one.cpu_seconds_per_probe)
        return {**figures, "blackbox_cpu_seconds_per_probe": round(seconds, 7)}

    def overload(self) -> dict[str, object]:
        """False failures at one, two and four times the load, and how often the host kept the target from its core
        while ours was measured, so that it could not answer in time. At the last load how many probes still go well,
        and how many of them the target has that came off worst."""
        figures: dict[str, object] = {}
        for times in (1, 2, 4):
            ours, peer = self._both(Load("new", TARGETS * times, INTERVAL_SECONDS))
            figures[f"target_pauses_{times}x"] = sum(one.target_pauses for one in ours)
            figures[f"false_failures_{times}x"] = round(max(one.false_failures for one in ours), 6)
            figures[f"peer_false_failures_{times}x"] = round(median(peer, lambda one: one.false_failures), 6)
            if times == 4:
                figures["overload_ok_per_second"] = round(median(ours, lambda one: one.ok_per_second))
                figures["peer_overload_ok_per_second"] = round(median(peer, lambda one: one.ok_per_second))
                figures["overload_least_share"] = round(median(ours, lambda one: one.counts.least_share), 3)
                figures["peer_overload_least_share"] = round(median(peer, lambda one: one.counts.least_share), 3)
        return figures

    def coverage(self) -> dict[str, object]:
        """How many of the slots began in time, and how long the host kept the prober from its core meanwhile."""
        load = Load("new", TARGETS, INTERVAL_SECONDS)
        shares: list[tuple[float, float]] = []
        for _ in range(self.rounds):
            with self.peers.ours(load, watched=True) as running:
                time.sleep(WARM_UP_SECONDS)
                delay = running.run_delay_seconds()
                time.sleep(self.seconds)
                delay = (running.run_delay_seconds() - delay) / self.seconds
                late_file = running.folder / LATE_FILE
            told = json.loads(late_file.read_text())
            slots = told["seconds"] * load.per_second
            within = sum(count for late, count in told["late"].items() if int(late) < WITHIN_MILLISECONDS)
            shares.append((within / slots, delay))
            say(f"  within {WITHIN_MILLISECONDS} ms: {within / slots:.3%} of {slots:.0f} slots, run delay {delay:.1%}")
        covered, delay = statistics.median_low(shares)
        return {"coverage_5ms": round(min(covered, 1.0), 5), "run_delay_share": round(delay, 4)}

    def _both(self, load: Load) -> tuple[list[Measured], list[Measured]]:
        ours: list[Measured] = []
        peer: list[Measured] = []
        for _ in range(self.rounds):
            ours.append(measured(self.peers.ours, load, self, "ours"))
            peer.append(measured(self.peers.cloudprober, load, self, "cloudprober"))
        return ours, peer


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="how long each measurement takes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["cpu", "overload", "coverage"], help="a part of it")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what was started ends as well
    with tempfile.TemporaryDirectory() as folder:
        peers = Peers(Path(folder))
        peers.build()
        with peers.target():
            bench = Bench(peers, given.seconds, given.rounds)
            parts = {"cpu": bench.cpu, "overload": bench.overload, "coverage": bench.coverage}
            figures: dict[str, object] = {}
            for name, part in parts.items():
                if given.only in (None, name):
                    figures |= part()
    finish(figures)


if __name__ == "__main__":
    main()

"""This project's HTTP prober beside its peers: CPU for a probe, what is left under overload, punctuality, false alarms.

`make bench NAME=prober`. Everything is probed at one local target on one core; each prober has the other core alone,
and they take turns. A figure is the median of its rounds. CPU is user and system time of the whole process, over the
probes that the target answered in that time. Nothing is ever wrong with the target: whatever is called failed is false.
A host may keep the target from its core, though, and then it does not answer in time: these failures are told apart.
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
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench.pauses import Pauses
from tests.bench.peers import Counts, Load, Peers, Running, answers
from tests.bench.punctual import BEGINS, FAILURES, TOLD_FILE
from tests.bench.report import finish, say

WARM_UP_SECONDS = 3.0
WITHIN_MILLISECONDS = 5
TARGETS = 50
INTERVAL_SECONDS = 0.01
TLS_INTERVAL_SECONDS = 0.05
CALM_INTERVAL_SECONDS = 0.05
"""At a fifth of the rate nobody is overloaded, whatever the machine."""
BLACKBOX_INTERVAL_SECONDS = 0.1
TARGET_RAN_SHARE = 0.8
"""A target that had less of a probe's time than this was kept from its core: see `FAIR_SHARE` of the prober's rota."""
Start = Callable[[Load], AbstractContextManager[Running]]


@dataclass(frozen=True)
class Measured:
    """One prober, one load, one round."""

    cpu_seconds_per_probe: float
    run_delay_share: float
    target_paused_share: float
    counts: Counts
    while_target_paused: int = 0
    """How many of its failures are of times in which the target was kept from its core, where that is known."""

    @property
    def ok_per_second(self) -> float:
        """Probes that it says went well."""
        return self.counts.passed / max(self.counts.at, 1e-9)

    @property
    def done(self) -> float:
        """Probes that it says anything about."""
        return self.counts.passed + self.counts.failed + self.counts.unknown

    @property
    def failed_while_target_ran(self) -> float:
        """Those that it calls failed, without those of times in which the target was kept from its core."""
        return max(self.counts.failed - self.while_target_paused, 0)


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
        counts = running.counts().since(before)
        delayed = (running.run_delay_seconds() - delay) / (ended - began)
    paused = bench.peers.target_pauses()
    failures = failures_of(running.folder / TOLD_FILE)
    excused = sum(began <= until < ended and kept_from_core(paused, since, until) for since, until in failures)
    paused_share = paused.seconds(began, ended) / (ended - began)
    one = Measured(cpu / max(answered, 1), delayed, paused_share, counts, excused)
    what = f"{name} {load.kind} {load.per_second:.0f}/s{' in phase' if load.in_phase else ''}"
    say(f"  {what}: {told(one, answered / seconds)}")
    return one


def told(one: Measured, answered_per_second: float) -> str:
    """What was measured, in words."""
    did = f"{answered_per_second:.0f}/s answered, {one.ok_per_second:.0f}/s well"
    wrong = f"{share([one], failed):.3%} called failed"
    if one.while_target_paused:
        wrong += f" ({share([one], lambda one: one.failed_while_target_ran):.3%} while the target ran)"
    held = f"run delay {one.run_delay_share:.1%}, target's core paused {one.target_paused_share:.1%}"
    return f"{one.cpu_seconds_per_probe * 1e6:.0f} µs, {did}, {wrong}, {held}"


def failures_of(told: Path) -> list[tuple[float, float]]:
    """When the probes were under way that a prober called failed; none where nobody looked."""
    return [tuple(times) for times in json.loads(told.read_text())["failures"]] if told.exists() else []


def kept_from_core(paused: Pauses, since: float, until: float) -> bool:
    """Whether the target had too little of this time to answer in it."""
    return paused.seconds(since, until) > (until - since) * (1 - TARGET_RAN_SHARE)


def failed(one: Measured) -> float:
    """Probes that it calls failed."""
    return one.counts.failed


def share(rounds: Sequence[Measured], figure: Callable[[Measured], float]) -> float:
    """What part of the probes of all rounds this is."""
    return sum(map(figure, rounds)) / max(sum(one.done for one in rounds), 1)


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
        """What a probe costs, beside cloudprober: targets spread over the interval, all due at once, and with time."""
        figures: dict[str, object] = {}
        spread = {
            "new": Load("new", TARGETS, INTERVAL_SECONDS),
            "kept": Load("kept", TARGETS, INTERVAL_SECONDS),
            "tls": Load("tls", TARGETS, TLS_INTERVAL_SECONDS),
        }
        in_phase = {f"{name}_in_phase": replace(load, in_phase=True) for name, load in spread.items()}
        calm = {f"{kind}_calm": Load(kind, TARGETS, CALM_INTERVAL_SECONDS) for kind in ("new", "kept")}
        for name, load in (spread | in_phase | calm).items():
            ours, peer = self._both(load)
            mine = median(ours, lambda one: one.cpu_seconds_per_probe)
            theirs = median(peer, lambda one: one.cpu_seconds_per_probe)
            figures[f"ratio_{name}"] = round(mine / theirs, 3)
            figures[f"cpu_seconds_per_probe_{name}"] = round(mine, 7)
            figures[f"peer_cpu_seconds_per_probe_{name}"] = round(theirs, 7)
        load = Load("new", TARGETS, BLACKBOX_INTERVAL_SECONDS)
        blackbox = [measured(self.peers.blackbox, load, self, "blackbox_exporter") for _ in range(self.rounds)]
        seconds = median(blackbox, lambda one: one.cpu_seconds_per_probe)
        return {**figures, "blackbox_cpu_seconds_per_probe": round(seconds, 7)}

    def overload(self) -> dict[str, object]:
        """False failures at one, two and four times the load, as their share in the probes of all rounds: all of them,
        and those of times in which the target ran. At the last load how many probes still go well, and how many of
        them the target has that came off worst."""
        figures: dict[str, object] = {}
        for times in (1, 2, 4):
            ours, peer = self._both(Load("new", TARGETS * times, INTERVAL_SECONDS), FAILURES)
            figures[f"false_failures_{times}x"] = round(share(ours, failed), 6)
            ran = share(ours, lambda one: one.failed_while_target_ran)
            figures[f"false_failures_{times}x_target_ran"] = round(ran, 6)
            paused = median(ours, lambda one: one.target_paused_share)
            figures[f"target_paused_share_{times}x"] = round(paused, 4)
            figures[f"peer_false_failures_{times}x"] = round(share(peer, failed), 6)
            if times == 4:
                figures["overload_ok_per_second"] = round(median(ours, lambda one: one.ok_per_second))
                figures["peer_overload_ok_per_second"] = round(median(peer, lambda one: one.ok_per_second))
                figures["overload_least_share"] = round(median(ours, lambda one: one.counts.least_share), 3)
                figures["peer_overload_least_share"] = round(median(peer, lambda one: one.counts.least_share), 3)
        return figures

    def coverage(self) -> dict[str, object]:
        """How many of the slots began in time, and how long the host kept the prober from its core meanwhile: at the
        rate of the other figures, and at half of it, which a slower machine can do as well."""
        covered, delay = self._covered(Load("new", TARGETS, INTERVAL_SECONDS))
        at_half, delay_at_half = self._covered(Load("new", TARGETS, 2 * INTERVAL_SECONDS))
        return {
            "coverage_5ms": covered,
            "run_delay_share": delay,
            "coverage_5ms_half_rate": at_half,
            "run_delay_share_half_rate": delay_at_half,
        }

    def _covered(self, load: Load) -> tuple[float, float]:
        shares: list[tuple[float, float]] = []
        for _ in range(self.rounds):
            with self.peers.ours(load, BEGINS) as running:
                time.sleep(WARM_UP_SECONDS)
                delay = running.run_delay_seconds()
                time.sleep(self.seconds)
                delay = (running.run_delay_seconds() - delay) / self.seconds
            seen = json.loads((running.folder / TOLD_FILE).read_text())
            slots = seen["seconds"] * load.per_second
            within = sum(count for late, count in seen["late"].items() if int(late) < WITHIN_MILLISECONDS)
            shares.append((within / slots, delay))
            say(f"  within {WITHIN_MILLISECONDS} ms: {within / slots:.3%} of {slots:.0f} slots, run delay {delay:.1%}")
        covered, delay = statistics.median_low(shares)
        return round(min(covered, 1.0), 5), round(delay, 4)

    def _both(self, load: Load, watched: str = "") -> tuple[list[Measured], list[Measured]]:
        ours: list[Measured] = []
        peer: list[Measured] = []
        for _ in range(self.rounds):
            ours.append(measured(lambda load: self.peers.ours(load, watched), load, self, "ours"))
            peer.append(measured(self.peers.cloudprober, load, self, "cloudprober"))
        return ours, peer


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each measurement takes")
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

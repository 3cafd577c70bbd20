"""Many runs a minute on played nodes: how far from its slot each starts, whether all are done, and at what cost.

`make bench NAME=runs ARGS="--rate 150"` (see tests/bench/runs.py). A run's start is when the operator creates its pod.
The configs have been there for a while when the operator starts: what new ones cost once is not what is measured.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kubeprobe.api import ProbeConfig, ProbeRun, Verdict
from kubeprobe.kube.client import connect
from kubeprobe.kube.port import CONFIGS, RUNS
from kubeprobe.plan.schedule import Rhythm
from tests.bench.fleet import WRITES, Fleet, fleet
from tests.bench.report import percentile, say
from tests.lab.kubectl import eventually

WARM_UP_SECONDS = 30.0
CAUGHT_UP_SECONDS = 600.0
CAUGHT_UP = re.compile(r'^kubeprobe_writes_waiting\{priority="run"\} 0\.0$', re.MULTILINE)
LOOKS = 5
"""So many times in a row nothing of a run may wait."""
LAST_RUN_SECONDS = 15.0


def measure(per_minute: int, minutes: float, configs: int) -> Mapping[str, object]:
    """The figures of so many runs a minute, spread over so many configs."""
    period_seconds = round(configs * 60 / per_minute)
    spec = {
        "schedule": {"every": f"{period_seconds}s", "jitter": f"{period_seconds - 1}s"},
        "history": {"passed": 100},
    }
    with tempfile.TemporaryDirectory() as name, fleet(Path(name), configs, spec, settled=True) as going:
        say(f"{configs} configs, one run of each every {period_seconds}s: warming up")
        time.sleep(WARM_UP_SECONDS)
        eventually("runs that came due before the start are done", lambda: _caught_up(going), CAUGHT_UP_SECONDS)
        say(f"measuring for {minutes:g} minutes")
        since, cpu, began = datetime.now(UTC), going.cpu_seconds(), time.monotonic()
        time.sleep(minutes * 60)  # the time that is measured is chosen, not waited for
        until, rss = datetime.now(UTC), going.rss_bytes()
        share = (going.cpu_seconds() - cpu) / (time.monotonic() - began)
        time.sleep(LAST_RUN_SECONDS)  # the last runs end
        figures = asyncio.run(_runs(going, since, until))
        figures["writes_per_run"] = _writes_per_run(going, since, until)
    return {**figures, "cpu_share": round(share, 3), "rss_bytes": rss}


def _caught_up(going: Fleet) -> bool:
    """Whether no run waits for its turn, for some seconds."""
    for _ in range(LOOKS):
        if not CAUGHT_UP.search(going.operator.says("/metrics")):
            return False
        time.sleep(1)  # between two looks at one and the same operator
    return True


async def _runs(going: Fleet, since: datetime, until: datetime) -> dict[str, object]:
    async with await connect(going.plane.kubeconfig) as api:
        configs = [ProbeConfig.model_validate(one) async for one in api.list(CONFIGS)]
        runs = [ProbeRun.model_validate(one) async for one in api.list(RUNS)]
    due = sum(_rhythm(config).count(since, until) for config in configs)
    mine = [(run, run.spec.trigger.slot) for run in runs if run.spec.trigger.slot is not None]
    # Slots are written with milliseconds, cut.
    mine = [(run, slot) for run, slot in mine if since - timedelta(milliseconds=1) < slot < until]
    errors = [(run.status.started_at - slot).total_seconds() for run, slot in mine if run.status.started_at]
    return {
        "due": due,
        "done": sum(run.status.verdict is Verdict.PASSED for run, _ in mine),
        "missed": sum(run.spec.trigger.missed.count for run, _ in mine if run.spec.trigger.missed),
        "start_error_seconds_p50": round(percentile(errors, 0.5), 4),
        "start_error_seconds_p99": round(percentile(errors, 0.99), 4),
    }


def _rhythm(config: ProbeConfig) -> Rhythm:
    assert config.spec.schedule is not None
    return Rhythm(config.spec.schedule, config.metadata.creation_timestamp, config.metadata.uid)


def _writes_per_run(going: Fleet, since: datetime, until: datetime) -> float:
    counts: Counter[tuple[str, str]] = Counter()
    events: list[dict[str, Any]] = list(going.events(since, until))
    for event in events:
        if event["verb"] in WRITES:
            counts[(event["verb"], event["objectRef"].get("resource", ""))] += 1
    for (verb, resource), count in counts.most_common():
        say(f"  {verb} {resource}: {count}")
    return round(sum(counts.values()) / max(counts["create", "proberuns"], 1), 3)

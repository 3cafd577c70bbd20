"""What one passing scheduled run costs the API server on the operator's account, counted in the server's audit log.

Real pods on the real testbed: ten configs run every 20 s until enough runs have passed. Requests are counted by the
operator's user agent from the first counted run to the last; watches that last all the time, and the discovery at the
start, lie outside. `report_to_verdict` is the time from a report's arrival (the run's finishedAt) to the end of the
request that wrote the verdict.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from testbed import Testbed
from tests.bench import rate
from tests.bench.report import finish, percentile, say
from tests.lab.kubectl import eventually
from tests.lab.lab import Lab
from tests.lab.process import operator_beside

CONFIGS = 10
EVERY_SECONDS = 20
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
READS = frozenset({"get", "list"})
SCRIPT = "from probe_sdk import ReportSuccess; ReportSuccess()"


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="passing runs to count (default 200)")
    parser.add_argument("--rate", type=int, default=0, help="so many runs a minute on played nodes instead: 150")
    parser.add_argument("--minutes", type=float, default=10, help="with --rate: for how long (default 10)")
    parser.add_argument("--configs", type=int, default=150, help="with --rate: of so many configs (default 150)")
    asked = parser.parse_args()
    if asked.rate:
        finish(rate.measure(asked.rate, asked.minutes, asked.configs))
        return
    wanted = asked.runs
    testbed = Testbed.open()
    testbed.up()
    lab = Lab.open(testbed)
    lab.install()
    namespace = f"bench-{uuid.uuid4().hex[:6]}"
    lab.namespace(namespace)
    try:
        with tempfile.TemporaryDirectory() as folder, operator_beside(lab, Path(folder) / "operator.log"):
            since, until = _go(lab, namespace, wanted)
        runs = [run for run in lab.kubectl.list("proberuns", namespace) if _time(_finished(run)) >= since]
        figures = _figures(list(_audit(testbed.audit_log, since, until)), runs, wanted, namespace)
    finally:
        lab.kubectl.delete("namespace", namespace)
    finish(figures)


def _go(lab: Lab, namespace: str, wanted: int) -> tuple[datetime, datetime]:
    lab.kubectl.apply(
        {
            "apiVersion": "kubeprobe.io/v1alpha1",
            "kind": "ProbeTemplate",
            "metadata": {"name": "bench-success"},
            "spec": {"image": lab.images.reference("probes"), "command": ["python", "-c", SCRIPT]},
        }
    )
    for number in range(CONFIGS):
        lab.config(
            f"bench-{number}", "bench-success", namespace,
            schedule={"every": f"{EVERY_SECONDS}s", "jitter": f"{EVERY_SECONDS - 1}s"},
            history={"passed": 3, "failed": 10},
        )  # fmt: skip
    done: set[str] = set()

    def passed() -> set[str]:
        for run in lab.kubectl.list("proberuns", namespace):
            if run["status"].get("verdict") == "Passed":
                done.add(run["metadata"]["name"])
        return done

    eventually("every config has passed once", lambda: len(passed()) >= CONFIGS * 2, 180)
    since, before = datetime.now().astimezone(), len(passed())
    say(f"counting {wanted} runs of {CONFIGS} configs, every {EVERY_SECONDS}s")
    eventually("enough runs", lambda: len(passed()) - before >= wanted, wanted * EVERY_SECONDS / CONFIGS * 2 + 120)
    return since, datetime.now().astimezone()


def _audit(log: Path, since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
    """The audit events of the operator's requests received in this time, from the log and its rotated parts."""
    for part in sorted(log.parent.glob(f"{log.stem}*{log.suffix}")):
        for line in part.read_text().splitlines():
            if '"userAgent":"kubeprobe/' not in line or '"stage":"ResponseComplete"' not in line:
                continue
            event = json.loads(line)
            if since <= _time(event["requestReceivedTimestamp"]) <= until:
                yield event


def _figures(
    events: list[dict[str, Any]], runs: list[dict[str, Any]], wanted: int, namespace: str
) -> dict[str, object]:
    counts = Counter(
        (event["verb"], event["objectRef"].get("resource", "")) for event in events if "objectRef" in event
    )
    for (verb, resource), count in counts.most_common():
        say(f"  {verb} {resource}: {count}")
    counts = Counter({what: count for what, count in counts.items() if what[1] != "leases"})
    created = counts["create", "proberuns"]
    writes = sum(count for (verb, _), count in counts.items() if verb in WRITES)
    reads = sum(count for (verb, _), count in counts.items() if verb in READS)
    lists = sum(count for (verb, _), count in counts.items() if verb == "list")
    written = {
        event["objectRef"]["name"]: _time(event["stageTimestamp"])
        for event in events
        if event["verb"] == "patch" and event["objectRef"].get("subresource") == "status"
        and event["objectRef"]["resource"] == "proberuns" and event["objectRef"]["namespace"] == namespace
    }  # fmt: skip
    took = [
        (written[run["metadata"]["name"]] - _time(_finished(run))).total_seconds()
        for run in runs
        if run["metadata"]["name"] in written and run["status"].get("source") == "Report"
    ]
    return {
        "runs": created,
        "writes_per_run": round(writes / created, 3),
        "reads_per_run": round(reads / created, 3),
        "lists_per_run": round(lists / created, 3),
        "report_to_verdict_seconds_p50": round(percentile(took, 0.50), 4),
        "report_to_verdict_seconds_p99": round(percentile(took, 0.99), 4),
        "reports_timed": len(took),
    }


def _finished(run: dict[str, Any]) -> str:
    return str(run["status"].get("finishedAt") or "1970-01-01T00:00:00Z")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


if __name__ == "__main__":
    main()

"""A sweep over thousands of nodes: how long it takes, what it asks of the API server, how large objects and memory get.

etcd, an API server and the scheduler are real; kwok plays the kubelets and ends every pod after a second. Nothing is
told to the intake, so every outcome comes by the pods' exit codes. Writes are the operator's own, counted in the
server's audit log over windows of ten seconds; objects are measured as the server sends them, while the sweep goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kubeprobe.kube.client import Client, connect
from kubeprobe.kube.port import CONFIGS, NAMESPACES, NODES, RESULTS, RUNS, TEMPLATES
from testbed import ControlPlane
from tests.bench.report import finish, most_within, say
from tests.bench.used import rss_bytes
from tests.lab.process import OperatorProcess
from tests.lab.simulated import install, node, simulate

AT_ONCE = 20
HOST = "127.0.0.1"
NAMESPACE = "bench-sweep"
CONFIG = "every-node"
WINDOW_SECONDS = 10
SAMPLE_SECONDS = 2.0
SECONDS_PER_NODE = 1.0
"""Far more than a sweep needs: after so long it is given up."""
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=5000, help="nodes to sweep (default 5000)")
    parser.add_argument("--at-once", type=int, default=50, help="the config's maxConcurrent (default 50)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        audit = folder / "audit" / "audit.log"
        with ControlPlane.start(folder / "plane", audit_log=audit) as plane:
            install(plane)
            say(f"creating {arguments.nodes} nodes")
            asyncio.run(_create(plane.kubeconfig, arguments.nodes, arguments.at_once))
            simulate(plane, folder)
            operator = OperatorProcess(plane.kubeconfig, HOST, folder / "operator.log")
            operator.start()
            try:
                figures = asyncio.run(_measure(plane.kubeconfig, operator.pid, arguments.nodes))
            finally:
                operator.stop()
            figures["writes_per_second_max"] = _busiest(audit)
    finish(figures)


async def _create(kubeconfig: Path, count: int, at_once: int) -> None:
    async with await connect(kubeconfig) as api:
        await api.create(NAMESPACES, None, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        await api.create(TEMPLATES, None, _body("ProbeTemplate", CONFIG, {"image": "none", "timeout": "10m"}))
        spec = {
            "templateRef": {"name": CONFIG},
            "mode": "OnDemand",
            "targets": {"eachNode": {"maxConcurrent": at_once}},
        }
        await api.create(CONFIGS, NAMESPACE, _body("ProbeConfig", CONFIG, spec))
        places = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(_node(api, places, number) for number in range(count)))


async def _node(api: Client, places: asyncio.Semaphore, number: int) -> None:
    async with places:
        await api.create(NODES, None, node(number))


async def _measure(kubeconfig: Path, pid: int, nodes: int) -> dict[str, Any]:
    async with await connect(kubeconfig) as api:
        began, largest, rss = time.monotonic(), 0, 0
        await api.create(RUNS, NAMESPACE, _body("ProbeRun", f"{CONFIG}-now", {"configRef": {"name": CONFIG}}))
        while True:
            run = await api.get(RUNS, NAMESPACE, f"{CONFIG}-now")
            took = time.monotonic() - began
            largest = max([largest, *[_size(one) async for one in api.list(RUNS)]])
            largest = max([largest, *[_size(one) async for one in api.list(RESULTS)]])
            rss = max(rss, rss_bytes(pid))
            if run.get("status", {}).get("phase") == "Completed":
                break
            if took > nodes * SECONDS_PER_NODE + 120:
                raise SystemExit(f"the sweep is not over after {took:.0f}s: {json.dumps(run['status'])}")
            await asyncio.sleep(SAMPLE_SECONDS)
    targets = run["status"]["targets"]
    say(f"verdict {run['status']['verdict']}: {targets['passed']} passed, {targets['failed']} failed")
    if targets["passed"] != nodes:
        raise SystemExit(f"{nodes} nodes were to pass: {json.dumps(run['status'])}")
    return {"nodes": nodes, "seconds": round(took, 1), "object_bytes_max": largest, "rss_bytes": rss}


def _busiest(audit: Path) -> float:
    """The operator's writes a second in its busiest window."""
    times, kinds = [], Counter[str]()
    for part in audit.parent.glob(f"{audit.stem}*{audit.suffix}"):
        for line in part.read_text().splitlines():
            # Objects are created for the bench by the same client, before the operator has started.
            event = json.loads(line) if '"userAgent":"kubeprobe/' in line else {}
            if event.get("verb") in WRITES and event["objectRef"].get("namespace") == NAMESPACE:
                times.append(datetime.fromisoformat(event["requestReceivedTimestamp"]).astimezone(UTC))
                kinds[f"{event['verb']} {event['objectRef']['resource']}"] += 1
    for kind, count in kinds.most_common():
        say(f"  {kind}: {count}")
    return round(most_within(times, timedelta(seconds=WINDOW_SECONDS)) / WINDOW_SECONDS, 1)


def _size(body: dict[str, Any]) -> int:
    return len(json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode())


def _body(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "kubeprobe.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


if __name__ == "__main__":
    main()

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

from kubeprobe.cli.crds import crd_files
from kubeprobe.kube.client import Client, connect
from kubeprobe.kube.port import CONFIGS, NAMESPACES, NODES, RESULTS, RUNS, TEMPLATES
from testbed import ControlPlane
from testbed.gobuild import KWOK, Builder
from testbed.layout import cache_root
from testbed.process import ProcessSpec
from tests.bench.report import finish, say
from tests.lab.kubectl import Kubectl
from tests.lab.process import OperatorProcess

AT_ONCE = 20
HOST = "127.0.0.1"
NAMESPACE = "bench-sweep"
CONFIG = "every-node"
WINDOW_SECONDS = 10
SAMPLE_SECONDS = 2.0
SECONDS_PER_NODE = 1.0
"""Far more than a sweep needs: after so long it is given up."""
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
GONE = {"key": ".metadata.deletionTimestamp", "operator": "Exists"}
THERE = {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"}
STATUS = """
{{ $now := Now }}
phase: %s
startTime: {{ $now | Quote }}
containerStatuses:
{{ range .spec.containers }}
- {name: {{ .name | Quote }}, image: {{ .image | Quote }}, imageID: "", ready: false, restartCount: 0, state: {%s}}
{{ end }}
"""
ENDED = "terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}"


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
            _install(plane)
            say(f"creating {arguments.nodes} nodes")
            asyncio.run(_create(plane.kubeconfig, arguments.nodes, arguments.at_once))
            _simulate(plane, folder)
            operator = OperatorProcess(plane.kubeconfig, HOST, folder / "operator.log")
            operator.start()
            try:
                figures = asyncio.run(_measure(plane.kubeconfig, operator.pid, arguments.nodes))
            finally:
                operator.stop()
            figures["writes_per_second_max"] = _busiest(audit)
    finish(figures)


def _install(plane: ControlPlane) -> None:
    kubectl = Kubectl(plane.bin_dir / "kubectl", plane.kubeconfig)
    kubectl("apply", "--server-side", "-f", "-", stdin="---\n".join(crd_files().values()))
    kubectl("wait", "--for=condition=Established", "crd", "-l", "app.kubernetes.io/part-of=kubeprobe")


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
    """A node that is ready from its creation on, called and labelled as clouds do."""
    name = f"ip-10-{number // 62500}-{number // 250 % 250}-{number % 250}.eu-central-1.compute.internal"
    zone = f"eu-central-1{'abc'[number % 3]}"
    labels = {
        "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/region": "eu-central-1", "topology.kubernetes.io/zone": zone,
        "node.kubernetes.io/instance-type": "m5.large",
    }  # fmt: skip
    size = {"cpu": "32", "memory": "256Gi", "pods": "110"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}
    body = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": {"allocatable": size, "capacity": size, "conditions": [ready]},
    }
    async with places:
        await api.create(NODES, None, body)


def _simulate(plane: ControlPlane, folder: Path) -> None:
    """Start the scheduler and kwok beside the API server; they end with it."""
    builder = Builder(cache_root(), say)
    kwok = builder.build(KWOK, lambda _: None) / "kwok"
    stages = [
        _stage("run", [THERE, _phase("Pending")], {"statusTemplate": STATUS % ("Running", "running: {}")}),
        _stage("end", [THERE, _phase("Running")], {"statusTemplate": STATUS % ("Succeeded", ENDED)}, delay=1000),
        _stage("delete", [GONE], {"delete": True}),
        # Without a stage for nodes kwok takes none on, and plays no pods there.
        _stage("node-delete", [GONE], {"delete": True}, kind="Node"),
    ]
    config = folder / "kwok.yaml"
    config.write_text("---\n".join(json.dumps(stage) + "\n" for stage in stages))
    kubeconfig = f"--kubeconfig={plane.kubeconfig}"
    played = (str(kwok), kubeconfig, f"--config={config}", "--manage-all-nodes=true", "--node-lease-duration-seconds=0")
    scheduler = (str(plane.bin_dir / "kube-scheduler"), kubeconfig, "--leader-elect=false", "--secure-port=0")
    plane.supervisor.ensure(ProcessSpec("kwok", played))
    plane.supervisor.ensure(ProcessSpec("scheduler", scheduler))


def _stage(name: str, select: list[Any], then: dict[str, Any], delay: int = 0, kind: str = "Pod") -> dict[str, Any]:
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": select},
            "delay": {"durationMilliseconds": delay},
            "next": then,
        },
    }


def _phase(name: str) -> dict[str, Any]:
    return {"key": ".status.phase", "operator": "In", "values": [name]}


async def _measure(kubeconfig: Path, pid: int, nodes: int) -> dict[str, Any]:
    async with await connect(kubeconfig) as api:
        began, largest, rss = time.monotonic(), 0, 0
        await api.create(RUNS, NAMESPACE, _body("ProbeRun", f"{CONFIG}-now", {"configRef": {"name": CONFIG}}))
        while True:
            run = await api.get(RUNS, NAMESPACE, f"{CONFIG}-now")
            took = time.monotonic() - began
            largest = max([largest, *[_size(one) async for one in api.list(RUNS)]])
            largest = max([largest, *[_size(one) async for one in api.list(RESULTS)]])
            rss = max(rss, _rss_bytes(pid))
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
    times.sort()
    window = timedelta(seconds=WINDOW_SECONDS)
    most = first = 0
    for last, moment in enumerate(times):
        while moment - times[first] >= window:
            first += 1
        most = max(most, last - first + 1)
    return round(most / WINDOW_SECONDS, 1)


def _size(body: dict[str, Any]) -> int:
    return len(json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode())


def _body(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "kubeprobe.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def _rss_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


if __name__ == "__main__":
    main()

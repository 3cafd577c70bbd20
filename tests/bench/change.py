"""From a workload that changed to the first pod of its probe and the verdict; and what a storm of changes costs.

etcd, an API server and the scheduler are real; kwok plays the kubelets and ends every pod after a second, and the bench
says of each Deployment that it is rolled out, as its controller would. A change's time begins when it is sent; its
probe's pod is there, and the verdict on it written, when the API server's audit log says so. In `first_pod_seconds` is
the quiet time that the config asks for; `..._beyond_quiet` is without it. Of the storm all is counted that the operator
writes until nothing more comes, leases apart.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubeprobe.kube.client import Client, connect
from kubeprobe.kube.port import CHANGES, CONFIGS, DEPLOYMENTS, RUNS, Object
from tests.bench.fleet import AT_ONCE, NAMESPACE, Fleet, fleet
from tests.bench.report import finish, percentile, say
from tests.lab import audit
from tests.lab.changes import known
from tests.lab.kubectl import Kubectl, eventually

QUIET_SECONDS = 1
LEASE_NAMESPACE = "default"
"""Of an operator that is no pod; it keeps there what it knows."""
ONE, STORM = "one", "storm"
LOOK_SECONDS = 0.1
STILL_SECONDS = 5.0
SOON_SECONDS = 120.0
OVER_SECONDS = 900.0


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60, help="changes one after another (default 60)")
    parser.add_argument("--storm", type=int, default=500, help="changes of the storm (default 500)")
    parser.add_argument("--seconds", type=float, default=10, help="in which they come (default 10)")
    parser.add_argument("--probes", type=int, default=20, help="configs that run for the storm (default 20)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, fleet(Path(name), 0, {}) as going:
        kubectl = Kubectl(going.plane.bin_dir / "kubectl", going.plane.kubeconfig)
        asyncio.run(_prepare(going.plane.kubeconfig, asked.storm))
        eventually(
            "what changes of the Deployments is told",
            lambda: len(known(kubectl, "Deployment", LEASE_NAMESPACE)) > asked.storm,
            SOON_SECONDS,
        )
        say(f"{asked.rounds} changes, one after another")
        rounds = asyncio.run(_rounds(going.plane.kubeconfig, asked.rounds))
        figures = _times(rounds, audit.writes(going.audit))
        say(f"{asked.storm} changes within {asked.seconds:g}s, {asked.probes} configs that run for them")
        since = datetime.now(UTC)
        storm = asyncio.run(_storm(going, asked.storm, asked.seconds, asked.probes))
        figures |= storm | _costs(audit.writes(going.audit, since))
    finish(figures)


@dataclass(frozen=True)
class Round:
    """One change, and the run that it had."""

    at: datetime
    run: str


async def _prepare(kubeconfig: Path, storm: int) -> None:
    async with await connect(kubeconfig) as api:
        places = asyncio.Semaphore(AT_ONCE)

        async def deploy(name: str, which: str) -> None:
            async with places:
                await _rolled_out(api, await api.create(DEPLOYMENTS, NAMESPACE, _deployment(name, which)))

        await asyncio.gather(deploy(ONE, ONE), *(deploy(_name(number), STORM) for number in range(storm)))
        await api.create(CONFIGS, NAMESPACE, _config("watcher", ONE))


async def _rounds(kubeconfig: Path, count: int) -> list[Round]:
    async with await connect(kubeconfig) as api:
        rounds: list[Round] = []
        told = set[str]()
        for number in range(count):
            at = datetime.now(UTC)
            await _change(api, ONE, number)
            [change] = await _over(api, told, 1, SOON_SECONDS)
            name = change["metadata"]["name"]
            told.add(name)
            runs = [one async for one in api.list(RUNS, NAMESPACE, label_selector=f"kubeprobe.io/change={name}")]
            if len(runs) != 1 or change["status"]["phase"] != "Passed":
                raise SystemExit(f"{name} was to pass by one run, and had {len(runs)}: {change['status']}")
            rounds.append(Round(at, runs[0]["metadata"]["name"]))
        return rounds


async def _storm(going: Fleet, count: int, seconds: float, probes: int) -> dict[str, object]:
    async with await connect(going.plane.kubeconfig) as api:
        for number in range(probes):
            await api.create(CONFIGS, NAMESPACE, _config(_name(number), STORM))
        await _heard(api, probes + 1)
        told = {one["metadata"]["name"] async for one in api.list(CHANGES)}
        places, began = asyncio.Semaphore(AT_ONCE), time.monotonic()

        async def change(number: int) -> None:
            await asyncio.sleep(max(began + number * seconds / count - time.monotonic(), 0))
            async with places:
                await _change(api, _name(number), 1)

        cpu = going.cpu_seconds()
        await asyncio.gather(*(change(number) for number in range(count)))
        came_seconds = time.monotonic() - began
        changes = await _over(api, told, count, OVER_SECONDS)
        over_seconds = time.monotonic() - began
        await _still(going)
    for one in changes:
        say(f"  {one['metadata']['name']}: {one['spec']['count']} objects, {one['status']['phase']}")
    return {
        "storm_changes": sum(one["spec"]["count"] for one in changes),
        "storm_batches": len(changes),
        "storm_batches_passed": sum(one["status"]["phase"] == "Passed" for one in changes),
        "storm_probes": probes,
        "storm_came_seconds": round(came_seconds, 1),
        "storm_over_seconds": round(over_seconds, 1),
        "storm_cpu_seconds": round(going.cpu_seconds() - cpu, 2),
    }


async def _heard(api: Client, count: int) -> None:
    """Wait until the operator has looked at every config."""
    async with asyncio.timeout(SOON_SECONDS):
        while True:
            configs = [one async for one in api.list(CONFIGS, NAMESPACE)]
            if sum(bool(one.get("status", {}).get("conditions")) for one in configs) == count:
                return
            await asyncio.sleep(LOOK_SECONDS)


async def _over(api: Client, told: set[str], count: int, patience_seconds: float) -> list[Object]:
    """Wait until so many objects are told to have changed since, and all of it is over; the Changes."""
    async with asyncio.timeout(patience_seconds):
        while True:
            found = [one async for one in api.list(CHANGES) if one["metadata"]["name"] not in told]
            over = all(one.get("status", {}).get("finishedAt") for one in found)
            if over and sum(one["spec"]["count"] for one in found) >= count:
                return found
            await asyncio.sleep(LOOK_SECONDS)


async def _still(going: Fleet) -> None:
    """Wait until the operator has written nothing for a while."""
    before, now = -1, 0
    while before != now:
        await asyncio.sleep(STILL_SECONDS)
        before, now = now, sum(not write.lease for write in audit.writes(going.audit))


async def _change(api: Client, name: str, number: int) -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": f"{name}:{number}"}]}}}}
    await _rolled_out(api, await api.merge_patch(DEPLOYMENTS, NAMESPACE, name, patch))


async def _rolled_out(api: Client, deployment: Object) -> None:
    """What the controller would say at the end."""
    done = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}
    meta = deployment["metadata"]
    status = {"status": {"observedGeneration": meta["generation"], **done}}
    await api.merge_patch(DEPLOYMENTS, NAMESPACE, meta["name"], status, subresource="status")


def _times(rounds: list[Round], writes: list[audit.Write]) -> dict[str, object]:
    pods = {one.name: one.done_at for one in writes if (one.verb, one.resource) == ("create", "pods")}
    verdicts = {one.name: one.done_at for one in writes if (one.verb, one.resource) == ("patch", "proberuns/status")}
    first = [(pods[one.run] - one.at).total_seconds() for one in rounds]
    told = [(verdicts[one.run] - one.at).total_seconds() for one in rounds]
    beyond = [seconds - QUIET_SECONDS for seconds in first]
    return {
        "changes": len(rounds),
        "quiet_seconds": QUIET_SECONDS,
        "first_pod_seconds_p50": round(percentile(first, 0.5), 3),
        "first_pod_seconds_p99": round(percentile(first, 0.99), 3),
        "first_pod_seconds_beyond_quiet_p50": round(percentile(beyond, 0.5), 3),
        "first_pod_seconds_beyond_quiet_p99": round(percentile(beyond, 0.99), 3),
        "verdict_seconds_p50": round(percentile(told, 0.5), 3),
        "verdict_seconds_p99": round(percentile(told, 0.99), 3),
    }


def _costs(writes: list[audit.Write]) -> dict[str, object]:
    mine = [one for one in writes if not one.lease]
    for (verb, resource), count in Counter((one.verb, one.resource) for one in mine).most_common():
        say(f"  {verb} {resource}: {count}")
    runs = [one.name for one in mine if (one.verb, one.resource, one.code) == ("create", "proberuns", 201)]
    of_each = Counter(name[: len(_name(0))] for name in runs)
    return {
        "storm_runs": len(runs),
        "storm_runs_of_a_probe_max": max(of_each.values(), default=0),
        "storm_writes": len(mine),
    }


def _name(number: int) -> str:
    return f"{STORM}-{number:04}"


def _config(name: str, which: str) -> dict[str, Any]:
    rollout = {
        "kinds": ["Deployment"],
        "selector": {"matchLabels": {"bench": which}},
        "during": ["Started"],
        "quiet": f"{QUIET_SECONDS}s",
    }
    spec = {"templateRef": {"name": "quick"}, "mode": "OnDemand", "triggers": [{"rollout": rollout}]}
    return {
        "apiVersion": "kubeprobe.io/v1alpha1",
        "kind": "ProbeConfig",
        "metadata": {"name": name},
        "spec": spec,
    }


def _deployment(name: str, which: str) -> dict[str, Any]:
    labels = {"app": name}
    pod = {"containers": [{"name": "app", "image": f"{name}:first"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"bench": which}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


if __name__ == "__main__":
    main()

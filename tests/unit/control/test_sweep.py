"""A sweep's way through the reconcilers, on an API server in memory: restarts, reports, names that are taken."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.unit.control.cluster import Cluster, at_work, turns
from tests.unit.control.parts import make_changes, make_context, make_residents, make_runs
from tests.unit.plan.builders import CREATED, config, meta, on_demand, template

from kubeprobe.api import ApiModel
from kubeprobe.control.context import Kind, Work
from kubeprobe.control.nodes import NodeWatch
from kubeprobe.control.queue import WorkQueue
from kubeprobe.control.reports import ReportSink
from kubeprobe.control.resident_store import ResidentStore
from kubeprobe.control.result import ResultReconciler
from kubeprobe.control.sweep import SweepReconciler
from kubeprobe.control.view import Key
from kubeprobe.control.watch import Watcher
from kubeprobe.control.wave import WaveReconciler
from kubeprobe.intake.port import Answer, PodIdentity
from kubeprobe.kube.port import CONFIGS, PODS, RUNS, TEMPLATES, ApiError
from probe_sdk.wire import Report

NAMESPACE = "probes"
PASSED = {"phase": "Succeeded", "containerStatuses": [{"name": "probe", "state": {"terminated": {"exitCode": 0}}}]}
OK = Report(ok=True)
STEP_SECONDS = 0.25


class Operator:
    """The reconcilers over a cluster, worked by hand: `settle` until nothing is due, `later` to let time pass."""

    def __init__(self, cluster: Cluster, now: datetime) -> None:
        self.now = now
        self.queue: WorkQueue[Work] = WorkQueue(lambda: (self.now - CREATED).total_seconds())
        self.context = make_context(cluster, lambda: self.now, self.queue)
        views, runs = self.context.views, make_runs(self.context)
        self.nodes = NodeWatch(cluster, views, lambda: 0.0)
        self.waves = WaveReconciler(self.context, runs, self.nodes)
        self.sweeps = SweepReconciler(self.context, runs, self.waves, self.nodes)
        self.results = ResultReconciler(
            self.context, self.nodes, ResidentStore(self.context.views, self.context.now), lambda _: frozenset()
        )
        self.watcher = Watcher(self.context, runs, self.waves, make_residents(self.context), make_changes(self.context))
        self.reports = ReportSink(self.context, runs, self.waves, lambda: True)
        self.sinks = {feed.resource.plural: feed.sink for feed in self.watcher.feeds()}
        cluster.told = cluster.show(self.sinks)

    async def settle(self) -> None:
        """Work on all that is due now."""

        async def handle(work: Work) -> None:
            kind, key = work
            if kind is Kind.RUN:
                await self._run(key)
            elif kind is Kind.RESULT:
                await self.results.reconcile(key)

        async with at_work(self.queue, handle):
            await turns(400)

    async def _run(self, key: Key) -> None:
        try:
            await self.sweeps.reconcile(key)
        except ApiError:
            self.queue.add_after((Kind.RUN, key), 1)

    async def later(self, seconds: float) -> None:
        """Let time pass in small steps."""
        for _ in range(round(seconds / STEP_SECONDS)):
            self.now += timedelta(seconds=STEP_SECONDS)
            await self.settle()


class Scene:
    """A cluster with nodes and a config that sweeps them, and the operator at work."""

    def __init__(self, nodes: int, **each_node: Any) -> None:
        self.cluster = Cluster()
        self.put(TEMPLATES, template())
        self.put(CONFIGS, on_demand(targets={"eachNode": each_node}))
        for number in range(nodes):
            self.cluster.objects["nodes", "", f"node-{number}"] = {"metadata": meta(f"node-{number}", namespace="")}
        self.operator = Operator(self.cluster, CREATED)
        self._watching = asyncio.create_task(self.operator.nodes.run())

    def put(self, resource: Any, of: ApiModel) -> None:
        body = of.model_dump(by_alias=True, exclude_none=True, mode="json")
        key = (resource.plural, body["metadata"].get("namespace") or "", body["metadata"]["name"])
        self.cluster.objects[key] = body

    async def ask(self, name: str = "now", **spec: Any) -> None:
        body = {"metadata": {"name": name}, "spec": {"configRef": {"name": "main"}, **spec}}
        await self.cluster.create(RUNS, NAMESPACE, {**body, "apiVersion": "kubeprobe.io/v1alpha1", "kind": "ProbeRun"})
        await self.operator.later(2)

    async def restart(self) -> None:
        """Another operator, which knows only what is in the cluster."""
        await self.stop()
        self.operator = Operator(self.cluster, self.operator.now)
        self._watching = asyncio.create_task(self.operator.nodes.run())
        await self.operator.later(2)

    async def stop(self) -> None:
        self._watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._watching

    def pods(self) -> list[str]:
        return [pod["metadata"]["name"] for pod in self.cluster.all("pods")]

    async def end(self, pod: str, status: dict[str, Any] | None = None) -> None:
        await self.cluster.merge_patch(PODS, NAMESPACE, pod, {"status": status or PASSED}, subresource="status")

    def status(self, run: str) -> dict[str, Any]:
        found: dict[str, Any] = self.cluster.objects["proberuns", NAMESPACE, run].get("status", {})
        return found

    def report(self, pod: str, report: Report = OK) -> asyncio.Task[Answer]:
        who = PodIdentity(NAMESPACE, pod, f"uid-{pod}")
        return asyncio.create_task(self.operator.reports.accept(who, report, self.operator.now))


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    made = Scene(7, maxConcurrent=3)
    yield made
    await made.stop()


async def test_a_sweep_ends_and_its_passed_pods_are_gone(scene: Scene) -> None:
    await scene.ask()
    assert scene.pods() == ["now-0-0", "now-0-1", "now-0-2"]
    assert scene.status("now")["phase"] == "Running"
    while scene.status("now").get("verdict") is None:
        for pod in scene.pods():
            await scene.end(pod)
        await scene.operator.later(2)
    assert scene.status("now")["targets"] | {"last": ""} == {
        "passed": 7, "failed": 0, "unknown": 0, "outcomes": "", "reports": "", "notPassed": [], "last": "",
    }  # fmt: skip
    assert scene.pods() == []
    assert scene.cluster.writes["create pods"] == 7
    result = scene.cluster.objects["proberesults", NAMESPACE, "main"]["status"]
    assert (result["verdict"], result["targets"]["passed"]) == ("Passed", 7)


async def test_a_restart_repeats_no_node(scene: Scene) -> None:
    await scene.ask()
    for round_ in range(3):
        for pod in scene.pods()[: 3 - round_ % 2]:
            await scene.end(pod)
        await scene.operator.later(0.5)
        await scene.restart()
    for pod in scene.pods():
        await scene.end(pod)
    await scene.operator.later(2)
    assert scene.status("now")["verdict"] == "Passed"
    assert scene.cluster.writes["create pods"] == 7


async def test_reports_wait_for_one_write_together(scene: Scene) -> None:
    await scene.ask()
    first = scene.report("now-0-0")
    await scene.operator.settle()
    assert await first is Answer.DURABLE
    before = scene.cluster.writes["patch proberuns"]
    others = [scene.report("now-0-1"), scene.report("now-0-2", Report(ok=False, errors=("no route",)))]
    again = scene.report("now-0-1")
    other = scene.report("now-0-1", Report(ok=False, errors=("else",)))
    await scene.operator.settle()
    assert await other is Answer.CONFLICT
    assert not any(task.done() for task in (*others, again))
    await scene.operator.later(1)
    assert [await task for task in (*others, again)] == [Answer.DURABLE] * 3
    assert scene.cluster.writes["patch proberuns"] == before + 1
    assert scene.status("now-0")["targets"]["outcomes"][:3] == "PPF"
    assert scene.status("now-0")["targets"]["notPassed"][0]["message"] == "no route"


async def test_a_report_that_comes_again_has_its_answer(scene: Scene) -> None:
    await scene.ask()
    tasks = [scene.report("now-0-0"), scene.report("now-0-1", Report(ok=False, errors=("no",)))]
    await scene.operator.later(2)
    assert [await task for task in tasks] == [Answer.DURABLE] * 2
    assert "now-0-0" not in scene.pods()
    assert await scene.report("now-0-0") is Answer.DURABLE
    assert await scene.report("now-0-0", Report(ok=False, errors=("no",))) is Answer.CONFLICT
    assert await scene.report("now-0-1", Report(ok=False, errors=("no",))) is Answer.DURABLE
    assert await scene.report("now-0-99") is Answer.UNKNOWN_POD
    assert await scene.report("else") is Answer.UNKNOWN_POD
    await scene.end("now-0-2")
    await scene.operator.later(2)
    assert await scene.report("now-0-2") is Answer.LATE


async def test_a_report_for_a_wave_that_the_watch_has_not_told_of_is_recorded(scene: Scene) -> None:
    await scene.ask()
    views = scene.operator.context.views
    wave = views.runs.get((NAMESPACE, "now-0"))
    assert wave is not None
    views.runs.drop((NAMESPACE, "now-0"), wave.metadata.uid)
    task = scene.report("now-0-0")
    await scene.operator.later(2)
    assert (task.done(), await task) == (True, Answer.DURABLE)
    assert scene.status("now-0").get("verdict") is None  # the other nodes of it are still to come


async def test_a_write_that_fails_is_no_answer(scene: Scene) -> None:
    await scene.ask()
    scene.cluster.refuse["proberuns"] = ApiError(500, "InternalError", "etcd is away")
    task = scene.report("now-0-0")
    await scene.operator.settle()
    assert task.done()
    assert await task is Answer.UNAVAILABLE
    scene.cluster.refuse.clear()
    task = scene.report("now-0-0")
    await scene.operator.later(2)
    assert await task is Answer.DURABLE


async def test_pods_that_are_refused_are_tried_again_and_then_told(scene: Scene) -> None:
    scene.cluster.refuse["pods"] = ApiError(403, "Forbidden", "exceeded quota: q")
    await scene.ask()
    tries = scene.cluster.writes["create pods"]
    assert 3 <= tries <= 9
    scene.cluster.refuse.clear()
    await scene.operator.later(8)
    assert len(scene.pods()) == 3


async def test_a_name_that_is_taken_is_told(scene: Scene) -> None:
    body = {"apiVersion": "kubeprobe.io/v1alpha1", "kind": "ProbeRun", "metadata": {"name": "now-0"}}
    await scene.cluster.create(RUNS, NAMESPACE, {**body, "spec": {"templateRef": {"name": "etcd"}}})
    await scene.ask()
    assert "verdict" not in scene.status("now")
    await scene.operator.later(62)
    assert (scene.status("now")["verdict"], scene.status("now")["reason"]) == ("Unknown", "WaveNameTaken")


async def test_nodes_that_somebody_asks_for_are_a_run_by_themselves(scene: Scene) -> None:
    await scene.ask("mine", target={"nodes": ["node-5"]})
    assert scene.pods() == ["mine-0"]
    await scene.end("mine-0", {"phase": "Failed", "containerStatuses": [_exit(2)]})
    await scene.operator.later(1)
    assert scene.status("mine")["verdict"] == "Failed"
    assert scene.pods() == ["mine-0"]
    owners = scene.cluster.objects["proberuns", NAMESPACE, "mine"]["metadata"]["ownerReferences"]
    assert [owner["name"] for owner in owners] == ["main"]
    result = scene.cluster.objects["proberesults", NAMESPACE, "main"]["status"]
    assert [one["node"] for one in result["targets"]["failing"]] == ["node-5"]


async def test_a_node_that_goes_away_is_unknown(scene: Scene) -> None:
    await scene.ask()
    for name in ("node-0", "node-1", "node-2", "node-3", "node-4", "node-5", "node-6"):
        scene.operator.context.views.nodes.drop(("", name), f"uid-{name}")
    scene.operator.queue.add((Kind.RUN, (NAMESPACE, "now-0")))
    await scene.operator.later(2)
    assert scene.status("now-0")["targets"]["outcomes"] == "U" * 7
    assert (scene.status("now")["verdict"], scene.status("now")["reason"]) == ("Unknown", "NodesUnknown")


async def test_silent_pods_are_judged_with_what_is_known_of_them(scene: Scene) -> None:
    await scene.ask()
    await scene.operator.later(64)
    first = scene.status("now-0")["targets"]
    assert first["outcomes"][:3] == "UUU"
    assert first["notPassed"][0]["reason"] == "SchedulerSilent"
    assert "now-0-0" not in scene.pods()


async def test_a_wave_that_is_deleted_lets_its_reports_go(scene: Scene) -> None:
    await scene.ask()
    first = scene.report("now-0-0")
    await scene.operator.settle()
    assert await first is Answer.DURABLE
    waiting = scene.report("now-0-1")
    await scene.operator.settle()
    await scene.cluster.delete(RUNS, NAMESPACE, "now-0", uid="uid-now-0")
    assert await waiting is Answer.LATE


async def test_a_config_without_sweeps_has_runs_of_one_pod(scene: Scene) -> None:
    scene.put(CONFIGS, config())
    await scene.restart()
    await scene.ask()
    assert scene.pods() == ["now"]


def _exit(code: int) -> dict[str, Any]:
    return {"name": "probe", "state": {"terminated": {"exitCode": code}}}

"""Gates at work on an API server in memory: their reconciler, the answers that they go by, and a hand on the clock."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.unit.control.cluster import Cluster, at_work, turns
from tests.unit.control.parts import make_changes, make_context, make_residents, make_runs
from tests.unit.plan.builders import CREATED, NAMESPACE, template

from kubeprobe.api import ApiModel, Change, ChangeGate, ChangeGateStatus, Mode
from kubeprobe.control.budget import Deferred
from kubeprobe.control.context import Kind, Work
from kubeprobe.control.gate_sight import GateSources
from kubeprobe.control.gates import Gates
from kubeprobe.control.nodes import NodeWatch
from kubeprobe.control.queue import WorkQueue
from kubeprobe.control.resident_store import ResidentStore
from kubeprobe.control.result import ResultReconciler
from kubeprobe.control.view import Key
from kubeprobe.control.watch import Watcher
from kubeprobe.control.wave import WaveReconciler
from kubeprobe.kube.port import CHANGES, CONFIGS, GATES, NAMESPACES, RUNS, TEMPLATES, ApiError, Resource
from kubeprobe.plan.change_runs import Skipped
from kubeprobe.plan.demand import Followed
from kubeprobe.plan.fingerprint import Tracked
from kubeprobe.plan.gate_scope import Workload
from kubeprobe.plan.rollout import Rollout

PRODUCTION = ("", "production")


@dataclass
class Followers:
    """Those who follow what changes: what a test says there is."""

    going: tuple[Followed, ...] = ()
    rolling: tuple[Rollout, ...] = ()
    there: tuple[Workload, ...] | None = ()
    skips: Skipped | None = None
    concerns: list[Callable[[Tracked], bool]] = field(default_factory=list)
    looks: int = 0

    def followed(self, config: Key) -> tuple[Followed, ...]:
        return self.going

    def rollouts(self, change: Change, concerns: Callable[[Tracked], bool]) -> tuple[Rollout, ...]:
        self.concerns.append(concerns)
        return self.rolling

    def workloads(self, gate: ChangeGate) -> tuple[Workload, ...] | None:
        self.looks += 1
        return self.there

    def skipped(self, config: Key) -> Skipped | None:
        return self.skips


class Operator:
    """The reconcilers over a cluster, worked by hand: `settle` until nothing is due."""

    def __init__(self, cluster: Cluster, now: datetime, changes: Followers) -> None:
        self.now = now
        self.seconds_a_look = 0.0
        self.nodes: Collection[str] | None = None
        self.asked_for_nodes = 0
        self._ticks = 0.0
        cluster.now = lambda: self.now
        self.queue: WorkQueue[Work] = WorkQueue(lambda: (self.now - CREATED).total_seconds())
        self.context = make_context(cluster, lambda: self.now, self.queue)
        views, runs, api = self.context.views, make_runs(self.context), cluster
        nodes = NodeWatch(api, views, lambda: 0.0)
        self.residents = ResidentStore(views, self.context.now)
        self.results = ResultReconciler(self.context, nodes, self.residents, lambda _: frozenset())
        sources = GateSources(changes, self.results, self._nodes, "kubeprobe")
        self.gates = Gates(self.context, cluster, sources, self._tick)
        waves, residents = WaveReconciler(self.context, runs, nodes), make_residents(self.context)
        watcher = Watcher(self.context, runs, waves, residents, make_changes(self.context))
        self.sinks = {feed.resource.plural: feed.sink for feed in watcher.feeds()}
        self.errors: list[ApiError] = []
        cluster.told = cluster.show(self.sinks)

    def _nodes(self) -> Collection[str] | None:
        self.asked_for_nodes += 1
        return self.nodes

    def _tick(self) -> float:
        self._ticks += self.seconds_a_look
        return (self.now - CREATED).total_seconds() + self._ticks

    async def settle(self) -> None:
        """Work on all that is due now."""

        async def handle(work: Work) -> None:
            kind, key = work
            try:
                if kind is Kind.GATE:
                    await self.gates.reconcile(key)
                elif kind is Kind.RESULT:
                    await self.results.reconcile(key)
            except Deferred:
                pass
            except ApiError as error:
                self.errors.append(error)
                self.queue.add_after(work, 1)

        async with at_work(self.queue, handle, workers=4):
            await turns(200)

    async def later(self, seconds: float, *, step: float = 1.0) -> None:
        """Let time pass in steps."""
        until = self.now + timedelta(seconds=seconds)
        while self.now < until:
            self.now = min(self.now + timedelta(seconds=step), until)
            await self.settle()


class Scene:
    """A cluster with a gate and configs, and the operator at work."""

    def __init__(self, *objects: tuple[Resource, ApiModel]) -> None:
        self.cluster = Cluster()
        self.changes = Followers()
        self.put(TEMPLATES, template(modes=[mode.value for mode in Mode]))
        for resource, one in objects:
            self.put(resource, one)
        for name in (NAMESPACE, "shop"):
            body = {"metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": "1"}}
            self.cluster.objects[NAMESPACES.plural, "", name] = body
        self.operator = Operator(self.cluster, CREATED, self.changes)

    def put(self, resource: Resource, of: ApiModel) -> None:
        """Have something that was there before anybody looked."""
        body = of.model_dump(by_alias=True, exclude_none=True, mode="json")
        key = (resource.plural, body["metadata"].get("namespace") or "", body["metadata"]["name"])
        self.cluster.objects[key] = body

    async def change(self, of: Change) -> None:
        """A Change is created."""
        await self.cluster.create(CHANGES, None, of.model_dump(by_alias=True, exclude_none=True, mode="json"))

    async def edit(self, name: str = "production", **spec: Any) -> None:
        """Somebody edits the gate's spec."""
        await self.cluster.merge_patch(GATES, None, name, {"spec": spec})
        await self.operator.settle()

    async def look(self) -> None:
        """The gate is looked at once more."""
        self.operator.queue.add((Kind.GATE, PRODUCTION))
        await self.operator.settle()

    async def ran(self, run: str, verdict: str = "Passed", *, config: str = "main", trigger: Any = None) -> None:
        """A run is over; one of the config's own if it is not there yet."""
        if (RUNS.plural, NAMESPACE, run) not in self.cluster.objects:
            spec = {"configRef": {"name": config}, "trigger": trigger or {"kind": "Manual"}}
            owner = {"apiVersion": "v1", "kind": "ProbeConfig", "name": config, "uid": f"uid-{config}"}
            metadata = {"name": run, "ownerReferences": [owner]}
            await self.cluster.create(RUNS, NAMESPACE, {"metadata": metadata, "spec": spec})
        ended = self.operator.now.isoformat()
        status = {"phase": "Completed", "verdict": verdict, "reason": verdict, "finishedAt": ended, "message": "why"}
        await self.cluster.merge_patch(RUNS, NAMESPACE, run, {"status": status}, subresource="status")
        self.operator.queue.add((Kind.RESULT, (NAMESPACE, config)))
        await self.operator.settle()

    async def restart(self) -> None:
        """Another operator, which knows only what is in the cluster."""
        self.replace()
        for config in self.cluster.all(CONFIGS.plural):
            self.operator.queue.add((Kind.RESULT, (NAMESPACE, config["metadata"]["name"])))
        await self.operator.settle()

    def replace(self) -> None:
        """Another operator, which has not begun to work."""
        self.operator = Operator(self.cluster, self.operator.now, self.changes)

    def runs(self) -> list[str]:
        """The names of the runs that gates asked for."""
        asked = [one for one in self.cluster.all(RUNS.plural) if one["spec"]["trigger"]["kind"] == "Gate"]
        return [one["metadata"]["name"] for one in asked]

    def status(self, name: str = "production") -> ChangeGateStatus:
        return ChangeGateStatus.model_validate(self.cluster.objects[GATES.plural, "", name].get("status", {}))

    def state(self, name: str = "production") -> str:
        """Open or closed, why, and what the probes say, as one line."""
        status = self.status(name)
        return f"{status.phase}/{status.reason}/{status.verdict}"

    def events(self, kind: str = "ChangeGate") -> list[str]:
        """The reasons of the Events about objects of a kind that wait to be written."""
        waiting = self.operator.context.recorder._waiting
        return [one["reason"] for one in waiting if one["involvedObject"]["kind"] == kind]

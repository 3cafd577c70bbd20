"""Cut off between two writes: what was done is not done again, the rest follows, and nothing planned is forgotten."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry
from tests.unit.control.parts import make_configs
from tests.unit.plan.builders import at, config, ended, on_demand, owned_by, run, template

from kubeprobe.api import ProbeConfig, ProbeRun
from kubeprobe.control.budget import Budget, Deferred
from kubeprobe.control.budget_metrics import BudgetMetrics
from kubeprobe.control.context import Context, Kind, Work
from kubeprobe.control.events import WAITING, Recorder
from kubeprobe.control.metrics import Metrics
from kubeprobe.control.nodes import NodeWatch
from kubeprobe.control.queue import WorkQueue
from kubeprobe.control.resident_store import ResidentStore
from kubeprobe.control.result import ResultReconciler
from kubeprobe.control.run import RunReconciler
from kubeprobe.control.view import NamespaceView, Views
from kubeprobe.control.wave import WaveReconciler
from kubeprobe.control.writer import Writer
from kubeprobe.intake.port import Answer
from kubeprobe.kube.port import Api, ApiError, Object, Resource
from kubeprobe.plan.budget import Limits
from kubeprobe.plan.pod import Site
from kubeprobe.plan.pod_view import read_pod
from probe_sdk.wire import Report

KEY = ("probes", "main")


class Store:
    """An API server that holds what is written, and remembers the order."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Object] = {}
        self.writes: list[str] = []
        self._version = 100

    def seed(self, resource: str, body: Object) -> None:
        self.objects[(resource, body["metadata"]["name"])] = body

    async def create(self, resource: Resource, namespace: str, body: Object) -> Object:
        name = body["metadata"]["name"]
        if (resource.plural, name) in self.objects:
            raise ApiError(409, "AlreadyExists", "")
        stored = json.loads(json.dumps(body, default=str))
        uid, created = f"uid-{name}", datetime.now(UTC).isoformat()
        stored["metadata"] |= {"uid": uid, "namespace": namespace, "creationTimestamp": created}
        return self._store(f"create {resource.plural}", resource.plural, stored)

    async def merge_patch(
        self, resource: Resource, namespace: str, name: str, body: Object, *, subresource: str | None = None
    ) -> Object:
        before = self.objects[(resource.plural, name)]
        merged = {part: {**before.get(part, {}), **body.get(part, {})} for part in ("metadata", "spec", "status")}
        what = f"patch {resource.plural}" + (f"/{subresource}" if subresource else "")
        return self._store(what, resource.plural, {**before, **merged})

    async def delete(
        self, resource: Resource, namespace: str, name: str, *, uid: str, grace_seconds: int | None = None
    ) -> None:
        del self.objects[(resource.plural, name)]
        self.writes.append(f"delete {resource.plural}")

    def _store(self, what: str, plural: str, body: Object) -> Object:
        self._version += 1
        body["metadata"]["resourceVersion"] = str(self._version)
        self.objects[(plural, body["metadata"]["name"])] = body
        self.writes.append(what)
        return body


@dataclass
class Desk:
    """The operator's parts around a budget of one write at a time."""

    store: Store = field(default_factory=Store)
    now: float = 0.0

    def __post_init__(self) -> None:
        views, registry = Views(), CollectorRegistry()
        self.queue: WorkQueue[Work] = WorkQueue(lambda: self.now)
        self.metrics = BudgetMetrics(registry)
        self.budget: Budget[Work] = Budget(Limits(1, 1), lambda: self.now, self.queue.add, self.metrics)
        api = cast("Api", self.store)
        writer = Writer(api, self.budget)
        self.recorder = Recorder(writer, lambda: at(self.now), "host", self.metrics.events_dropped)
        self.context = Context(
            api=api,
            writer=writer,
            views=views,
            queue=self.queue,
            recorder=self.recorder,
            metrics=Metrics(registry, views, lambda: at(self.now)),
            site=Site("http://10.0.0.1:8080"),
            now=lambda: at(self.now),
        )
        views.namespaces.put(NamespaceView("probes", "uid-probes", 1, {}))
        views.templates.put(template())
        self.registry = registry

    def add(self, one: ProbeConfig) -> None:
        self.context.views.configs.put(one)
        self.store.seed("probeconfigs", one.model_dump(by_alias=True, mode="json", exclude_none=True))

    async def turn(self, reconciler: Any, kind: Kind, key: tuple[str, str], seconds: float = 1) -> bool:
        """One reconciliation after a while, in which one token comes each second; whether it came to its end."""
        self.now += seconds
        try:
            with self.budget.turn((kind, key)):
                await reconciler.reconcile(key)
        except Deferred:
            return False
        return True

    async def comes_back(self, seconds: float) -> set[Work]:
        """What the queue hands out when so much time has passed."""
        self.now += seconds
        found: set[Work] = set()

        async def handle(work: Work) -> None:
            found.add(work)

        task = asyncio.create_task(self.queue.work(handle))
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return found


@pytest.fixture
async def desk() -> Desk:
    return Desk()


async def test_a_run_that_was_adopted_gets_its_pod_next(desk: Desk) -> None:
    desk.add(on_demand())
    one = run()
    desk.context.views.runs.put(one)
    desk.store.seed("proberuns", one.model_dump(by_alias=True, mode="json", exclude_none=True))
    desk.context.vouched.add(one.metadata.uid)
    runs, key = RunReconciler(desk.context, lambda _: False), ("probes", "main-1")
    assert not await desk.turn(runs, Kind.RUN, key)
    assert await desk.turn(runs, Kind.RUN, key)
    assert desk.store.writes == ["patch proberuns", "create pods"]
    # The adoption is worth what it goes before.
    assert desk.registry.get_sample_value("kubeprobe_writes_total", {"priority": "run", "answer": "ok"}) == 2


async def test_a_due_run_goes_before_the_condition_and_what_comes_later_stays_planned(desk: Desk) -> None:
    desk.add(config())
    configs = make_configs(desk.context)
    assert not await desk.turn(configs, Kind.CONFIG, KEY)
    assert desk.store.writes == ["create proberuns"]
    (created,) = (name for plural, name in desk.store.objects if plural == "proberuns")
    assert await desk.comes_back(61) == {(Kind.CONFIG, KEY), (Kind.RESULT, KEY), (Kind.RUN, ("probes", created))}
    assert await desk.turn(configs, Kind.CONFIG, KEY)
    assert desk.store.writes == ["create proberuns", "patch probeconfigs/status"]


async def test_an_answer_that_has_its_object_gets_its_status_next_with_the_latest_value(desk: Desk) -> None:
    main = on_demand()
    desk.add(main)
    residents = ResidentStore(desk.context.views, desk.context.now)
    nodes = NodeWatch(cast("Api", desk.store), desk.context.views, lambda: desk.now)
    results = ResultReconciler(desk.context, nodes, residents, lambda _: frozenset())
    assert not await desk.turn(results, Kind.RESULT, KEY)
    desk.context.views.runs.put(ended("main-1", at(1), "Failed", metadata=owned_by(main)))
    assert await desk.turn(results, Kind.RESULT, KEY)
    assert desk.store.writes == ["create proberesults", "patch proberesults/status"]
    assert desk.store.objects[("proberesults", "main")]["status"]["verdict"] == "Failed"
    assert await desk.turn(results, Kind.RESULT, KEY)
    assert len(desk.store.writes) == 2


def wave_of(desk: Desk, main: ProbeConfig, nodes: int) -> tuple[WaveReconciler, ProbeRun]:
    """A run over several nodes, and who works on it."""
    desk.add(main)
    one = run(metadata=owned_by(main), target={"nodes": [f"node-{number}" for number in range(nodes)]})
    desk.context.views.runs.put(one)
    desk.context.vouched.add(one.metadata.uid)
    desk.store.seed("proberuns", one.model_dump(by_alias=True, mode="json", exclude_none=True))
    runs = RunReconciler(desk.context, lambda _: False)
    nodes_ = NodeWatch(cast("Api", desk.store), desk.context.views, lambda: desk.now)
    waves = WaveReconciler(desk.context, runs, nodes_)
    return waves, one


class Waves:
    """A wave's reconciler, by key."""

    def __init__(self, desk: Desk, waves: WaveReconciler) -> None:
        self._desk = desk
        self._waves = waves

    async def reconcile(self, key: tuple[str, str]) -> None:
        found = self._desk.context.views.runs.get(key)
        assert found is not None
        await self._waves.reconcile(found)


async def test_a_wave_starts_its_pods_one_by_one_as_tokens_come_and_clears_away_last(desk: Desk) -> None:
    waves, one = wave_of(desk, on_demand(targets={"eachNode": {"maxConcurrent": 2}}), 3)
    key, by_key = ("probes", one.metadata.name), Waves(desk, waves)
    assert not await desk.turn(by_key, Kind.RUN, key)
    assert await desk.turn(by_key, Kind.RUN, key)
    assert desk.store.writes == ["create pods", "create pods"]
    first = desk.store.objects[("pods", f"{one.metadata.name}-0")]
    first["status"] = {
        "phase": "Succeeded",
        "containerStatuses": [{"name": "probe", "state": {"terminated": {"exitCode": 0}}}],
    }
    first["metadata"]["resourceVersion"] = "900"
    desk.context.views.pods.put(read_pod(first))
    for _ in range(4):
        await desk.turn(by_key, Kind.RUN, key)
    assert desk.store.writes[2:] == ["patch proberuns/status", "create pods", "delete pods"]


async def test_a_report_to_a_wave_that_had_to_wait_is_written_as_soon_as_there_is_a_token(desk: Desk) -> None:
    waves, one = wave_of(desk, on_demand(targets={"eachNode": {}}), 2)
    key, by_key = ("probes", one.metadata.name), Waves(desk, waves)
    for _ in range(2):
        await desk.turn(by_key, Kind.RUN, key)
    pod = desk.context.views.pods.get(("probes", f"{one.metadata.name}-0"))
    assert pod is not None
    answer = asyncio.create_task(waves.report(one, pod, Report(ok=True), at(desk.now)))
    await asyncio.sleep(0)
    assert not await desk.turn(by_key, Kind.RUN, key, seconds=0.5)
    assert await desk.turn(by_key, Kind.RUN, key, seconds=0.5)
    assert desk.store.writes[2:] == ["patch proberuns/status"]
    assert await answer is Answer.DURABLE


async def test_an_event_holds_nothing_up_and_is_written_when_there_is_room(desk: Desk) -> None:
    main = on_demand()
    with desk.budget.turn((Kind.CONFIG, KEY)):
        for number in range(WAITING + 1):
            desk.recorder.record(main, f"Reason{number}", "words", warning=False)
    assert desk.store.writes == []
    assert desk.registry.get_sample_value("kubeprobe_events_dropped_total") == 1
    task = asyncio.create_task(desk.recorder.run())
    await asyncio.sleep(0)
    desk.now += 1
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert desk.store.writes == ["create events"]
    assert {body["reason"] for body in desk.store.objects.values() if body["kind"] == "Event"} == {"Reason1"}

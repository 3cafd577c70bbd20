"""An operator that follows changes, on an API server in memory whose watches tell at once, in a time that is set."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any

from tests.unit.control.cluster import Cluster, at_work, turns
from tests.unit.control.parts import make_context, make_nodes, make_residents, make_results, make_runs
from tests.unit.plan.builders import CREATED, meta, template
from tests.unit.plan.changes import over, workload_body

from kubeprobe.api import ApiModel, Change, ProbeConfig, ProbeRun
from kubeprobe.control.change import ChangeReconciler
from kubeprobe.control.changes import Changes
from kubeprobe.control.config import ConfigReconciler
from kubeprobe.control.context import Kind, Work
from kubeprobe.control.follow import KINDS, followable
from kubeprobe.control.gate_calls import GateCalls
from kubeprobe.control.queue import WorkQueue
from kubeprobe.control.tidy import Tidier
from kubeprobe.control.watch import Watcher
from kubeprobe.control.wave import WaveReconciler
from kubeprobe.kube.fence import NotLeadingError
from kubeprobe.kube.port import (
    CHANGES,
    CONFIGMAPS,
    CONFIGS,
    DEPLOYMENTS,
    EVENTS,
    GATES,
    NAMESPACES,
    RUNS,
    TEMPLATES,
    ApiError,
    Object,
    Resource,
)

OWN = "kubeprobe-system"
DONE = {"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3}
ROLLOUT: dict[str, Any] = {"rollout": {"namespaceSelector": {}}}
"""A trigger: the rollouts of all namespaces."""
TURNS = 60


class LiveCluster(Cluster):
    """A cluster whose watches tell what was written, by this operator or by others, and which lists by label."""

    def __init__(self) -> None:
        super().__init__()
        self._watchers: dict[str, list[asyncio.Queue[Object]]] = {}
        self.told = self._tell
        self.hold_creates: asyncio.Event | None = None
        """What creations wait for, if for anything."""
        self.also: Callable[[str, Object, bool], None] = lambda plural, body, gone: None

    def write(self, resource: Resource, body: Object) -> None:
        """Have somebody else write an object."""
        meta_ = body["metadata"]
        self._put((resource.plural, meta_.get("namespace") or "", meta_["name"]), {**body, "metadata": {**meta_}})

    def remove(self, resource: Resource, namespace: str, name: str) -> None:
        """Have somebody else delete an object."""
        self.told(resource.plural, self.objects.pop((resource.plural, namespace, name)), True)

    async def list(
        self, resource: Resource, namespace: str | None = None, *, label_selector: str = "", field_selector: str = ""
    ) -> AsyncIterator[Object]:
        async for body in super().list(resource, namespace):
            if not label_selector or label_selector in (body["metadata"].get("labels") or {}):
                yield body

    async def pages(self, resource: Resource, *, label_selector: str = "") -> AsyncIterator[Object]:
        if f"list {resource.plural}" in self.refuse:
            raise self.refuse[f"list {resource.plural}"]
        async for page in super().pages(resource):
            page["items"] = [
                {name: part for name, part in body.items() if name not in ("apiVersion", "kind")}
                for body in page["items"]
                if resource.within in ("", body["metadata"].get("namespace"))
            ]
            page["metadata"]["resourceVersion"] = "999999"
            yield page

    async def watch(
        self,
        resource: Resource,
        version: str,
        *,
        label_selector: str = "",
        timeout_seconds: int,
        opened: Callable[[], None] = lambda: None,
    ) -> AsyncIterator[Object]:
        mine: asyncio.Queue[Object] = asyncio.Queue()
        self._watchers.setdefault(resource.plural, []).append(mine)
        opened()
        try:
            while True:
                event = await mine.get()
                if resource.within in ("", event["object"]["metadata"].get("namespace")):
                    yield event
        finally:
            self._watchers[resource.plural].remove(mine)

    async def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        if self.hold_creates is not None:
            await self.hold_creates.wait()
        return await super().create(resource, namespace, body)

    def watched(self) -> set[str]:
        """The kinds that somebody watches."""
        return {plural for plural, watchers in self._watchers.items() if watchers}

    def _tell(self, plural: str, body: Object, gone: bool) -> None:
        self.also(plural, body, gone)
        for one in self._watchers.get(plural, ()):
            one.put_nowait({"type": "DELETED" if gone else "MODIFIED", "object": body})


class Replica:
    """One operator process that leads, worked by hand: `settle` until nothing is due, `later` to let time pass."""

    def __init__(self, cluster: LiveCluster, now: datetime = CREATED, secret_namespaces: tuple[str, ...] = ()) -> None:
        self.cluster = cluster
        self.now = now
        cluster.now = lambda: self.now
        self.queue: WorkQueue[Work] = WorkQueue(self._seconds)
        self.context = make_context(cluster, lambda: self.now, self.queue)
        self.changes = Changes(self.context, cluster, followable(KINDS, secret_namespaces), OWN, self._seconds)
        GateCalls(self.context.views, self.queue)
        runs = make_runs(self.context)
        answer = make_results(self.context).latest
        configs = ConfigReconciler(self.context, Tidier(self.context.writer), answer, self.changes)
        self.reconcilers = {
            Kind.CONFIG: configs.reconcile,
            Kind.CHANGE: ChangeReconciler(self.context, self.changes).reconcile,
        }
        waves = WaveReconciler(self.context, runs, make_nodes(self.context))
        self.watcher = Watcher(self.context, runs, waves, make_residents(self.context), self.changes)
        kinds = (CHANGES, CONFIGS, GATES, NAMESPACES, RUNS, TEMPLATES)
        feeds = {feed.resource.plural: feed.sink for feed in self.watcher.feeds() if feed.resource in kinds}
        self.sinks: dict[str, Any] = feeds
        cluster.also = cluster.show(self.sinks)
        self._tasks = [asyncio.create_task(self.changes.run()), asyncio.create_task(self.context.recorder.run())]

    async def stop(self) -> None:
        """End it, as a crash does: whatever is under way is broken off."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self.cluster.also = lambda plural, body, gone: None

    async def settle(self) -> None:
        """Work on all that is due now."""
        async with at_work(self.queue, self._work):
            for _ in range(3):
                await turns(TURNS)
                for part in (self.changes.batches, self.changes.ledgers):
                    part._stirred.set()  # time may have passed
            await turns(TURNS)

    async def later(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(max(round(seconds), 1)):
            self.now += timedelta(seconds=seconds / max(round(seconds), 1))
            await self.settle()

    async def _work(self, work: Work) -> None:
        try:
            if work[0] in self.reconcilers:
                await self.reconcilers[work[0]](work[1])
        except (ApiError, NotLeadingError):
            self.queue.add_after(work, 1)

    def _seconds(self) -> float:
        return (self.now - CREATED).total_seconds()


class World:
    """A cluster with namespaces and a template, and the replica that leads in it."""

    def __init__(self, *configs: ProbeConfig) -> None:
        self.cluster = LiveCluster()
        for name in ("shop", "probes"):
            self.cluster.write(NAMESPACES, {"metadata": {**meta(name, namespace=""), "labels": {"team": name}}})
        self.put(TEMPLATES, template())
        for one in configs:
            self.put(CONFIGS, one)
        self.replica: Replica

    async def start(self, now: datetime = CREATED, secret_namespaces: tuple[str, ...] = ()) -> Replica:
        """Have a replica lead."""
        self.replica = Replica(self.cluster, now, secret_namespaces)
        await self.replica.settle()
        return self.replica

    async def restart(self) -> Replica:
        """Have another replica lead."""
        await self.replica.stop()
        return await self.start(self.replica.now)

    def put(self, resource: Resource, of: ApiModel) -> None:
        """Have somebody write one of our objects."""
        self.cluster.write(resource, of.model_dump(by_alias=True, exclude_none=True, mode="json"))

    def deploy(self, image: str, name: str = "cart", status: dict[str, Any] | None = None, **metadata: Any) -> None:
        """Have somebody write a Deployment, rolled out unless its status says otherwise."""
        given = DONE if status is None else status
        self.cluster.write(DEPLOYMENTS, workload_body(image, name=name, status=given, **metadata))

    def end(self, name: str, verdict: str = "Passed") -> None:
        """Have a run end."""
        body = self.cluster.objects["proberuns", "probes", name]
        run = over(ProbeRun.model_validate(body), self.replica.now, verdict)
        self.put(RUNS, run)

    @property
    def changes(self) -> list[Change]:
        """The Changes that there are, in their order."""
        return [Change.model_validate(body) for body in self.cluster.all(CHANGES.plural)]

    @property
    def runs(self) -> list[ProbeRun]:
        """The runs that there are, by name."""
        return [ProbeRun.model_validate(body) for body in self.cluster.all(RUNS.plural)]

    @property
    def shards(self) -> dict[str, Object]:
        """What is kept of fingerprints, by the ConfigMaps' names."""
        kept = [body for body in self.cluster.all(CONFIGMAPS.plural) if body["metadata"].get("namespace") == OWN]
        return {body["metadata"]["name"]: body for body in kept}

    @property
    def events(self) -> list[tuple[str, str, str]]:
        """Of Events: about which kind and object, and why."""
        found = self.cluster.all(EVENTS.plural)
        return [(one["involvedObject"]["kind"], one["involvedObject"]["name"], one["reason"]) for one in found]

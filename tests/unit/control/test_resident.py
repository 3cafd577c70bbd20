"""Watches that begin and end as configs want them, and what is said when a prober cannot be kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from tests.unit.control.cluster import Cluster
from tests.unit.control.parts import make_context
from tests.unit.plan.builders import NAMESPACE, at, config, template

from kubeprobe.api import DiscoverKind, ProbeConfig
from kubeprobe.control.context import Context, Kind, Work
from kubeprobe.control.discovery import Discovery
from kubeprobe.control.queue import WorkQueue
from kubeprobe.control.resident import PATIENCE_SECONDS, ResidentReconciler
from kubeprobe.control.resident_store import ResidentStore
from kubeprobe.kube.port import ApiError, Object, Resource

KEY = (NAMESPACE, "main")
SERVICES = frozenset({DiscoverKind.SERVICE})
SOON_SECONDS = 5.0


class Watched(Cluster):
    """A cluster whose watches tell what is put into `changes`."""

    def __init__(self) -> None:
        super().__init__()
        self.changes: asyncio.Queue[Object] = asyncio.Queue()
        self.watching: list[str] = []
        self.listing = asyncio.Event()
        self.listing.set()

    async def pages(self, resource: Resource, *, label_selector: str = "") -> AsyncIterator[Object]:
        await self.listing.wait()
        async for page in super().pages(resource, label_selector=label_selector):
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
        opened()
        self.watching.append(resource.plural)
        try:
            while True:
                yield await self.changes.get()
        finally:
            self.watching.remove(resource.plural)


class World:
    """The operator's parts that keep probers, at a time that stands still."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.cluster = Watched()
        self.queue: WorkQueue[Work] = WorkQueue(lambda: self.seconds)
        self.context: Context = make_context(self.cluster, lambda: at(self.seconds), self.queue)
        self.discovery = Discovery(self.cluster, self.context, lambda: self.seconds)
        self.heard = ResidentStore(self.context.views, self.context.now)
        self.residents = ResidentReconciler(self.context, self.discovery, self.heard)
        params = {"type": "object", "additionalProperties": True}
        self.context.views.templates.put(template(modes=["Resident"], params=params))

    def ask(self, *entries: dict[str, Any]) -> ProbeConfig:
        """A config in mode Resident is there, and in view."""
        words: dict[str, Any] = {"interval": "1s"}
        if entries:
            words["targets"] = {"discover": list(entries)}
        one = config(mode="Resident", schedule=None, resident=words, metadata={"resourceVersion": "0"})
        body = {**one.model_dump(by_alias=True, exclude_none=True, mode="json"), "kind": "ProbeConfig"}
        self.cluster.objects[("probeconfigs", *KEY)] = body
        self.context.views.configs.put(one)
        return one

    def said(self) -> dict[str, str]:
        found = self.context.views.configs.get(KEY)
        assert found is not None
        return {one.type: one.reason for one in found.status.conditions}

    def is_due(self) -> bool:
        """Whether the config is to be looked at now; it is not any more afterwards."""
        found = (Kind.RESIDENT, KEY) in self.queue._ready
        self.queue.close()
        self.queue.open()
        return found


def service(name: str, version: int = 1, **labels: str) -> Object:
    meta = {"name": name, "namespace": NAMESPACE, "uid": f"u-{name}", "resourceVersion": str(version), "labels": labels}
    return {"metadata": meta, "spec": {"clusterIP": "10.0.0.1", "ports": [{"port": 80}]}}


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(SOON_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is waited for is the code's own state
            await asyncio.sleep(0.001)


def living(check: Callable[[World], Awaitable[None]]) -> None:
    """Run a check beside the discovery."""

    async def run() -> None:
        world = World()
        task = asyncio.create_task(world.discovery.run())
        try:
            await check(world)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert world.cluster.watching == []

    asyncio.run(run())


def test_a_kind_is_watched_while_a_config_wants_it() -> None:
    async def check(world: World) -> None:
        assert world.discovery.known(SERVICES) is None
        world.cluster.objects[("services", NAMESPACE, "a")] = service("a")
        world.discovery.want(KEY, SERVICES)
        world.discovery.want((NAMESPACE, "other"), SERVICES)
        await until(lambda: world.discovery.known(SERVICES) is not None)
        assert [one.name for one in (world.discovery.known(SERVICES) or {})[DiscoverKind.SERVICE]] == ["a"]
        await until(lambda: world.cluster.watching == ["services"])
        assert world.is_due()
        world.discovery.want(KEY, frozenset())
        await asyncio.sleep(0.01)
        assert world.cluster.watching == ["services"]
        world.discovery.want((NAMESPACE, "other"), frozenset())
        await until(lambda: world.cluster.watching == [])
        assert world.discovery.known(SERVICES) is None

    living(check)


def test_what_is_watched_now_can_be_looked_after() -> None:
    async def check(world: World) -> None:
        world.discovery.want(KEY, SERVICES)
        await until(lambda: world.cluster.watching == ["services"])
        assert [watch.listed.is_set() for watch in world.discovery.followed] == [True]
        world.discovery.want(KEY, frozenset())
        await until(lambda: world.discovery.followed == ())

    living(check)


def test_a_kind_that_is_not_to_be_listed_makes_no_config_of_another_kind_impatient() -> None:
    async def check(world: World) -> None:
        world.cluster.listing.clear()
        world.discovery.want((NAMESPACE, "other"), frozenset({DiscoverKind.INGRESS}))
        await until(lambda: world.discovery.followed)
        world.seconds = 2 * PATIENCE_SECONDS
        world.ask({"kind": "Service"})
        await world.residents.reconcile(KEY)
        assert world.said() == {}
        assert world.discovery.waiting_seconds({DiscoverKind.INGRESS}) == 2 * PATIENCE_SECONDS

    living(check)


def test_a_config_hears_of_what_concerns_it_after_a_while() -> None:
    async def check(world: World) -> None:
        world.ask({"kind": "Service", "selector": {"matchLabels": {"a": "b"}}})
        await world.residents.reconcile(KEY)
        await until(lambda: world.cluster.watching)
        assert world.is_due()

        async def told(kind: str, body: Object) -> bool:
            await world.cluster.changes.put({"type": kind, "object": body})
            await until(world.cluster.changes.empty)
            await asyncio.sleep(0.01)
            world.queue._promote()
            assert not world.queue._ready  # not at once: there may be more
            return bool(world.queue._later.pop((Kind.RESIDENT, KEY), None))

        assert await told("ADDED", service("one", 2, a="b"))
        assert not await told("MODIFIED", service("one", 3, a="b"))  # nothing that matters
        assert not await told("ADDED", service("two", 4))
        assert await told("MODIFIED", service("one", 5))  # it is selected no more
        assert not await told("DELETED", service("one", 6))

    living(check)


def test_what_changes_all_the_time_is_taken_in_each_few_seconds() -> None:
    async def check(world: World) -> None:
        world.ask({"kind": "Service"})
        await world.residents.reconcile(KEY)
        await until(lambda: world.cluster.watching)
        world.is_due()
        due = []
        for version in range(1, 201):
            world.seconds = version / 10
            await world.cluster.changes.put({"type": "ADDED", "object": service(f"s{version}", version)})
            await until(world.cluster.changes.empty)
            await asyncio.sleep(0)
            world.queue._promote()
            if world.queue._ready:
                due.append(world.seconds)
                assert world.is_due()
        assert due == pytest.approx([1.1, 6.1, 11.1, 16.1])

    living(check)


def test_a_watch_that_ends_by_itself_is_noticed() -> None:
    async def check(world: World) -> None:
        world.cluster.objects[("services", NAMESPACE, "a")] = {"metadata": {"name": "a", "namespace": NAMESPACE}}
        world.discovery.want(KEY, SERVICES)
        with pytest.raises(BaseExceptionGroup):
            await asyncio.wait_for(world.discovery.run(), SOON_SECONDS)

    async def alone() -> None:
        await check(World())

    asyncio.run(alone())


def test_a_listing_that_takes_long_is_told_and_targets_are_left_as_they_are() -> None:
    async def check(world: World) -> None:
        world.cluster.listing.clear()
        world.ask({"kind": "Service"})
        await world.residents.reconcile(KEY)
        assert world.said() == {}
        await asyncio.sleep(0.01)
        world.seconds = PATIENCE_SECONDS
        await world.residents.reconcile(KEY)
        assert world.said() == {"TargetsFound": "Discovering"}
        assert world.cluster.all("configmaps") == []
        world.cluster.listing.set()
        await until(lambda: world.discovery.known(SERVICES) is not None)
        await world.residents.reconcile(KEY)
        assert world.said() == {"TargetsFound": "TargetsFound", "Available": "ProberStarting"}
        assert len(world.cluster.all("configmaps")) == 1

    living(check)


def test_what_the_api_server_refuses_is_said() -> None:
    async def check(world: World) -> None:
        world.ask()
        world.cluster.refuse["deployments"] = ApiError(403, "Forbidden", "exceeded quota: deployments")
        with pytest.raises(ApiError, match="exceeded quota"):
            await world.residents.reconcile(KEY)
        assert world.said() == {"Available": "Refused"}
        world.cluster.refuse.clear()
        await world.residents.reconcile(KEY)
        assert world.said()["Available"] == "ProberStarting"

    living(check)


def test_trouble_that_passes_is_not_the_users_to_hear_of() -> None:
    async def check(world: World) -> None:
        world.ask()
        world.cluster.refuse["configmaps"] = ApiError(500, "InternalError", "etcd is away")
        with pytest.raises(ApiError):
            await world.residents.reconcile(KEY)
        assert world.said() == {}
        world.cluster.refuse["configmaps"] = ApiError(
            403, "Forbidden", "unable to create: because it is being terminated"
        )
        await world.residents.reconcile(KEY)
        assert "Refused" not in world.said().values()

    living(check)


def test_a_name_that_is_taken_is_left_alone_and_looked_at_again() -> None:
    async def check(world: World) -> None:
        world.ask()
        meta = {"name": "main-resident", "namespace": NAMESPACE, "uid": "u-theirs", "resourceVersion": "1"}
        world.cluster.objects[("configmaps", NAMESPACE, "main-resident")] = {"metadata": meta, "data": {"theirs": "1"}}
        await world.residents.reconcile(KEY)
        assert world.said() == {"Available": "NameTaken"}
        assert world.cluster.all("configmaps")[0]["data"] == {"theirs": "1"}
        assert (Kind.RESIDENT, KEY) in world.queue._later

    living(check)


def test_what_is_in_place_is_not_written_again() -> None:
    async def check(world: World) -> None:
        world.ask()
        await world.residents.reconcile(KEY)
        before = +world.cluster.writes
        await world.residents.reconcile(KEY)
        assert world.cluster.writes == before
        world.residents.reset()  # as another replica would see it
        await world.residents.reconcile(KEY)
        assert world.cluster.writes == before

    living(check)

"""The reflector against a real API server: nothing missed, nothing kept that is gone, whatever happened in between."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from kubeprobe.kube.client import Client, connect
from kubeprobe.kube.port import PODS, ApiError, Object, Resource
from kubeprobe.kube.reflector import Feed, Key, Reflector
from testbed import ControlPlane

CONFIGMAPS = Resource("", "v1", "configmaps")
SOON_SECONDS = 20


@dataclass
class Store:
    """A sink that keeps what it is told."""

    objects: dict[Key, str] = field(default_factory=dict)

    def observe(self, body: Object) -> None:
        meta = body["metadata"]
        self.objects[meta["namespace"], meta["name"]] = body.get("data", {}).get("value", "")
        if "unreadable" in meta["name"]:
            raise ValueError("not to be read")

    def forget(self, key: Key, uid: str) -> None:
        self.objects.pop(key, None)


@pytest.fixture
async def api(control_plane: ControlPlane) -> AsyncIterator[Client]:
    async with await connect(control_plane.kubeconfig) as client:
        yield client


def body(name: str, label: str, value: str = "") -> Object:
    metadata = {"name": name, "labels": {"test": label}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"value": value}}


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON_SECONDS):
        while not true():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.02)


async def test_lists_then_follows(api: Client) -> None:
    label, store = uuid.uuid4().hex[:8], Store()
    await api.create(CONFIGMAPS, "default", body(f"{label}-a", label, "1"))
    await api.create(CONFIGMAPS, "default", body(f"{label}-unreadable", label))
    reflector = Reflector(api, Feed(CONFIGMAPS, store, f"test={label}"), time.monotonic)
    task = asyncio.create_task(reflector.run())
    try:
        await asyncio.wait_for(reflector.listed.wait(), SOON_SECONDS)
        assert store.objects["default", f"{label}-a"] == "1"
        await api.merge_patch(CONFIGMAPS, "default", f"{label}-a", {"data": {"value": "2"}})
        await until(lambda: store.objects["default", f"{label}-a"] == "2")
        made = await api.create(CONFIGMAPS, "default", body(f"{label}-b", label))
        await until(lambda: ("default", f"{label}-b") in store.objects)
        await api.delete(CONFIGMAPS, "default", f"{label}-b", uid=made["metadata"]["uid"])
        await until(lambda: ("default", f"{label}-b") not in store.objects)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Flaky:
    """The API with one watch that is told to be too old, and something deleted meanwhile."""

    def __init__(self, api: Client, meanwhile: Callable[[], object]) -> None:
        self._api = api
        self._meanwhile = meanwhile
        self.watches = 0

    def pages(self, resource: Resource, *, label_selector: str = "") -> AsyncIterator[Object]:
        return self._api.pages(resource, label_selector=label_selector)

    async def watch(
        self,
        resource: Resource,
        version: str,
        *,
        label_selector: str = "",
        timeout_seconds: int,
        opened: Callable[[], None] = lambda: None,
    ) -> AsyncIterator[Object]:
        self.watches += 1
        if self.watches == 1:
            await self._meanwhile()  # type: ignore[misc]
            raise ApiError(410, "Expired", "too old resource version")
        async for one in self._api.watch(
            resource, version, label_selector=label_selector, timeout_seconds=5, opened=opened
        ):
            yield one


async def test_what_went_away_unseen_is_forgotten(api: Client) -> None:
    label, store = uuid.uuid4().hex[:8], Store()
    for name in ("stays", "goes"):
        await api.create(CONFIGMAPS, "default", body(f"{label}-{name}", label))
    flaky = Flaky(api, lambda: api.delete_collection(CONFIGMAPS, "default", label_selector=f"test={label}"))
    reflector = Reflector(flaky, Feed(CONFIGMAPS, store, f"test={label}"), time.monotonic)  # type: ignore[arg-type]
    task = asyncio.create_task(reflector.run())
    try:
        await asyncio.wait_for(reflector.listed.wait(), SOON_SECONDS)
        await until(lambda: not store.objects)
        await api.create(CONFIGMAPS, "default", body(f"{label}-new", label))
        await until(lambda: ("default", f"{label}-new") in store.objects)
        assert flaky.watches >= 2
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_refusals_are_told_in_the_servers_words(api: Client) -> None:
    with pytest.raises(ApiError) as missing:
        await api.get(PODS, "default", "no-such-pod")
    assert missing.value.not_found
    made = await api.create(CONFIGMAPS, "default", body(f"once-{uuid.uuid4().hex[:6]}", "once"))
    name = made["metadata"]["name"]
    with pytest.raises(ApiError) as twice:
        await api.create(CONFIGMAPS, "default", body(name, "once"))
    assert twice.value.already_exists
    await api.delete(CONFIGMAPS, "default", name, uid="another")  # somebody else's of the same name stays
    assert (await api.get(CONFIGMAPS, "default", name))["metadata"]["uid"] == made["metadata"]["uid"]
    await api.delete(CONFIGMAPS, "default", name, uid=made["metadata"]["uid"])
    await api.delete(CONFIGMAPS, "default", name, uid=made["metadata"]["uid"])


async def test_an_absent_server_is_an_answer_too(control_plane: ControlPlane) -> None:
    async with await connect(control_plane.kubeconfig) as client:
        client._client.configuration.host = "https://127.0.0.1:1"
        with pytest.raises(ApiError) as absent:
            await client.get(PODS, "default", "any")
    assert absent.value.passing
    assert "https://127.0.0.1:1 did not answer" in str(absent.value)

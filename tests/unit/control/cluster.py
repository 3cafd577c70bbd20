"""An API server in memory that tells its watchers at once: for what reconcilers do, not for what a server refuses."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from itertools import count

from tests.unit.plan.builders import CREATED

from kubeprobe.control.context import Work
from kubeprobe.control.queue import WorkQueue
from kubeprobe.kube.port import ApiError, Object, Resource
from kubeprobe.kube.reflector import Sink

Key = tuple[str, str, str]


class Cluster:
    """`kubeprobe.kube.port.Api`; `told` hears of every change, `refuse` makes writes of a kind fail."""

    def __init__(self) -> None:
        self.objects: dict[Key, Object] = {}
        self.told: Callable[[str, Object, bool], None] = lambda plural, body, gone: None
        self.writes: Counter[str] = Counter()
        self.refuse: dict[str, ApiError] = {}
        self.trials: list[Object] = []
        """What was tried, by dry runs."""
        self.now: Callable[[], datetime] = lambda: CREATED
        """By which what is created is dated."""
        self.logs: dict[str, str] = {}
        """What the pods' containers wrote, by the pods' names."""
        self._versions = count(1)

    def all(self, plural: str) -> list[Object]:
        """The objects of a kind, by name."""
        return [body for key, body in sorted(self.objects.items()) if key[0] == plural]

    def show(self, sinks: Mapping[str, Sink]) -> Callable[[str, Object, bool], None]:
        """Have the sinks of some kinds see what is there; gives that by which they hear what becomes of it."""

        def hear(plural: str, body: Object, gone: bool) -> None:
            sink = sinks.get(plural)
            if sink is not None and gone:
                sink.forget((body["metadata"].get("namespace", ""), body["metadata"]["name"]), body["metadata"]["uid"])
            elif sink is not None:
                sink.observe(body)

        for plural in sinks:
            for body in self.all(plural):
                hear(plural, body, False)
        return hear

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        return copy.deepcopy(self._known((resource.plural, namespace or "", name)))

    async def raw(self, path: str) -> Object:
        return {}

    async def list(
        self, resource: Resource, namespace: str | None = None, *, label_selector: str = "", field_selector: str = ""
    ) -> AsyncIterator[Object]:
        for body in self.all(resource.plural):
            yield copy.deepcopy(body)

    async def pages(self, resource: Resource, *, label_selector: str = "") -> AsyncIterator[Object]:
        yield {"metadata": {"resourceVersion": "1"}, "items": copy.deepcopy(self.all(resource.plural))}

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
        await asyncio.Event().wait()
        yield {}

    async def pod_log(self, namespace: str, pod: str, container: str, *, since_seconds: int, tail_lines: int) -> str:
        if pod not in self.logs:
            raise ApiError(404, "NotFound", f"pod {pod} not found")
        return self.logs[pod]

    async def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        await self._write("create", resource)
        key = (resource.plural, namespace or "", body["metadata"]["name"])
        if key in self.objects:
            raise ApiError(409, "AlreadyExists", f"{key} already exists")
        created = self.now().replace(microsecond=0).isoformat()
        meta = {"uid": f"uid-{key[2]}", "creationTimestamp": created, "namespace": key[1], "generation": 1}
        return self._put(key, {**copy.deepcopy(body), "metadata": {**body["metadata"], **meta}})

    async def try_create(self, resource: Resource, namespace: str, body: Object) -> None:
        await asyncio.sleep(0)
        self.trials.append(copy.deepcopy(body))
        if resource.plural in self.refuse:
            raise self.refuse[resource.plural]

    async def merge_patch(
        self, resource: Resource, namespace: str | None, name: str, body: Object, *, subresource: str | None = None
    ) -> Object:
        await self._write("patch", resource)
        key = (resource.plural, namespace or "", name)
        return self._put(key, _merged(self._known(key), body))

    async def apply(self, resource: Resource, namespace: str, name: str, body: Object, *, force: bool) -> Object:
        key = (resource.plural, namespace, name)
        if key not in self.objects:
            return await self.create(resource, namespace, body)
        await self._write("apply", resource)
        return self._put(key, _merged(self._known(key), body))

    async def delete(
        self, resource: Resource, namespace: str | None, name: str, *, uid: str, grace_seconds: int | None = None
    ) -> None:
        await self._write("delete", resource)
        body = self.objects.pop((resource.plural, namespace or "", name), None)
        if body is not None:
            self.told(resource.plural, body, True)

    async def delete_collection(self, resource: Resource, namespace: str, *, label_selector: str) -> None:
        await self._write("deletecollection", resource)

    def _known(self, key: Key) -> Object:
        if key not in self.objects:
            raise ApiError(404, "NotFound", f"{key} not found")
        return self.objects[key]

    async def _write(self, verb: str, resource: Resource) -> None:
        await asyncio.sleep(0)
        self.writes[f"{verb} {resource.plural}"] += 1
        if resource.plural in self.refuse:
            raise self.refuse[resource.plural]

    def _put(self, key: Key, body: Object) -> Object:
        body["metadata"]["resourceVersion"] = str(next(self._versions))
        self.objects[key] = body
        self.told(key[0], copy.deepcopy(body), False)
        return copy.deepcopy(body)


def _merged(target: Object, patch: Object) -> Object:
    merged = dict(target)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            before = merged.get(name)
            merged[name] = _merged(before if isinstance(before, dict) else {}, value)
        else:
            merged[name] = value
    return copy.deepcopy(merged)


@contextlib.asynccontextmanager
async def at_work(
    queue: WorkQueue[Work], handle: Callable[[Work], Awaitable[None]], workers: int = 1
) -> AsyncIterator[None]:
    """Have a queue worked on until the block ends."""
    tasks = [asyncio.create_task(queue.work(handle)) for _ in range(workers)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def turns(count: int) -> None:
    """Let whoever can go on do so for so many turns of the loop."""
    for _ in range(count):
        await asyncio.sleep(0)

"""The newest state of a selection of objects, kept by one watch request, and waiting for what is expected of it.

A probe that polls measures its own interval and loads the API server; a watch is one request for the whole run
and tells at once. It may be opened before the objects exist: without a resourceVersion the API first sends what is
there and then what changes.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Self, TypeVar

from cluster.api import Api, Resource, selection
from cluster.words import Object
from probe_sdk import ProbeFailure

T = TypeVar("T")
RETRY_SECONDS = 0.25


class Watch:
    """Objects by name; `until` waits for something to become true of them."""

    def __init__(self, api: Api, resource: Resource, namespace: str | None, labels: str, fields: str) -> None:
        self.objects: dict[str, Object] = {}
        self.deleted: set[str] = set()
        self.trouble: ProbeFailure | None = None
        self._api = api
        self._resource = resource
        self._namespace = namespace
        self._labels = labels
        self._fields = fields
        self._version: str | None = None
        self._changed = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(
        cls, api: Api, resource: Resource, namespace: str | None, *, labels: str = "", fields: str = ""
    ) -> AsyncIterator[Self]:
        """Watch for as long as the block lasts."""
        watch = cls(api, resource, namespace, labels, fields)
        task = asyncio.create_task(watch._follow())
        try:
            yield watch
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def until(self, found: Callable[[Mapping[str, Object]], T | None], seconds: float) -> T:
        """Wait until `found` gives something that is not None; TimeoutError after `seconds`."""
        async with asyncio.timeout(seconds):
            while (result := found(self.objects)) is None:
                self._changed.clear()
                await self._changed.wait()
            return result

    async def _follow(self) -> None:
        """Keep watching, also over broken connections; why it does not work is in `trouble`."""
        while True:
            try:
                await self._stream()
            except ProbeFailure as error:
                self.trouble = error
                self._version = None
            await asyncio.sleep(RETRY_SECONDS)

    async def _stream(self) -> None:
        query = {**selection(self._labels, self._fields), "watch": "true"}
        if self._version is None and self.trouble:
            await self._relist()
        if self._version:
            query["resourceVersion"] = self._version
        async for line in self._api.stream(self._resource.path(self._namespace), query):
            self._take(_event(line))

    async def _relist(self) -> None:
        """After an interruption: what was deleted meanwhile is not told by a watch."""
        items, self._version = await self._api.list(
            self._resource, self._namespace, labels=self._labels, fields=self._fields
        )
        there = {item["metadata"]["name"]: item for item in items}
        self.deleted |= self.objects.keys() - there.keys()
        self.objects = there
        self.trouble = None
        self._changed.set()

    def _take(self, event: Mapping[str, Any]) -> None:
        """Keep what one event says."""
        kind, item = event["type"], event["object"]
        if kind == "ERROR":
            raise ProbeFailure(f"the watch on {self._resource.plural} ended: {item.get('message', 'no reason given')}")
        metadata = item["metadata"]
        self._version = metadata["resourceVersion"]
        if kind == "DELETED":
            self.objects.pop(metadata["name"], None)
            self.deleted.add(metadata["name"])
        else:
            self.objects[metadata["name"]] = item
        self._changed.set()


def _event(line: str) -> Mapping[str, Any]:
    try:
        return dict(json.loads(line))
    except ValueError as error:  # a connection cut in the middle of a line
        raise ProbeFailure(f"the watch sent half an event: {error}") from error

"""No write without the lease: a thin layer over the API port that looks at the clock before every write it sends.

It looks again in the moment that the bytes leave, since a process may be frozen anywhere between the two; what is under
way when the leadership ends is broken off. What had left by then is harmless by what it says itself: creations have
names that are the same whoever makes them, deletions name the uid, and patches the version that they are based on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar

from kubeprobe.kube.port import Api, ApiError, Object, Resource

_leads_still: ContextVar[Callable[[], bool] | None] = ContextVar("leads_still", default=None)
"""What the write that is being sent in this context was let through by."""


class NotLeadingError(Exception):
    """A write was held back, for another replica may lead by now. No failure: the next leader decides anew."""


def last_look() -> None:
    """Called in the moment that a request's bytes leave.

    Raises:
        NotLeadingError: they are a write of a replica that led when it began, and does not lead any more.
    """
    leads = _leads_still.get()
    if leads is not None and not leads():
        raise NotLeadingError("this replica ceased to lead before it wrote")


class Fence:
    """`kubeprobe.kube.port.Api` that reads always and writes only while this replica leads.

    Args:
        leads: whether it does, by its own clock, at the moment of asking.
    """

    def __init__(self, api: Api, leads: Callable[[], bool]) -> None:
        self._api = api
        self._leads = leads
        self._under_way: set[asyncio.Timeout] = set()

    def shut(self) -> None:
        """Break off the writes that are under way."""
        now = asyncio.get_running_loop().time()
        for write in self._under_way:
            if not write.expired():
                write.reschedule(now)

    @asynccontextmanager
    async def _passing(self) -> AsyncIterator[None]:
        if not self._leads():
            raise NotLeadingError("this replica does not lead")
        write, look = asyncio.timeout(None), _leads_still.set(self._leads)
        try:
            async with write:
                self._under_way.add(write)
                yield
        except (TimeoutError, ApiError) as error:
            if not write.expired() and self._leads():
                raise
            raise NotLeadingError("this replica ceased to lead while it wrote") from error
        finally:
            self._under_way.discard(write)
            _leads_still.reset(look)

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        """See `Api.get`."""
        return await self._api.get(resource, namespace, name)

    async def raw(self, path: str) -> Object:
        """See `Api.raw`."""
        return await self._api.raw(path)

    def list(
        self, resource: Resource, namespace: str | None = None, *, label_selector: str = "", field_selector: str = ""
    ) -> AsyncIterator[Object]:
        """See `Api.list`."""
        return self._api.list(resource, namespace, label_selector=label_selector, field_selector=field_selector)

    def pages(self, resource: Resource, *, label_selector: str = "") -> AsyncIterator[Object]:
        """See `Api.pages`."""
        return self._api.pages(resource, label_selector=label_selector)

    def watch(
        self,
        resource: Resource,
        version: str,
        *,
        label_selector: str = "",
        timeout_seconds: int,
        opened: Callable[[], None] = lambda: None,
    ) -> AsyncIterator[Object]:
        """See `Api.watch`."""
        return self._api.watch(
            resource, version, label_selector=label_selector, timeout_seconds=timeout_seconds, opened=opened
        )

    async def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        """See `Api.create`."""
        async with self._passing():
            return await self._api.create(resource, namespace, body)

    async def merge_patch(
        self, resource: Resource, namespace: str | None, name: str, body: Object, *, subresource: str | None = None
    ) -> Object:
        """See `Api.merge_patch`."""
        async with self._passing():
            return await self._api.merge_patch(resource, namespace, name, body, subresource=subresource)

    async def apply(self, resource: Resource, namespace: str, name: str, body: Object, *, force: bool) -> Object:
        """See `Api.apply`."""
        async with self._passing():
            return await self._api.apply(resource, namespace, name, body, force=force)

    async def delete(
        self, resource: Resource, namespace: str | None, name: str, *, uid: str, grace_seconds: int | None = None
    ) -> None:
        """See `Api.delete`."""
        async with self._passing():
            await self._api.delete(resource, namespace, name, uid=uid, grace_seconds=grace_seconds)

    async def delete_collection(self, resource: Resource, namespace: str, *, label_selector: str) -> None:
        """See `Api.delete_collection`."""
        async with self._passing():
            await self._api.delete_collection(resource, namespace, label_selector=label_selector)

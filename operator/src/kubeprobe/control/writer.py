"""The only way by which the operator writes: every write names its priority and goes through the budget."""

from __future__ import annotations

from typing import Any

from kubeprobe.control.budget import Budget
from kubeprobe.kube.port import Api, Object, Resource
from kubeprobe.plan.budget import Priority


class Writer:
    """The writing half of `kubeprobe.kube.port.Api`, budgeted.

    Within `Budget.turn` every method raises `Deferred` when the object that is being reconciled must wait for its turn;
    elsewhere it waits itself. Besides, all raise `ApiError`.
    """

    def __init__(self, api: Api, budget: Budget[Any]) -> None:
        self._api = api
        self._budget = budget

    async def create(self, priority: Priority, resource: Resource, namespace: str | None, body: Object) -> Object:
        """See `Api.create`."""
        async with self._budget.write(priority):
            return await self._api.create(resource, namespace, body)

    async def merge_patch(
        self,
        priority: Priority,
        resource: Resource,
        namespace: str | None,
        name: str,
        body: Object,
        *,
        subresource: str | None = None,
    ) -> Object:
        """See `Api.merge_patch`."""
        async with self._budget.write(priority):
            return await self._api.merge_patch(resource, namespace, name, body, subresource=subresource)

    async def apply(
        self, priority: Priority, resource: Resource, namespace: str, name: str, body: Object, *, force: bool
    ) -> Object:
        """See `Api.apply`."""
        async with self._budget.write(priority):
            return await self._api.apply(resource, namespace, name, body, force=force)

    async def delete(
        self,
        priority: Priority,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        uid: str,
        grace_seconds: int | None = None,
    ) -> None:
        """See `Api.delete`."""
        async with self._budget.write(priority):
            await self._api.delete(resource, namespace, name, uid=uid, grace_seconds=grace_seconds)

    async def delete_collection(
        self, priority: Priority, resource: Resource, namespace: str, *, label_selector: str
    ) -> None:
        """See `Api.delete_collection`; one write, whatever it matches."""
        async with self._budget.write(priority):
            await self._api.delete_collection(resource, namespace, label_selector=label_selector)

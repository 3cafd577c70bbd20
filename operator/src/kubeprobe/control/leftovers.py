"""What probes leave behind: objects that carry a run's label, in any namespace, and whose run is gone.

In the run's own namespace ownership cleans up. A probe may also create things elsewhere, where no owner can be named,
and may be killed before it removes them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kubeprobe.control.view import Key, View
from kubeprobe.control.writer import Writer
from kubeprobe.kube.port import CONFIGMAPS, DEPLOYMENTS, PODS, SERVICES, ApiError, Object, Resource
from kubeprobe.kube.reflector import Feed
from kubeprobe.plan.budget import Priority
from kubeprobe.plan.pod_view import PodView
from probe_sdk.wire import LABEL_MANAGED, LABEL_RUN, MANAGED_BY

logger = logging.getLogger("kubeprobe.leftovers")

PERIOD_SECONDS = 10.0
YOUNG_SECONDS = 15.0
"""What was seen only now may belong to a run that was not seen yet."""
SELECTOR = f"{LABEL_RUN},{LABEL_MANAGED}={MANAGED_BY}"
WATCHED = (CONFIGMAPS, SERVICES, DEPLOYMENTS)
"""Kinds that probes create, pods apart, which are watched anyway."""


@dataclass(frozen=True, slots=True)
class Left:
    """One labelled object."""

    resource: Resource
    key: Key
    uid: str
    run: str


class Leftovers:
    """Knows all labelled objects, and deletes those whose run is gone.

    Args:
        writer: deletes them.
        runs: the names of all runs that are there, in whatever namespace.
        pods: the probes' pods.
        clock: seconds that only go forward.
    """

    def __init__(
        self, writer: Writer, runs: Callable[[], Iterable[str]], pods: View[PodView], clock: Callable[[], float]
    ) -> None:
        self._writer = writer
        self._runs = runs
        self._pods = pods
        self._clock = clock
        self._seen: dict[tuple[Resource, Key], Left] = {}
        self._orphaned_at: dict[Left, float] = {}

    def feeds(self) -> tuple[Feed, ...]:
        """What has to be watched for this."""
        return tuple(Feed(resource, _Sink(self._seen, resource), label_selector=SELECTOR) for resource in WATCHED)

    async def run(self) -> None:
        """Sweep, for ever."""
        while True:
            await asyncio.sleep(PERIOD_SECONDS)
            await self.sweep()

    async def sweep(self) -> None:
        """Delete what has been without its run for a while; what cannot be deleted now is tried again."""
        runs, now = set(self._runs()), self._clock()
        orphans = [one for one in self._all() if one.run not in runs]
        self._orphaned_at = {one: self._orphaned_at.get(one, now) for one in orphans}
        for one in orphans:
            if now - self._orphaned_at[one] >= YOUNG_SECONDS:
                await self._delete(one)

    def _all(self) -> Iterable[Left]:
        yield from self._seen.values()
        for pod in self._pods:
            if pod.run and not pod.deleting:
                yield Left(PODS, (pod.namespace, pod.name), pod.uid, pod.run)

    async def _delete(self, one: Left) -> None:
        where = f"{one.resource.plural} {one.key[0]}/{one.key[1]}"
        try:
            await self._writer.delete(Priority.HISTORY, one.resource, *one.key, uid=one.uid)
        except ApiError as error:
            logger.warning("%s, left behind by run %s, was not deleted: %s", where, one.run, error)
        else:
            logger.info("%s, left behind by run %s, is deleted", where, one.run)


@dataclass(frozen=True, slots=True)
class _Sink:
    seen: dict[tuple[Resource, Key], Left]
    resource: Resource

    def observe(self, body: Object) -> None:
        meta = body["metadata"]
        key = (meta["namespace"], meta["name"])
        self.seen[(self.resource, key)] = Left(self.resource, key, meta["uid"], meta["labels"][LABEL_RUN])

    def forget(self, key: Key, uid: str) -> None:
        known = self.seen.get((self.resource, key))
        if known is not None and known.uid == uid:
            del self.seen[(self.resource, key)]

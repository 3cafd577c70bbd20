"""The objects whose changes somebody wants: a kind is watched from the first config or gate that wants it to the last.

What is watched is all objects of the kind, for one watch serves everybody; of each only what its changes need is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

from kubeprobe.api import ChangeSource
from kubeprobe.control.follow import Followable
from kubeprobe.control.reading import with_care
from kubeprobe.control.rollout_pods import RolloutPods
from kubeprobe.control.view import Key
from kubeprobe.kube.port import Api, Object
from kubeprobe.kube.reflector import Feed, Reflector
from kubeprobe.plan.fingerprint import SECRET, ObjectKey, Tracked, is_own, read_tracked, source_of
from kubeprobe.plan.rollout import Workload, read_workload

NEW_PODS = "new pods"
"""What is wanted besides kinds, where rollouts are followed to nodes."""
ABSENT_SECONDS = 30.0
"""An API server that has just begun may not serve all kinds yet; after so long one that it does not serve is gone."""


class Listener(Protocol):
    """Who is told."""

    def seen(self, key: ObjectKey, before: Tracked | None, after: Tracked | None) -> None:
        """An object came, went, or may be another than it was."""
        ...

    def moved(self, key: ObjectKey) -> None:
        """A workload is further with its rollout, or one of its pods is."""
        ...

    async def listed(self, kind: str) -> None:
        """All objects of a kind are known now."""
        ...

    def left(self, kind: str) -> None:
        """Nobody wants a kind any more."""
        ...


@dataclass(slots=True)
class _Watch:
    """What is watched under one name."""

    reflectors: tuple[Reflector, ...] = ()
    task: asyncio.Task[None] | None = None
    ready: bool = False


class Tracking:
    """Knows the objects of the kinds that somebody wants.

    Args:
        api: where they are.
        may: the kinds that may be followed.
        wanted: the kinds that somebody wants, and NEW_PODS if somebody wants these.
        seal: what Secrets' fingerprints are made with.
        clock: seconds that only go forward, such as `time.monotonic`.
    """

    def __init__(
        self,
        api: Api,
        may: Followable,
        wanted: Callable[[], frozenset[str]],
        seal: Callable[[], Awaitable[bytes]],
        clock: Callable[[], float],
    ) -> None:
        self._api = api
        self._may = may
        self._wanted = wanted
        self._seal = seal
        self._clock = clock
        self._watches: dict[str, _Watch] = {}
        self._uids: dict[str, ObjectKey] = {}
        """The workloads by their uids."""
        self._changed = asyncio.Event()
        self._listener: Listener | None = None
        self.tracked: dict[ObjectKey, Tracked] = {}
        self.workloads: dict[ObjectKey, Workload] = {}
        self.pods = RolloutPods(self._pod_moved)

    @property
    def watches(self) -> tuple[Reflector, ...]:
        """What is watched now."""
        return tuple(one for watch in self._watches.values() for one in watch.reflectors)

    def look(self) -> None:
        """What is wanted may be something else now."""
        self._changed.set()

    def ready(self, *names: str) -> bool:
        """Whether all of some kinds (or the new pods) is known."""
        return all(name in self._watches and self._watches[name].ready for name in names)

    def settled(self, *names: str) -> bool:
        """The same, where a kind counts as known that the cluster has not served for a while: there is none of it."""
        return all(self.ready(name) or self._is_absent(name) for name in names)

    def _is_absent(self, name: str) -> bool:
        watch = self._watches.get(name)
        since = [one.not_served_since for one in watch.reflectors] if watch is not None else []
        return bool(since) and all(one is not None and self._clock() - one >= ABSENT_SECONDS for one in since)

    async def run(self, listener: Listener) -> None:
        """Begin and end watches as they are wanted, for ever; with the end of this they all end."""
        self._listener = listener
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    self._changed.clear()
                    wanted = self._wanted()
                    for name in self._watches.keys() - wanted:
                        self._end(name, listener)
                    for name in wanted - self._watches.keys():
                        watch = self._watches[name] = _Watch()
                        watch.task = group.create_task(self._follow(name, watch, listener))
                    await self._changed.wait()
        finally:
            self._listener = None
            self.clear()

    def clear(self) -> None:
        """Forget all that was seen."""
        for memory in (self._watches, self._uids, self.tracked, self.workloads):
            memory.clear()
        self.pods.clear()

    def _end(self, name: str, listener: Listener) -> None:
        task = self._watches.pop(name).task
        if task is not None:
            task.cancel()
        if name == NEW_PODS:
            self.pods.clear()
            return
        for key in [key for key in self.tracked if key.kind == name]:
            self._uids.pop(self.tracked.pop(key).uid, None)
            self.workloads.pop(key, None)
        listener.left(name)

    async def _follow(self, name: str, watch: _Watch, listener: Listener) -> None:
        feeds = self.pods.feeds() if name == NEW_PODS else await self._feeds(name, watch)
        watch.reflectors = tuple(Reflector(self._api, feed, self._clock) for feed in feeds)
        async with asyncio.TaskGroup() as group:
            for reflector in watch.reflectors:
                group.create_task(reflector.run())
            for reflector in watch.reflectors:
                await reflector.listed.wait()
            watch.ready = True
            await listener.listed(name)

    async def _feeds(self, kind: str, watch: _Watch) -> tuple[Feed, ...]:
        seal = await self._seal() if kind == SECRET else b""
        return tuple(Feed(one, _Sink(kind, one.api_version, seal, self, watch)) for one in self._may[kind])

    def goes_on(self, kind: str, watch: _Watch) -> bool:
        """Whether it is by this watch that a kind is followed: one that is ended may still tell for a moment."""
        return self._watches.get(kind) is watch

    def observe(self, kind: str, seal: bytes, body: Object) -> None:
        """Take in an object as it is now. Raises `ValueError` where it cannot be read."""
        meta = body["metadata"]
        key = ObjectKey(kind, meta.get("namespace") or "", meta["name"])
        if is_own(body):
            self.forget(key, meta["uid"])
            return
        with with_care():
            after = read_tracked(kind, body, seal)
            workload = read_workload(kind, body) if source_of(kind) is ChangeSource.ROLLOUT else None
        before = self.tracked.get(key)
        self.tracked[key] = after
        if workload is not None:
            if before is not None:
                self._uids.pop(before.uid, None)
            self._uids[after.uid] = key
            was = self.workloads.get(key)
            self.workloads[key] = workload
            self._tell_moved(key, was, workload)
        self._tell(key, before, after)

    def forget(self, key: ObjectKey, uid: str) -> None:
        """Take in that an object is gone."""
        before = self.tracked.get(key)
        if before is None or before.uid != uid:
            return
        del self.tracked[key]
        self._uids.pop(uid, None)
        self.workloads.pop(key, None)
        self._tell(key, before, None)
        if self._listener is not None:
            self._listener.moved(key)

    def _tell(self, key: ObjectKey, before: Tracked | None, after: Tracked | None) -> None:
        if self._listener is not None:
            self._listener.seen(key, before, after)

    def _tell_moved(self, key: ObjectKey, was: Workload | None, is_now: Workload) -> None:
        same = was is not None and replace(was, resource_version=is_now.resource_version) == is_now
        if self._listener is not None and not same:
            self._listener.moved(key)

    def _pod_moved(self, uid: str) -> None:
        key = self._uids.get(uid)
        if key is not None and self._listener is not None:
            self._listener.moved(key)


@dataclass(frozen=True, slots=True)
class _Sink:
    kind: str
    api_version: str
    seal: bytes
    tracking: Tracking
    watch: _Watch

    def observe(self, body: Object) -> None:
        """See `kubeprobe.kube.reflector.Sink`."""
        if self.tracking.goes_on(self.kind, self.watch):
            self.tracking.observe(self.kind, self.seal, {"apiVersion": self.api_version, **body})

    def forget(self, key: Key, uid: str) -> None:
        """See `kubeprobe.kube.reflector.Sink`."""
        if self.tracking.goes_on(self.kind, self.watch):
            self.tracking.forget(ObjectKey(self.kind, *key), uid)

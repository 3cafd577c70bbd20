"""The objects that resident probers find their targets among: a kind is watched while a config wants it, and no longer.

What is watched is all objects of the kind, for one watch serves all configs; of each only what a target needs is kept.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from kubeprobe.api import DiscoverKind
from kubeprobe.control.context import Context, Kind
from kubeprobe.control.view import Key, View
from kubeprobe.kube.port import ENDPOINT_SLICES, INGRESSES, NODES, PODS, SERVICES, Api, Object, Resource
from kubeprobe.kube.reflector import Feed, Held, Reflector
from kubeprobe.plan.candidates import Candidate, read_candidate
from kubeprobe.plan.found import concerns

QUIET_SECONDS = 1.0
"""A rollout moves many endpoints at once: what a config is told of them is gathered for so long."""
PACE_SECONDS = 5.0
"""From one time to the next while it goes on: each writes all targets, which kubelets bring once a minute."""
RESOURCES: Mapping[DiscoverKind, Resource] = {
    DiscoverKind.SERVICE: SERVICES,
    DiscoverKind.ENDPOINT_SLICE: ENDPOINT_SLICES,
    DiscoverKind.INGRESS: INGRESSES,
    DiscoverKind.NODE: NODES,
    DiscoverKind.POD: PODS,
}


@dataclass(slots=True)
class _Watch:
    """One kind that is watched now."""

    view: View[Candidate]
    reflector: Reflector
    task: asyncio.Task[None]
    begun_at: float


class Discovery:
    """Knows the objects of the kinds that somebody wants.

    Args:
        api: where they are.
        context: whose queue hears of what came and went.
        clock: seconds that only go forward, such as `time.monotonic`.
    """

    def __init__(self, api: Api, context: Context, clock: Callable[[], float]) -> None:
        self._api = api
        self._ctx = context
        self._clock = clock
        self._wants: dict[Key, frozenset[DiscoverKind]] = {}
        self._due_at: dict[Key, float] = {}
        """When each config is told next, or was last."""
        self._watches: dict[DiscoverKind, _Watch] = {}
        self._changed = asyncio.Event()

    def want(self, config: Key, kinds: frozenset[DiscoverKind]) -> None:
        """Have kinds watched for a config, and no others for it."""
        if self._wants.get(config, frozenset()) == kinds:
            return
        if kinds:
            self._wants[config] = kinds
        else:
            del self._wants[config]
            self._due_at.pop(config, None)
        self._changed.set()

    def known(self, kinds: Iterable[DiscoverKind]) -> Mapping[DiscoverKind, View[Candidate]] | None:
        """The objects of some kinds; None while one of them is not listed yet."""
        found: dict[DiscoverKind, View[Candidate]] = {}
        for kind in kinds:
            watch = self._watches.get(kind)
            if watch is None or not watch.reflector.listed.is_set():
                return None
            found[kind] = watch.view
        return found

    @property
    def followed(self) -> tuple[Reflector, ...]:
        """What is watched now."""
        return tuple(one.reflector for one in self._watches.values())

    def waiting_seconds(self, kinds: Iterable[DiscoverKind]) -> float:
        """For how long the listing of one of these kinds has been waited for; 0 where none is."""
        watches = (self._watches[kind] for kind in kinds if kind in self._watches)
        waiting = [one.begun_at for one in watches if not one.reflector.listed.is_set()]
        return self._clock() - min(waiting) if waiting else 0.0

    async def run(self) -> None:
        """Begin and end watches as they are wanted, for ever; with the end of this they all end."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    self._changed.clear()
                    wanted: frozenset[DiscoverKind] = frozenset().union(*self._wants.values())
                    for kind in wanted - self._watches.keys():
                        self._begin(kind, group)
                    for kind in self._watches.keys() - wanted:
                        self._watches.pop(kind).task.cancel()
                    await self._changed.wait()
        finally:
            self._watches.clear()

    def reset(self) -> None:
        """Forget who wanted what: another replica may have led meanwhile."""
        self._wants.clear()
        self._due_at.clear()

    def _begin(self, kind: DiscoverKind, group: asyncio.TaskGroup) -> None:
        view: View[Candidate] = View(lambda one: Held((one.namespace, one.name), one.uid, one.resource_version))
        sink = _Sink(kind, view, self._tell)
        reflector = Reflector(self._api, Feed(RESOURCES[kind], sink, held=view.held), self._clock)
        task = group.create_task(self._follow(kind, reflector))
        self._watches[kind] = _Watch(view, reflector, task, self._clock())

    async def _follow(self, kind: DiscoverKind, reflector: Reflector) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(reflector.run())
            await reflector.listed.wait()
            for config, kinds in self._wants.items():
                if kind in kinds:
                    self._ctx.queue.add((Kind.RESIDENT, config))

    def _tell(self, kind: DiscoverKind, *seen: Candidate) -> None:
        """An object came, went, or says something else about itself: the configs that it concerns look again."""
        watch = self._watches.get(kind)
        if watch is None or not watch.reflector.listed.is_set():
            return  # all of them look once the listing is complete
        for key, kinds in self._wants.items():
            config = self._ctx.views.configs.get(key) if kind in kinds else None
            if config is not None and any(concerns(config, one) for one in seen):
                self._ctx.queue.add_after((Kind.RESIDENT, key), self._wait_seconds(key))

    def _wait_seconds(self, config: Key) -> float:
        now, last = self._clock(), self._due_at.get(config, -math.inf)
        if last <= now:
            self._due_at[config] = max(now + QUIET_SECONDS, last + PACE_SECONDS)
        return self._due_at[config] - now


@dataclass(frozen=True, slots=True)
class _Sink:
    kind: DiscoverKind
    view: View[Candidate]
    tell: Callable[..., None]

    def observe(self, body: Object) -> None:
        """See `kubeprobe.kube.reflector.Sink`."""
        new = read_candidate(self.kind, body)
        before = self.view.get((new.namespace, new.name))
        if self.view.put(new) and new.differs(before):
            self.tell(self.kind, new, *([before] if before is not None else []))

    def forget(self, key: Key, uid: str) -> None:
        """See `kubeprobe.kube.reflector.Sink`."""
        gone = self.view.get(key)
        self.view.drop(key, uid)
        if gone is not None and gone.uid == uid:
            self.tell(self.kind, gone)

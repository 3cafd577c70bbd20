"""All that is known of changes: what is followed, what of it was told, and how far those are that are not over.

The parts have modules of their own: `tracking` watches, `ledgers` remembers, `batches` gathers and writes.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Iterable, Iterator

from kubeprobe.api import Change, ChangeGate, ChangeProbe, ChangeSource, ProbeConfig
from kubeprobe.control.audience import Audience
from kubeprobe.control.batches import Batches
from kubeprobe.control.change_calls import follow_wants
from kubeprobe.control.context import Context, Kind
from kubeprobe.control.follow import Followable
from kubeprobe.control.ledgers import RETRY_SECONDS, Ledgers
from kubeprobe.control.refusals import Refusals
from kubeprobe.control.tracking import NEW_PODS, Tracking
from kubeprobe.control.view import Key
from kubeprobe.kube.port import Api, ApiError
from kubeprobe.kube.reflector import Reflector
from kubeprobe.plan import gate_scope
from kubeprobe.plan.chain import chains_of
from kubeprobe.plan.change import is_over
from kubeprobe.plan.change_probe import ProbeSeen
from kubeprobe.plan.change_runs import ChangeRuns, Skipped, is_busy, plan_change_runs, skips
from kubeprobe.plan.changed import Announcement
from kubeprobe.plan.demand import Demand, Followed, follow
from kubeprobe.plan.fingerprint import ObjectKey, Tracked, source_of
from kubeprobe.plan.gate_change import in_scope, workload_of
from kubeprobe.plan.known import as_key, told
from kubeprobe.plan.reach import Concern, Reach, concern_of, demand_of, reach_of
from kubeprobe.plan.resolve import Mistake, of_config
from kubeprobe.plan.rollout import Rollout, RolloutState
from kubeprobe.plan.run import belongs
from kubeprobe.plan.sweep import is_wave
from kubeprobe.plan.triggers import not_followed

logger = logging.getLogger("kubeprobe.changes")

QUIET_SECONDS = 0.2
"""A rollout moves many things at once: what a Change is told of them is gathered for so long."""
YIELD_EVERY = 200
"""Objects between two turns of the event loop."""


class Changes:
    """The changes of a cluster.

    Args:
        context: what all reconcilers share.
        api: where objects are watched.
        may: the kinds that may be followed.
        namespace: the operator's own.
        clock: seconds that only go forward, such as `time.monotonic`.
    """

    def __init__(self, context: Context, api: Api, may: Followable, namespace: str, clock: Callable[[], float]) -> None:
        self._ctx = context
        self._may = may
        self._audience = Audience(context.views, namespace)
        self.ledgers = Ledgers(context, namespace, clock)
        self.batches = Batches(context, self._audience, self.ledgers)
        self.tracking = Tracking(api, may, self._wanted, self.ledgers.seal, clock)
        self._keys: dict[str, frozenset[ObjectKey]] = {}
        """The objects of Changes, as far as there are any."""
        self._reaches: dict[str, Reach] = {}
        """How far they are, until one of them moves."""
        self._concerns: dict[str, dict[Key, tuple[str, int | None, Concern]]] = {}
        """Which of them concern a config, by the version of it that was looked at."""
        self._bound: dict[Key, list[tuple[Change, ChangeProbe]]] | None = None
        """The Changes that are not over, by the configs that they name."""
        self._wants: frozenset[str] | None = None
        self.refusals = Refusals(context.now)
        """Of runs that changes ask for."""
        follow_wants(context.views, self._look, self._look_at_configs)

    async def run(self) -> None:
        """Follow what somebody wants and write what became of it, for ever: for as long as this replica leads."""
        while True:
            try:
                await self.ledgers.load()
                break
            except ApiError as error:
                logger.warning("fingerprints were not read: %s", error)
                await asyncio.sleep(RETRY_SECONDS)
        self.ledgers.keep_only(self._wanted())
        async with asyncio.TaskGroup() as group:
            group.create_task(self.tracking.run(self))
            group.create_task(self.batches.run())
            group.create_task(self.ledgers.run())

    def reset(self) -> None:
        """Forget what was held in memory: another replica may have led meanwhile."""
        self.ledgers.reset()
        self.batches.reset()
        self.tracking.clear()
        for memory in (self._keys, self._reaches, self._concerns):
            memory.clear()
        self.refusals.clear()
        self._look_at_configs()

    @property
    def watches(self) -> tuple[Reflector, ...]:
        """What is watched now."""
        return self.tracking.watches

    def _look(self) -> None:
        """A gate or a Change came, went, or is another now: what is wanted may be, too."""
        self._bound = self._wants = None
        self.tracking.look()

    def _look_at_configs(self) -> None:
        """A config with triggers came, went, or is another now."""
        self._audience.stir()
        self._look()

    def seen(self, key: ObjectKey, before: Tracked | None, after: Tracked | None) -> None:
        """See `kubeprobe.control.tracking.Listener`."""
        if before is None or after is None or before.fingerprint != after.fingerprint:
            self._out_of_date(key)
        self.batches.seen(key, before, after)

    def moved(self, key: ObjectKey) -> None:
        """See `kubeprobe.control.tracking.Listener`."""
        self._out_of_date(key)
        for change in self._going():
            if change.spec.source is ChangeSource.ROLLOUT and key in self._keys_of(change):
                self._have_looked_at(change)

    async def listed(self, kind: str) -> None:
        """See `kubeprobe.control.tracking.Listener`."""
        self._reaches.clear()
        if kind != NEW_PODS:
            await self._compare(kind)
        for change in self._going():
            self._have_looked_at(change)
        for gate in self._ctx.views.gates:
            self._ctx.queue.add((Kind.GATE, ("", gate.metadata.name)))

    def left(self, kind: str) -> None:
        """See `kubeprobe.control.tracking.Listener`."""
        self._reaches.clear()
        self.batches.left(kind)
        self.ledgers.keep_only(self._wanted() - {kind})

    def known(self, change: Change) -> bool:
        """Whether all is known of the objects of a Change."""
        kinds = {one.kind for one in change.spec.objects}
        if change.spec.others:
            kinds |= {kind for kind in self._may if source_of(kind) is change.spec.source}
        if any(one.pin_to_nodes for one in change.spec.probes):
            kinds.add(NEW_PODS)
        return self.tracking.settled(*(kinds & self._wanted()))

    def runs(self, config: ProbeConfig) -> ChangeRuns:
        """What changes ask of a config now."""
        key = (config.metadata.namespace, config.metadata.name)
        named = self._naming(key)
        if not named:
            self.refusals.forget(key)
            return ChangeRuns(())
        now, runs = self._ctx.now(), self._ctx.views.runs.group(key)
        demands = [self._demand(change, probe, config) for change, probe in named if self.known(change)]
        plan = plan_change_runs(config, demands, runs, self.skipped(key), now)
        unknown = [Followed(Demand(change, probe)) for change, probe in named if not self.known(change)]
        again_at = self.refusals.again_at(key)
        wake_at = min((at for at in (plan.wake_at, again_at) if at is not None), default=None)
        return ChangeRuns((*plan.followed, *unknown), plan.create if again_at is None else None, wake_at)

    def names(self, config: Key) -> frozenset[str]:
        """The Changes whose runs of a config are to be kept: all that are not over, for gates ask for runs as well."""
        runs = self._ctx.views.runs.group(config)
        if not runs:
            return frozenset()
        return frozenset(one.metadata.name for one in self._going())

    def asking(self, config: Key) -> frozenset[str]:
        """The Changes that have a config run; none where it does not run for any."""
        named = self._naming(config)
        if not named or self.skipped(config) is not None:
            return frozenset()
        return frozenset(change.metadata.name for change, _ in named)

    def unheard(self, config: ProbeConfig) -> Mistake | None:
        """What keeps a config's triggers from being heard; None where nothing does."""
        return not_followed(config, self._may)

    def followed(self, config: Key) -> tuple[Followed, ...]:
        """How far a config is with the changes that its own triggers run it for."""
        found = self._ctx.views.configs.get(config)
        return self.runs(found).followed if found is not None else ()

    def skipped(self, config: Key) -> Skipped | None:
        """Why a config does not run for changes; None where it does."""
        views, found = self._ctx.views, self._ctx.views.configs.get(config)
        if found is None:
            return skips(None, None, self._ctx.now())
        template = views.templates.get(("", found.spec.template_ref.name))
        work = of_config(found, template, views.namespace_labels(config[0]))
        mistake = work if isinstance(work, Mistake) else None
        return skips(found, mistake, self._ctx.now()) or self.refusals.given_up(config)

    def refused(self, config: Key) -> None:
        """The API server did not take a run: have the Changes looked at when they are to go on without it."""
        for change, _ in self._naming(config):
            self._ctx.wake(Kind.CHANGE, ("", change.metadata.name), self.refusals.given_up_at(config))

    def let_go(self, config: Key) -> None:
        """Have the Changes looked at that wait for a config which does not run: nothing else would end them."""
        named = self._naming(config)
        if self._ctx.views.configs.get(config) is None:
            self.refusals.forget(config)
        if named and self.skipped(config) is not None:
            for change, _ in named:
                self._ctx.queue.add((Kind.CHANGE, ("", change.metadata.name)))

    def probe_seen(self, change: Change, probe: ChangeProbe) -> ProbeSeen:
        """How far one of the configs is that a Change names."""
        key = (probe.namespace, probe.name)
        config = self._ctx.views.configs.get(key)
        if config is None:
            return ProbeSeen(probe, None, self.skipped(key))
        runs = [one for one in self._ctx.views.runs.group(key) if belongs(one, config) and not is_wave(one)]
        skipped = self.skipped(key)
        chains = chains_of(config, runs, (change.metadata.name,) if skipped is None else ())
        followed = follow(self._demand(change, probe, config), chains, self._ctx.now())
        return ProbeSeen(probe, followed, skipped, is_busy(config, runs))

    def rollouts(self, change: Change, concerns: Callable[[Tracked], bool]) -> tuple[Rollout, ...]:
        """How far those of a Change's workloads are that somebody looks at; none of them where it is not known yet."""
        if is_over(change):
            return ()
        if not self.known(change):
            named = change.spec.objects if change.spec.source is ChangeSource.ROLLOUT else ()
            return tuple(
                Rollout(as_key(one), RolloutState.UNSEEN, f"{as_key(one)} is not looked at yet") for one in named
            )
        reach = self._reach(change)
        return tuple(one for one in reach.rollouts if one.key not in reach.tracked or concerns(reach.tracked[one.key]))

    def workloads(self, gate: ChangeGate) -> tuple[gate_scope.Workload, ...] | None:
        """The workloads whose changes are a gate's to hold; None while they are not known."""
        kinds = {kind.value for kind in gate.spec.scope.kinds} & self._may.keys()
        if not self.tracking.ready(*kinds):
            return None
        return tuple(self._in_scope(gate, kinds))

    async def announce(self, gate: str, said: Announcement) -> str:
        """Take in what is announced at a gate; the name of its Change, which is written when this returns.

        Raises:
            ApiError: it was not written.
        """
        return await self.batches.announce(gate, said)

    def forget(self, change: str) -> None:
        """A Change is over, or gone."""
        for memory in (self._keys, self._reaches, self._concerns):
            memory.pop(change, None)

    def _wanted(self) -> frozenset[str]:
        """The kinds that somebody wants and that may be followed, and NEW_PODS if they are."""
        if self._wants is None:
            self._wants = (self._audience.kinds() & self._may.keys()) | self._audience.wants_pods()
        return self._wants

    async def _compare(self, kind: str) -> None:
        """Find what became of the objects of a kind while nobody looked."""
        tracked = self.tracking.tracked
        present = {key: one.fingerprint for key, one in tracked.items() if key.kind == kind}
        ledger = self.ledgers.begin(kind, present)
        for count, key in enumerate({**present, **dict.fromkeys(ledger.keys())}):
            self.batches.seen(key, None, tracked.get(key))
            if count % YIELD_EVERY == 0:
                await asyncio.sleep(0)

    def _going(self) -> Iterator[Change]:
        return (one for one in self._ctx.views.changes if not is_over(one))

    def _naming(self, config: Key) -> Iterable[tuple[Change, ChangeProbe]]:
        """The Changes that are not over and that name a config."""
        if self._bound is None:
            self._bound = {}
            for change in self._going():
                for probe in change.spec.probes:
                    self._bound.setdefault((probe.namespace, probe.name), []).append((change, probe))
        return self._bound.get(config, ())

    def _demand(self, change: Change, probe: ChangeProbe, config: ProbeConfig) -> Demand:
        """What a Change asks of a config now."""
        meta, reach, known = config.metadata, self._reach(change), self._concerns.setdefault(change.metadata.name, {})
        key, version = (meta.namespace, meta.name), (meta.uid, meta.generation)
        found = known.get(key)
        if found is None or found[:2] != version:
            found = known[key] = (*version, concern_of(config, reach, self._audience.namespaces))
        return demand_of(probe, reach, found[2])

    def _reach(self, change: Change) -> Reach:
        """How far the objects of a Change are; only asked for while all of them are known."""
        name, tracking = change.metadata.name, self.tracking
        if name not in self._reaches:
            tracked = {key: tracking.tracked[key] for key in self._keys_of(change) if key in tracking.tracked}
            pods = functools.cache(tracking.pods.new_pods)
            self._reaches[name] = reach_of(change, tracked, tracking.workloads, pods)
        return self._reaches[name]

    def _out_of_date(self, key: ObjectKey) -> None:
        """An object is another than it was: whatever rests on it is computed anew."""
        for name in [name for name in self._reaches if key in self._objects_of(name)]:
            del self._reaches[name]

    def _objects_of(self, name: str) -> frozenset[ObjectKey]:
        change = self._ctx.views.changes.get(("", name))
        return self._keys_of(change) if change is not None else frozenset()

    def _keys_of(self, change: Change) -> frozenset[ObjectKey]:
        """The objects of a Change. Those that it does not name are found among all that there are, once."""
        name, others = change.metadata.name, bool(change.spec.others)
        if name in self._keys:
            return self._keys[name]
        keys = frozenset(told(change, self.tracking.tracked if others else ()))
        if not others or self.known(change):
            self._keys[name] = keys
        return keys

    def _have_looked_at(self, change: Change) -> None:
        self._ctx.queue.add_after((Kind.CHANGE, ("", change.metadata.name)), QUIET_SECONDS)
        for gate in change.spec.gates:
            self._ctx.queue.add_after((Kind.GATE, ("", gate)), QUIET_SECONDS)

    def _in_scope(self, gate: ChangeGate, kinds: set[str]) -> Iterator[gate_scope.Workload]:
        for key, rolled_out in self.tracking.workloads.items():
            one, ledger = self.tracking.tracked[key], self.ledgers.of(key.kind)
            if key.kind in kinds and in_scope(gate, one, self._audience.namespaces, self._audience.own_namespace):
                found = workload_of(one, ledger.known(key) if ledger is not None else None, rolled_out)
                if found is not None:
                    yield found

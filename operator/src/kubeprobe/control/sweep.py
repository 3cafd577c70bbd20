"""Runs by what they cover: a sweep has waves, a wave has a pod on each of its nodes, every other run has one pod."""

from __future__ import annotations

from kubeprobe.api import Phase, ProbeConfig, ProbeRun
from kubeprobe.control.context import Context, Kind
from kubeprobe.control.nodes import NodeWatch
from kubeprobe.control.run import RunReconciler
from kubeprobe.control.view import Key
from kubeprobe.control.wave import WaveReconciler
from kubeprobe.kube.port import RUNS, ApiError
from kubeprobe.plan.budget import Priority
from kubeprobe.plan.run import Adopt, WriteStatus
from kubeprobe.plan.sweep import (
    CreateWave,
    SweepPlan,
    SweepSeen,
    is_sweep,
    last_node,
    name_taken,
    plan_sweep,
    waves_of,
)


class SweepReconciler:
    """Takes a sweep from wave to wave, and hands every other run to whom it belongs."""

    def __init__(self, context: Context, runs: RunReconciler, waves: WaveReconciler, nodes: NodeWatch) -> None:
        self._ctx = context
        self._runs = runs
        self._waves = waves
        self._nodes = nodes

    async def reconcile(self, key: Key) -> None:
        """Bring one run forward. Raises `ApiError` when a write failed."""
        views = self._ctx.views
        run = views.runs.get(key)
        if run is None:
            return
        if run.spec.target is not None:
            await self._waves.reconcile(run)
            return
        config = views.configs.get((key[0], run.spec.config_ref.name)) if run.spec.config_ref else None
        # A run that has its pod already goes its way, whatever the config says by now.
        if config is None or not is_sweep(run, config) or views.pods.get(key) is not None:
            await self._runs.reconcile(key)
        elif run.status.phase is not Phase.COMPLETED:
            await self._sweep(run, config)

    async def _sweep(self, run: ProbeRun, config: ProbeConfig) -> None:
        seen = self._gather(run, config)
        await self._apply(seen, plan_sweep(seen, self._ctx.now()))

    def _gather(self, run: ProbeRun, config: ProbeConfig) -> SweepSeen:
        views, key = self._ctx.views, (config.metadata.namespace, config.metadata.name)
        runs, result = views.runs.group(key), views.results.get(key)
        targets = result.status.targets if result else None
        return SweepSeen(
            run=run,
            config=config,
            template=views.templates.get(("", config.spec.template_ref.name)),
            namespace_labels=views.namespace_labels(key[0]),
            waves=waves_of(run, runs),
            nodes=self._nodes.all(),
            last=last_node(runs, targets.last if targets else ""),
        )

    async def _apply(self, seen: SweepSeen, plan: SweepPlan) -> None:
        meta = seen.run.metadata
        # First, for what is written next may have to wait.
        self._ctx.wake(Kind.RUN, (meta.namespace, meta.name), plan.wake_at)
        run = seen.run
        for action in plan.actions:
            match action:
                case Adopt(patch):
                    run = await self._runs.adopt(run, patch) or run
                case WriteStatus(status):
                    await self._runs.complete(run, status)
                case CreateWave(manifest):
                    await self._begin(seen, manifest)

    async def _begin(self, seen: SweepSeen, manifest: dict[str, object]) -> None:
        meta = seen.run.metadata
        try:
            created = await self._ctx.writer.create(Priority.RUN, RUNS, meta.namespace, manifest)
        except ApiError as error:
            if error.already_exists:
                await self._meet(seen, manifest)
                return
            if error.namespace_terminating or error.not_found:
                return
            raise
        wave = ProbeRun.model_validate(created)
        self._ctx.views.runs.put(wave)
        self._ctx.queue.add((Kind.RUN, (meta.namespace, wave.metadata.name)))
        self._ctx.queue.add((Kind.RUN, (meta.namespace, meta.name)))

    async def _meet(self, seen: SweepSeen, manifest: dict[str, object]) -> None:
        """A run of the wave's name is there: ours, created just before a crash, or somebody else's."""
        meta = seen.run.metadata
        name = ProbeRun.model_validate(manifest).metadata.name
        found = ProbeRun.model_validate(await self._ctx.api.get(RUNS, meta.namespace, name))
        self._ctx.views.runs.put(found)
        if waves_of(seen.run, (found,)):
            self._ctx.queue.add((Kind.RUN, (meta.namespace, meta.name)))
        else:
            await self._apply(seen, name_taken(seen, name, self._ctx.now()))

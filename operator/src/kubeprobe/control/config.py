"""ProbeConfig: gather from the views, plan, apply."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from kubeprobe.api import Mode, ProbeConfig, ProbeResultStatus, ProbeRun
from kubeprobe.control.again import look_again_after
from kubeprobe.control.changes import Changes
from kubeprobe.control.context import Context, Kind
from kubeprobe.control.refusals import Refusals
from kubeprobe.control.starting import start_run
from kubeprobe.control.tidy import Tidier
from kubeprobe.control.view import Key
from kubeprobe.kube.port import CONFIGS, ApiError
from kubeprobe.plan.budget import Priority
from kubeprobe.plan.config import ConfigPlan, ConfigSeen, plan_config
from kubeprobe.plan.due import Due
from kubeprobe.plan.gate_change import counted_by
from kubeprobe.plan.resident import AVAILABLE


class ConfigReconciler:
    """Keeps one config going: its condition, its due runs, its history.

    Args:
        answer: what is known of a config's target now, which decides how soon the next run is due.
        changes: what its triggers have it run for.
    """

    def __init__(
        self,
        context: Context,
        tidier: Tidier,
        answer: Callable[[Key], ProbeResultStatus | None],
        changes: Changes,
    ) -> None:
        self._ctx = context
        self._tidier = tidier
        self._answer = answer
        self._changes = changes
        self._refusals = Refusals(context.now)
        """Of runs that the schedule asks for."""

    def reset(self) -> None:
        """Forget what was held in memory: another replica may have led meanwhile."""
        self._refusals.clear()

    async def reconcile(self, key: Key) -> None:
        """Bring one config to what it should be now. Raises `ApiError` when a write failed."""
        config = self._ctx.views.configs.get(key)
        if config is None:
            return
        now = self._ctx.now()
        plan = plan_config(self._gather(config), now)
        for run in plan.surplus:
            self._tidier.discard(run)
        # First, for what is written next may have to wait; and the run before the status, since it is more urgent.
        self._ctx.wake(Kind.CONFIG, key, plan.wake_at)
        self._ctx.queue.add((Kind.RESULT, key))
        if config.spec.mode is Mode.RESIDENT or self._has_prober(config):
            self._ctx.queue.add((Kind.RESIDENT, key))
        refused = await self._start_all(config, plan.due)
        await self._tell(config, plan)
        if refused is not None:
            raise refused

    def _has_prober(self, config: ProbeConfig) -> bool:
        """Whether there is something left of a time in which it was in mode Resident."""
        key = (config.metadata.namespace, config.metadata.name)
        told = any(one.type == AVAILABLE for one in config.status.conditions)
        return told or any(view.group(key) for view in self._ctx.views.owned.values())

    def _gather(self, config: ProbeConfig) -> ConfigSeen:
        views, meta = self._ctx.views, config.metadata
        key = (meta.namespace, meta.name)
        runs = views.runs.group(key)
        return ConfigSeen(
            config=config,
            template=views.templates.get(("", config.spec.template_ref.name)),
            namespace_labels=views.namespace_labels(meta.namespace),
            runs=runs,
            answer=self._answer(key),
            changes=self._changes.names(key),
            counted=counted_by(views.gates, config, runs, self._changes.asking(key)),
            unheard=self._changes.unheard(config),
        )

    async def _tell(self, config: ProbeConfig, plan: ConfigPlan) -> None:
        if plan.status is None:
            return
        meta = config.metadata
        status = plan.status.model_dump(by_alias=True, exclude_none=True, mode="json")
        body = {"metadata": {"resourceVersion": meta.resource_version}, "status": status}
        try:
            written = await self._ctx.writer.merge_patch(
                Priority.HISTORY, CONFIGS, meta.namespace, meta.name, body, subresource="status"
            )
        except ApiError as error:
            if error.not_found:
                return
            await look_again_after(error, self._ctx, CONFIGS, (meta.namespace, meta.name))
            raise
        self._ctx.views.configs.put(ProbeConfig.model_validate(written))
        if plan.mistake is not None:
            self._ctx.recorder.record(config, plan.mistake.reason, plan.mistake.message, warning=True)

    async def _start_all(self, config: ProbeConfig, due: Due) -> ApiError | None:
        """Begin what the schedule and what changes ask for: that the one is refused is no business of the other."""
        refused = None
        for start in (partial(self._start, config, due), partial(self._start_for_change, config)):
            try:
                await start()
            except ApiError as error:
                refused = error
                if error.passing and not error.refused:  # it may be there, and a sweep is never beside another run
                    break
        return refused

    async def _start(self, config: ProbeConfig, due: Due) -> None:
        if due.create is None:
            return
        key = (config.metadata.namespace, config.metadata.name)
        rests_until = self._refusals.rests_until(key)
        if rests_until is not None:
            self._ctx.wake(Kind.CONFIG, key, rests_until)
            return
        run = await start_run(self._ctx, config, due.create, self._refusals)
        if run is not None:
            self._observe(run)
            for one in due.replaced:
                self._ctx.queue.add((Kind.RUN, (one.metadata.namespace, one.metadata.name)))

    async def _start_for_change(self, config: ProbeConfig) -> None:
        """Begin the run that changes ask for; after the scheduled one, for a sweep is never beside another run."""
        meta, asked = config.metadata, self._changes.runs(config)
        self._ctx.wake(Kind.CONFIG, (meta.namespace, meta.name), asked.wake_at)
        key = (meta.namespace, meta.name)
        if asked.create is None:
            self._changes.let_go(key)
            return
        try:
            await start_run(self._ctx, config, asked.create, self._changes.refusals)
        except ApiError as error:
            if error.refused:
                self._changes.refused(key)
            raise

    def _observe(self, run: ProbeRun) -> None:
        trigger, metrics = run.spec.trigger, self._ctx.metrics
        if trigger.slot is not None and trigger.attempt is None:
            late = (self._ctx.now() - trigger.slot).total_seconds()
            metrics.start_error_seconds.observe(max(late, 0.0))
        if trigger.missed is not None and trigger.attempt is None:
            metrics.slots_missed.labels(trigger.missed.reason.value).inc(trigger.missed.count)

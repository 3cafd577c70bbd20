"""ProbeConfig: gather from the views, plan, apply."""

from __future__ import annotations

from kubeprobe.api import ProbeConfig, ProbeRun
from kubeprobe.control.context import Context, Kind
from kubeprobe.control.tidy import Tidier
from kubeprobe.control.view import Key
from kubeprobe.kube.port import CONFIGS, RUNS, ApiError
from kubeprobe.plan.budget import Priority
from kubeprobe.plan.config import ConfigPlan, ConfigSeen, plan_config


class ConfigReconciler:
    """Keeps one config going: its condition, its due runs, its history."""

    def __init__(self, context: Context, tidier: Tidier) -> None:
        self._ctx = context
        self._tidier = tidier

    async def reconcile(self, key: Key) -> None:
        """Bring one config to what it should be now. Raises `ApiError` when a write failed."""
        config = self._ctx.views.configs.get(key)
        if config is None:
            return
        now = self._ctx.now()
        plan = plan_config(self._gather(config), now)
        for run in plan.surplus:
            self._tidier.discard(run)
        # First, for what is written next may have to wait; and the run before the condition, since it is more urgent.
        self._ctx.wake(Kind.CONFIG, key, plan.wake_at)
        self._ctx.queue.add((Kind.RESULT, key))
        await self._start(config, plan)
        await self._condition(config, plan)

    def _gather(self, config: ProbeConfig) -> ConfigSeen:
        views, meta = self._ctx.views, config.metadata
        result = views.results.get((meta.namespace, meta.name))
        last_run = result.status.last_run if result else None
        return ConfigSeen(
            config=config,
            template=views.templates.get(("", config.spec.template_ref.name)),
            namespace_labels=views.namespace_labels(meta.namespace),
            runs=views.runs.group((meta.namespace, meta.name)),
            last_slot=last_run.slot if last_run else None,
        )

    async def _condition(self, config: ProbeConfig, plan: ConfigPlan) -> None:
        if plan.conditions is None:
            return
        meta = config.metadata
        status = {
            "observedGeneration": meta.generation,
            "conditions": [one.model_dump(by_alias=True, exclude_none=True, mode="json") for one in plan.conditions],
        }
        body = {"status": status}
        try:
            written = await self._ctx.writer.merge_patch(
                Priority.HISTORY, CONFIGS, meta.namespace, meta.name, body, subresource="status"
            )
        except ApiError as error:
            if error.not_found:
                return
            raise
        self._ctx.views.configs.put(ProbeConfig.model_validate(written))
        if plan.mistake is not None:
            self._ctx.recorder.record(config, plan.mistake.reason, plan.mistake.message, warning=True)

    async def _start(self, config: ProbeConfig, plan: ConfigPlan) -> None:
        if plan.create is None:
            return
        meta = config.metadata
        try:
            created = await self._ctx.writer.create(Priority.RUN, RUNS, meta.namespace, plan.create)
        except ApiError as error:
            if error.already_exists or error.namespace_terminating or error.not_found:
                return
            raise
        run = ProbeRun.model_validate(created)
        self._ctx.views.runs.put(run)
        if run.spec.trigger.slot is not None:
            late = (self._ctx.now() - run.spec.trigger.slot).total_seconds()
            self._ctx.metrics.start_error_seconds.observe(max(late, 0.0))
        self._ctx.queue.add((Kind.RUN, (meta.namespace, run.metadata.name)))

"""ProbeRun: gather from the views, plan, apply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from kubeprobe.api import Phase, ProbeRun, ProbeRunStatus
from kubeprobe.control.again import look_again, look_again_after, look_at_pod
from kubeprobe.control.context import Context, Kind, logger
from kubeprobe.control.evidence import gather_evidence
from kubeprobe.control.view import Key
from kubeprobe.kube.port import CONFIGS, NAMESPACES, PODS, RUNS, TEMPLATES, ApiError
from kubeprobe.plan.budget import Priority
from kubeprobe.plan.delivery import Attempts, Refusal
from kubeprobe.plan.due import changes_of, is_replaced
from kubeprobe.plan.pod_view import PodView, read_pod
from kubeprobe.plan.run import (
    Action,
    Adopt,
    AskForEvidence,
    CreatePod,
    DeletePod,
    RunPlan,
    RunSeen,
    WriteStatus,
    plan_run,
)


@dataclass(frozen=True, slots=True)
class Memory:
    """What this process did for a run, beside what can be observed."""

    delivered: bool = False
    attempts: Attempts | None = None
    deleted_uid: str = ""


class RunReconciler:
    """Takes one run from its creation to its verdict."""

    def __init__(self, context: Context, lagged: Callable[[datetime], bool]) -> None:
        self._ctx = context
        self.lagged = lagged
        self._memory: dict[str, Memory] = {}

    async def reconcile(self, key: Key) -> None:
        """Bring one run forward. Raises `ApiError` when a write failed."""
        run = self._ctx.views.runs.get(key)
        if run is None:
            return
        if run.status.phase is not Phase.COMPLETED:
            await self._look_for_what_it_names(run)
        seen = self._gather(run)
        plan = plan_run(seen, self._ctx.site, self._ctx.now())
        ask = next((action for action in plan.actions if isinstance(action, AskForEvidence)), None)
        if ask is not None:
            evidence = await gather_evidence(self._ctx.api, run.metadata.namespace, ask)
            pod = await look_at_pod(self._ctx, key)
            # Asked anew, for what was waited for may have taken its time itself.
            lagged = self.lagged(run.metadata.creation_timestamp)
            plan = plan_run(replace(seen, pod=pod, evidence=evidence, lagged=lagged), self._ctx.site, self._ctx.now())
        await self._apply(run, plan)

    async def complete(self, run: ProbeRun, status: ProbeRunStatus) -> ProbeRun | None:
        """Write a run's final status, and let its config and its pod know. None when the run is gone.

        Raises:
            ApiError: the status is not written.
        """
        return await self._write(run, status, Priority.VERDICT)

    def forget(self, uid: str) -> None:
        """Drop what was remembered of a run that is gone."""
        self._memory.pop(uid, None)
        self._ctx.vouched.discard(uid)

    def reset(self) -> None:
        """Forget what was held in memory: another replica may have led meanwhile."""
        self._memory.clear()
        self._ctx.vouched.clear()

    async def _look_for_what_it_names(self, run: ProbeRun) -> None:
        """That something is not there is a run's end, so a watch that lags must not be believed about it."""
        views, spec, namespace = self._ctx.views, run.spec, run.metadata.namespace
        if spec.config_ref is not None and views.configs.get((namespace, spec.config_ref.name)) is None:
            await look_again(self._ctx, CONFIGS, (namespace, spec.config_ref.name))
        config = views.configs.get((namespace, spec.config_ref.name)) if spec.config_ref else None
        template = config.spec.template_ref if config else spec.template_ref
        if template is not None and views.templates.get(("", template.name)) is None:
            await look_again(self._ctx, TEMPLATES, ("", template.name))
        if views.namespace_labels(namespace) is None:
            await look_again(self._ctx, NAMESPACES, ("", namespace))

    def _gather(self, run: ProbeRun) -> RunSeen:
        views, spec, namespace = self._ctx.views, run.spec, run.metadata.namespace
        config = views.configs.get((namespace, spec.config_ref.name)) if spec.config_ref else None
        template_ref = config.spec.template_ref if config else spec.template_ref
        memory = self._memory.get(run.metadata.uid, Memory())
        pod = views.pods.get((namespace, run.metadata.name))
        siblings = views.runs.group((namespace, config.metadata.name)) if config else ()
        return RunSeen(
            run=run,
            config=config,
            template=views.templates.get(("", template_ref.name)) if template_ref else None,
            namespace_labels=views.namespace_labels(namespace),
            pod=None if pod is not None and pod.uid == memory.deleted_uid else pod,
            delivered=memory.delivered,
            attempts=memory.attempts,
            replaced=config is not None and is_replaced(run, config, siblings, self._ctx.now()),
            lagged=self.lagged(run.metadata.creation_timestamp),
        )

    async def _apply(self, run: ProbeRun, plan: RunPlan) -> None:
        # First, for what is written next may have to wait.
        self._ctx.wake(Kind.RUN, (run.metadata.namespace, run.metadata.name), plan.wake_at)
        priority = plan.priority
        for action in plan.actions:
            run = await self._do(run, action, priority) or run

    async def _do(self, run: ProbeRun, action: Action, priority: Priority) -> ProbeRun | None:
        """Do one thing; the run as it is then, if that changed it."""
        match action:
            case CreatePod(manifest):
                await self._create(run, manifest)
            case DeletePod(uid, at_once):
                await self._delete(run, uid, at_once=at_once)
            case WriteStatus(status):
                await self._write(run, status, priority)
            case Adopt(patch):
                return await self.adopt(run, patch, priority)
        return None

    async def _create(self, run: ProbeRun, manifest: dict[str, object]) -> None:
        key = (run.metadata.namespace, run.metadata.name)
        if await self.vouch(run):
            return
        try:
            pod = read_pod(await self._ctx.writer.create(Priority.RUN, PODS, run.metadata.namespace, manifest))
        except ApiError as error:
            if error.already_exists:
                await self._meet(run)
                return
            self._refused(run, error)
            self._ctx.queue.add((Kind.RUN, key))
            return
        self._ctx.views.pods.put(pod)
        self._memory[run.metadata.uid] = Memory(delivered=True)
        self._ctx.queue.add((Kind.RUN, key))

    async def vouch(self, run: ProbeRun) -> bool:
        """Read a run that somebody else created, perhaps the leader before; True when it is to be decided anew then.

        The views of runs and of pods are two watches: one that lags shows a run without the pod that it had.
        """
        if run.metadata.uid in self._ctx.vouched:
            return False
        key = (run.metadata.namespace, run.metadata.name)
        if await look_again(self._ctx, RUNS, key):
            self._ctx.vouched.add(run.metadata.uid)
            self._ctx.queue.add((Kind.RUN, key))
        return True

    async def _meet(self, run: ProbeRun) -> None:
        """The pod is there and was not seen yet: created just before a crash, say."""
        pod: PodView = read_pod(await self._ctx.api.get(PODS, run.metadata.namespace, run.metadata.name))
        self._ctx.views.pods.put(pod)
        self._ctx.queue.add((Kind.RUN, (run.metadata.namespace, run.metadata.name)))

    def _refused(self, run: ProbeRun, error: ApiError) -> None:
        logger.info("pod %s/%s was not created: %s", run.metadata.namespace, run.metadata.name, error)
        now = self._ctx.now()
        memory = self._memory.get(run.metadata.uid, Memory())
        refusal = Refusal(error.status, str(error))
        attempts = memory.attempts
        attempts = attempts.after(refusal, now) if attempts else Attempts(now, now, 1, refusal)
        self._memory[run.metadata.uid] = replace(memory, attempts=attempts)

    async def _delete(self, run: ProbeRun, uid: str, *, at_once: bool) -> None:
        grace = 0 if at_once else None
        meta = run.metadata
        await self._ctx.writer.delete(Priority.HISTORY, PODS, meta.namespace, meta.name, uid=uid, grace_seconds=grace)
        memory = self._memory.get(run.metadata.uid, Memory())
        self._memory[run.metadata.uid] = replace(memory, deleted_uid=uid)

    async def _write(self, run: ProbeRun, status: ProbeRunStatus, priority: Priority) -> ProbeRun | None:
        meta = run.metadata
        body = {
            "metadata": {"resourceVersion": meta.resource_version},
            "status": status.model_dump(by_alias=True, exclude_none=True, mode="json"),
        }
        written = await self._patch(run, body, priority, "status")
        if written is not None and status.phase is Phase.COMPLETED:
            self._completed(written)
        return written

    async def _patch(
        self, run: ProbeRun, body: dict[str, Any], priority: Priority, subresource: str | None = None
    ) -> ProbeRun | None:
        """Write a run; None when it is gone. Raises `ApiError`, after a look at it where somebody else wrote it."""
        meta = run.metadata
        try:
            answer = await self._ctx.writer.merge_patch(
                priority, RUNS, meta.namespace, meta.name, body, subresource=subresource
            )
        except ApiError as error:
            if error.not_found:
                self._gone(run)
                return None
            await look_again_after(error, self._ctx, RUNS, (meta.namespace, meta.name))
            raise
        written = ProbeRun.model_validate(answer)
        self._ctx.views.runs.put(written)
        return written

    def _gone(self, run: ProbeRun) -> None:
        """The API server has it no more, and its config need not wait for the watch to say so."""
        key = (run.metadata.namespace, run.metadata.name)
        self._ctx.views.runs.drop(key, run.metadata.uid)
        if run.spec.config_ref is not None:
            self._ctx.queue.add((Kind.CONFIG, (key[0], run.spec.config_ref.name)))

    def _completed(self, run: ProbeRun) -> None:
        status, meta = run.status, run.metadata
        self._ctx.metrics.runs.labels(str(status.verdict), str(status.source)).inc()
        self._ctx.queue.add((Kind.RUN, (meta.namespace, meta.name)))
        if run.spec.config_ref is not None:
            self._ctx.queue.add((Kind.RESULT, (meta.namespace, run.spec.config_ref.name)))
            self._ctx.queue.add((Kind.CONFIG, (meta.namespace, run.spec.config_ref.name)))
        for change in changes_of(run):
            self._ctx.queue.add((Kind.CHANGE, ("", change)))

    async def adopt(self, run: ProbeRun, patch: dict[str, Any], priority: Priority = Priority.RUN) -> ProbeRun | None:
        """Make a run that a user created belong to its config; None when it is gone. Raises `ApiError`."""
        meta = run.metadata
        body = {**patch, "metadata": {**patch["metadata"], "resourceVersion": meta.resource_version}}
        return await self._patch(run, body, priority)

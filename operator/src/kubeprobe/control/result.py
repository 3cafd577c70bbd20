"""ProbeResult: fold what completed into the answer, and write it when it is worth a write."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kubeprobe.api import API_VERSION, ProbeConfig, ProbeResultStatus, Verdict
from kubeprobe.control.context import Context, Kind
from kubeprobe.control.view import Key, ResultView, read_result
from kubeprobe.kube.port import RESULTS, ApiError
from kubeprobe.plan.budget import Priority
from kubeprobe.plan.resolve import Mistake, of_config
from kubeprobe.plan.result import ResultPlan, fold, judge, pending, plan_write
from kubeprobe.plan.schedule import slots


@dataclass(frozen=True, slots=True)
class Answer:
    """One config's answer where it is ahead of what is written, by at most a heartbeat."""

    config_uid: str
    status: ProbeResultStatus
    written_at: datetime | None


@dataclass(frozen=True, slots=True)
class Written:
    """What this process last wrote, or found when it started: what anybody else writes over it is put right."""

    config_uid: str
    result: ResultView
    at: datetime | None


class ResultReconciler:
    """Keeps one config's answer."""

    def __init__(self, context: Context) -> None:
        self._ctx = context
        self._answers: dict[Key, Answer] = {}
        self._written: dict[Key, Written] = {}

    async def reconcile(self, key: Key) -> None:
        """Fold and, if worth it, write. Raises `ApiError` when the write failed."""
        config = self._ctx.views.configs.get(key)
        if config is None or config.metadata.deletion_timestamp is not None:
            self._answers.pop(key, None)
            self._written.pop(key, None)
            return
        now = self._ctx.now()
        result = self._ctx.views.results.get(key)
        held = self._held(key, config, result, now)
        status = fold(held.status, config, self._ctx.views.runs.group(key), now)
        status = judge(status, self._mistake(config), now)
        stands = result.status if result else None
        if status == stands:
            self._answers.pop(key, None)
            return
        self._answers[key] = Answer(config.metadata.uid, status, held.written_at)
        plan = plan_write(stands, held.written_at, status, config.metadata.uid, now)
        self._ctx.wake(Kind.RESULT, key, plan.wake_at)
        if plan.write:
            await self._write(key, config, result, plan)

    async def flush(self) -> None:
        """Write every answer that is ahead of what is written: the process is about to end."""
        for key, answer in list(self._answers.items()):
            config, result = self._ctx.views.configs.get(key), self._ctx.views.results.get(key)
            if config is not None and result is not None and result.status != answer.status:
                turned = result.verdict != answer.status.verdict
                plan = ResultPlan(answer.status, write=True, turned=turned, wake_at=None)
                await self._write(key, config, result, plan)

    def _mistake(self, config: ProbeConfig) -> Mistake | None:
        views = self._ctx.views
        template = views.templates.get(("", config.spec.template_ref.name))
        work = of_config(config, template, views.namespace_labels(config.metadata.namespace))
        return work if isinstance(work, Mistake) else None

    def _held(self, key: Key, config: ProbeConfig, result: ResultView | None, now: datetime) -> Answer:
        held, uid = self._answers.get(key), config.metadata.uid
        if held is not None and held.config_uid == uid:
            return held
        written = self._written.get(key)
        if written is None and result is not None and uid in result.owner_uids:
            written = self._written[key] = Written(uid, result, None)
        if written is not None and written.config_uid == uid and (status := written.result.status).since is not None:
            return Answer(uid, status, written.at)
        return Answer(uid, pending(config, now), None)

    async def _write(self, key: Key, config: ProbeConfig, result: ResultView | None, plan: ResultPlan) -> None:
        now = self._ctx.now()
        next_run = None
        if config.spec.schedule is not None:
            meta = config.metadata
            next_run = slots(config.spec.schedule, meta.creation_timestamp, meta.uid, now).next
        status = plan.status.model_copy(update={"next_run": next_run})
        if result is None and not await self._create(key, config, plan.priority):
            return
        # Null takes the next run away when there is none any more; left out, a merge would keep it.
        body = {"status": {"nextRun": None, **status.model_dump(by_alias=True, exclude_none=True, mode="json")}}
        try:
            answer = await self._ctx.writer.merge_patch(
                plan.priority, RESULTS, key[0], key[1], body, subresource="status"
            )
        except ApiError as error:
            if error.not_found:
                return
            raise
        written = read_result(answer)
        self._ctx.views.results.put(written)
        self._answers.pop(key, None)
        self._written[key] = Written(config.metadata.uid, written, now)
        self._tell(config, plan, now)

    async def _create(self, key: Key, config: ProbeConfig, priority: Priority) -> bool:
        meta = config.metadata
        owner = {
            "apiVersion": API_VERSION,
            "kind": "ProbeConfig",
            "name": meta.name,
            "uid": meta.uid,
            "controller": True,
        }
        body = {
            "apiVersion": API_VERSION,
            "kind": "ProbeResult",
            "metadata": {
                "name": key[1],
                "namespace": key[0],
                "labels": dict(meta.labels),
                "ownerReferences": [owner],
            },
        }
        try:
            answer = await self._ctx.writer.create(priority, RESULTS, key[0], body)
            self._ctx.views.results.put(read_result(answer))
        except ApiError as error:
            if error.namespace_terminating or error.not_found:
                return False
            if not error.already_exists:
                raise
        return True

    def _tell(self, config: ProbeConfig, plan: ResultPlan, now: datetime) -> None:
        status = plan.status
        if not plan.turned:
            return
        if status.last_run is not None:
            took = (now - status.last_run.finished_at).total_seconds()
            self._ctx.metrics.verdict_seconds.observe(max(took, 0.0))
        self._ctx.recorder.record(
            config,
            f"Verdict{status.verdict}",
            status.message or status.reason,
            warning=status.verdict is not Verdict.PASSED,
        )

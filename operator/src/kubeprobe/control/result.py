"""ProbeResult: fold what completed into the answer, and write it when it is worth a write."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from kubeprobe.api import API_VERSION, Mode, ProbeConfig, ProbeResultStatus, Schedule, Verdict
from kubeprobe.control.again import look_again_after
from kubeprobe.control.context import Context, Kind
from kubeprobe.control.nodes import NodeWatch
from kubeprobe.control.resident_store import ResidentStore
from kubeprobe.control.view import Key, ResultView, read_result
from kubeprobe.kube.port import RESULTS, ApiError
from kubeprobe.plan.budget import Priority
from kubeprobe.plan.config import followed
from kubeprobe.plan.pace import paced, repaced
from kubeprobe.plan.resident_answer import Damper, all_heard_at, fresh_resident_until, stand_resident
from kubeprobe.plan.resident_rate import turns_rate
from kubeprobe.plan.resolve import Mistake, Work, of_config
from kubeprobe.plan.result import ResultPlan, fold, fresh_until, plan_write
from kubeprobe.plan.schedule import Rhythm
from kubeprobe.plan.standing import Standing, in_maintenance, pending, stand


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
    """Keeps one config's answer.

    Args:
        asking: the Changes that have a config run: what is tried again for them does not count yet.
    """

    def __init__(
        self,
        context: Context,
        nodes: NodeWatch,
        residents: ResidentStore,
        asking: Callable[[Key], frozenset[str]],
    ) -> None:
        self._ctx = context
        self._asking = asking
        self._nodes = nodes
        self._residents = residents
        self._answers: dict[Key, Answer] = {}
        self._written: dict[Key, Written] = {}
        self._dampers: dict[Key, Damper] = {}
        """For configs with resident probers, whose answers may turn at any rate."""
        self._heard_at: dict[Key, datetime | None] = {}
        self._followers: list[Callable[[Key], None]] = []

    def follow(self, told: Callable[[Key], None]) -> None:
        """Have somebody told of the configs of which something else is known, whether that was worth a write or not."""
        self._followers.append(told)

    async def reconcile(self, key: Key) -> None:
        """Fold and, if worth it, write. Raises `ApiError` when the write failed."""
        config = self._ctx.views.configs.get(key)
        if config is None or config.metadata.deletion_timestamp is not None:
            for memory in (self._answers, self._written, self._dampers, self._heard_at):
                memory.pop(key, None)
            self._residents.forget(key)
            return
        now = self._ctx.now()
        result = self._ctx.views.results.get(key)
        held, heard_at = self._held(key, config, result, now), self._heard_at.get(key)
        standing = self._standing(key, config, held.status, now)
        status, stands = standing.status, result.status if result else None
        if config.spec.schedule is not None and repaced(config.spec.schedule, held.status, status):
            self._ctx.queue.add((Kind.CONFIG, key))  # which runs are due when follows from the answer
        self._ctx.wake(Kind.RESULT, key, standing.changes_at)
        if status != (self._ahead(key, config) or stands) or self._heard_at.get(key) != heard_at:
            self._tell_followers(key)
        if status == stands:
            self._answers.pop(key, None)
            return
        self._answers[key] = Answer(config.metadata.uid, status, held.written_at)
        free_at = self._dampers[key].free_at() if key in self._dampers else None
        plan = plan_write(stands, held.written_at, status, config.metadata.uid, now, free_at)
        self._ctx.wake(Kind.RESULT, key, plan.wake_at)
        if plan.write:
            await self._write(key, config, result, plan)

    def reset(self) -> None:
        """Forget what was held in memory: what is written counts, for another replica may have led meanwhile."""
        self._answers.clear()
        self._written.clear()
        self._dampers.clear()
        self._heard_at.clear()
        self._residents.reset()

    async def flush(self) -> None:
        """Write every answer that is ahead of what is written: the process is about to end."""
        for key, answer in list(self._answers.items()):
            config, result = self._ctx.views.configs.get(key), self._ctx.views.results.get(key)
            if config is not None and result is not None and result.status != answer.status:
                turned = result.verdict != answer.status.verdict
                plan = ResultPlan(answer.status, write=True, turned=turned, wake_at=None)
                with contextlib.suppress(ApiError):  # it is counted anew; the others are not to suffer
                    await self._write(key, config, result, plan)

    def latest(self, key: Key) -> ProbeResultStatus | None:
        """The answer now, which may be ahead of what is written."""
        config, result = self._ctx.views.configs.get(key), self._ctx.views.results.get(key)
        ahead = self._ahead(key, config) if config is not None else None
        return ahead or (result.status if result else None)

    def heard_at(self, key: Key) -> datetime | None:
        """When a config's probers were last heard all together, as far as the answer has it; None before that."""
        return self._heard_at.get(key)

    def _ahead(self, key: Key, config: ProbeConfig) -> ProbeResultStatus | None:
        """The answer where it is ahead of what is written."""
        held = self._answers.get(key)
        return held.status if held is not None and held.config_uid == config.metadata.uid else None

    def _tell_followers(self, key: Key) -> None:
        for told in self._followers:
            told(key)

    def _standing(self, key: Key, config: ProbeConfig, before: ProbeResultStatus, now: datetime) -> Standing:
        work = self._work(config)
        if config.spec.mode is Mode.RESIDENT:
            self._dampers.setdefault(key, Damper())
            if turns_rate(config, self._residents.served_share(config)):
                self._ctx.queue.add((Kind.RESIDENT, key))  # who keeps the config's conditions
            heard = self._residents.take(key)
            self._heard_at[key] = all_heard_at(config, heard, now)
            return stand_resident(before, config, work, heard, now)
        self._dampers.pop(key, None)
        self._heard_at.pop(key, None)
        self._residents.forget(key)
        runs = self._ctx.views.runs.group(key)
        nodes = self._nodes.names() if config.spec.targets is not None else None
        status = fold(before, config, runs, now, nodes, self._asking(key)).model_copy(update={"resident": None})
        return stand(status, config, work, self._cadence(config, status, work), runs, now)

    def _work(self, config: ProbeConfig) -> Work | Mistake:
        views = self._ctx.views
        template = views.templates.get(("", config.spec.template_ref.name))
        return of_config(config, template, views.namespace_labels(config.metadata.namespace))

    def _cadence(self, config: ProbeConfig, answer: ProbeResultStatus, work: Work | Mistake) -> Schedule | None:
        schedule = None if isinstance(work, Mistake) else followed(config)
        return paced(schedule, answer) if schedule else None

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
        work, meta = self._work(config), config.metadata
        cadence = self._cadence(config, plan.status, work)
        next_run = Rhythm(cadence, meta.creation_timestamp, meta.uid).slots(now).next if cadence else None
        until = fresh_resident_until(config, now) or fresh_until(work, cadence, now)
        update = {"next_run": next_run, "fresh_until": until}
        status = plan.status.model_copy(update=update)
        result = result or await self._create(key, config, plan.priority)
        if result is None:
            return
        # Null takes away what there is none of any more; left out, a merge would keep it.
        said = status.model_dump(by_alias=True, exclude_none=True, mode="json")
        body = {
            "metadata": {"resourceVersion": str(result.resource_version)},
            "status": {"nextRun": None, "freshUntil": None, "targets": None, "resident": None, **said},
        }
        try:
            answer = await self._ctx.writer.merge_patch(
                plan.priority, RESULTS, key[0], key[1], body, subresource="status"
            )
        except ApiError as error:
            if error.not_found:
                return
            await look_again_after(error, self._ctx, RESULTS, key)
            raise
        written = read_result(answer)
        self._ctx.views.results.put(written)
        self._answers.pop(key, None)
        self._written[key] = Written(config.metadata.uid, written, now)
        if key in self._dampers:
            self._dampers[key] = self._dampers[key].written(now)
        self._tell(config, plan, now)

    async def _create(self, key: Key, config: ProbeConfig, priority: Priority) -> ResultView | None:
        """The config's ProbeResult, new; None when there is no place for one any more."""
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
            created = read_result(await self._ctx.writer.create(priority, RESULTS, key[0], body))
        except ApiError as error:
            if error.namespace_terminating or error.not_found:
                return None
            await look_again_after(error, self._ctx, RESULTS, key)
            raise
        self._ctx.views.results.put(created)
        return created

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
            warning=status.verdict is not Verdict.PASSED and not in_maintenance(status),
        )

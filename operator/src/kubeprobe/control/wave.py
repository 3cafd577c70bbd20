"""Runs that cover several nodes: gather from the views, plan, apply; and the reports of their pods.

A report waits for the write that makes it durable, and that write takes all reports that came meanwhile: one write a
second for a wave, whatever number of its pods speak at once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from kubeprobe.api import Phase, ProbeRun
from kubeprobe.control.again import look_at_pod
from kubeprobe.control.context import Context, Kind, logger
from kubeprobe.control.evidence import gather_evidence
from kubeprobe.control.nodes import NodeWatch
from kubeprobe.control.run import Memory, RunReconciler
from kubeprobe.intake.port import Answer, PodIdentity
from kubeprobe.kube.port import PODS, ApiError
from kubeprobe.plan import record
from kubeprobe.plan.budget import Priority
from kubeprobe.plan.delivery import Attempts, Refusal
from kubeprobe.plan.pod_view import PodView, read_pod
from kubeprobe.plan.record import NodeOutcome
from kubeprobe.plan.run import AskForEvidence, DeletePod, Evidence
from kubeprobe.plan.wave import NodeSeen, WavePlan, WaveSeen, index_of, known, mark_of, plan_wave, pod_name, reported
from probe_sdk.wire import Report

REPORT_SECONDS = 2.5
"""How long a report is held for its write: a little less than a sender waits for an answer."""


@dataclass(slots=True)
class Held:
    """A report that waits to be durable."""

    outcome: NodeOutcome
    answer: asyncio.Future[Answer]


@dataclass(slots=True)
class WaveMemory:
    """What this process did for a wave and holds of it, beside what can be observed."""

    nodes: dict[int, Memory] = field(default_factory=dict)
    held: dict[int, Held] = field(default_factory=dict)
    written_at: datetime | None = None


class WaveReconciler:
    """Takes a run over several nodes to its verdict."""

    def __init__(self, context: Context, runs: RunReconciler, nodes: NodeWatch) -> None:
        self._ctx = context
        self._runs = runs
        self._nodes = nodes
        self._memory: dict[str, WaveMemory] = {}

    async def reconcile(self, run: ProbeRun) -> None:
        """Bring one wave forward. Raises `ApiError` when a write failed."""
        memory = self._memory.setdefault(run.metadata.uid, WaveMemory())
        seen = self._gather(run, memory)
        plan = plan_wave(seen, self._ctx.site, self._ctx.now())
        if plan.ask:
            found = await asyncio.gather(*(self._evidence(run, index, ask) for index, ask in plan.ask))
            nodes = dict(seen.nodes)
            for index, pod, evidence in found:
                nodes[index] = replace(nodes[index], pod=pod, evidence=evidence, lagged=self._lagged(run, pod))
            plan = plan_wave(replace(seen, nodes=nodes), self._ctx.site, self._ctx.now())
        await self._apply(run, memory, plan)

    async def report(self, run: ProbeRun, pod: PodView, report: Report, received_at: datetime) -> Answer:
        """Take the report of one of the run's pods; answered when it is durable."""
        index = index_of(run, pod.name)
        if index is None or run.metadata.uid != pod.run_uid:
            return Answer.UNKNOWN_POD
        done = known(run)
        if index in done or run.status.phase is Phase.COMPLETED:
            return _again(done.get(index), report)
        if pod.deadline is not None and received_at > pod.deadline:
            return Answer.LATE
        held = self._hold(run, index, report)
        if held is None:
            return Answer.CONFLICT
        try:
            async with asyncio.timeout(REPORT_SECONDS):
                return await asyncio.shield(held.answer)
        except TimeoutError:
            return Answer.UNAVAILABLE

    def again(self, who: PodIdentity, report: Report) -> Answer:
        """The answer to a report of a pod that is gone: a passed node's is, by the time that its report comes again."""
        run = self._ctx.views.runs.get((who.namespace, who.pod.rpartition("-")[0]))
        index = index_of(run, who.pod) if run is not None and run.spec.target is not None else None
        if run is None or index is None:
            return Answer.UNKNOWN_POD
        outcome = known(run).get(index)
        return Answer.UNKNOWN_POD if outcome is None else _again(outcome, report)

    def reset(self) -> None:
        """Forget what was held in memory: another replica may have led meanwhile."""
        for uid in list(self._memory):
            self.forget(uid)

    def forget(self, uid: str) -> None:
        """Drop what was remembered of a run that is gone."""
        memory = self._memory.pop(uid, None)
        if memory is not None:
            _settle(memory, memory.held, Answer.LATE)

    def _hold(self, run: ProbeRun, index: int, report: Report) -> Held | None:
        memory = self._memory.setdefault(run.metadata.uid, WaveMemory())
        held = memory.held.get(index)
        if held is None:
            held = memory.held[index] = Held(reported(report), asyncio.get_running_loop().create_future())
            self._ctx.queue.add((Kind.RUN, (run.metadata.namespace, run.metadata.name)))
        return held if held.outcome.mark == mark_of(report) else None

    def _gather(self, run: ProbeRun, memory: WaveMemory) -> WaveSeen:
        views, namespace = self._ctx.views, run.metadata.namespace
        assert run.spec.config_ref is not None
        assert run.spec.target is not None
        config = views.configs.get((namespace, run.spec.config_ref.name))
        nodes = {}
        for index in range(len(run.spec.target.nodes)):
            done = memory.nodes.get(index, Memory())
            pod = views.pods.get((namespace, pod_name(run, index)))
            pod = None if pod is not None and pod.uid == done.deleted_uid else pod
            nodes[index] = NodeSeen(pod, done.delivered, done.attempts, lagged=self._lagged(run, pod))
        return WaveSeen(
            run=run,
            config=config,
            template=views.templates.get(("", config.spec.template_ref.name)) if config else None,
            namespace_labels=views.namespace_labels(namespace),
            nodes=nodes,
            reported={index: held.outcome for index, held in memory.held.items()},
            present=self._nodes.present(),
            written_at=memory.written_at,
        )

    def _lagged(self, run: ProbeRun, pod: PodView | None) -> bool:
        started = pod.started_at if pod is not None else None
        return self._runs.lagged(started or run.metadata.creation_timestamp)

    async def _evidence(self, run: ProbeRun, index: int, ask: AskForEvidence) -> tuple[int, PodView | None, Evidence]:
        """Evidence, and the pod as it is now; see `RunReconciler`."""
        evidence = await gather_evidence(self._ctx.api, run.metadata.namespace, ask)
        return index, await look_at_pod(self._ctx, (run.metadata.namespace, pod_name(run, index))), evidence

    async def _apply(self, run: ProbeRun, memory: WaveMemory, plan: WavePlan) -> None:
        key = (run.metadata.namespace, run.metadata.name)
        # First, for what is written next may have to wait; and then the most urgent first.
        self._ctx.wake(Kind.RUN, key, plan.wake_at)
        if plan.adopt is not None:
            run = await self._runs.adopt(run, plan.adopt.patch) or run
        if plan.status is not None:
            await self._write(run, memory, plan)
            self._ctx.queue.add((Kind.RUN, key))
        if plan.create and await self._runs.vouch(run):
            return
        for index, manifest in plan.create:
            await self._create(run, memory, index, manifest)
        if plan.create:
            self._ctx.queue.add((Kind.RUN, key))
        for index, action in plan.delete:
            await self._delete(run, memory, index, action)

    async def _write(self, run: ProbeRun, memory: WaveMemory, plan: WavePlan) -> None:
        assert plan.status is not None
        try:
            written = await self._runs.complete(run, plan.status)
        except ApiError:
            memory.written_at = self._ctx.now()
            _settle(memory, memory.held, Answer.UNAVAILABLE)
            raise
        memory.written_at = self._ctx.now()
        if written is None:
            _settle(memory, memory.held, Answer.LATE)
            return
        if written.status.phase is Phase.COMPLETED and run.spec.target is not None and run.spec.target.sweep:
            self._ctx.queue.add((Kind.RUN, (run.metadata.namespace, run.spec.target.sweep)))
        done = known(written)
        _settle(memory, {index: held for index, held in memory.held.items() if index in done}, Answer.DURABLE)

    async def _delete(self, run: ProbeRun, memory: WaveMemory, index: int, action: DeletePod) -> None:
        grace = 0 if action.at_once else None
        name = pod_name(run, index)
        namespace = run.metadata.namespace
        await self._ctx.writer.delete(Priority.HISTORY, PODS, namespace, name, uid=action.uid, grace_seconds=grace)
        memory.nodes[index] = replace(memory.nodes.get(index, Memory()), deleted_uid=action.uid)

    async def _create(self, run: ProbeRun, memory: WaveMemory, index: int, manifest: dict[str, Any]) -> None:
        done = memory.nodes.get(index, Memory())
        try:
            pod = read_pod(await self._ctx.writer.create(Priority.RUN, PODS, run.metadata.namespace, manifest))
        except ApiError as error:
            if error.already_exists:
                await look_at_pod(self._ctx, (run.metadata.namespace, pod_name(run, index)))
                return
            logger.info("pod %s/%s was not created: %s", run.metadata.namespace, pod_name(run, index), error)
            now, refusal = self._ctx.now(), Refusal(error.status, str(error))
            attempts = done.attempts.after(refusal, now) if done.attempts else Attempts(now, now, 1, refusal)
            memory.nodes[index] = replace(done, attempts=attempts)
            return
        self._ctx.views.pods.put(pod)
        memory.nodes[index] = Memory(delivered=True)


def _settle(memory: WaveMemory, which: dict[int, Held], answer: Answer) -> None:
    for index in list(which):
        held = memory.held.pop(index)
        if not held.answer.done():
            held.answer.set_result(answer)


def _again(outcome: NodeOutcome | None, report: Report) -> Answer:
    """The answer to a report about a node whose outcome is there."""
    if outcome is None or outcome.mark == record.OTHER_MARK:
        return Answer.LATE
    if outcome.mark == mark_of(report):
        return Answer.DURABLE
    # The termination message is the same report, cut to the kubelet's bound.
    same = outcome.mark == record.TERMINATION_MARK and (outcome.reason == "Passed") is report.ok
    return Answer.DURABLE if same else Answer.CONFLICT

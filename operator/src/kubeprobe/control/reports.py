"""What the intake hands in: a report becomes the run's status, or is told why not. Answered only when it is written."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from kubeprobe.api import Phase, ProbeRun, Source
from kubeprobe.control.again import look_again
from kubeprobe.control.context import Context, Kind
from kubeprobe.control.run import RunReconciler
from kubeprobe.control.view import Key
from kubeprobe.control.wave import WaveReconciler
from kubeprobe.intake.port import Answer, PodIdentity
from kubeprobe.kube.fence import NotLeadingError
from kubeprobe.kube.port import PODS, RUNS, ApiError
from kubeprobe.plan.outcome import digest, from_report
from kubeprobe.plan.pod_view import PodView, read_pod
from kubeprobe.plan.run import complete
from probe_sdk.wire import Report

logger = logging.getLogger("kubeprobe.reports")
TRIES = 3
"""Somebody may write the run between our look at it and our write, but not for ever."""


class ReportSink:
    """`kubeprobe.intake.port.Reports` over the operator's views.

    Args:
        leads: whether this replica leads, and so may write what it is told.
    """

    def __init__(self, context: Context, runs: RunReconciler, waves: WaveReconciler, leads: Callable[[], bool]) -> None:
        self._ctx = context
        self._runs = runs
        self._waves = waves
        self._leads = leads

    async def accept(self, who: PodIdentity, report: Report, received_at: datetime) -> Answer:
        """See `Reports.accept`."""
        if not self._leads():
            return Answer.UNAVAILABLE
        over = self._ctx.views.runs.get((who.namespace, who.pod))
        if over is not None and over.status.pod_uid == who.pod_uid and over.status.phase is Phase.COMPLETED:
            # A pod is named after its run, and a passed run's pod is gone by the time that its report comes again.
            return _again(over, report)
        try:
            pod = await self._pod(who)
            if pod is None:
                return self._waves.again(who, report)
            if not pod.run:
                return Answer.UNKNOWN_POD
            key = (pod.namespace, pod.run)
            run = await self._run(key)
            if run is not None and run.spec.target is not None:
                return await self._waves.report(run, pod, report, received_at)
            async with self._ctx.queue.exclusive((Kind.RUN, key)):
                return await self._settle(key, pod, report, received_at)
        except NotLeadingError:
            return Answer.UNAVAILABLE
        except ApiError as error:
            logger.warning("the report of pod %s/%s is not durable yet: %s", who.namespace, who.pod, error)
            return Answer.UNAVAILABLE

    async def _pod(self, who: PodIdentity) -> PodView | None:
        pod = self._ctx.views.pods.get((who.namespace, who.pod))
        if pod is None or pod.uid != who.pod_uid:
            try:
                pod = read_pod(await self._ctx.api.get(PODS, who.namespace, who.pod))
            except ApiError as error:
                if error.not_found:
                    return None
                raise
            self._ctx.views.pods.put(pod)
        return pod if pod.uid == who.pod_uid else None

    async def _settle(self, key: Key, pod: PodView, report: Report, received_at: datetime) -> Answer:
        for _ in range(TRIES):
            try:
                return await self._record(await self._run(key), pod, report, received_at)
            except ApiError as error:
                if not error.conflict:
                    raise
        return Answer.UNAVAILABLE

    async def _run(self, key: Key) -> ProbeRun | None:
        """The run, of which a view that lags may not know yet, when the leader before has just created it."""
        if self._ctx.views.runs.get(key) is None:
            await look_again(self._ctx, RUNS, key)
        return self._ctx.views.runs.get(key)

    async def _record(self, run: ProbeRun | None, pod: PodView, report: Report, received_at: datetime) -> Answer:
        if run is None:
            return Answer.LATE
        if run.metadata.uid != pod.run_uid:
            return Answer.UNKNOWN_POD
        if run.status.phase is Phase.COMPLETED:
            return _again(run, report)
        if pod.deadline is not None and received_at > pod.deadline:
            return Answer.LATE
        outcome = from_report(report, Source.REPORT)
        written = await self._runs.complete(run, complete(run, pod, outcome, self._ctx.now()))
        return Answer.DURABLE if written is not None else Answer.LATE


def _again(run: ProbeRun, report: Report) -> Answer:
    """The answer to a report about a run that is over."""
    status = run.status
    if status.source not in (Source.REPORT, Source.TERMINATION_MESSAGE):
        return Answer.LATE
    if status.report_digest == digest(report):
        return Answer.DURABLE
    # The termination message is the same report, cut to the kubelet's bound.
    same = status.source is Source.TERMINATION_MESSAGE and (status.reason == "Passed") is report.ok
    return Answer.DURABLE if same else Answer.CONFLICT

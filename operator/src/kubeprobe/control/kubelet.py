"""The last word of resident probers from which nothing arrives: it stands in their log, which the kubelet has.

The way there is the API server's, not the pod network's: so whatever is broken between a prober and the operator, such
as the DNS that it probes, does not silence it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from kubeprobe.control.context import Context, Kind
from kubeprobe.control.resident_store import ResidentStore
from kubeprobe.kube.port import ApiError, LogApi
from kubeprobe.plan.pod_view import CONTAINER
from kubeprobe.plan.resident_pod import ResidentPod
from kubeprobe.plan.resident_word import read_log
from kubeprobe.plan.samples import SILENT_SECONDS

logger = logging.getLogger("kubeprobe.kubelet")

LOOK_SECONDS = 1.0
AGAIN_SECONDS = 5.0
"""A prober writes a line at each turn, and every ten seconds."""
MOST_AT_ONCE = 50
"""Logs that are read at a time: with five hundred silent probers each has its turn each ten seconds."""
ANSWER_SECONDS = 5.0
SINCE_SECONDS = 30
TAIL_LINES = 500


class LogReader:
    """Reads the logs of silent probers while it runs.

    Args:
        logs: where logs are read.
        store: where what they say goes.
    """

    def __init__(self, context: Context, logs: LogApi, store: ResidentStore) -> None:
        self._ctx = context
        self._logs = logs
        self._store = store
        self._read_at: dict[str, datetime] = {}
        self._under_way = 0

    async def run(self) -> None:
        """Look, for ever. A look does not wait for the one before: on a node that is dead each log takes its time."""
        async with asyncio.TaskGroup() as looks:
            while True:
                looks.create_task(self.look())
                await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Read the logs that are due, those first that have waited longest."""
        now = self._ctx.now()
        silent = list(self._silent(now))
        uids = {pod.uid for pod in silent}
        self._read_at = {uid: at for uid, at in self._read_at.items() if uid in uids}
        due = [pod for pod in silent if now - self._last_read(pod) >= timedelta(seconds=AGAIN_SECONDS)]
        due.sort(key=self._last_read)
        await asyncio.gather(*(self._read(pod) for pod in due[: MOST_AT_ONCE - self._under_way]))

    def _silent(self, now: datetime) -> Iterable[ResidentPod]:
        configs, unheard = self._ctx.views.configs, timedelta(seconds=SILENT_SECONDS)
        for pod in self._ctx.views.resident_pods:
            if pod.running and now - self._store.sent_at(pod) >= unheard and pod.belongs(configs.get(pod.key)):
                yield pod

    def _last_read(self, pod: ResidentPod) -> datetime:
        return self._read_at.get(pod.uid, pod.created_at)

    async def _read(self, pod: ResidentPod) -> None:
        self._read_at[pod.uid] = self._ctx.now()
        self._under_way += 1
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                log = await self._logs.pod_log(
                    pod.namespace, pod.name, CONTAINER, since_seconds=SINCE_SECONDS, tail_lines=TAIL_LINES
                )
        except (ApiError, TimeoutError) as error:
            self._ctx.metrics.log_reads.labels("failed").inc()
            logger.info("the log of pod %s/%s cannot be read: %s", pod.namespace, pod.name, error or "no answer")
            return
        finally:
            self._under_way -= 1
        line = read_log(log.splitlines())
        news = line is not None and self._store.read(pod, line, self._ctx.now())
        self._ctx.metrics.log_reads.labels("news" if news else "silent").inc()
        if news:
            self._ctx.queue.add((Kind.RESULT, pod.key))

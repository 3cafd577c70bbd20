"""Old runs go in batches: one request for all that a namespace can spare, since nothing is less urgent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from kubeprobe.api import ProbeRun
from kubeprobe.control.view import Key
from kubeprobe.control.writer import Writer
from kubeprobe.kube.port import RUNS, ApiError
from kubeprobe.plan.budget import Priority
from probe_sdk.wire import LABEL_RUN

logger = logging.getLogger("kubeprobe.tidy")
PERIOD_SECONDS = 30.0
BATCH = 100
"""Names in one label selector: the request's line must stay short enough for any proxy."""


class Tidier:
    """Collects runs that the history limits leave no room for, and deletes them together."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._spare: dict[Key, ProbeRun] = {}

    def discard(self, run: ProbeRun) -> None:
        """Have a run deleted with the next batch."""
        self._spare[(run.metadata.namespace, run.metadata.name)] = run

    def reset(self) -> None:
        """Forget what was discarded: another replica may have led meanwhile."""
        self._spare.clear()

    async def run(self) -> None:
        """Delete batch after batch, for ever."""
        while True:
            await asyncio.sleep(PERIOD_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Delete all that was discarded; what cannot be deleted now is tried again with the next batch."""
        spare, self._spare = self._spare, {}
        for namespace in sorted({key[0] for key in spare}):
            runs = [run for key, run in spare.items() if key[0] == namespace]
            for start in range(0, len(runs), BATCH):
                await self._delete(namespace, runs[start : start + BATCH])

    async def _delete(self, namespace: str, runs: list[ProbeRun]) -> None:
        labelled = [run for run in runs if run.metadata.labels.get(LABEL_RUN) == run.metadata.name]
        try:
            if labelled:
                await self._writer.delete_collection(
                    Priority.HISTORY, RUNS, namespace, label_selector=_selector(labelled)
                )
            for run in runs:
                if run not in labelled:
                    await self._writer.delete(
                        Priority.HISTORY, RUNS, namespace, run.metadata.name, uid=run.metadata.uid
                    )
        except ApiError as error:
            logger.warning("%d old runs in namespace %s were not deleted: %s", len(runs), namespace, error)
            for run in runs:
                self._spare.setdefault((namespace, run.metadata.name), run)


def _selector(runs: Iterable[ProbeRun]) -> str:
    return f"{LABEL_RUN} in ({','.join(run.metadata.name for run in runs)})"

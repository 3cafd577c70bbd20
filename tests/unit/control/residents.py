"""One operator's ear for resident probers, around an API server in memory."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from tests.unit.control.cluster import Cluster
from tests.unit.control.parts import make_context, make_results
from tests.unit.plan.builders import NAMESPACE, at, meta, template
from tests.unit.plan.residents import resident

from kubeprobe.api import ProbeConfig, ProbeResultStatus
from kubeprobe.control.context import Kind, Work
from kubeprobe.control.kubelet import LogReader
from kubeprobe.control.queue import WorkQueue
from kubeprobe.control.resident_store import ResidentStore
from kubeprobe.control.samples import SampleSink
from kubeprobe.control.view import NamespaceView, read_result
from kubeprobe.intake.port import PodIdentity, SamplesAnswer
from kubeprobe.plan.found import LABEL_RESIDENT
from kubeprobe.plan.resident_pod import read_resident_pod
from probe_sdk.samples import Samples
from probe_sdk.wire import LABEL_CONFIG

KEY = (NAMESPACE, "main")
RESULT: Work = (Kind.RESULT, KEY)


def pod_of(name: str = "main-1", config: str = "main", node: str = "n1", **metadata: Any) -> dict[str, Any]:
    """A resident prober's pod, running."""
    labels = {LABEL_CONFIG: config, LABEL_RESIDENT: "true"}
    return {
        "metadata": meta(name, **{"labels": labels, **metadata}),
        "spec": {"nodeName": node},
        "status": {"containerStatuses": [{"name": "probe", "state": {"running": {}}}]},
    }


class Ear:
    """Hears of pods and their samples, and keeps the answer of the config `main`."""

    def __init__(self, cluster: Cluster | None = None, seconds: float = 1) -> None:
        self.seconds = seconds
        self.leading = True
        self._version = 0
        self.cluster = cluster or Cluster()
        self.queue: WorkQueue[Work] = WorkQueue(lambda: self.seconds)
        self.context = make_context(self.cluster, self.now, self.queue)
        self.views = self.context.views
        self.store = ResidentStore(self.views, self.now)
        self.results = make_results(self.context, self.store)
        self.sink = SampleSink(self.context, self.store, lambda: self.leading)
        self.reader = LogReader(self.context, self.cluster, self.store)
        self.views.templates.put(template(modes=["Resident"]))
        self.views.namespaces.put(NamespaceView(NAMESPACE, "uid-ns", 1, {}))
        for body in self.cluster.all("proberesults"):
            self.views.results.put(read_result(body))

    def now(self) -> datetime:
        return at(self.seconds)

    def config(self, **spec: Any) -> ProbeConfig:
        """The config `main`, as it is from now on."""
        self._version += 1
        made = resident(**spec)
        metadata = made.metadata.model_copy(update={"resource_version": str(self._version)})
        made = made.model_copy(update={"metadata": metadata})
        self.views.configs.put(made)
        return made

    def pod(self, name: str = "main-1", **more: Any) -> PodIdentity:
        """A pod comes into view; who it is."""
        seen = read_resident_pod(pod_of(name, **more))
        self.views.resident_pods.put(seen)
        return PodIdentity(NAMESPACE, name, seen.uid)

    async def tell(self, who: PodIdentity, said: Samples) -> SamplesAnswer:
        """Samples arrive, and what follows from them is done."""
        answer = await self.sink.accept(who, said, self.now())
        await self.work()
        return answer

    async def work(self) -> None:
        """Do all that is due now."""
        while len(self.queue) or self.queue.oldest_seconds():
            worker = asyncio.create_task(self.queue.work(self._handle))
            await asyncio.sleep(0.01)
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)

    async def look(self, seconds: float) -> None:
        """The time comes at which the answer is looked at."""
        self.seconds = seconds
        await self.results.reconcile(KEY)

    def written(self) -> ProbeResultStatus:
        """The ProbeResult, as anybody reads it."""
        (body,) = self.cluster.all("proberesults")
        return read_result(body).status

    def writes(self) -> int:
        return self.cluster.writes["patch proberesults"]

    async def _handle(self, work: Work) -> None:
        assert work == RESULT
        await self.results.reconcile(work[1])

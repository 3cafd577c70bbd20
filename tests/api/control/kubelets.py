"""Kubelets of many nodes, as far as a sweep's pods see them: they end what is pinned to their node, and keep count."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kubeprobe.kube.client import Client, connect
from kubeprobe.kube.port import PODS, ApiError, Object
from tests.api.control.pods import ended
from tests.lab.kubectl import eventually


class Kubelets:
    """What ran where. Tests change `failing` and `quota` while it goes on."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self.failing: dict[str, str] = {}
        """Nodes whose probes fail, and with which words."""
        self.quota = 1_000_000
        """How many more pods may end; the rest goes on until there is more of it."""
        self.begun: Counter[str] = Counter()
        self.runs: set[str] = set()
        self.most = 0
        """The most pods that were under way together."""
        self.listening = threading.Event()
        self._going: dict[str, Object] = {}
        self._stop = threading.Event()

    def stop(self) -> None:
        """End, at the next look."""
        self._stop.set()

    async def work(self, kubeconfig: Path) -> None:
        """Watch the pods of the namespace and end them, until told to stop."""
        async with await connect(kubeconfig) as api:
            ending = asyncio.create_task(self._end(api))
            watching = asyncio.create_task(self._watch(api))
            while not self._stop.is_set():
                await asyncio.sleep(0.05)
                for task in (ending, watching):
                    if task.done():
                        task.result()
            for task in (ending, watching):
                task.cancel()
            await asyncio.gather(ending, watching, return_exceptions=True)
        await asyncio.sleep(0.25)  # what aiohttp asks for: TLS connections close in the background

    async def _watch(self, api: Client) -> None:
        async for page in api.pages(PODS):
            version = page["metadata"]["resourceVersion"]
        self.listening.set()
        async for change in api.watch(PODS, version, timeout_seconds=600):
            pod = change["object"]
            if change["type"] != "BOOKMARK" and pod["metadata"]["namespace"] == self._namespace:
                self._see(change["type"], pod)

    def _see(self, change: str, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        if change == "ADDED":
            self.begun[node_of(pod)] += 1
            self.runs.add(pod["metadata"]["labels"]["kubeprobe.io/run"])
            self._going[uid] = pod
            self.most = max(self.most, len(self._going))
        elif change == "DELETED" or pod["status"]["phase"] in ("Succeeded", "Failed"):
            self._going.pop(uid, None)

    async def _end(self, api: Client) -> None:
        told = set[str]()
        while True:
            await asyncio.sleep(0.02)
            for uid, pod in list(self._going.items()):
                if uid in told or self.quota <= 0:
                    continue
                told.add(uid)
                self.quota -= 1
                words = self.failing.get(node_of(pod))
                status = ended(0) if words is None else ended(1, words)
                try:
                    await api.merge_patch(
                        PODS, self._namespace, pod["metadata"]["name"], {"status": status}, subresource="status"
                    )
                except ApiError as error:
                    if not error.not_found:
                        raise


def node_of(pod: Object) -> str:
    """The node that a pod is pinned to."""
    required = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    name: str = required["nodeSelectorTerms"][0]["matchFields"][0]["values"][0]
    return name


@contextmanager
def kubelets(kubeconfig: Path, namespace: str, **settings: Any) -> Iterator[Kubelets]:
    """Kubelets for the pods of a namespace, as long as the block lasts."""
    found = Kubelets(namespace)
    for name, value in settings.items():
        setattr(found, name, value)
    thread = threading.Thread(target=lambda: asyncio.run(found.work(kubeconfig)))
    thread.start()
    try:
        eventually("the kubelets listen", found.listening.is_set, 30)
        yield found
    finally:
        found.stop()
        thread.join(timeout=30)

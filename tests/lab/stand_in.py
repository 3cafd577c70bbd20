"""Probes without nodes: every pod of a run reports, as a container on a node would, and what came of it is noted.

Used where a real API server is and no kubelet. A report goes to one replica of the operator after another until one
says that it is recorded, which is what a Service that follows the leader comes to; the record is then read at once,
since a 200 is a promise.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from kubeprobe.kube.client import Client, connect
from kubeprobe.kube.port import PODS, RUNS, ApiError, Object, Resource
from probe_sdk.wire import AUDIENCE, LABEL_RUN, REPORT_PATH

TOKENS = Resource("", "v1", "serviceaccounts/default/token")
LOOK_SECONDS = 0.1
AGAIN_SECONDS = 0.2
REPORT = json.dumps({"ok": True}).encode()
GIVE_UP_SECONDS = 60.0


@dataclass
class Noted:
    """What was seen and said."""

    pods: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The uids of every pod that a run ever had."""
    acknowledged: set[str] = field(default_factory=set)
    lost: dict[str, str] = field(default_factory=dict)
    """Runs whose report was acknowledged and not recorded, or never acknowledged, and why."""

    @property
    def repeated(self) -> list[str]:
        """Runs that had more than one pod."""
        return sorted(run for run, uids in self.pods.items() if len(uids) > 1)


@contextmanager
def stand_in(kubeconfig: Path, namespace: str, urls: Callable[[], Sequence[str]]) -> Iterator[Noted]:
    """Play the probes of a namespace beside the block; at its end, those that are speaking may finish."""
    noted, stop = Noted(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_play(kubeconfig, namespace, urls, noted, stop)))
    thread.start()
    try:
        yield noted
    finally:
        stop.set()
        thread.join()


async def _play(
    kubeconfig: Path, namespace: str, urls: Callable[[], Sequence[str]], noted: Noted, stop: threading.Event
) -> None:
    speaking: set[asyncio.Task[None]] = set()
    async with await connect(kubeconfig) as api, httpx.AsyncClient(timeout=3) as http:
        while not stop.is_set():
            for pod in await _pods(api, namespace):
                uids, uid = noted.pods[pod["metadata"]["labels"][LABEL_RUN]], pod["metadata"]["uid"]
                if uid not in uids:
                    uids.add(uid)
                    speaking.add(asyncio.create_task(_Probe(api, http, pod, urls, noted).speak()))
            await asyncio.sleep(LOOK_SECONDS)
        await asyncio.gather(*speaking)


async def _pods(api: Client, namespace: str) -> list[Object]:
    try:
        return [pod async for pod in api.list(PODS, namespace, label_selector=LABEL_RUN)]
    except ApiError:  # the API server may be what a test stops
        return []


@dataclass(frozen=True)
class _Probe:
    api: Client
    http: httpx.AsyncClient
    pod: Object
    urls: Callable[[], Sequence[str]]
    noted: Noted

    async def speak(self) -> None:
        run = self.pod["metadata"]["labels"][LABEL_RUN]
        why = "it was not acknowledged in time"
        token = ""
        try:
            async with asyncio.timeout(GIVE_UP_SECONDS):
                while True:
                    try:
                        token = token or await self._token()
                        answer = await self._report(token)
                        if answer == 200:
                            why = await self._check(run)
                            break
                        if answer in (401, 403, 409, 410):
                            why = f"it was answered {answer}"
                            break
                    except ApiError as error:
                        why = str(error)
                    await asyncio.sleep(AGAIN_SECONDS)
        except TimeoutError:
            pass
        if why:
            self.noted.lost[run] = why
        else:
            self.noted.acknowledged.add(run)

    async def _token(self) -> str:
        meta = self.pod["metadata"]
        bound = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
        spec = {"audiences": [AUDIENCE], "boundObjectRef": bound}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        return str((await self.api.create(TOKENS, meta["namespace"], body))["status"]["token"])

    async def _report(self, token: str) -> int:
        """The first answer that is not "not now" of any replica."""
        for url in self.urls():
            try:
                headers = {"Authorization": f"Bearer {token}"}
                answer = await self.http.post(f"{url}{REPORT_PATH}", content=REPORT, headers=headers)
            except httpx.HTTPError:
                continue
            if answer.status_code != 503:
                return answer.status_code
        return 503

    async def _check(self, run: str) -> str:
        """What is wrong with the record of a report that was acknowledged; empty when nothing is."""
        record = (await self.api.get(RUNS, self.pod["metadata"]["namespace"], run)).get("status") or {}
        said = (record.get("phase"), record.get("verdict"), record.get("podUID"))
        return "" if said == ("Completed", "Passed", self.pod["metadata"]["uid"]) else f"the record says {said}"

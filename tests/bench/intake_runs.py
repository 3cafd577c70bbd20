"""Real runs for the intake's bench: an apiserver, an etcd and the operator, and pods that have everything but a node.

There is no kubelet and no scheduler, since what they would do is not measured: the pods stay pending, and their tokens
come from the API server's TokenRequest, which is where a kubelet gets them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from kubeprobe.cli.crds import crd_files
from kubeprobe.kube.client import Client, connect
from kubeprobe.kube.port import CONFIGS, NAMESPACES, PODS, RUNS, TEMPLATES, Object, Resource
from probe_sdk.wire import AUDIENCE
from testbed import ControlPlane
from tests.bench.report import say
from tests.bench.used import cpu_seconds
from tests.lab.kubectl import Kubectl
from tests.lab.process import UNBUDGETED, OperatorProcess

T = TypeVar("T")
HOST = "127.0.0.1"
NAMESPACE = "bench-intake"
NAME = "reporting"
CONFIG_COUNT = 50
AT_ONCE = 20
PODS_SECONDS = 120.0
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts")
TOKENS = Resource("", "v1", "serviceaccounts/default/token")


@dataclass(frozen=True)
class WaitingRuns:
    """Runs whose pods have not reported yet."""

    kubeconfig: Path
    operator: OperatorProcess
    tokens: tuple[str, ...]

    @property
    def port(self) -> int:
        """Where the operator's intake listens."""
        return int(self.operator.url.rpartition(":")[2])

    def cpu_seconds(self) -> float:
        """What the operator has used so far."""
        return cpu_seconds(self.operator.pid)

    def check_completed(self, count: int) -> None:
        """See in the API server that so many runs have their report: an answer of 200 is a promise."""
        statuses = asyncio.run(_with(self.kubeconfig, _statuses))
        found = sum(status.get("source") == "Report" and status.get("verdict") == "Failed" for status in statuses)
        if found != count:
            raise SystemExit(f"{count} reports were answered 200, but {found} runs have theirs")


@contextmanager
def waiting_runs(folder: Path, count: int) -> Iterator[WaitingRuns]:
    """A control plane and an operator with so many runs that wait for their reports."""
    with ControlPlane.start(folder) as plane:
        kubectl = Kubectl(plane.bin_dir / "kubectl", plane.kubeconfig)
        kubectl("apply", "--server-side", "-f", "-", stdin="\n---\n".join(crd_files().values()))
        kubectl("wait", "--for=condition=Established", "crd", "-l", "app.kubernetes.io/part-of=kubeprobe")
        log = folder / "operator.log"
        operator = OperatorProcess(plane.kubeconfig, HOST, log, *UNBUDGETED)
        operator.start()
        try:
            say(f"creating {count} runs")
            tokens = asyncio.run(_with(plane.kubeconfig, lambda api: _prepare(api, count)))
            yield WaitingRuns(plane.kubeconfig, operator, tokens)
        except TimeoutError as error:
            raise SystemExit(f"{error}; the operator's log ends with:\n{log.read_text()[-2000:]}") from error
        finally:
            operator.stop()


async def _with(kubeconfig: Path, work: Callable[[Client], Coroutine[None, None, T]]) -> T:
    async with await connect(kubeconfig) as api:
        return await work(api)


async def _prepare(api: Client, count: int) -> tuple[str, ...]:
    await api.create(NAMESPACES, None, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    await api.create(SERVICE_ACCOUNTS, NAMESPACE, account)
    await api.create(TEMPLATES, None, _body("ProbeTemplate", NAME, {"image": "none", "timeout": "1h"}))
    for number in range(CONFIG_COUNT):
        # Room for all of them, or the check at the end would miss those that were tidied away.
        spec = {"templateRef": {"name": NAME}, "mode": "OnDemand", "history": {"failed": 1 + count // CONFIG_COUNT}}
        await api.create(CONFIGS, NAMESPACE, _body("ProbeConfig", f"{NAME}-{number}", spec))
    await _each([_start(api, number) for number in range(count)])
    pods = await _pods(api, count)
    return tuple(await _each([_token(api, pod) for pod in pods]))


async def _each(work: list[Coroutine[None, None, T]]) -> list[T]:
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(coroutine: Coroutine[None, None, T]) -> T:
        async with slots:
            return await coroutine

    return await asyncio.gather(*map(one, work))


async def _start(api: Client, number: int) -> None:
    spec = {"configRef": {"name": f"{NAME}-{number % CONFIG_COUNT}"}}
    await api.create(RUNS, NAMESPACE, _body("ProbeRun", f"{NAME}-{number}", spec))


async def _pods(api: Client, count: int) -> list[Object]:
    """The pods of all runs, once the operator has created them."""
    until = time.monotonic() + PODS_SECONDS
    while True:
        found = [pod async for pod in api.list(PODS, NAMESPACE)]
        if len(found) >= count:
            return found
        if time.monotonic() > until:
            raise TimeoutError(f"only {len(found)} of {count} runs have a pod after {PODS_SECONDS:g}s")
        await asyncio.sleep(0.5)


async def _token(api: Client, pod: Object) -> str:
    bound = {"apiVersion": "v1", "kind": "Pod", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
    spec = {"audiences": [AUDIENCE], "boundObjectRef": bound}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return str((await api.create(TOKENS, NAMESPACE, body))["status"]["token"])


async def _statuses(api: Client) -> list[Object]:
    return [run.get("status", {}) async for run in api.list(RUNS, NAMESPACE)]


def _body(kind: str, name: str, spec: Object) -> Object:
    return {"apiVersion": "kubeprobe.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}

"""Many probes on played nodes: what the benches of load share (see tests/lab/simulated.py)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from kubeprobe.kube.client import connect
from kubeprobe.kube.port import CONFIGS, NAMESPACES, NODES, TEMPLATES
from testbed import ControlPlane
from tests.bench.report import say
from tests.bench.settled import settle
from tests.bench.used import cpu_seconds, rss_bytes
from tests.lab.process import OperatorProcess
from tests.lab.simulated import install, node, simulate

HOST = "127.0.0.1"
AT_ONCE = 20
NODE_COUNT = 20
NAMESPACE = "bench-fleet"
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True)
class Fleet:
    """Configs that are due, an operator that works, and the audit log of what it asks."""

    plane: ControlPlane
    operator: OperatorProcess
    audit: Path

    def events(self, since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
        """The operator's requests in this time, leases apart."""
        for part in sorted(self.audit.parent.glob(f"{self.audit.stem}*{self.audit.suffix}")):
            for line in part.read_text().splitlines():
                if '"userAgent":"kubeprobe/' not in line or '"stage":"ResponseComplete"' not in line:
                    continue
                event = json.loads(line)
                about = event.get("objectRef") or {}
                if "(" not in event["userAgent"] or about.get("resource") == "leases":
                    continue
                if since <= datetime.fromisoformat(event["requestReceivedTimestamp"]) <= until:
                    yield event

    def cpu_seconds(self) -> float:
        """The operator's CPU time until now."""
        return cpu_seconds(self.operator.pid)

    def rss_bytes(self) -> int:
        """The operator's memory now."""
        return rss_bytes(self.operator.pid)


@contextmanager
def fleet(folder: Path, configs: int, spec: Mapping[str, Any], *options: str, settled: bool = False) -> Iterator[Fleet]:
    """So many configs of one spec, created before the operator starts; it all ends with the block.

    Args:
        folder: an empty one, for the time of the block.
        configs: how many.
        spec: theirs, without the template.
        options: of the operator, beyond its usual ones.
        settled: whether the operator finds them as if they had been there for a while.
    """
    audit = folder / "audit" / "audit.log"
    with ControlPlane.start(folder / "plane", audit_log=audit) as plane:
        kubectl = install(plane)
        say(f"creating {configs} configs on {NODE_COUNT} played nodes")
        asyncio.run(_create(plane.kubeconfig, configs, spec))
        kubectl("create", "serviceaccount", "default", "-n", NAMESPACE)
        simulate(plane, folder)
        if settled:
            settle(plane.kubeconfig, HOST, folder / "first.log")
        operator = OperatorProcess(plane.kubeconfig, HOST, folder / "operator.log", *options)
        operator.start()
        try:
            yield Fleet(plane, operator, audit)
        finally:
            operator.stop()


async def _create(kubeconfig: Path, count: int, spec: Mapping[str, Any]) -> None:
    async with await connect(kubeconfig) as api:
        places = asyncio.Semaphore(AT_ONCE)

        async def put(resource: Any, namespace: str | None, body: dict[str, Any]) -> None:
            async with places:
                await api.create(resource, namespace, body)

        async def join(number: int) -> None:
            body = node(number)
            await put(NODES, None, body)
            # The API server taints every new node as not ready, and there is no controller that takes it back.
            await api.merge_patch(NODES, None, body["metadata"]["name"], {"spec": {"taints": None}})

        await put(NAMESPACES, None, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        await put(TEMPLATES, None, _body("ProbeTemplate", "quick", {"image": "none", "timeout": "60s"}))
        await asyncio.gather(*(join(number) for number in range(NODE_COUNT)))
        whole = {"templateRef": {"name": "quick"}, **spec}
        await asyncio.gather(
            *(put(CONFIGS, NAMESPACE, _body("ProbeConfig", f"probe-{number}", whole)) for number in range(count))
        )


def _body(kind: str, name: str, spec: Mapping[str, object]) -> dict[str, object]:
    return {"apiVersion": "kubeprobe.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}

"""10,000 idle ProbeConfigs against a real apiserver and etcd: the operator's memory, its start, its idle CPU.

Idle means mode OnDemand. Every config has its ProbeResult (Unknown, Pending), which a first operator writes; measured
is a second one, started when all is there, as after a failover or an upgrade.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from kubeprobe.kube.client import Client, connect
from kubeprobe.kube.port import CONFIGS, NAMESPACES, TEMPLATES
from testbed import ControlPlane
from tests.bench.report import finish, say
from tests.bench.settled import write_once
from tests.bench.used import cpu_seconds, rss_bytes
from tests.lab.kubectl import Kubectl
from tests.lab.process import UNBUDGETED, OperatorProcess

AT_ONCE = 20
IDLE_SECONDS = 30.0
HOST = "127.0.0.1"


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configs", type=int, default=10_000, help="idle configs (default 10000)")
    wanted = parser.parse_args().configs
    with tempfile.TemporaryDirectory() as folder, ControlPlane.start(Path(folder)) as plane:
        kubectl = Kubectl(plane.bin_dir / "kubectl", plane.kubeconfig)
        crds = subprocess.run(
            [sys.executable, "-m", "kubeprobe.cli", "crds"], capture_output=True, text=True, check=True
        )
        kubectl("apply", "--server-side", "-f", "-", stdin=crds.stdout)
        kubectl("wait", "--for=condition=Established", "crd", "-l", "app.kubernetes.io/part-of=kubeprobe")
        say(f"creating {wanted} configs")
        asyncio.run(_create(plane.kubeconfig, wanted))
        write_once(plane.kubeconfig, HOST, Path(folder) / "first.log")
        say("a second operator is measured")
        operator = OperatorProcess(plane.kubeconfig, HOST, Path(folder) / "second.log", *UNBUDGETED)
        began = time.monotonic()
        operator.start()
        try:
            ready_seconds = time.monotonic() - began
            cpu, began = cpu_seconds(operator.pid), time.monotonic()
            time.sleep(IDLE_SECONDS)  # that nothing happens is what is measured
            share = (cpu_seconds(operator.pid) - cpu) / (time.monotonic() - began)
            rss = rss_bytes(operator.pid)
        finally:
            operator.stop()
    finish(
        {
            "configs": wanted,
            "rss_bytes": rss,
            "ready_seconds": round(ready_seconds, 1),
            "idle_cpu_share": round(share, 4),
        }
    )


async def _create(kubeconfig: Path, count: int) -> None:
    async with await connect(kubeconfig) as api:
        spec = {"image": "none", "params": {"type": "object", "properties": {"target": {"type": "string"}}}}
        await api.create(TEMPLATES, None, _body("ProbeTemplate", "idle", spec))
        namespaces = [f"scale-{number}" for number in range(10)]
        for name in namespaces:
            await api.create(NAMESPACES, None, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        slots = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(_one(api, slots, namespaces[n % len(namespaces)], n) for n in range(count)))


async def _one(api: Client, slots: asyncio.Semaphore, namespace: str, number: int) -> None:
    spec = {"templateRef": {"name": "idle"}, "mode": "OnDemand", "params": {"target": f"service-{number}"}}
    async with slots:
        await api.create(CONFIGS, namespace, _body("ProbeConfig", f"idle-{number}", spec))


def _body(kind: str, name: str, spec: Mapping[str, object]) -> dict[str, object]:
    return {"apiVersion": "kubeprobe.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


if __name__ == "__main__":
    main()

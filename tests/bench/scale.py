"""10,000 idle ProbeConfigs against a real apiserver and etcd: the operator's memory, its start, its idle CPU.

Idle means mode OnDemand. Every config has its ProbeResult (Unknown, Pending), which a first operator writes; measured
is a second one, started when all is there, as after a failover or an upgrade.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from kubeprobe.kube.client import Client, connect
from kubeprobe.kube.port import CONFIGS, NAMESPACES, RESULTS, TEMPLATES
from testbed import ControlPlane
from tests.bench.report import finish, say
from tests.lab.kubectl import Kubectl, eventually
from tests.lab.process import UNBUDGETED, free_port

AT_ONCE = 20
IDLE_SECONDS = 30.0
START_SECONDS = 300.0
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
        say("the first operator writes their results")
        first = _start(plane.kubeconfig, Path(folder) / "first.log")
        eventually("all results", lambda: asyncio.run(_results(plane.kubeconfig)) >= wanted, START_SECONDS * 2)
        _end(first[0])
        say("the second operator is measured")
        process, ready_seconds = _start(plane.kubeconfig, Path(folder) / "second.log")
        cpu, began = _cpu_seconds(process.pid), time.monotonic()
        time.sleep(IDLE_SECONDS)  # that nothing happens is what is measured
        share = (_cpu_seconds(process.pid) - cpu) / (time.monotonic() - began)
        rss = _rss_bytes(process.pid)
        _end(process)
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


async def _results(kubeconfig: Path) -> int:
    async with await connect(kubeconfig) as api:
        return sum([1 async for result in api.list(RESULTS) if result.get("status", {}).get("verdict")])


def _body(kind: str, name: str, spec: Mapping[str, object]) -> dict[str, object]:
    return {"apiVersion": "kubeprobe.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def _start(kubeconfig: Path, log: Path) -> tuple[subprocess.Popen[bytes], float]:
    port = free_port(HOST)
    url = f"http://{HOST}:{port}"
    command = [
        sys.executable, "-m", "kubeprobe.cli", "operator", "--kubeconfig", str(kubeconfig),
        "--intake-url", url, "--host", HOST, "--port", str(port), *UNBUDGETED,
    ]  # fmt: skip
    began = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    eventually("the operator is ready", lambda: _ready(url), START_SECONDS, lambda: log.read_text()[-2000:])
    return process, time.monotonic() - began


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(timeout=60)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


if __name__ == "__main__":
    main()

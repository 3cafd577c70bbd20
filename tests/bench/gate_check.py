"""How fast gates are asked over HTTP: `/check`, the call that release tools make, of an intake on one core.

The intake looks its gates up in the operator's own views; nothing else goes on in its process. As many calls as it
takes come from another process over many connections, with the rate limits far away; how long a call takes is measured
at the rate that is shipped as the most for all clients together, over kept connections, from the time at which each
call was due.
"""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime
from typing import Any

import uvloop
from prometheus_client import CollectorRegistry

from kubeprobe.api import ChangeGate
from kubeprobe.control.gate_desk import ViewDesk
from kubeprobe.control.view import Views
from kubeprobe.intake.gates.handler import TOGETHER, GateDeps, GateLimits
from kubeprobe.intake.gates.throttle import Rate
from kubeprobe.intake.server import IntakeDeps
from kubeprobe.kube.port import ApiError
from kubeprobe.plan.changed import Announcement
from tests.bench.load import Load, send
from tests.bench.report import percentile, say
from tests.bench.served import HOST, NoSamples, Served, Stub, served

GATE = "production"
REQUEST = f"GET /v1/gates/{GATE}/check HTTP/1.1\r\nHost: kubeprobe-gates.kubeprobe-system\r\n\r\n".encode()
WARM_UP = 2_000
KEPT = 16
"""Connections of those whose calls are timed."""
FAR = Rate(1e9, 1e9)


def measure(calls: int, paced: int) -> dict[str, object]:
    """The figures.

    Args:
        calls: how many come as fast as they are answered.
        paced: how many are timed.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("the gates' bench needs two cores: one for the intake, one for those who ask")
    say(f"the intake on core {cores[0]}, those who ask on {cores[1:]}")
    with served(cores[0], _deps) as intake:
        os.sched_setaffinity(0, cores[1:])
        try:
            _all_open(uvloop.run(send(HOST, intake.port, [REQUEST] * WARM_UP)))
            figures = _throughput(intake, calls)
            took = asyncio.run(_paced(intake.port, paced))
        finally:
            os.sched_setaffinity(0, cores)
    return figures | {
        "check_rate": TOGETHER.per_second,
        "check_p50_ms": round(percentile(took, 0.5) * 1e3, 3),
        "check_p99_ms": round(percentile(took, 0.99) * 1e3, 3),
    }


def _throughput(intake: Served, calls: int) -> dict[str, object]:
    before = intake.cpu_seconds()
    load = _all_open(uvloop.run(send(HOST, intake.port, [REQUEST] * calls)))
    cpu = intake.cpu_seconds() - before
    say(
        f"  {load.per_second:.0f} calls/s; {cpu / calls * 1e6:.0f} us of CPU each; "
        f"the intake was busy {cpu / load.seconds:.0%} of the time, those who ask {load.cpu_seconds / load.seconds:.0%}"
    )
    return {
        "checks_per_second_core": round(load.per_second, 1),
        "checks_per_cpu_second": round(calls / cpu, 1),
    }


def _all_open(load: Load) -> Load:
    if set(load.statuses) != {200}:
        raise SystemExit(f"not every call was answered 200: {dict(load.statuses)}")
    return load


async def _paced(port: int, calls: int) -> list[float]:
    """How long each call took, at the shipped rate."""
    each, apart = calls // KEPT, 1 / TOGETHER.per_second
    began = time.perf_counter() + 0.1
    parts = await asyncio.gather(
        *(_asks(port, began + number * apart, KEPT * apart, each) for number in range(KEPT)),
    )
    return [one for part in parts for one in part]


async def _asks(port: int, first_at: float, apart_seconds: float, count: int) -> list[float]:
    """One kept connection's calls. One that is late because the answer before it was, counts from when it was due."""
    reader, writer = await asyncio.open_connection(HOST, port)
    took = []
    try:
        for number in range(count):
            due = first_at + number * apart_seconds
            early = due - time.perf_counter()
            if early > 0:
                await asyncio.sleep(early)
                due = time.perf_counter()
            writer.write(REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"a call was answered: {head.decode()}")
            length = int(head.lower().partition(b"content-length:")[2].split(maxsplit=1)[0])
            await reader.readexactly(length)
            took.append(time.perf_counter() - due)
    finally:
        writer.close()
    return took


def _deps() -> IntakeDeps:
    """Made in the intake's own process."""
    views = Views()
    views.gates.put(ChangeGate.model_validate(_gate()))
    desk = ViewDesk(views, lambda: True, lambda: True, _announce)
    stub, limits = Stub(), GateLimits(each=FAR, together=FAR)
    gates = GateDeps(desk, limits=limits)
    return IntakeDeps(stub, NoSamples(), stub, stub, CollectorRegistry(), lambda: datetime.now(UTC), gates)


async def _announce(name: str, said: Announcement) -> str:
    raise ApiError(503, "", "nothing is announced here")


def _gate() -> dict[str, Any]:
    since = datetime.now(UTC).isoformat()
    change = {"id": "chg-01kgk2zq5r8f3v6y9m0c4w7x1b", "count": 3, "since": since, "verdict": "Passed"}
    return {
        "apiVersion": "kubeprobe.io/v1alpha1",
        "kind": "ChangeGate",
        "metadata": {"name": GATE, "uid": "gate", "resourceVersion": "1", "creationTimestamp": since},
        "spec": {"scope": {"namespaces": ["*"]}, "probes": {"namespaces": ["*"]}},
        "status": {
            "phase": "Open",
            "reason": "Verified",
            "message": f"12 probes pass after change {change['id']}",
            "since": since,
            "verdict": "Passed",
            "change": change,
        },
    }

"""Gates by the clock: how soon a failed probe denies, what gates cost whoever they let pass, and how fast they answer.

Nothing but etcd, an API server with the chart's policies, and the operator as it is shipped; nobody runs pods, and the
bench says of each how it ended. Somebody applies a Deployment again and again over a kept connection, as dry runs,
which go through all of admission.

- `deny_seconds`: from the time at which a run's verdict Failed was written (by the audit log) to that at which the
  first update was sent that was denied; `told_to_deny_seconds` begins when the pod's end is told.
- `added_latency_ms_N`: how much longer than without the policies an update takes (medians) that N gates let pass. All
  gates are over all namespaces and open, but for one that is closed elsewhere.
- `check_...`, `checks_...`: see `gate_check`.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubeprobe.kube.client import Client, connect
from kubeprobe.kube.port import CONFIGS, GATES, NAMESPACES, PODS, RUNS, TEMPLATES, ApiError, Object
from testbed import ControlPlane
from tests.bench import gate_check
from tests.bench.gate_api import (
    CLOSED,
    ELSEWHERE,
    LOOK_SECONDS,
    OPEN,
    SHOP,
    SOON_SECONDS,
    Applier,
    applying,
    furnish,
    install_policies,
    put_gate,
    remove_gates,
    remove_policies,
)
from tests.bench.report import finish, percentile, say
from tests.lab import audit
from tests.lab.process import OperatorProcess
from tests.lab.simulated import install

HOST = "127.0.0.1"
PROBES = "bench-gate"
GATE = "production"
GATES_COUNTS = (20, 200, 0)
WARM_UP = 100


@dataclass(frozen=True)
class Turn:
    """A probe that failed, and what came of it."""

    run: str
    told_at: float
    denied_at: float
    """When the first update was sent that was denied."""


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=100, help="how often a gate closes (default 100)")
    parser.add_argument("--updates", type=int, default=500, help="updates that are timed of each kind (default 500)")
    parser.add_argument("--calls", type=int, default=50_000, help="calls of /check as fast as they go (default 50000)")
    parser.add_argument("--paced", type=int, default=20_000, help="calls of /check that are timed (default 20000)")
    asked = parser.parse_args()
    figures = gate_check.measure(asked.calls, asked.paced)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = folder / "audit" / "audit.log"
        with ControlPlane.start(folder / "plane", audit_log=log) as plane:
            install(plane)
            figures |= asyncio.run(_latencies(plane, asked.updates))
            operator = OperatorProcess(plane.kubeconfig, HOST, folder / "operator.log")
            operator.start()
            try:
                turns = asyncio.run(_turns(plane, asked.turns))
            finally:
                operator.stop()
            figures |= _figures(turns, audit.writes(log))
    finish(figures)


async def _latencies(plane: ControlPlane, updates: int) -> dict[str, object]:
    """What policies cost whom they let pass; they are there at the end, without gates."""
    async with await connect(plane.kubeconfig) as api, applying(plane, SHOP) as shop, applying(plane, ELSEWHERE) as far:
        await furnish(api)
        await _median(shop, updates, "first")
        without = [await _median(shop, updates, "without policies")]
        await install_policies(api)
        found = {}
        for count in GATES_COUNTS:
            await _gates(api, far, count)
            found[count] = await _median(shop, updates, f"with {count} gates")
        # A gate that is closed tells when the policies are gone.
        await put_gate(api, "last", _over(ELSEWHERE), CLOSED)
        await far.until(denied=True)
        await remove_policies(api)
        await far.until(denied=False)
        await remove_gates(api)
        without.append(await _median(shop, updates, "without policies again"))
        await install_policies(api)
    base = statistics.mean(without)
    return {
        "update_ms_without": round(base * 1e3, 3),
        **{f"added_latency_ms_{count}": round((found[count] - base) * 1e3, 3) for count in sorted(found)},
    }


async def _gates(api: Client, far: Applier, count: int) -> None:
    """Have so many gates, and the policies see them all: what they are told of the last, they were of the others."""
    await remove_gates(api)
    await far.until(denied=False)
    for number in range(1, count):
        await put_gate(api, f"open-{number:03}", _over("*"), OPEN)
    if count:
        # Removed last as well, since it is last by name.
        await put_gate(api, "the-closed", _over(ELSEWHERE), CLOSED)
        await far.until(denied=True)


async def _median(shop: Applier, updates: int, what: str) -> float:
    for _ in range(WARM_UP):
        await shop.apply()
    answers = [await shop.apply() for _ in range(updates)]
    if any(one.denied for one in answers):
        raise SystemExit(f"{what}: an update was denied that was to pass")
    took = [one.seconds for one in answers]
    say(f"  {what}: {percentile(took, 0.5) * 1e3:.2f} ms, p99 {percentile(took, 0.99) * 1e3:.2f} ms")
    return percentile(took, 0.5)


async def _turns(plane: ControlPlane, count: int) -> list[Turn]:
    async with await connect(plane.kubeconfig) as api, applying(plane, SHOP) as shop:
        await api.create(NAMESPACES, None, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PROBES}})
        await api.create(TEMPLATES, None, _body("ProbeTemplate", "quick", {"image": "none", "timeout": "60s"}))
        config = {"templateRef": {"name": "quick"}, "mode": "OnDemand"}
        await api.create(CONFIGS, PROBES, _body("ProbeConfig", "quick", config))
        await put_gate(api, GATE, _over(SHOP) | {"quiet": "1s"})
        say(f"{count} times a probe fails, its gate closes, and opens again")
        return [await _turn(api, shop, number) for number in range(count)]


async def _turn(api: Client, shop: Applier, number: int) -> Turn:
    await _end(api, await _begin(api, f"passes-{number:03}"), 0)
    await _until(f"the gate opens, turn {number}", lambda: _is_open(api))
    await shop.until(denied=False)
    run = await _begin(api, f"fails-{number:03}")
    first = asyncio.create_task(shop.until(denied=True))
    told_at = datetime.now(UTC).timestamp()
    await _end(api, run, 1)
    return Turn(run, told_at, (await first).sent_at)


async def _begin(api: Client, name: str) -> str:
    """Start a run; its name, once its pod is there."""
    await api.create(RUNS, PROBES, _body("ProbeRun", name, {"configRef": {"name": "quick"}}))
    await _until(f"the pod of {name}", lambda: _found(api, name))
    return name


async def _end(api: Client, pod: str, code: int) -> None:
    """What a kubelet says when the container ended."""
    state = {"terminated": {"exitCode": code, "message": "HTTP 500" if code else "", "reason": "Error"}}
    container = {"name": "probe", "state": state, "ready": False, "restartCount": 0, "image": "none", "imageID": ""}
    status = {"phase": "Failed" if code else "Succeeded", "containerStatuses": [container]}
    await api.merge_patch(PODS, PROBES, pod, {"status": status}, subresource="status")


async def _is_open(api: Client) -> bool:
    """Whether the gate is open because its probe passes."""
    status: Object = (await api.get(GATES, None, GATE)).get("status", {})
    return (status.get("phase"), status.get("verdict")) == ("Open", "Passed")


async def _found(api: Client, pod: str) -> bool:
    try:
        await api.get(PODS, PROBES, pod)
    except ApiError as error:
        if not error.not_found:
            raise
        return False
    return True


async def _until(what: str, look: Callable[[], Awaitable[bool]]) -> None:
    try:
        async with asyncio.timeout(SOON_SECONDS):
            while not await look():  # noqa: ASYNC110 - what another process does has no event to wait on
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError as error:
        raise SystemExit(f"{what}: not within {SOON_SECONDS:g}s") from error


def _figures(turns: list[Turn], writes: list[audit.Write]) -> dict[str, object]:
    verdicts = {one.name: one.done_at for one in writes if (one.verb, one.resource) == ("patch", "proberuns/status")}
    # A gate goes by what the operator knows, so it may be closed before the verdict is written.
    denied = [max(turn.denied_at - verdicts[turn.run].timestamp(), 0.0) for turn in turns]
    told = [turn.denied_at - turn.told_at for turn in turns]
    return {
        "turns": len(turns),
        "deny_seconds_p50": round(percentile(denied, 0.5), 4),
        "deny_seconds_p99": round(percentile(denied, 0.99), 4),
        "told_to_deny_seconds_p50": round(percentile(told, 0.5), 4),
        "told_to_deny_seconds_p99": round(percentile(told, 0.99), 4),
    }


def _over(namespace: str) -> dict[str, Any]:
    return {"scope": {"namespaces": [namespace]}, "probes": {"namespaces": [PROBES]}}


def _body(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "kubeprobe.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


if __name__ == "__main__":
    main()

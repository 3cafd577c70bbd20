"""ChangeGate: gather what it sees, plan, write its status, and start the runs that it asks for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from kubeprobe.api import ChangeGate, ChangeGateStatus, GateChange, GatePhase, GateVerdict
from kubeprobe.control.again import look_again_after
from kubeprobe.control.context import Context, Kind
from kubeprobe.control.gate_metrics import GateMetrics
from kubeprobe.control.gate_runs import GateRuns
from kubeprobe.control.gate_sight import GateSight
from kubeprobe.control.view import Key
from kubeprobe.kube.port import GATES, ApiError
from kubeprobe.plan.gate import GatePlan, plan_gate

REST_FACTOR = 4.0
"""A gate rests so many times as long as its last look took: one over thousands of probes is not to eat up the loop."""
CLEARED: dict[str, object] = {"since": None, "change": None, "verifyingSince": None, "observedGeneration": None}
"""Null takes away what there is none of any more; left out, a merge would keep it."""


class GateReconciler:
    """Opens and closes gates.

    Args:
        context: the operator's parts.
        sight: what gates see.
        metrics: where it is counted.
        clock: seconds that only go forward, such as `time.monotonic`.
    """

    def __init__(self, context: Context, sight: GateSight, metrics: GateMetrics, clock: Callable[[], float]) -> None:
        self._ctx = context
        self._sight = sight
        self._metrics = metrics
        self._runs = GateRuns(context, metrics, clock)
        self._clock = clock
        self._rests_until: dict[Key, float] = {}
        self._compared: dict[str, tuple[str, str, str]] = {}
        """With which version of each gate, and at which change, the workloads were last looked at."""

    async def reconcile(self, key: Key) -> None:
        """Bring one gate to what it should be now. Raises `ApiError` when a write failed."""
        gate = self._ctx.views.gates.get(key)
        if gate is None:
            self._rests_until.pop(key, None)
            self._compared.pop(key[1], None)
            self._ctx.queue.forget((Kind.GATE, key))
            return
        began = self._clock()
        if (rest := self._rests_until.get(key, -math.inf) - began) > 0:
            self._ctx.queue.add_after((Kind.GATE, key), rest)
            return
        plan = await self._plan(gate)
        took = self._clock() - began
        # First, for what is written next may have to wait.
        self._ctx.wake(Kind.GATE, key, plan.wake_at)
        if plan.status is not None:
            await self._write(gate, plan, plan.status)
        await self._runs.start(key, plan.runs)
        # Only now: what waits for its turn to be written must not find the gate at rest when that comes.
        self._rests_until[key] = self._clock() + REST_FACTOR * took

    def reset(self) -> None:
        """Forget what was held in memory: another replica may have led meanwhile."""
        self._rests_until.clear()
        self._compared.clear()
        self._runs.reset()

    async def _plan(self, gate: ChangeGate) -> GatePlan:
        """What to do. The workloads are looked at only where they may tell something new: there may be thousands."""
        seen, now = await self._sight.gather(gate), self._ctx.now()
        plan, meta = plan_gate(seen, now), gate.metadata
        mark = (meta.uid, meta.resource_version, seen.change.id if seen.change is not None else "")
        if plan.status is None and self._compared.get(meta.name) == mark:
            return plan
        workloads = self._sight.workloads(gate)
        if workloads is None:
            return plan
        self._compared[meta.name] = mark
        return plan_gate(replace(seen, workloads=workloads), now)

    async def _write(self, gate: ChangeGate, plan: GatePlan, status: ChangeGateStatus) -> None:
        meta = gate.metadata
        as_before = {"last_good"} if status.last_good == gate.status.last_good else set()
        said = status.model_dump(by_alias=True, exclude_none=True, mode="json", exclude=as_before)
        body = {"metadata": {"resourceVersion": meta.resource_version}, "status": {**CLEARED, **said}}
        try:
            written = await self._ctx.writer.merge_patch(
                plan.priority, GATES, None, meta.name, body, subresource="status"
            )
        except ApiError as error:
            if error.not_found:
                return
            await look_again_after(error, self._ctx, GATES, ("", meta.name))
            raise
        now_is = ChangeGate.model_validate(written)
        self._ctx.views.gates.put(now_is)
        self._tell(now_is, plan)

    def _tell(self, gate: ChangeGate, plan: GatePlan) -> None:
        """The gate's story for those who look with `kubectl describe`: each turn, and each verdict on a change."""
        status, record = gate.status, self._ctx.recorder.record
        if plan.turned:
            self._metrics.turns.labels(status.phase.value).inc()
            closed = status.phase is GatePhase.CLOSED
            record(gate, "GateClosed" if closed else "GateOpened", f"{status.reason}: {status.message}", warning=closed)
        for change in plan.judged:
            self._metrics.judged.labels(change.verdict.value).inc()
            passed = change.verdict is GateVerdict.PASSED
            record(gate, f"Change{change.verdict}", _verdict_words(change), warning=not passed)


def _verdict_words(change: GateChange) -> str:
    which = f"change {change.id}" if change.id else "what there was when spec.override ended"
    return f"the probes' verdict on {which}: {change.verdict}"

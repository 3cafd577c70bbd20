"""The runs that gates ask for, begun, by no more creations than are of use."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from kubeprobe.control.context import Context, Kind
from kubeprobe.control.gate_metrics import GateMetrics
from kubeprobe.control.refusals import FIRST_REST, Refusals
from kubeprobe.control.starting import start_run
from kubeprobe.control.view import Key
from kubeprobe.kube.port import ApiError
from kubeprobe.plan.change_runs import gate_run
from kubeprobe.plan.gate_runs import RunAsked

LONGEST_SECONDS = 2.0
"""A gate that begins runs does not see what fails meanwhile: after so long it looks before it goes on."""


class GateRuns:
    """Begins the runs of all gates.

    Args:
        context: the operator's parts.
        metrics: where they are counted.
        clock: seconds that only go forward, such as `time.monotonic`.
    """

    def __init__(self, context: Context, metrics: GateMetrics, clock: Callable[[], float]) -> None:
        self._ctx = context
        self._metrics = metrics
        self._clock = clock
        self._refusals = Refusals(context.now)

    async def start(self, gate: Key, runs: Iterable[RunAsked]) -> None:
        """Start what is asked for; the gate is looked at again when there is more to start.

        What is refused keeps no other from being run: it rests, and its namespace for a second, and comes last then.

        Raises:
            ApiError: the API server does not answer, or has trouble of its own.
        """
        began, resting, next_at = self._clock(), self._refusals.namespaces(), list[datetime]()
        for one in sorted(runs, key=lambda one: self._refusals.has((one.namespace, one.name))):
            rests_until = self._refusals.rests_until((one.namespace, one.name))
            if rests_until is not None or one.namespace in resting:
                next_at.append(rests_until or self._ctx.now() + FIRST_REST)
                continue
            if self._clock() - began >= LONGEST_SECONDS:
                self._ctx.queue.add((Kind.GATE, gate))
                break
            if not await self._begun(one):
                resting.add(one.namespace)
                next_at.append(self._ctx.now() + FIRST_REST)
        self._ctx.wake(Kind.GATE, gate, min(next_at, default=None))

    def reset(self) -> None:
        """Forget what was held in memory: another replica may have led meanwhile."""
        self._refusals.clear()

    async def _begun(self, one: RunAsked) -> bool:
        """Start a run; False when it is refused."""
        config = self._ctx.views.configs.get((one.namespace, one.name))
        if config is None:
            return True
        manifest = gate_run(config, one.change_id, one.node, one.at)
        try:
            run = await start_run(self._ctx, config, manifest, self._refusals)
        except ApiError as error:
            if error.refused:
                return False
            raise
        self._metrics.runs.inc(1 if run is not None else 0)
        return True

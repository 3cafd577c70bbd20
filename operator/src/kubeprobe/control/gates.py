"""All that belongs to gates, put together: who calls them, what they see, what is done, and what proves them."""

from __future__ import annotations

from collections.abc import Callable

from kubeprobe.control.context import Context
from kubeprobe.control.enforcement import Enforcement
from kubeprobe.control.gate import GateReconciler
from kubeprobe.control.gate_calls import GateCalls
from kubeprobe.control.gate_metrics import GateMetrics
from kubeprobe.control.gate_sight import GateSight, GateSources
from kubeprobe.control.view import Key
from kubeprobe.kube.port import TrialApi


class Gates:
    """The gates of a cluster.

    Args:
        context: the operator's parts.
        api: where it is tried whether gates hold.
        sources: where it comes from what they see.
        clock: seconds that only go forward, such as `time.monotonic`.
    """

    def __init__(self, context: Context, api: TrialApi, sources: GateSources, clock: Callable[[], float]) -> None:
        calls = GateCalls(context.views, context.queue)
        sources.answers.follow(calls.answered)
        self._enforcement = Enforcement(api, context, sources.own_namespace, clock)
        sight = GateSight(context, calls, sources, self._enforcement.proof)
        metrics = GateMetrics(context.metrics.registry, context.views)
        self._reconciler = GateReconciler(context, sight, metrics, clock)

    async def reconcile(self, key: Key) -> None:
        """See `GateReconciler.reconcile`."""
        await self._reconciler.reconcile(key)

    async def run(self) -> None:
        """Try whether gates hold, for ever."""
        await self._enforcement.run()

    def reset(self) -> None:
        """Forget what was held in memory: another replica may have led meanwhile."""
        self._reconciler.reset()
        self._enforcement.reset()

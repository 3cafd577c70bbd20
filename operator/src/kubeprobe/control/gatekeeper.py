"""What the webhook answers: the plan over the gates in view, and the cluster's word on who may override one."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from kubeprobe.control.view import Views
from kubeprobe.intake.gates.throttle import Rate, Throttle
from kubeprobe.intake.review import Requester
from kubeprobe.kube.port import ApiError
from kubeprobe.kube.reviews import Caller, ClusterReviews
from kubeprobe.plan.admission import Attempt, Place, Ruling, keys_shown, rule
from probe_sdk.wire import cut

logger = logging.getLogger("kubeprobe")
OVERRIDE = "override"
"""The verb that whoever breaks the glass needs on the gate."""
ASKING_SECONDS = 0.8
"""Less than the intake gives a ruling: a cluster that does not say whether somebody may override opens no gate."""
ASKED = Rate(20.0, 60.0)
"""How often it is asked; more often nobody may. Whoever reaches the webhook's port can show the key to a closed gate,
since denials name it, and is not to have the API server asked without end."""
NAME_BYTES = 256


class Gatekeeper:
    """`kubeprobe.intake.admission.Judge` of the operator; every replica is one.

    Args:
        views: where the gates are.
        reviews: who may override them.
        own_namespace: where the operator runs.
        synced: whether the views have seen everything.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        views: Views,
        reviews: ClusterReviews,
        own_namespace: str,
        synced: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._views = views
        self._reviews = reviews
        self._own_namespace = own_namespace
        self._asks = Throttle(ASKED, ASKED, 0.0, clock)
        self.ready = synced

    async def judge(self, attempt: Attempt, who: Requester) -> Ruling:
        """Whether a workload may be created or changed."""
        gates = tuple(self._views.gates)
        labels = self._views.namespace_labels(attempt.workload.namespace) or {}
        place = Place(labels, self._own_namespace)
        shown = keys_shown(attempt, gates, place)
        caller = Caller(who.username, who.uid, who.groups, who.extra)
        allowed = await asyncio.gather(*(self._may_override(caller, gate) for gate in shown))
        return rule(attempt, gates, place, [gate for gate, may in zip(shown, allowed, strict=True) if may])

    async def _may_override(self, caller: Caller, gate: str) -> bool:
        if self._asks.admit("") is None:
            return False
        try:
            async with asyncio.timeout(ASKING_SECONDS):
                return await self._reviews.may(caller, OVERRIDE, gate)
        except (ApiError, TimeoutError) as error:
            # Quoted, for it may be anybody who asks, under any name.
            name, why = cut(caller.name, NAME_BYTES), str(error) or "no answer"
            logger.warning("whether %r may override the gate %s: %r", name, gate, why)
            return False

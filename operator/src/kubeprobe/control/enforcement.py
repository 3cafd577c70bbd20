"""The proof that gates hold: what a gate has to deny is tried against the API server itself, now and then.

Nobody would notice a policy that is not there, or does not work, before a bad release has passed it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable

from kubeprobe.api import ChangeGate
from kubeprobe.control.context import Context, Kind, logger
from kubeprobe.control.view import Key
from kubeprobe.kube.port import DEPLOYMENTS, ApiError, TrialApi
from kubeprobe.plan import gate_proof
from kubeprobe.plan.gate_proof import Trials, is_tried
from kubeprobe.plan.gate_words import Proof, told_proof


class Enforcement:
    """Tries what the gates have to deny; `run` it.

    Args:
        api: where it is tried.
        context: whose gates these are.
        namespace: where the operator itself runs.
        clock: seconds that only go forward, such as `time.monotonic`.
    """

    def __init__(self, api: TrialApi, context: Context, namespace: str, clock: Callable[[], float]) -> None:
        self._api = api
        self._ctx = context
        self._namespace = namespace
        self._clock = clock
        self._trials: dict[str, Trials] = {}
        self._due_at: dict[str, float] = {}
        self._called = asyncio.Event()
        context.views.gates.follow(self._gate)

    def proof(self, gate: ChangeGate) -> Proof | None:
        """What is known of a gate; before this process has tried it, what its status says of an earlier trial."""
        return self._trials.get(gate.metadata.uid, Trials()).proof or told_proof(gate)

    def reset(self) -> None:
        """Forget what was tried: another replica may have led meanwhile."""
        self._trials.clear()
        self._due_at.clear()

    async def run(self) -> None:
        """Try all gates, each when it is due, for ever."""
        while True:
            self._called.clear()
            for gate in [one for one in self._ctx.views.gates if is_tried(one)]:
                if self._due_at.get(gate.metadata.uid, -math.inf) <= self._clock():
                    await self._try(gate)
            left = min(self._due_at.values(), default=math.inf) - self._clock()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(left, 0.0) if left < math.inf else None):
                    await self._called.wait()

    async def _try(self, gate: ChangeGate) -> None:
        uid, before = gate.metadata.uid, self.proof(gate)
        known = self._trials.get(uid, Trials(before))
        found = await self._outcome(gate)
        is_now = self._ctx.views.gates.get(("", gate.metadata.name))
        if is_now is None or is_now.metadata.uid != uid or not is_tried(is_now):
            return
        trials = self._trials[uid] = gate_proof.tried(known, found, self._ctx.now())
        self._due_at[uid] = self._clock() + trials.again_seconds
        if trials.proof == before:
            return
        self._ctx.queue.add((Kind.GATE, ("", gate.metadata.name)))
        if trials.proof is not None and trials.proof.denied is False:
            self._ctx.recorder.record(gate, "NotEnforced", trials.proof.message, warning=True)

    async def _outcome(self, gate: ChangeGate) -> Proof | None:
        """What a trial proves; None where the API server gave no answer."""
        manifest = gate_proof.trial(gate, self._namespace)
        if manifest is None:
            return gate_proof.too_long()
        try:
            await self._api.try_create(DEPLOYMENTS, self._namespace, manifest)
        except ApiError as error:
            if error.passing:
                logger.info("gate %s: its trial had no answer: %s", gate.metadata.name, error)
                return None
            return gate_proof.denied(str(error))
        return gate_proof.let_through()

    def _gate(self, key: Key, before: ChangeGate | None, now: ChangeGate | None) -> None:
        """A gate that is new, or has to be enforced from now on, is tried at once; what is gone is forgotten."""
        same = before is not None and now is not None and before.metadata.uid == now.metadata.uid
        if same and before is not None and now is not None and is_tried(before) == is_tried(now):
            return
        for one in (before, now):
            if one is not None:
                self._trials.pop(one.metadata.uid, None)
                self._due_at.pop(one.metadata.uid, None)
        self._called.set()

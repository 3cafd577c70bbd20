"""What a gate sees: its probes, the newest change in its scope and the workloads there, gathered from the views."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from kubeprobe.api import (
    Change,
    ChangeGate,
    GateVerdict,
    Mode,
    ProbeConfig,
    ProbeResultStatus,
)
from kubeprobe.control.audience import NamespaceLabels
from kubeprobe.control.context import Context, Kind
from kubeprobe.control.gate_calls import GateCalls
from kubeprobe.control.view import Key
from kubeprobe.plan.chain import nodes_of
from kubeprobe.plan.change_runs import Skipped
from kubeprobe.plan.demand import Followed
from kubeprobe.plan.fingerprint import Tracked
from kubeprobe.plan.gate import GateSeen
from kubeprobe.plan.gate_change import awaited, bound, change_seen, in_scope, newest_of
from kubeprobe.plan.gate_course import ChangeSeen
from kubeprobe.plan.gate_probe import Bound
from kubeprobe.plan.gate_scope import Workload
from kubeprobe.plan.gate_words import Proof
from kubeprobe.plan.rollout import Rollout

LOOK_SECONDS = 5.0
"""How soon to look again for a list that is not complete."""
BREATH = 50
"""So many probes at a time: a gate over thousands must not hold up the loop."""


class ChangesSeen(Protocol):
    """What gates ask of those who follow what changes."""

    def followed(self, config: Key) -> tuple[Followed, ...]:
        """How far a config is with the changes that its own triggers run it for."""
        ...

    def rollouts(self, change: Change, concerns: Callable[[Tracked], bool]) -> tuple[Rollout, ...]:
        """How far those of a change's workloads are that are asked for; none is over while that is not known.

        Who follows them puts a gate in the queue when one of its changes moves.
        """
        ...

    def workloads(self, gate: ChangeGate) -> tuple[Workload, ...] | None:
        """What there is in a gate's scope, as far as Changes have told of it; None while that is not known.

        When it comes to be known all gates are put in the queue.
        """
        ...

    def skipped(self, config: Key) -> Skipped | None:
        """Why a config does not run for changes, if it does not."""
        ...


class Answers(Protocol):
    """What is known of the configs' targets, whether that was worth a write or not."""

    def latest(self, key: Key) -> ProbeResultStatus | None:
        """A config's answer now."""
        ...

    def heard_at(self, key: Key) -> datetime | None:
        """Up to when the answer has what a config's probers told."""
        ...

    def follow(self, told: Callable[[Key], None]) -> None:
        """Have somebody told of the configs of which something else is known."""
        ...


@dataclass(frozen=True, slots=True)
class GateSources:
    """Where a gate's sight comes from."""

    changes: ChangesSeen
    answers: Answers
    nodes: Callable[[], Collection[str] | None]
    """The names of all nodes, None while they are not known; asking has them watched."""
    own_namespace: str


class GateSight:
    """Gathers what the decision about a gate looks at.

    Args:
        context: the operator's parts.
        calls: who knows which configs a gate goes by.
        sources: where all else comes from.
        proof: what is known of whether the API server holds to a gate.
    """

    def __init__(
        self,
        context: Context,
        calls: GateCalls,
        sources: GateSources,
        proof: Callable[[ChangeGate], Proof | None],
    ) -> None:
        self._ctx = context
        self._calls = calls
        self._from = sources
        self._proof = proof

    async def gather(self, gate: ChangeGate) -> GateSeen:
        """All that is known for one gate now, but for the workloads in its scope."""
        newest = newest_of(gate, self._ctx.views.changes)
        change = self._change(gate, newest) if newest is not None else None
        probes = [one async for one in self._probes(gate)]
        return GateSeen(
            gate=gate,
            probes=probes,
            change=change,
            nodes=self._nodes(gate) if _are_pinned(probes, gate, change) else None,
            proof=self._proof(gate),
        )

    def workloads(self, gate: ChangeGate) -> tuple[Workload, ...] | None:
        """The workloads in a gate's scope, of which there may be thousands; None while they are not known."""
        return self._from.changes.workloads(gate)

    def _change(self, gate: ChangeGate, newest: Change) -> ChangeSeen:
        labels = NamespaceLabels(self._ctx.views)
        rollouts = (
            rollout
            for one in awaited(gate, tuple(self._ctx.views.changes))
            for rollout in self._from.changes.rollouts(
                one, lambda tracked: in_scope(gate, tracked, labels, self._from.own_namespace)
            )
        )
        return change_seen(gate, newest, rollouts)

    def _nodes(self, gate: ChangeGate) -> Collection[str] | None:
        """The names of all nodes; while they are not known all count as being there, and it is looked again."""
        names = self._from.nodes()
        if names is None:
            self._ctx.queue.add_after((Kind.GATE, ("", gate.metadata.name)), LOOK_SECONDS)
        return names

    async def _probes(self, gate: ChangeGate) -> AsyncIterator[Bound]:
        status, meta = gate.status, gate.metadata
        verifying = status.verdict is GateVerdict.PENDING and status.verifying_since is not None
        for number, config in enumerate(self._calls.configs((meta.namespace, meta.name)), start=1):
            if number % BREATH == 0:
                await asyncio.sleep(0)
            yield self._bound(config, verifying=verifying)

    def _bound(self, config: ProbeConfig, *, verifying: bool) -> Bound:
        key, changes = (config.metadata.namespace, config.metadata.name), self._from.changes
        if verifying and config.spec.mode is Mode.RESIDENT:
            # Messages that say nothing new are not folded one by one; what they bear out is evidence all the same.
            self._ctx.queue.add((Kind.RESULT, key))
        return bound(
            config,
            answer=self._from.answers.latest(key),
            heard_at=self._from.answers.heard_at(key),
            runs=self._ctx.views.runs.group(key),
            followed=changes.followed(key),
            skipped=changes.skipped(key),
        )


def _are_pinned(probes: Iterable[Bound], gate: ChangeGate, change: ChangeSeen | None) -> bool:
    """Whether runs that the gate looks at are bound to nodes, so that it matters which nodes there are."""
    if any(one.nodes for one in gate.status.probes):
        return True
    ids = {gate.status.change.id if gate.status.change is not None else "", change.id if change is not None else ""}
    return any(nodes_of(run) for one in probes for id_ in ids for run in one.runs.get(id_, ()))

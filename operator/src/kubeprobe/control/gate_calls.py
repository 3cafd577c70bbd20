"""Who calls a gate: which gates go by which configs, and whatever happens by which one of them may turn.

The index is kept as objects come and go, since every answer of ten thousand configs asks whether a gate goes by it.
"""

from __future__ import annotations

from collections.abc import Iterable

from kubeprobe.api import Change, ChangeGate, ProbeConfig, ProbeRun, TriggerKind
from kubeprobe.control.context import Kind, Work
from kubeprobe.control.queue import WorkQueue
from kubeprobe.control.view import Key, Views
from kubeprobe.plan.gate_scope import binds
from kubeprobe.plan.nodes import Node

LOOKED_AT = frozenset({TriggerKind.CHANGE, TriggerKind.GATE})
"""The runs that gates look at themselves; of the others they see what the answer makes of them."""


class GateCalls:
    """Has gates reconciled when something changed that they go by, and Changes when a gate says something else.

    Args:
        views: followed from now on.
        queue: where gates are put.
    """

    def __init__(self, views: Views, queue: WorkQueue[Work]) -> None:
        self._views = views
        self._queue = queue
        self._configs: dict[Key, set[Key]] = {}
        self._gates: dict[Key, set[Key]] = {}
        for gate in views.gates:
            self._bind_all(gate)
        views.configs.follow(self._config)
        views.gates.follow(self._gate)
        views.runs.follow(self._run)
        views.changes.follow(self._change)
        views.nodes.follow(self._node)

    def configs(self, gate: Key) -> tuple[ProbeConfig, ...]:
        """The configs that a gate goes by."""
        found = (self._views.configs.get(key) for key in self._configs.get(gate, ()))
        return tuple(one for one in found if one is not None)

    def answered(self, config: Key) -> None:
        """Something else is known of a config's target."""
        self._call(self._gates.get(config, ()))

    def _config(self, key: Key, before: ProbeConfig | None, now: ProbeConfig | None) -> None:
        if before is not None and now is not None and _as_before(before, now):
            return
        callers = self._gates.pop(key, set())
        for caller in callers:
            self._configs[caller].discard(key)
        if now is not None:
            for gate in self._views.gates:
                self._bind(gate, now)
        self._call(callers | self._gates.get(key, set()))

    def _gate(self, key: Key, before: ChangeGate | None, now: ChangeGate | None) -> None:
        if before is None or now is None or before.status != now.status:
            for change in self._views.changes:
                if key[1] in change.spec.gates:
                    self._queue.add((Kind.CHANGE, ("", change.metadata.name)))
        if before is not None and now is not None and before.spec.probes == now.spec.probes:
            return
        for config in self._configs.pop(key, ()):
            self._gates[config].discard(key)
        if now is not None:
            self._bind_all(now)

    def _bind_all(self, gate: ChangeGate) -> None:
        for config in self._views.configs:
            self._bind(gate, config)

    def _bind(self, gate: ChangeGate, config: ProbeConfig) -> None:
        if binds(gate, config):
            here, there = ("", gate.metadata.name), (config.metadata.namespace, config.metadata.name)
            self._configs.setdefault(here, set()).add(there)
            self._gates.setdefault(there, set()).add(here)

    def _run(self, key: Key, before: ProbeRun | None, now: ProbeRun | None) -> None:
        run = now or before
        if run is not None and run.spec.config_ref is not None and run.spec.trigger.kind in LOOKED_AT:
            self.answered((key[0], run.spec.config_ref.name))

    def _change(self, key: Key, before: Change | None, now: Change | None) -> None:
        change = now or before
        if change is not None:
            self._call(("", name) for name in change.spec.gates)

    def _node(self, key: Key, before: Node | None, now: Node | None) -> None:
        """What failed on a node counts until that is gone."""
        if now is None:
            self._call(("", gate.metadata.name) for gate in self._views.gates)

    def _call(self, gates: Iterable[Key]) -> None:
        for gate in gates:
            self._queue.add((Kind.GATE, gate))


def _as_before(before: ProbeConfig, now: ProbeConfig) -> bool:
    """Whether it is the same to gates: its status is no more than what they know."""
    one, other = before.metadata, now.metadata
    same = (one.uid, one.deletion_timestamp) == (other.uid, other.deletion_timestamp) and one.labels == other.labels
    return same and before.spec == now.spec

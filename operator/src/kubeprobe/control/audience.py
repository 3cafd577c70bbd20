"""Whom changes concern: the configs with triggers and the gates, as the views have them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

from kubeprobe.api import ChangeGate, ChangeProbe, ChangeSource, ProbeConfig
from kubeprobe.control.tracking import NEW_PODS
from kubeprobe.control.view import Views
from kubeprobe.plan.batch import Batch, Wait
from kubeprobe.plan.change import is_over
from kubeprobe.plan.changed import ANNOUNCED, Changed
from kubeprobe.plan.gate_change import gate_wait, gates_of, in_scope
from kubeprobe.plan.listeners import Listeners
from kubeprobe.plan.triggers import concerned, is_pinned, probes_of, subject_of, wait_of, wanted_kinds

TOGETHER = 10
"""Configs between two turns of the event loop: each looks at up to 500 objects."""


class NamespaceLabels(Mapping[str, Mapping[str, str]]):
    """The labels of all namespaces, without a copy of them."""

    def __init__(self, views: Views) -> None:
        self._views = views

    def __getitem__(self, name: str) -> Mapping[str, str]:
        labels = self._views.namespace_labels(name)
        if labels is None:
            raise KeyError(name)
        return labels

    def __iter__(self) -> Iterator[str]:
        return (one.name for one in self._views.namespaces)

    def __len__(self) -> int:
        return len(self._views.namespaces)


class Audience:
    """Who wants to be told of what.

    Args:
        views: which configs, gates and open Changes there are.
        own_namespace: where the operator itself runs.
    """

    def __init__(self, views: Views, own_namespace: str) -> None:
        self._views = views
        self._configs: tuple[ProbeConfig, ...] | None = None
        self._listeners: Listeners | None = None
        self.own_namespace = own_namespace
        self.namespaces = NamespaceLabels(views)

    def stir(self) -> None:
        """A config came, went, or is another now."""
        self._configs = self._listeners = None

    @property
    def configs(self) -> tuple[ProbeConfig, ...]:
        """The configs with triggers: few of those that there are."""
        if self._configs is None:
            self._configs = tuple(one for one in self._views.configs if one.spec.triggers)
        return self._configs

    def kinds(self) -> frozenset[str]:
        """The kinds that somebody wants: configs, gates, and Changes that are not over."""
        found: set[str] = set()
        for config in self.configs:
            found |= wanted_kinds(config)
        for gate in self._gates():
            found |= {kind.value for kind in gate.spec.scope.kinds}
        for change in self._views.changes:
            if not is_over(change):
                found |= {one.kind for one in change.spec.objects}
        return frozenset(found - {ANNOUNCED})

    def wants_pods(self) -> frozenset[str]:
        """NEW_PODS where a config follows rollouts to nodes, else nothing."""
        pinned = any(
            one.rollout is not None and is_pinned(one)
            for config in self.configs
            if wanted_kinds(config)
            for one in config.spec.triggers
        )
        return frozenset({NEW_PODS}) if pinned else frozenset()

    @property
    def listeners(self) -> Listeners:
        """The same configs, by what they listen to."""
        if self._listeners is None:
            self._listeners = Listeners(self.configs)
        return self._listeners

    def wait(self, changed: Changed, source: ChangeSource) -> Wait | None:
        """How long those whom a change concerns want to wait for more; None where it concerns nobody."""
        subject, soonest = subject_of(changed, source), None
        for one in self.listeners.of(source, changed.key):
            if _sooner(one.wait, soonest):
                soonest = _soonest(soonest, wait_of(concerned(one.config, subject, self.namespaces)))
        for gate in self._gates():
            wait = gate_wait(gate)
            if _sooner(wait, soonest) and in_scope(gate, changed, self.namespaces, self.own_namespace):
                soonest = _soonest(soonest, wait)
        return soonest

    async def probes(self, batch: Batch, announced_at: frozenset[str]) -> tuple[ChangeProbe, ...]:
        """The configs that run for a batch, the most severe first."""
        configs = self.listeners.of_all(batch.source, batch.changes)
        found: list[ChangeProbe] = []
        for start in range(0, len(configs), TOGETHER):
            some = configs[start : start + TOGETHER]
            found += probes_of(some, batch, self.namespaces, announced_at)
            await asyncio.sleep(0)
        return tuple(found)

    async def gates(self, batch: Batch, announced_at: frozenset[str]) -> tuple[str, ...]:
        """The gates that a batch is told to, in order."""
        found: list[str] = []
        for gate in self._gates():
            found += gates_of((gate,), batch, self.namespaces, self.own_namespace, announced_at)
            await asyncio.sleep(0)
        return tuple(sorted(found))

    def _gates(self) -> tuple[ChangeGate, ...]:
        return tuple(one for one in self._views.gates if one.metadata.deletion_timestamp is None)


def _sooner(wait: Wait, than: Wait | None) -> bool:
    """Whether somebody who waits for so long changes anything; if not, he need not be asked."""
    return than is None or than.soonest(wait) != than


def _soonest(one: Wait | None, other: Wait | None) -> Wait | None:
    if one is None or other is None:
        return one or other
    return one.soonest(other)

"""Who calls those that follow what changes: the gates, Changes and configs that say what is wanted.

They are heard of by their views, since what a write was answered, or what was looked at again, the watch does not bring
once more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from kubeprobe.api import Change, ChangeGate, ProbeConfig
from kubeprobe.control.view import Key, Views
from kubeprobe.plan.change import is_over

V = TypeVar("V")


def follow_wants(views: Views, wants: Callable[[], None], listeners: Callable[[], None]) -> None:
    """Have somebody told of what decides on what is wanted, from now on.

    Args:
        views: where it is seen.
        wants: called when a gate or a Change came, went, or is another now.
        listeners: called when a config with triggers did.
    """
    views.gates.follow(_where_other(_of_gate, wants))
    views.changes.follow(_where_other(_of_change, wants))
    views.configs.follow(_where_other(_of_config, listeners))


def _where_other(mark: Callable[[V], object], call: Callable[[], None]) -> Callable[[Key, V | None, V | None], None]:
    """What calls somebody where an object's mark is another than before; there is none of one that is not there."""

    def told(key: Key, before: V | None, now: V | None) -> None:
        if (mark(before) if before is not None else None) != (mark(now) if now is not None else None):
            call()

    return told


def _of_gate(gate: ChangeGate) -> object:
    return gate.metadata.uid, gate.metadata.deletion_timestamp, gate.spec


def _of_change(change: Change) -> object:
    return change.metadata.uid, is_over(change)  # its spec stays as it was written


def _of_config(config: ProbeConfig) -> object:
    """What decides which changes it hears of; None where it hears of none."""
    meta = config.metadata
    return (meta.uid, meta.generation, meta.deletion_timestamp) if config.spec.triggers else None

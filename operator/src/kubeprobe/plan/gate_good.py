"""The last good images of the workloads in a gate's scope: going back to them passes even while the gate is closed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kubeprobe.api import MOST_GOOD, GoodWorkload
from kubeprobe.plan.gate_scope import Workload
from kubeprobe.plan.record import json_size

GOOD_BYTES = 128 * 1024


def recorded(workloads: Iterable[Workload]) -> tuple[tuple[GoodWorkload, ...], int]:
    """The workloads as they are now, by their names, and how many there is no room for."""
    ordered = sorted(workloads, key=lambda one: one.key)
    kept: list[GoodWorkload] = []
    room = GOOD_BYTES
    for one in ordered[:MOST_GOOD]:
        good = GoodWorkload(
            namespace=one.namespace, kind=one.kind, name=one.name, template=one.template, images=dict(one.images)
        )
        room -= json_size(good.model_dump(mode="json"))
        if room < 0:
            break
        kept.append(good)
    return tuple(kept), len(ordered) - len(kept)


def compared(good: Sequence[GoodWorkload], workloads: Iterable[Workload]) -> tuple[GoodWorkload, ...]:
    """The last good images, with what has another template by now marked; what is gone has none."""
    templates = {one.key: one.template for one in workloads}
    return tuple(_compared(one, templates.get((one.namespace, one.kind.value, one.name))) for one in good)


def _compared(good: GoodWorkload, template: str | None) -> GoodWorkload:
    changed = template != good.template
    return good if changed is good.changed else good.model_copy(update={"changed": changed})

"""The last good images of the workloads in a gate's scope: going back to them passes even while the gate is closed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kubeprobe.api import MOST_GOOD, GoodWorkload
from kubeprobe.plan.gate_scope import UNTOLD, Workload
from kubeprobe.plan.record import json_size

GOOD_BYTES = 128 * 1024


def recorded(
    workloads: Iterable[Workload], before: Sequence[GoodWorkload] = ()
) -> tuple[tuple[GoodWorkload, ...], int]:
    """The workloads as they are now, by their names, and how many there is no room for.

    Args:
        workloads: what there is. One that no Change has told of, or that is not in place, is not known to be good: what
            was before it still is.
        before: the last good images until now.
    """
    known = {_key(one): one for one in before}
    found = (_good(one, known.get(one.key)) for one in sorted(workloads, key=lambda one: one.key))
    ordered = [one for one in found if one is not None]
    kept: list[GoodWorkload] = []
    room = GOOD_BYTES
    for good in ordered[:MOST_GOOD]:
        room -= json_size(good.model_dump(mode="json"))
        if room < 0:
            break
        kept.append(good)
    return tuple(kept), len(ordered) - len(kept)


def compared(good: Sequence[GoodWorkload], workloads: Iterable[Workload]) -> tuple[GoodWorkload, ...]:
    """The last good images, with what has another template by now marked; what is gone has none."""
    templates = {one.key: one.template for one in workloads}
    return tuple(_compared(one, templates.get(_key(one))) for one in good)


def _good(workload: Workload, before: GoodWorkload | None) -> GoodWorkload | None:
    if workload.template == UNTOLD or not workload.in_place:
        return _compared(before, workload.template) if before is not None else None
    return GoodWorkload(
        namespace=workload.namespace,
        kind=workload.kind,
        name=workload.name,
        template=workload.template,
        images=dict(workload.images),
    )


def _key(good: GoodWorkload) -> tuple[str, str, str]:
    return (good.namespace, good.kind.value, good.name)


def _compared(good: GoodWorkload, template: str | None) -> GoodWorkload:
    changed = template != good.template
    return good if changed is good.changed else good.model_copy(update={"changed": changed})

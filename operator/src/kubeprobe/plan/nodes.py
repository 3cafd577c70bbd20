"""Which nodes a sweep probes, in which order, and how they are cut into waves: the same whoever works it out.

The order is that of the hashes of the nodes' names, which spreads racks and zones over the waves and moves nobody when
nodes come and go. A sample takes the next so many in that order and goes on after the last one, like the hand of a
clock; what was probed last is told by the record, so a sweep that is missed costs no node its turn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from kubeprobe.api import EachNode
from kubeprobe.api.targets import WAVE_NODES
from kubeprobe.plan.selector import matches

WAVE_NAME_BYTES = 2500
"""What the names of a wave take in its run's spec: nodes with long names make smaller waves, not larger objects."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node as far as a sweep needs it; thousands of them rest in memory."""

    name: str
    uid: str
    resource_version: int
    labels: Mapping[str, str]
    created_at: datetime
    deleting: bool


def rank(name: str) -> str:
    """A node's place in the order of all sweeps."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def chosen(
    spec: EachNode, nodes: Iterable[Node], begun_at: datetime, after: str, covered: Container[str], taken: int
) -> tuple[str, ...]:
    """The nodes that a sweep has yet to probe, in order.

    Args:
        spec: which nodes, and how many in one sweep.
        nodes: all nodes.
        begun_at: when the sweep began; nodes that came later have their turn in the next one.
        after: the node that the sweep before ended with, where nodes are sampled; empty for none.
        covered: the nodes that are in a wave of this sweep.
        taken: how many these are, those included that are gone by now.
    """
    wanted = sorted(
        (rank(node.name), node.name)
        for node in nodes
        if not node.deleting and node.created_at <= begun_at and matches(spec.selector, node.labels)
    )
    if spec.sample is None:
        return tuple(name for _, name in wanted if name not in covered)
    mark = (rank(after), after) if after else ("", "")
    turned = [*(one for one in wanted if one > mark), *(one for one in wanted if one <= mark)]
    left = [name for _, name in turned if name not in covered]
    return tuple(left[: max(spec.sample - taken, 0)])


def cut(names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The nodes in waves, each within its bounds of number and size."""
    waves: list[tuple[str, ...]] = []
    wave: list[str] = []
    size = 0
    for name in names:
        grown = size + len(name) + len('"",')
        if wave and (len(wave) == WAVE_NODES or grown > WAVE_NAME_BYTES):
            waves.append(tuple(wave))
            wave, grown = [], len(name) + len('"",')
        wave.append(name)
        size = grown
    return (*waves, tuple(wave)) if wave else ()

"""What a gate is about: the workloads whose changes it holds, and the probes that it goes by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kubeprobe.api import EVERY_NAMESPACE, EXEMPT, ChangeGate, ProbeConfig, WorkloadKind
from kubeprobe.plan.found import LABEL_RESIDENT
from kubeprobe.plan.selector import matches

SYSTEM_NAMESPACES = frozenset({"kube-system", "kube-public", "kube-node-lease"})
"""What every namespace does not stand for: a cluster that cannot mend itself is worse than any release."""


UNTOLD = ""
"""The template of a workload that is another than any Change has told yet."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload as a gate sees it."""

    namespace: str
    kind: WorkloadKind
    name: str
    template: str
    """Fingerprint of its pod template; UNTOLD until a Change has told of it."""
    images: Mapping[str, str]
    """Of each container, init containers too, by the container's name."""
    labels: Mapping[str, str] = field(default_factory=dict)
    in_place: bool = True
    """Whether it is all rolled out: what is not has been judged by nobody, whatever the probes of its old pods say."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is called in the cluster."""
        return (self.namespace, self.kind.value, self.name)


def covers(gate: ChangeGate, workload: Workload, namespace_labels: Mapping[str, str], own_namespace: str) -> bool:
    """Whether a workload's changes are the gate's to hold.

    Resident probers are left out, or a gate that a prober closes would keep that prober from being mended.

    Args:
        gate: the gate.
        workload: the workload.
        namespace_labels: the labels of its namespace.
        own_namespace: where the operator itself runs.
    """
    scope, labels = gate.spec.scope, workload.labels
    if LABEL_RESIDENT in labels or "true" in (labels.get(EXEMPT), namespace_labels.get(EXEMPT)):
        return False
    every = EVERY_NAMESPACE in scope.namespaces and workload.namespace not in SYSTEM_NAMESPACES | {own_namespace}
    return (
        (every or workload.namespace in scope.namespaces)
        and workload.kind in scope.kinds
        and _has(namespace_labels, scope.namespace_labels)
        and _has(labels, scope.workload_labels)
    )


def binds(gate: ChangeGate, config: ProbeConfig) -> bool:
    """Whether a gate goes by this config."""
    probes, meta = gate.spec.probes, config.metadata
    if meta.deletion_timestamp is not None:
        return False
    within = EVERY_NAMESPACE in probes.namespaces or meta.namespace in probes.namespaces
    return within and matches(probes.selector, meta.labels)


def _has(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(labels.get(name) == value for name, value in wanted.items())

"""What closed gates hold: the decisions of the chart's ValidatingAdmissionPolicies, for clusters that ask by webhook.

They are the same decisions twice, in CEL and here, and one table of cases is tested against both. All that is decided
on is in the request and in the gates, apart from one thing: whether somebody may override a gate is for the cluster to
say. Whom to ask about is `keys_shown`; what came of it is handed to `rule`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubeprobe.api import BREAK_GLASS, ChangeGate, Enforcement, GatePhase, WorkloadKind
from kubeprobe.plan.gate_proof import LABEL_PROOF, MARK
from kubeprobe.plan.gate_scope import Workload, covers


@dataclass(frozen=True, slots=True)
class Attempt:
    """A workload that somebody wants to create or to change, as it would be."""

    workload: Workload
    annotations: Mapping[str, str]
    new_template: bool
    """Whether its pod template is new: another one than it was, or that of a new workload."""
    dry_run: bool = False
    """Whether nothing comes of it in any case."""

    @property
    def token(self) -> str:
        """The closure whose glass is to be broken; empty for none."""
        return self.annotations.get(BREAK_GLASS, "")


@dataclass(frozen=True, slots=True)
class Place:
    """Where it is."""

    namespace_labels: Mapping[str, str]
    own_namespace: str
    """Where the operator itself runs."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What becomes of it."""

    denied: str = ""
    """Why it may not be; empty when it may."""
    warnings: tuple[str, ...] = ()
    audit: Mapping[str, str] = field(default_factory=dict)
    """For the audit log: the gates that hold it, and those that let it through all the same."""


def read_attempt(
    kind: str, key: tuple[str, str], body: Mapping[str, Any], before: Mapping[str, Any] | None, *, dry_run: bool
) -> Attempt:
    """What is attempted, as the API server tells it.

    Args:
        kind: of the workload.
        key: its namespace and its name, empty for one that is still to be given.
        body: the workload as it would be.
        before: the workload as it is; None for a new one.
        dry_run: whether nothing comes of it in any case.

    Raises:
        ValueError: no kind of workload that gates are about.
    """
    meta, template = body.get("metadata") or {}, _template(body)
    pod = template.get("spec") or {}
    containers = (*(pod.get("initContainers") or ()), *(pod.get("containers") or ()))
    workload = Workload(
        namespace=key[0],
        kind=WorkloadKind(kind),
        name=key[1],
        template="",
        images={one["name"]: one.get("image") or "" for one in containers},
        labels=meta.get("labels") or {},
    )
    new = before is None or _template(before) != template
    return Attempt(workload, meta.get("annotations") or {}, new, dry_run)


def keys_shown(attempt: Attempt, gates: Iterable[ChangeGate], place: Place) -> tuple[str, ...]:
    """The gates that it would break the glass of, if whoever attempts it may override them."""
    held = _held(attempt, gates, place)
    return tuple(gate.metadata.name for gate in held if _shows_key(attempt, gate) and not _goes_back(attempt, gate))


def rule(attempt: Attempt, gates: Iterable[ChangeGate], place: Place, may_override: Collection[str]) -> Ruling:
    """Whether a workload may be created or changed.

    Args:
        attempt: what is attempted.
        gates: all gates.
        place: where.
        may_override: those of `keys_shown` that whoever attempts it may override.
    """
    gates = sorted(gates, key=lambda gate: gate.metadata.name)
    proven = attempt.workload.labels.get(LABEL_PROOF)
    for gate in gates:
        if gate.metadata.name == proven and gate.spec.enforcement is Enforcement.ENFORCE:
            return Ruling(denied=f"{MARK}: ChangeGate {proven} is enforced")
    held = _held(attempt, gates, place)
    back = [gate for gate in held if _goes_back(attempt, gate)]
    broken = [gate for gate in held if _shows_key(attempt, gate)]
    through = {gate.metadata.name for gate in back}
    through.update(gate.metadata.name for gate in broken if gate.metadata.name in may_override)
    against = [gate for gate in held if gate.metadata.name not in through]
    told = {"held-by": held, "last-good": back, "break-glass": broken}
    return Ruling(
        denied=next((_words(attempt, one) for one in against if one.spec.enforcement is Enforcement.ENFORCE), ""),
        warnings=tuple(_words(attempt, one) for one in against if one.spec.enforcement is Enforcement.WARN),
        audit={
            key: ", ".join(f"{gate.metadata.name}/{gate.status.closure_id}" for gate in named)
            for key, named in told.items()
            if named
        },
    )


def _held(attempt: Attempt, gates: Iterable[ChangeGate], place: Place) -> list[ChangeGate]:
    """The closed gates whose it is to hold, or to warn of."""
    # That it is tried for one gate is no business of the others; what is no dry run is no trial.
    tried = attempt.dry_run and LABEL_PROOF in attempt.workload.labels
    if tried or not attempt.new_template:
        return []
    return [
        gate
        for gate in gates
        if gate.status.phase is GatePhase.CLOSED
        and gate.metadata.deletion_timestamp is None
        and gate.spec.enforcement is not Enforcement.OFF
        and covers(gate, attempt.workload, place.namespace_labels, place.own_namespace)
    ]


def _goes_back(attempt: Attempt, gate: ChangeGate) -> bool:
    """Whether it goes back to the last good images; only from another template, or any edit beside them would."""
    one = attempt.workload
    return any(
        good.changed and (good.namespace, good.kind.value, good.name) == one.key and good.images == one.images
        for good in gate.status.last_good
    )


def _shows_key(attempt: Attempt, gate: ChangeGate) -> bool:
    return bool(attempt.token) and attempt.token == gate.status.closure_id


def _words(attempt: Attempt, gate: ChangeGate) -> str:
    name = gate.metadata.name
    refused = ""
    if _shows_key(attempt, gate):
        refused = (
            f"the annotation {BREAK_GLASS} is only for those who may override this gate (verb override on "
            "changegates); "
        )
    elif attempt.token:
        refused = f"the annotation {BREAK_GLASS} names another closure than this one; "
    why = " ".join(gate.status.message.split()) or f"kubectl describe changegate {name} says why"
    return f"ChangeGate {name} is closed: {refused}{why}"


def _template(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return (body.get("spec") or {}).get("template") or {}

"""What a ChangeGate says: open or closed, since when, why and by which probe, and what it has to remember for that."""

from __future__ import annotations

import enum

from pydantic import Field

from kubeprobe.api.base import ApiModel, Time, described
from kubeprobe.api.common import Condition, Verdict, WorkloadKind
from kubeprobe.api.rules import Rule

MOST_PROBES = 50
MOST_GOOD = 500


class GatePhase(enum.StrEnum):
    """Whether changes may pass."""

    OPEN = "Open"
    CLOSED = "Closed"


class GateReason(enum.StrEnum):
    """Why a gate is open or closed: its state."""

    IDLE = "Idle"
    SETTLING = "Settling"
    VERIFYING = "Verifying"
    VERIFIED = "Verified"
    PROBE_FAILED = "ProbeFailed"
    RECOVERED = "Recovered"
    INCONCLUSIVE = "Inconclusive"
    NO_PROBES = "NoProbes"
    HOLD = "Hold"
    OVERRIDE = "Override"


class GateVerdict(enum.StrEnum):
    """What a gate's probes say."""

    PENDING = "Pending"
    PASSED = "Passed"
    FAILED = "Failed"
    INCONCLUSIVE = "Inconclusive"


class GateChange(ApiModel):
    """The newest change that the gate verifies, or has verified."""

    id: str = Field(
        "",
        description="Name of the Change; empty where the gate verifies of its own accord, as after an override.",
    )
    count: int = Field(0, ge=0, description="How many objects it changed.")
    since: Time = Field(description="When it began.")
    verdict: GateVerdict = Field(
        GateVerdict.PENDING,
        description="Pending: it settles, or is being verified. Passed: every probe passed after it, or passes again. "
        "Failed: a probe failed. Inconclusive: a probe could not tell in time.",
    )


MOST_NODES_FAILED = 10


class GateProbe(ApiModel):
    """What the gate makes of one of its probes."""

    namespace: str = Field(description="Namespace of the ProbeConfig.")
    name: str = Field(description="Name of the ProbeConfig.")
    verdict: Verdict = Field(description="Passed, Failed, or Unknown for an answer that is missing or out of date.")
    reason: str = Field("", description="Why, as one CamelCase word; empty when it just passes.")
    since: Time | None = Field(None, description="Since when it has been this verdict.")
    message: str = Field("", description="Why, as a sentence, at most 300 bytes.")
    closes: bool = Field(
        False,
        description="Whether it keeps the gate closed: it fails, or has failed and not passed often enough since, or "
        "cannot tell and spec.onInconclusive makes that count.",
    )
    nodes: tuple[str, ...] = Field(
        (),
        max_length=MOST_NODES_FAILED,
        description="Nodes on which it failed and has not passed since, whatever changed meanwhile; at most 10.",
    )


class GoodWorkload(ApiModel):
    """The images of one workload as they were when all probes passed."""

    namespace: str = Field(description="Namespace of the workload.")
    kind: WorkloadKind = Field(description="Deployment, StatefulSet or DaemonSet.")
    name: str = Field(description="Name of the workload.")
    template: str = Field("", description="Fingerprint of the pod template that had them.")
    images: dict[str, str] = Field(
        default_factory=dict, description="Image of each container, init containers too, by the container's name."
    )
    changed: bool = Field(
        False,
        description="Whether the template is another one by now. Only then does going back to these images pass a "
        "closed gate.",
    )


class ChangeGateStatus(ApiModel):
    """Whether changes may pass, and why; written by the operator alone."""

    rules = (
        Rule(
            cel="(has(self.phase) && self.phase == 'Closed') == (has(self.closureID) && self.closureID != '')",
            check=lambda self: (self.phase is GatePhase.CLOSED) == bool(self.closure_id),
            message="a closed gate has a closureID and an open one has none: set spec.override or spec.hold instead of "
            "writing the status",
            field="closureID",
        ),
    )

    phase: GatePhase = Field(
        GatePhase.OPEN, description="Open: changes may pass. Closed: they may not. This is what the API server goes by."
    )
    reason: GateReason = Field(
        GateReason.IDLE,
        description="Why. Idle: nothing changed yet, and every probe passes. Settling: a change has not come to rest. "
        "Verifying: the probes are at it. Verified: they passed. ProbeFailed: one failed. Recovered: it passes again. "
        "Inconclusive: one cannot tell. NoProbes: none is selected. Hold, Override: the spec says so.",
    )
    message: str = Field("", description="Why, as one line for people: by which probe, and the way out; at most 1 KiB.")
    since: Time | None = Field(
        None, description="Since when the gate has been open, or closed by its probes or by this hold."
    )
    closure_id: str = Field(
        "",
        alias="closureID",
        description="Names this closure: whoever has the right to break the glass puts it into the annotation "
        "kubeprobe.io/break-glass. Another closure has another one. Empty while the gate is open.",
    )
    closed_by: str = Field(
        "", description="The probe that closes the gate, as namespace/name; of several, the one that began first."
    )
    verdict: GateVerdict = Field(
        GateVerdict.PENDING,
        description="What the probes say now, whatever spec.hold and spec.override make of it. Pending: of the change "
        "in progress it is not known yet.",
    )
    change: GateChange | None = Field(
        None, description="The newest change in the scope that the gate verifies, or has verified."
    )
    verifying_since: Time | None = Field(
        None, description="Since when the probes look at the change; absent while it settles."
    )
    judged_before: GateChange | None = Field(
        None,
        description="The change that was judged before that one, with its verdict: its Change may not know it yet.",
    )
    probes: tuple[GateProbe, ...] = Field(
        (),
        max_length=MOST_PROBES,
        **described(
            "The probes, those that close the gate first, then those that cannot tell; at most 50.",
            list_type="map",
            list_map_keys=["namespace", "name"],
        ),
    )
    more_probes: int = Field(0, ge=0, description="How many further probes there are.")
    last_good: tuple[GoodWorkload, ...] = Field(
        (),
        max_length=MOST_GOOD,
        **described(
            "The workloads in the scope with their images as they were when all probes passed and no change was in "
            "progress; at most 500, and fewer where names are long.",
            list_type="map",
            list_map_keys=["namespace", "kind", "name"],
        ),
    )
    last_good_more: int = Field(0, ge=0, description="How many further workloads there was no room for in lastGood.")
    observed_generation: int | None = Field(None, description="The metadata.generation that this status is about.")
    conditions: tuple[Condition, ...] = Field(
        (),
        **described(
            "Open: whether changes may pass. Verified: what the probes say. Enforced: whether the API server was seen "
            "to deny what a closed gate holds.",
            list_type="map",
            list_map_keys=["type"],
        ),
    )

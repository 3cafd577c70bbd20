"""Change: what changed together, which probes ran because of it, and what they came to."""

from __future__ import annotations

import enum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from kubeprobe.api.base import API_VERSION, ApiModel, Time, described
from kubeprobe.api.common import Condition
from kubeprobe.api.duration import Duration
from kubeprobe.api.gate_status import GatePhase, GateVerdict
from kubeprobe.api.meta import ObjectMeta
from kubeprobe.api.resource import Column, Crd
from kubeprobe.api.rules import Rule
from kubeprobe.api.triggers import QUIET, During

MOST_OBJECTS = 50
"""Objects that a Change names; of the others it keeps what is needed to know them again."""
MOST_CONFIGS = 200
MOST_GATES = 200
MOST_NAMED = 50
MOST_LINES = 50


class ChangeSource(enum.StrEnum):
    """Where a change was seen."""

    ROLLOUT = "Rollout"
    NODE = "Node"
    OBJECT = "Object"
    ANNOUNCED = "Announced"


class ChangeType(enum.StrEnum):
    """What became of an object."""

    ADDED = "Added"
    MODIFIED = "Modified"
    DELETED = "Deleted"


class ChangePhase(enum.StrEnum):
    """How far a change is, and what it came to."""

    SETTLING = "Settling"
    VERIFYING = "Verifying"
    PASSED = "Passed"
    FAILED = "Failed"
    INCONCLUSIVE = "Inconclusive"


class ProbeState(enum.StrEnum):
    """What a probe says about a change."""

    PENDING = "Pending"
    PASSED = "Passed"
    FAILED = "Failed"
    UNKNOWN = "Unknown"
    SKIPPED = "Skipped"


class ChangedObject(ApiModel):
    """One object that changed."""

    kind: str = Field(max_length=253, description="Its kind, with the group where Kubernetes itself has no such kind.")
    api_version: str = Field("", max_length=253, description="Group and version of the object.")
    namespace: str = Field("", max_length=63, description="Its namespace; empty if it is in none.")
    name: str = Field(min_length=1, max_length=253, description="Its name.")
    uid: str = Field("", max_length=64, description="Its UID, to tell it from others of the same name.")
    type: ChangeType = Field(description="What became of it: Added, Modified or Deleted.")
    parts: tuple[Annotated[str, Field(max_length=253)], ...] = Field(
        (),
        max_length=10,
        description="What of it is another, by name, the first ten: containers, keys, facts of a node. Absent where "
        "it changed while the operator was down.",
    )
    details: str = Field("", max_length=256, description="The same as a sentence for people, as far as it fits.")
    by: str = Field(
        "", max_length=128, description="The field manager that changed it, such as kubectl-client-side-apply or helm."
    )
    cause: str = Field(
        "", max_length=256, description="What its annotation kubernetes.io/change-cause says, where it has one."
    )
    fingerprint: str = Field(
        "", max_length=16, description="A hash of what it is now, so that the same change is not told twice."
    )
    at: Time = Field(description="When it was changed, as far as the API server tells, else when that was seen.")


class ChangeProbe(ApiModel):
    """A ProbeConfig that runs because of the change."""

    namespace: str = Field(max_length=63, description="Namespace of the ProbeConfig.")
    name: str = Field(max_length=253, description="Name of the ProbeConfig.")
    during: tuple[During, ...] = Field(
        (), max_length=3, description="When it runs anywhere: Started, Progressing, Finished; absent for not at all."
    )
    pin_to_nodes: bool = Field(False, description="Whether it runs on the nodes that the change came to.")
    quiet: Duration = Field(QUIET, description="How long it waits for more to change.")
    timeout: Duration = Field(Duration("30m"), description="How long it waits for rollouts.")


class ChangeSpec(ApiModel):
    """What changed together, and whom it concerns, as it was known when the batch was closed. It never changes."""

    rules = (
        Rule(
            cel="self == oldSelf",
            message="the spec of a Change never changes: it is the operator's record of what happened",
        ),
        Rule(
            cel="self.count >= self.objects.size()",
            check=lambda self: self.count >= len(self.objects),
            message="count is of all objects, those that are listed among them",
            field="count",
        ),
    )

    source: ChangeSource = Field(
        description="Rollout (pod templates), Node, Object (ConfigMaps, Secrets, CRDs, webhook configurations) or "
        "Announced."
    )
    summary: str = Field("", max_length=256, description="What changed, in one line.")
    objects: tuple[ChangedObject, ...] = Field(
        min_length=1, max_length=MOST_OBJECTS, description="The objects, the first 50 that changed."
    )
    count: int = Field(ge=1, description="How many objects changed.")
    others: str = Field(
        "",
        max_length=12_000,
        description="The objects behind count that are not listed, in the operator's own short form, so that none is "
        "told twice.",
    )
    probes: tuple[ChangeProbe, ...] = Field(
        (),
        max_length=MOST_CONFIGS,
        description="The ProbeConfigs that run, those of highest severity first, at most 200.",
    )
    left_out: int = Field(0, ge=0, description="How many further ProbeConfigs should have run, and do not.")
    gates: tuple[Annotated[str, Field(max_length=253)], ...] = Field(
        (), max_length=MOST_GATES, description="The ChangeGates in whose scope it lies, at most 200."
    )
    began: Time = Field(description="When the first of it was seen.")
    last: Time = Field(description="When the last of it was seen.")
    closed: Time = Field(description="When it was complete: what changed later is another Change.")


class NodeCounts(ApiModel):
    """How the nodes fared that a probe was pinned to."""

    passed: int = Field(0, ge=0, description="Nodes that passed.")
    failed: int = Field(0, ge=0, description="Nodes that failed.")
    unknown: int = Field(0, ge=0, description="Nodes that cannot be told.")


class ChangeProbeStatus(ApiModel):
    """What one ProbeConfig says about the change."""

    namespace: str = Field(description="Namespace of the ProbeConfig.")
    name: str = Field(description="Name of the ProbeConfig.")
    state: ProbeState = Field(
        description="Pending: there are runs to come. Passed, Failed, Unknown: what its runs came to. Skipped: it "
        "does not run, and reason says why."
    )
    reason: str = Field("", description="Why, as one CamelCase word.")
    message: str = Field("", description="Why, as a sentence; cut where there are many.")
    runs: int = Field(0, ge=0, description="How many ProbeRuns there were.")
    run: str = Field("", description="The newest of them, or the newest that did not pass.")
    nodes: NodeCounts | None = Field(None, description="How the nodes fared that it was pinned to.")
    since: Time | None = Field(None, description="When the state was reached.")


class ProbeCounts(ApiModel):
    """How many ProbeConfigs are in which state."""

    pending: int = Field(0, ge=0, description="With runs to come.")
    passed: int = Field(0, ge=0, description="Passed.")
    failed: int = Field(0, ge=0, description="Failed.")
    unknown: int = Field(0, ge=0, description="Without an answer.")
    skipped: int = Field(0, ge=0, description="Not run.")


class ChangeGateNote(ApiModel):
    """What a gate says and does about the change."""

    name: str = Field(description="Name of the ChangeGate.")
    phase: GatePhase = Field(description="Whether it lets changes through: Open or Closed.")
    reason: str = Field("", description="Why, as one CamelCase word.")
    verdict: GateVerdict = Field(
        GateVerdict.PENDING,
        description="What it says about the change by its own probes: Pending while it does not know.",
    )
    since: Time | None = Field(None, description="Since when it has been open or closed.")


class TimelineEntry(ApiModel):
    """One thing that happened."""

    at: Time = Field(description="When.")
    reason: str = Field(description="What, as one CamelCase word, such as ProbeFailed or GateClosed.")
    message: str = Field("", description="What, as a sentence.")


class ChangeStatus(ApiModel):
    """What became of the change; written by the operator."""

    phase: ChangePhase = Field(
        ChangePhase.SETTLING,
        description="Settling: it is still being rolled out, and no probe has run. Verifying: probes run. Passed, "
        "Failed: what they, or the gates, came to. Inconclusive: they could not tell, or none ran.",
    )
    reason: str = Field("", description="Why, as one CamelCase word for programs, such as ProbesPassed.")
    message: str = Field("", description="Why, as a sentence for people, at most 1 KiB.")
    since: Time | None = Field(None, description="Since when it has been in this phase.")
    finished_at: Time | None = Field(
        None, description="When the last of its runs was over; absent while there are runs to come."
    )
    counts: ProbeCounts | None = Field(None, description="How many ProbeConfigs are in which state.")
    probes: tuple[ChangeProbeStatus, ...] = Field(
        (),
        max_length=MOST_NAMED,
        description="What the ProbeConfigs say, those that failed first, at most 50; those that gates asked are among "
        "them.",
    )
    gates: tuple[ChangeGateNote, ...] = Field(
        (), max_length=MOST_GATES, **described("What the gates do about it.", list_type="map", list_map_keys=["name"])
    )
    timeline: tuple[TimelineEntry, ...] = Field(
        (),
        max_length=MOST_LINES,
        description="What happened, in order: the first lines and the newest ones, at most 50.",
    )
    observed_generation: int | None = Field(None, description="The metadata.generation that this status is about.")
    conditions: tuple[Condition, ...] = Field(
        (),
        **described(
            "Settled: whether what changed is rolled out. Verified: whether the probes passed; Unknown while they have "
            "not said.",
            list_type="map",
            list_map_keys=["type"],
        ),
    )


class Change(ApiModel):
    """The story of a change: what changed and by whom, which probes ran, what failed where, what the gates did."""

    crd: ClassVar[Crd] = Crd(
        plural="changes",
        short_names=("chg",),
        namespaced=False,
        columns=(
            Column("Phase", ".status.phase"),
            Column("What", ".spec.summary"),
            Column("By", ".spec.objects[0].by"),
            Column("Source", ".spec.source", priority=1),
            Column("Passed", ".status.counts.passed", "integer", description="ProbeConfigs that passed."),
            Column("Failed", ".status.counts.failed", "integer", description="ProbeConfigs that failed."),
            Column("Pending", ".status.counts.pending", "integer", description="ProbeConfigs with runs to come."),
            Column("Message", ".status.message"),
            Column("Age", ".spec.began", "date"),
        ),
    )

    api_version: Literal["kubeprobe.io/v1alpha1"] = Field(API_VERSION, description="Always kubeprobe.io/v1alpha1.")
    kind: Literal["Change"] = Field("Change", description="Always Change.")
    metadata: ObjectMeta = Field(description="Metadata of the object.")
    spec: ChangeSpec = Field(description="What changed, and whom it concerns; it never changes.")
    status: ChangeStatus = Field(ChangeStatus(), description="What became of it; written by the operator.")

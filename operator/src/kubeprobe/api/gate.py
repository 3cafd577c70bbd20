"""ChangeGate: which changes wait for which probes."""

from __future__ import annotations

import enum
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from kubeprobe.api.base import API_VERSION, ApiModel, Time, described
from kubeprobe.api.common import LabelSelector, WorkloadKind
from kubeprobe.api.duration import Duration, between, cel_milliseconds
from kubeprobe.api.gate_status import ChangeGateStatus
from kubeprobe.api.meta import ObjectMeta
from kubeprobe.api.resident import EVERY_NAMESPACE
from kubeprobe.api.resource import Column, Crd
from kubeprobe.api.rules import Rule

BREAK_GLASS: Final = "kubeprobe.io/break-glass"
"""Annotation that takes one change through a closed gate, for those who may: its value is the gate's closureID."""
EXEMPT: Final = "kubeprobe.io/gate-exempt"
"""Label of namespaces and workloads that no gate holds, with the value "true"."""

ALL_OR_SOME = Rule(
    cel="!self.exists(name, name == '*') || self.size() == 1",
    check=lambda names: EVERY_NAMESPACE not in names or len(names) == 1,
    message="'*' stands for all namespaces: leave the other names out, or leave it out",
)
Namespaces = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=63)], ...],
    ALL_OR_SOME,
    Field(min_length=1, max_length=100),
]
Labels = Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=10)]


class OnInconclusive(enum.StrEnum):
    """What a probe that cannot tell does to a gate."""

    KEEP = "Keep"
    OPEN = "Open"
    CLOSE = "Close"


class Enforcement(enum.StrEnum):
    """What the API server does with a change that a closed gate holds."""

    ENFORCE = "Enforce"
    WARN = "Warn"
    OFF = "Off"


class GateScope(ApiModel):
    """The workloads whose changes wait."""

    namespaces: Namespaces = Field(
        **described(
            "Names of the namespaces, or '*' for all, those of Kubernetes and of kubeprobe itself apart.",
            list_type="set",
        )
    )
    kinds: tuple[WorkloadKind, ...] = Field(
        tuple(WorkloadKind),
        min_length=1,
        max_length=len(WorkloadKind),
        **described("Kinds of workloads: Deployment, StatefulSet, DaemonSet; all of them by default.", list_type="set"),
    )
    namespace_labels: Labels = Field(
        default_factory=dict, description="Labels that the namespace must have with just these values; at most 10."
    )
    workload_labels: Labels = Field(
        default_factory=dict, description="Labels that the workload must have with just these values; at most 10."
    )


class GateProbes(ApiModel):
    """The probes that changes wait for."""

    namespaces: Namespaces = Field(
        **described(
            "Names of the namespaces of the ProbeConfigs, or '*' for all. Whoever may write ProbeConfigs there can "
            "close the gate.",
            list_type="set",
        )
    )
    selector: LabelSelector = Field(
        LabelSelector(), description="The ProbeConfigs, by their labels; an empty one, the default, selects all."
    )


class Hold(ApiModel):
    """A closure by hand."""

    reason: str = Field(min_length=1, max_length=256, description="Why; those who are denied read it.")


class Override(ApiModel):
    """An opening by hand."""

    reason: str = Field(min_length=1, max_length=256, description="Why the gate is to be open whatever its probes say.")
    until: Time = Field(description="When it ends; the probes are asked anew then.")


class ChangeGateSpec(ApiModel):
    """Which changes wait for which probes."""

    rules = (
        Rule(
            cel=f"{cel_milliseconds('self.quiet')} <= {cel_milliseconds('self.longestQuiet')}",
            check=lambda self: self.quiet.milliseconds <= self.longest_quiet.milliseconds,
            message="longestQuiet must not be shorter than quiet",
            field="longestQuiet",
        ),
    )

    scope: GateScope = Field(description="The workloads whose changes wait.")
    probes: GateProbes = Field(description="The probes that they wait for.")
    freshness: Annotated[Duration | None, between("10s", "30d")] = Field(
        None,
        description="How old a probe's answer may be to count: 10s to 30d; as old as the answer itself allows if "
        "absent. For probes that run or stay of their own accord: one that is run only when asked soon is too old.",
    )
    verify_on_change: bool = Field(
        True,
        description="True (the default): each probe is run for a change in the scope, and what these runs come to is "
        "the verdict on it. False: none is started, and a change is judged by what the probes next come to themselves.",
    )
    quiet: Annotated[Duration, between("1s", "10m")] = Field(
        Duration("10s"),
        description="How long nothing more may change until a change counts as a whole: 1s to 10m, 10s by default.",
    )
    longest_quiet: Annotated[Duration, between("1s", "1h")] = Field(
        Duration("60s"),
        description="How long a change is waited for at most while more keeps changing: 1s to 1h, 60s by default.",
    )
    timeout: Annotated[Duration, between("10s", "24h")] = Field(
        Duration("10m"),
        description="How long the probes may take over a change; one that has not told by then is inconclusive. 10s to "
        "24h, 10m by default.",
    )
    on_inconclusive: OnInconclusive = Field(
        OnInconclusive.KEEP,
        description="What a probe that cannot tell (its answer is Unknown or out of date, or it was not in time) does. "
        "Keep (the default): an open gate stays open, a closed one closed. Open: it counts for nothing. Close: it "
        "counts as failed.",
    )
    success_threshold: int = Field(
        1,
        ge=1,
        le=100,
        description="Passed runs in a row that a probe needs until the gate that it closed opens again; 1 by default. "
        "A resident probe takes the noise out itself.",
    )
    enforcement: Enforcement = Field(
        Enforcement.ENFORCE,
        description="What the API server does with a change that a closed gate holds. Enforce (the default): denies "
        'it. Warn: lets it through with a warning. "Off", which YAML needs in quotes: nothing, and the gate only says '
        "what it would do.",
    )
    hold: Hold | None = Field(None, description="Closes the gate as long as it is there, unless there is an override.")
    override: Override | None = Field(
        None, description="Opens the gate for a time, whatever the probes and spec.hold say."
    )


class ChangeGate(ApiModel):
    """Holds changes while a probe fails, and has the probes look at once when something changed."""

    crd: ClassVar[Crd] = Crd(
        plural="changegates",
        short_names=("cg",),
        namespaced=False,
        columns=(
            Column("Phase", ".status.phase", description="Open: changes may pass. Closed: they may not."),
            Column("Since", ".status.since", "date", description="How long it has been open, or closed."),
            Column("Reason", ".status.reason"),
            Column("Probe", ".status.closedBy", description="The probe that closes it."),
            Column("Verdict", ".status.verdict", priority=1, description="What the probes say."),
            Column("Change", ".status.change.id", priority=1),
            Column("Enforcement", ".spec.enforcement", priority=1),
            Column("Message", ".status.message"),
        ),
    )

    api_version: Literal["kubeprobe.io/v1alpha1"] = Field(API_VERSION, description="Always kubeprobe.io/v1alpha1.")
    kind: Literal["ChangeGate"] = Field("ChangeGate", description="Always ChangeGate.")
    metadata: ObjectMeta = Field(description="Metadata of the object.")
    spec: ChangeGateSpec = Field(description="Which changes wait for which probes.")
    status: ChangeGateStatus = Field(
        ChangeGateStatus(), description="Whether changes may pass, and why; written by the operator alone."
    )

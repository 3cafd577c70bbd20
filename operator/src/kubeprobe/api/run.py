"""ProbeRun: one execution. Its spec never changes, its status is the record."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from kubeprobe.api.base import API_VERSION, ApiModel, Time, described
from kubeprobe.api.common import (
    Condition,
    DeliveryFailure,
    ObjectRef,
    Phase,
    Source,
    Stage,
    Verdict,
)
from kubeprobe.api.duration import Duration
from kubeprobe.api.meta import ObjectMeta
from kubeprobe.api.pod import PodOverrides
from kubeprobe.api.resource import Column, Crd
from kubeprobe.api.rules import Rule
from kubeprobe.api.run_trigger import Trigger
from kubeprobe.api.targets import RunTarget, RunTargets
from kubeprobe.api.template import TIMEOUT_BOUNDS

NAME_LENGTH = 63
"""A run's name is a label's value on its pod."""
AD_HOC_FIELDS = frozenset({"params", "timeout", "pod_overrides", "delivery_failure"})


class ProbeRunSpec(ApiModel):
    """What to execute: a config as it stands, or a template with parameters for this one time. It never changes."""

    rules = (
        Rule(
            cel="self == oldSelf",
            message="the spec of a ProbeRun never changes: create another ProbeRun instead",
        ),
        Rule(
            cel="has(self.configRef) != has(self.templateRef)",
            check=lambda self: (self.config_ref is None) != (self.template_ref is None),
            message="set exactly one of configRef (a run of a ProbeConfig) and templateRef (a run for itself)",
        ),
        Rule(
            cel="has(self.templateRef) || !(has(self.params) || has(self.timeout) || has(self.podOverrides) "
            "|| has(self.deliveryFailure))",
            check=lambda self: self.template_ref is not None or not self.model_fields_set & AD_HOC_FIELDS,
            message="params, timeout, podOverrides and deliveryFailure go with templateRef only: "
            "a run of a ProbeConfig takes them from there",
        ),
        Rule(
            cel="!has(self.target) || has(self.configRef)",
            check=lambda self: self.target is None or self.config_ref is not None,
            message="a target goes with configRef only: leave it out, or name the ProbeConfig to run on these nodes",
            field="target",
        ),
    )

    config_ref: ObjectRef | None = Field(
        None, description="The ProbeConfig, in the same namespace, to run once. Either this or templateRef."
    )
    template_ref: ObjectRef | None = Field(
        None, description="The ProbeTemplate to run once without a config. Either this or configRef."
    )
    params: dict[str, Any] = Field(
        default_factory=dict, description="Parameters of the probe, with templateRef only; see a ProbeConfig's params."
    )
    timeout: Annotated[Duration | None, TIMEOUT_BOUNDS] = Field(
        None,
        description="How long the run may take, with templateRef only: 1s to 24h; the template's timeout if absent.",
    )
    pod_overrides: PodOverrides | None = Field(
        None, description="What the probe's pod is to have beyond the template, with templateRef only."
    )
    delivery_failure: DeliveryFailure | None = Field(
        None,
        description="With templateRef only: what it says about the target when the pod cannot be started, Failed or "
        "Unknown; the template's if absent.",
    )
    node: str | None = Field(
        None,
        min_length=1,
        max_length=253,
        description="The only node that the pod may run on: set where an earlier run could not start there, and for "
        "the node that a change came to.",
    )
    trigger: Trigger = Field(Trigger(), description="What started the run; a manual one by default.")
    target: RunTarget | None = Field(
        None,
        description="The nodes that the run covers, one pod on each, with configRef only: set on the waves of a sweep, "
        "for the nodes that a change came to, or by anybody who wants the config run on certain nodes now.",
    )


class StepSeconds(ApiModel):
    """How long the executions of a step took."""

    p50: float = Field(ge=0, description="Median, in seconds.")
    p99: float = Field(ge=0, description="99th percentile, in seconds.")
    max: float = Field(ge=0, description="Longest, in seconds.")


class RunStep(ApiModel):
    """One timed operation of the probe, over all its executions in the run."""

    name: str = Field(description="What was done, such as put or rollout.")
    count: int = Field(ge=0, description="How often it was executed.")
    ok: int = Field(ge=0, description="How often it succeeded.")
    seconds: StepSeconds = Field(description="How long it took.")


class ProbeRunStatus(ApiModel):
    """How the run went; written by the operator, finally once it is Completed."""

    rules = (
        Rule(
            cel="!has(oldSelf.verdict) || self == oldSelf",
            message="a ProbeRun with a verdict is a record and never changes: create another ProbeRun instead",
        ),
        Rule(
            cel="has(self.verdict) == (has(self.phase) && self.phase == 'Completed')",
            check=lambda self: (self.verdict is not None) == (self.phase is Phase.COMPLETED),
            message="the phase Completed and a verdict go together: a run that is going has none; create another "
            "ProbeRun instead of writing this one's status",
            field="verdict",
        ),
    )

    phase: Phase = Field(
        Phase.PENDING,
        description="Pending: not over, and perhaps not started. Running: the probe is at work (set only when it takes "
        "long). Completed: there is a verdict.",
    )
    verdict: Verdict | None = Field(
        None,
        description="Passed: the target works. Failed: it does not. Unknown: the probe could not do its job. Absent "
        "until Completed.",
    )
    reason: str = Field(
        "", description="Why, as one CamelCase word for programs, such as CheckFailed or Unschedulable."
    )
    message: str = Field("", description="Why, as a sentence for people, at most 1 KiB; empty when Passed.")
    errors: tuple[str, ...] = Field((), description="The errors that the probe reported, at most 20 of 1 KiB each.")
    steps: tuple[RunStep, ...] = Field((), description="The timed operations that the probe reported, at most 50.")
    attributes: dict[str, str] = Field(default_factory=dict, description="Facts that the probe reported, at most 20.")
    stage: Stage | None = Field(
        None,
        description="Where the run stopped when its pod stayed silent: NotCreated, NotScheduled, NotAcknowledged (by "
        "the kubelet), NoSandbox, NoImage, NotStarted, StartedAndSilent or EndedUnheard.",
    )
    source: Source | None = Field(
        None,
        description="Which way the outcome came: Report (to the operator), TerminationMessage or ExitCode (by the "
        "kubelet), Timeout (none in time), Delivery (no pod to come from) or Targets (from the outcomes of its nodes).",
    )
    targets: RunTargets | None = Field(None, description="How the nodes fared, in a run that covers several.")
    node: str = Field("", description="Node that the pod ran on.")
    pod: str = Field("", description="Name of the run's pod.")
    pod_uid: str = Field("", alias="podUID", description="UID of the run's pod.")
    started_at: Time | None = Field(None, description="When the pod was created.")
    finished_at: Time | None = Field(None, description="When the outcome was there.")
    duration_seconds: float | None = Field(
        None, ge=0, description="From the creation of the pod to the outcome, in seconds."
    )
    report_digest: str = Field(
        "", description="SHA-256 of the report, as hexadecimal digits: tells the same report sent again from another."
    )
    conditions: tuple[Condition, ...] = Field(
        (),
        **described(
            "Completed: whether the run is over. Passed: its verdict as True, False or Unknown.",
            list_type="map",
            list_map_keys=["type"],
        ),
    )


class ProbeRun(ApiModel):
    """One execution of a probe: created by the operator when one is due, or by anybody who wants one now."""

    crd: ClassVar[Crd] = Crd(
        plural="proberuns",
        short_names=("pr",),
        namespaced=True,
        columns=(
            Column("Verdict", ".status.verdict"),
            Column("Phase", ".status.phase"),
            Column("Config", ".spec.configRef.name"),
            Column("Trigger", ".spec.trigger.kind"),
            Column("Node", ".status.node"),
            Column("Duration", ".status.durationSeconds", "number", description="Seconds from pod to outcome."),
            Column("Message", ".status.message"),
            Column("Age", ".metadata.creationTimestamp", "date"),
        ),
    )
    rules = (
        Rule(
            cel=f"self.metadata.name.size() <= {NAME_LENGTH}",
            check=lambda self: len(self.metadata.name) <= NAME_LENGTH,
            message=f"a ProbeRun's name may have at most {NAME_LENGTH} characters, since it is a label of its pod: "
            "choose a shorter one",
        ),
    )

    api_version: Literal["kubeprobe.io/v1alpha1"] = Field(API_VERSION, description="Always kubeprobe.io/v1alpha1.")
    kind: Literal["ProbeRun"] = Field("ProbeRun", description="Always ProbeRun.")
    metadata: ObjectMeta = Field(description="Metadata of the object.")
    spec: ProbeRunSpec = Field(description="What to execute; it never changes.")
    status: ProbeRunStatus = Field(
        ProbeRunStatus(), description="How the run went; written by the operator, finally once it is Completed."
    )

"""ProbeConfig: what to probe, when, and what counts as broken."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from kubeprobe.api.base import API_VERSION, ApiModel, described
from kubeprobe.api.common import Condition, DeliveryFailure, Mode, ObjectRef, Severity
from kubeprobe.api.duration import Duration, between, cel_milliseconds
from kubeprobe.api.meta import ObjectMeta
from kubeprobe.api.pod import PodOverrides
from kubeprobe.api.resource import Column, Crd
from kubeprobe.api.rules import Rule
from kubeprobe.api.targets import Targets
from kubeprobe.api.template import TIMEOUT_BOUNDS

NAME_LENGTH = 52
"""A run is called like its config with a hyphen and ten digits more, and label values end at 63 characters."""


class Schedule(ApiModel):
    """When a periodic config's runs are due."""

    rules = (
        Rule(
            cel="has(self.every) != has(self.cron)",
            check=lambda self: (self.every is None) != (self.cron is None),
            message="set exactly one of every (such as 60s) and cron (such as '*/5 * * * *')",
        ),
        Rule(
            cel="!has(self.timeZone) || has(self.cron)",
            check=lambda self: self.time_zone is None or self.cron is not None,
            message="a time zone goes with cron only: remove timeZone, or write the schedule as cron",
            field="timeZone",
        ),
        Rule(
            cel=f"!has(self.jitter) || !has(self.every) || "
            f"{cel_milliseconds('self.jitter')} < {cel_milliseconds('self.every')}",
            check=lambda self: (
                self.jitter is None or self.every is None or self.jitter.milliseconds < self.every.milliseconds
            ),
            message="jitter must be shorter than every",
            field="jitter",
        ),
    )

    every: Annotated[Duration | None, between("1s", "366d")] = Field(
        None,
        description="Time from one run to the next, counted from the config's creation, such as 30s or 5m: at least "
        "1s. Either this or cron.",
    )
    cron: str | None = Field(
        None,
        min_length=1,
        max_length=256,
        description="Times as the five fields of cron: minute, hour, day of month, month, day of week. Either this or "
        "every.",
    )
    time_zone: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        description="Time zone of cron by its IANA name, such as Europe/Berlin; UTC if absent.",
    )
    jitter: Annotated[Duration | None, between("0s", "24h")] = Field(
        None,
        description="How far runs may be moved back, so that many configs do not all start at once. Each config gets a "
        "share of it that stays the same. Less than every; none if absent.",
    )


class Thresholds(ApiModel):
    """How many runs in a row turn the verdict."""

    failures: int = Field(
        1, ge=1, le=100, description="Failed runs in a row that turn the verdict to Failed (Unknown ones, to Unknown)."
    )
    successes: int = Field(1, ge=1, le=100, description="Passed runs in a row that turn the verdict to Passed.")


class History(ApiModel):
    """How many completed runs are kept."""

    passed: int = Field(3, ge=0, le=100, description="Passed runs that are kept, the newest; 3 by default.")
    failed: int = Field(
        10, ge=0, le=100, description="Failed and Unknown runs that are kept, with their pods' logs; 10 by default."
    )


class ProbeConfigSpec(ApiModel):
    """What to probe, when, and what counts as broken."""

    rules = (
        Rule(
            cel="(self.mode == 'Periodic') == has(self.schedule)",
            check=lambda self: (self.mode is Mode.PERIODIC) == (self.schedule is not None),
            message="mode Periodic needs a schedule, and mode OnDemand has none: "
            "add spec.schedule, or set mode to OnDemand",
            field="schedule",
        ),
    )

    template_ref: ObjectRef = Field(description="The ProbeTemplate to run.")
    params: dict[str, Any] = Field(
        default_factory=dict,
        description="Parameters of the probe, checked against the template's spec.params; its defaults fill what is "
        "left out.",
    )
    mode: Mode = Field(
        Mode.PERIODIC,
        description="Periodic (the default): run on spec.schedule. OnDemand: run only when somebody creates a "
        "ProbeRun, as 'kubeprobe run' does.",
    )
    schedule: Schedule | None = Field(None, description="When runs are due; needed with mode Periodic, and only there.")
    targets: Targets | None = Field(
        None, description="What the probe is repeated for, such as each node; a run is one pod anywhere if absent."
    )
    timeout: Annotated[Duration | None, TIMEOUT_BOUNDS] = Field(
        None,
        description="How long a run may take from the creation of its pod to its outcome: 1s to 24h; the template's if "
        "absent.",
    )
    delivery_failure: DeliveryFailure | None = Field(
        None,
        description="What it says about the target when the probe's pod cannot be started: Failed or Unknown; the "
        "template's if absent.",
    )
    thresholds: Thresholds = Field(
        Thresholds(), description="How many runs in a row turn the verdict; one each by default."
    )
    severity: Severity = Field(
        Severity.WARNING, description="How much a failure matters: Critical, Warning (the default) or Info."
    )
    pod_overrides: PodOverrides | None = Field(None, description="What the probe's pod is to have beyond the template.")
    history: History = Field(History(), description="How many completed runs are kept.")


class ProbeConfigStatus(ApiModel):
    """Whether the config can work; written by the operator. The verdict is in the ProbeResult of the same name."""

    observed_generation: int | None = Field(None, description="The metadata.generation that this status is about.")
    conditions: tuple[Condition, ...] = Field(
        (),
        **described(
            "Ready: whether runs can be started, and if not, what to change.",
            list_type="map",
            list_map_keys=["type"],
        ),
    )


class ProbeConfig(ApiModel):
    """What to probe, when, and what counts as broken. Its answer is the ProbeResult of the same name."""

    crd: ClassVar[Crd] = Crd(
        plural="probeconfigs",
        short_names=("pcfg",),  # pc is PriorityClass, which would win and warn everybody in the cluster
        namespaced=True,
        columns=(
            Column("Mode", ".spec.mode"),
            Column("Template", ".spec.templateRef.name"),
            Column("Schedule", ".spec.schedule['every','cron']"),
            Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
            Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', priority=1),
            Column("Age", ".metadata.creationTimestamp", "date"),
        ),
    )
    rules = (
        Rule(
            cel=f"self.metadata.name.size() <= {NAME_LENGTH}",
            check=lambda self: len(self.metadata.name) <= NAME_LENGTH,
            message=f"a ProbeConfig's name may have at most {NAME_LENGTH} characters, since its runs are named after "
            "it: choose a shorter one",
        ),
    )

    api_version: Literal["kubeprobe.io/v1alpha1"] = Field(API_VERSION, description="Always kubeprobe.io/v1alpha1.")
    kind: Literal["ProbeConfig"] = Field("ProbeConfig", description="Always ProbeConfig.")
    metadata: ObjectMeta = Field(description="Metadata of the object.")
    spec: ProbeConfigSpec = Field(description="What to probe, when, and what counts as broken.")
    status: ProbeConfigStatus = Field(
        default_factory=ProbeConfigStatus,
        description="Whether the config can work; written by the operator. The verdict is in the ProbeResult of the "
        "same name.",
    )

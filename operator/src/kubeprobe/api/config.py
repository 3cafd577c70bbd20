"""ProbeConfig: what to probe, when, and what counts as broken."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from kubeprobe.api.base import API_VERSION, ApiModel, Time, described
from kubeprobe.api.common import (
    Concurrency,
    Condition,
    DeliveryFailure,
    Mode,
    ObjectRef,
    Severity,
)
from kubeprobe.api.duration import Duration, between
from kubeprobe.api.meta import ObjectMeta
from kubeprobe.api.pod import PodOverrides
from kubeprobe.api.resident import Resident
from kubeprobe.api.resource import Column, Crd
from kubeprobe.api.rules import Rule
from kubeprobe.api.schedule import MaintenanceWindow, Retries, Schedule
from kubeprobe.api.targets import Targets
from kubeprobe.api.template import TIMEOUT_BOUNDS

NAME_LENGTH = 52
"""A run is called like its config with a hyphen and ten digits more, and label values end at 63 characters."""


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
    ttl: Annotated[Duration | None, between("1m", "366d")] = Field(
        None,
        description="How long a completed run is kept at most, the newest one apart; no limit if absent.",
    )


class ProbeConfigSpec(ApiModel):
    """What to probe, when, and what counts as broken."""

    rules = (
        Rule(
            cel="(self.mode == 'Periodic') == has(self.schedule)",
            check=lambda self: (self.mode is Mode.PERIODIC) == (self.schedule is not None),
            message="mode Periodic needs a schedule, and the other modes have none: "
            "add spec.schedule, or set mode to OnDemand or Resident",
            field="schedule",
        ),
        Rule(
            cel="(self.mode == 'Resident') == has(self.resident)",
            check=lambda self: (self.mode is Mode.RESIDENT) == (self.resident is not None),
            message="mode Resident needs spec.resident, and only it: add spec.resident with an interval, or set mode "
            "to Periodic or OnDemand",
            field="resident",
        ),
        Rule(
            cel="self.mode != 'Resident' || !has(self.targets)",
            check=lambda self: self.mode is not Mode.RESIDENT or self.targets is None,
            message="spec.targets is for sweeps: a resident prober has resident.targets, and resident.eachNode for one "
            "on each node",
            field="targets",
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
        description="Periodic (the default): run on spec.schedule. Resident: a prober stays and probes all the time, "
        "as spec.resident says. OnDemand: run only when somebody creates a ProbeRun, as 'kubeprobe run' does.",
    )
    schedule: Schedule | None = Field(None, description="When runs are due; needed with mode Periodic, and only there.")
    resident: Resident | None = Field(
        None,
        description="How a prober that stays does its work; needed with mode Resident, and only there. Of this spec's "
        "other fields, schedule, targets, timeout, thresholds, retries, concurrency, deliveryFailure and history are "
        "about runs, which such a config has none of.",
    )
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
    retries: Retries = Field(Retries(), description="Whether a run that did not pass is tried again before it counts.")
    concurrency: Concurrency = Field(
        Concurrency.FORBID,
        description="What happens to a run that is due while another is still going. Forbid (the default): it "
        "waits for its end, or is missed. Replace: the one that is going is ended. Allow: both go, up to 10. A "
        "sweep over nodes is never replaced, and never beside another.",
    )
    suspend: bool = Field(
        False,
        description="True: no runs are started by the schedule, no resident prober is kept, and the answer is Unknown.",
    )
    maintenance: tuple[MaintenanceWindow, ...] = Field(
        (), max_length=10, description="Stretches of time in which failures are expected and raise no alarm."
    )
    severity: Severity = Field(
        Severity.WARNING, description="How much a failure matters: Critical, Warning (the default) or Info."
    )
    pod_overrides: PodOverrides | None = Field(None, description="What the probe's pod is to have beyond the template.")
    history: History = Field(History(), description="How many completed runs are kept.")


class SlotsSince(ApiModel):
    """Since when slots are counted, so that those of an earlier schedule are not called missed."""

    cadence: str = Field(description="The schedule that is followed, as one line; empty while there are no slots.")
    since: Time = Field(description="Since when it has been followed.")


class ProbeConfigStatus(ApiModel):
    """Whether the config can work; written by the operator. The verdict is in the ProbeResult of the same name."""

    observed_generation: int | None = Field(None, description="The metadata.generation that this status is about.")
    slots: SlotsSince | None = Field(
        None, description="The schedule that is followed, and since when: earlier slots are not called missed."
    )
    conditions: tuple[Condition, ...] = Field(
        (),
        **described(
            "Ready: whether runs can be started, or a prober kept, and if not, what to change. In mode Resident also "
            "Available: whether the prober runs; TargetsFound: whether all that was found is probed; RateKept: "
            "whether the prober comes to the interval that was asked for.",
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
            Column("Interval", ".spec.resident.interval", priority=1),
            Column("Suspend", ".spec.suspend", "boolean"),
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

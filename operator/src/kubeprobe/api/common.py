"""The words that several kinds share: verdicts, phases, modes, conditions, references and selectors."""

from __future__ import annotations

import enum
from typing import Literal

from pydantic import Field

from kubeprobe.api.base import ApiModel, Time
from kubeprobe.api.rules import Rule


class Verdict(enum.StrEnum):
    """What is known of the target."""

    PASSED = "Passed"
    FAILED = "Failed"
    UNKNOWN = "Unknown"


class Phase(enum.StrEnum):
    """How far a run is."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"


class Mode(enum.StrEnum):
    """How a config's probing comes about."""

    PERIODIC = "Periodic"
    RESIDENT = "Resident"
    ON_DEMAND = "OnDemand"


class Concurrency(enum.StrEnum):
    """What happens to a run that is due while the one before it is still going; as for a CronJob."""

    FORBID = "Forbid"
    REPLACE = "Replace"
    ALLOW = "Allow"


class MaintenanceRuns(enum.StrEnum):
    """What happens to runs in a maintenance window."""

    CONTINUE = "Continue"
    PAUSE = "Pause"


class MissedReason(enum.StrEnum):
    """Why a slot had no run."""

    BUSY = "Busy"
    LATE = "Late"


class Severity(enum.StrEnum):
    """How much a failure matters."""

    CRITICAL = "Critical"
    WARNING = "Warning"
    INFO = "Info"


class DeliveryFailure(enum.StrEnum):
    """What a probe pod that could not start says about the target."""

    FAILED = "Failed"
    UNKNOWN = "Unknown"


class TriggerKind(enum.StrEnum):
    """What started a run."""

    SCHEDULE = "Schedule"
    MANUAL = "Manual"
    CHANGE = "Change"
    GATE = "Gate"


class Source(enum.StrEnum):
    """Which of the ways home told a run's outcome."""

    REPORT = "Report"
    TERMINATION_MESSAGE = "TerminationMessage"
    EXIT_CODE = "ExitCode"
    TIMEOUT = "Timeout"
    DELIVERY = "Delivery"
    TARGETS = "Targets"


class ResidentSource(enum.StrEnum):
    """Which way a resident prober's word came."""

    INTAKE = "Intake"
    KUBELET = "Kubelet"


class Stage(enum.StrEnum):
    """The stage at which the pod of a run that stayed silent came to a standstill."""

    NOT_CREATED = "NotCreated"
    NOT_SCHEDULED = "NotScheduled"
    NOT_ACKNOWLEDGED = "NotAcknowledged"
    NO_SANDBOX = "NoSandbox"
    NO_IMAGE = "NoImage"
    NOT_STARTED = "NotStarted"
    STARTED_AND_SILENT = "StartedAndSilent"
    ENDED_UNHEARD = "EndedUnheard"


class Condition(ApiModel):
    """One aspect of an object's state, after the Kubernetes conventions."""

    type: str = Field(min_length=1, max_length=63, description="The aspect, such as Ready, Completed or Healthy.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds: True, False or Unknown.")
    reason: str = Field(
        min_length=1, max_length=128, description="Why, as one CamelCase word for programs, such as TemplateNotFound."
    )
    message: str = Field("", description="Why, as a sentence for people: object, field and way out.")
    last_transition_time: Time = Field(description="When the status last changed; a new reason alone does not move it.")
    observed_generation: int | None = Field(
        None, description="The metadata.generation that this was said about; an older one means that it is out of date."
    )


class ObjectRef(ApiModel):
    """The name of another object."""

    name: str = Field(min_length=1, max_length=253, description="Name of the object.")


class WorkloadKind(enum.StrEnum):
    """Kubernetes' own kinds of workloads that are rolled out."""

    DEPLOYMENT = "Deployment"
    STATEFUL_SET = "StatefulSet"
    DAEMON_SET = "DaemonSet"


class SelectorOperator(enum.StrEnum):
    """How a label is compared with the values."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class SelectorRequirement(ApiModel):
    """One requirement of a label selector."""

    rules = (
        Rule(
            cel="(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
            check=lambda self: (self.operator in (SelectorOperator.IN, SelectorOperator.NOT_IN)) == bool(self.values),
            message="values go with the operators In and NotIn, and only with them",
            field="values",
        ),
    )

    key: str = Field(min_length=1, max_length=317, description="The label's name.")
    operator: SelectorOperator = Field(
        description="In and NotIn compare the label with values; Exists and DoesNotExist ask whether it is there."
    )
    values: tuple[str, ...] = Field((), max_length=100, description="The values of In and NotIn.")


class LabelSelector(ApiModel):
    """A selection by labels; an empty one selects everything."""

    match_labels: dict[str, str] = Field(
        default_factory=dict, description="Labels that must all be there with just these values."
    )
    match_expressions: tuple[SelectorRequirement, ...] = Field(
        (), max_length=20, description="Requirements that must all be met."
    )

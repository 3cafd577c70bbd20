"""The objects of the API group kubeprobe.io as pydantic models, and the CRD schemas generated from them. No I/O."""

from kubeprobe.api.base import API_VERSION, GROUP, VERSION, ApiModel
from kubeprobe.api.common import (
    Concurrency,
    Condition,
    DeliveryFailure,
    LabelSelector,
    MaintenanceRuns,
    MissedReason,
    Mode,
    ObjectRef,
    Phase,
    SelectorOperator,
    SelectorRequirement,
    Severity,
    Source,
    Stage,
    TriggerKind,
    Verdict,
)
from kubeprobe.api.conditions import set_condition
from kubeprobe.api.config import History, ProbeConfig, ProbeConfigSpec, ProbeConfigStatus, SlotsSince, Thresholds
from kubeprobe.api.duration import Duration
from kubeprobe.api.meta import ObjectMeta, OwnerReference
from kubeprobe.api.pod import EnvSource, EnvVar, KeyRef, PodOverrides, Resources, Toleration
from kubeprobe.api.resident import (
    EVERY_NAMESPACE,
    MOST_TARGETS,
    Discover,
    DiscoverKind,
    FailWhen,
    Resident,
    ResidentTargets,
    StaticTarget,
)
from kubeprobe.api.resource import Column, Crd
from kubeprobe.api.result import (
    Consecutive,
    LastRun,
    MissedSlots,
    Outcome,
    ProbeResult,
    ProbeResultStatus,
    WindowSummary,
)
from kubeprobe.api.rules import Broken, Rule, broken_rules
from kubeprobe.api.run import Missed, ProbeRun, ProbeRunSpec, ProbeRunStatus, RunStep, StepSeconds, Trigger
from kubeprobe.api.schedule import Adaptive, MaintenanceWindow, Retries, Schedule
from kubeprobe.api.targets import (
    CountedSweep,
    EachNode,
    FailingTarget,
    NodeFailure,
    ResultTargets,
    RunTarget,
    RunTargets,
    Targets,
)
from kubeprobe.api.template import ProbeTemplate, ProbeTemplateSpec, ProbeTemplateStatus
from kubeprobe.api.volumes import Volume, VolumeMount

KINDS: tuple[type[ProbeTemplate | ProbeConfig | ProbeRun | ProbeResult], ...] = (
    ProbeTemplate,
    ProbeConfig,
    ProbeRun,
    ProbeResult,
)
"""All kinds of the group."""
TEMPLATES, CONFIGS, RUNS, RESULTS = (kind.crd.plural for kind in KINDS)
"""The kinds' plurals."""

__all__ = [
    "API_VERSION",
    "CONFIGS",
    "EVERY_NAMESPACE",
    "GROUP",
    "KINDS",
    "MOST_TARGETS",
    "RESULTS",
    "RUNS",
    "TEMPLATES",
    "VERSION",
    "Adaptive",
    "ApiModel",
    "Broken",
    "Column",
    "Concurrency",
    "Condition",
    "Consecutive",
    "CountedSweep",
    "Crd",
    "DeliveryFailure",
    "Discover",
    "DiscoverKind",
    "Duration",
    "EachNode",
    "EnvSource",
    "EnvVar",
    "FailWhen",
    "FailingTarget",
    "History",
    "KeyRef",
    "LabelSelector",
    "LastRun",
    "MaintenanceRuns",
    "MaintenanceWindow",
    "Missed",
    "MissedReason",
    "MissedSlots",
    "Mode",
    "NodeFailure",
    "ObjectMeta",
    "ObjectRef",
    "Outcome",
    "OwnerReference",
    "Phase",
    "PodOverrides",
    "ProbeConfig",
    "ProbeConfigSpec",
    "ProbeConfigStatus",
    "ProbeResult",
    "ProbeResultStatus",
    "ProbeRun",
    "ProbeRunSpec",
    "ProbeRunStatus",
    "ProbeTemplate",
    "ProbeTemplateSpec",
    "ProbeTemplateStatus",
    "Resident",
    "ResidentTargets",
    "Resources",
    "ResultTargets",
    "Retries",
    "Rule",
    "RunStep",
    "RunTarget",
    "RunTargets",
    "Schedule",
    "SelectorOperator",
    "SelectorRequirement",
    "Severity",
    "SlotsSince",
    "Source",
    "Stage",
    "StaticTarget",
    "StepSeconds",
    "Targets",
    "Thresholds",
    "Toleration",
    "Trigger",
    "TriggerKind",
    "Verdict",
    "Volume",
    "VolumeMount",
    "WindowSummary",
    "broken_rules",
    "set_condition",
]

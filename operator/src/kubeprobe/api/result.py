"""ProbeResult: the answer now for one ProbeConfig."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from kubeprobe.api.base import API_VERSION, ApiModel, Time, described
from kubeprobe.api.common import Condition, MissedReason, ResidentSource, Severity, Verdict
from kubeprobe.api.meta import ObjectMeta
from kubeprobe.api.resource import Column, Crd
from kubeprobe.api.targets import ResultTargets


class Consecutive(ApiModel):
    """How many runs in a row ended alike, up to now."""

    passed: int = Field(0, ge=0, description="Passed runs since the last failed one.")
    failed: int = Field(0, ge=0, description="Failed runs since the last passed one.")
    unknown: int = Field(0, ge=0, description="Unknown runs since the last one that passed or failed.")


class WindowSummary(ApiModel):
    """How reliable the target was over a stretch of time that ends now."""

    period: str = Field(description="Length of the stretch: 1h or 24h.")
    runs: int = Field(0, ge=0, description="Runs that were completed in it.")
    passed: int = Field(0, ge=0, description="Of these, passed.")
    failed: int = Field(0, ge=0, description="Of these, failed.")
    unknown: int = Field(0, ge=0, description="Of these, without an answer about the target.")
    success_ratio: float | None = Field(
        None, ge=0, le=1, description="Passed runs as a share of passed and failed ones, 0 to 1; absent without any."
    )
    p50_seconds: float | None = Field(None, ge=0, description="Median duration of passed runs, in seconds.")
    p99_seconds: float | None = Field(
        None, ge=0, description="99th percentile of the duration of passed runs, in seconds."
    )


class Outcome(ApiModel):
    """How one run ended."""

    run: str = Field(description="Name of the ProbeRun, which may be gone by now.")
    verdict: Verdict = Field(description="Passed, Failed or Unknown.")
    reason: str = Field("", description="Why, as one CamelCase word.")
    message: str = Field("", description="Why, as a sentence; empty when Passed.")
    at: Time = Field(description="When the run was completed.")
    duration_seconds: float | None = Field(
        None, ge=0, description="From the creation of the pod to the outcome, in seconds."
    )
    node: str = Field("", description="Node that the probe ran on.")


class MissedSlots(ApiModel):
    """The slots of the schedule that had no run, since the config was created."""

    total: int = Field(0, ge=0, description="How many slots had no run.")
    last: Time | None = Field(None, description="The slot of the run before which the newest of them were missed.")
    reason: MissedReason | None = Field(
        None, description="Why the newest were: Busy (a run was still going) or Late (no operator was there)."
    )


class FailingResidentTarget(ApiModel):
    """A target that fails."""

    target: str = Field(description="Name of the target.")
    node: str = Field("", description="Node that it fails from, for a config that probes from each node.")
    since: Time = Field(description="Since when it has failed, by the prober's clock.")
    message: str = Field("", description="Why, as a sentence, where there is room for it.")


class ResultResident(ApiModel):
    """How the targets of a resident probe are."""

    targets: int = Field(0, ge=0, description="Targets that are probed, on each node for itself with eachNode.")
    passed: int = Field(0, ge=0, description="Of these, passed.")
    failed: int = Field(0, ge=0, description="Of these, failed.")
    unknown: int = Field(0, ge=0, description="Of these, not to be told, such as those of a prober that is silent.")
    flapping: int = Field(0, ge=0, description="Of all these, how many turned more than five times in a minute.")
    probers: int = Field(0, ge=0, description="Probers that were heard lately.")
    silent: int = Field(0, ge=0, description="Probers that should be heard and are not.")
    served_ratio: float = Field(
        1.0, ge=0, le=1, description="Share of the probes that were due and took place, of the prober that did worst."
    )
    interval_seconds: float = Field(0.0, ge=0, description="From one probe of a target to its next, in seconds.")
    source: ResidentSource = Field(
        ResidentSource.INTAKE,
        description="How this was heard. Intake: the probers sent it. Kubelet: it was read from a prober's log, since "
        "nothing arrived from it.",
    )
    failing: tuple[FailingResidentTarget, ...] = Field(
        (),
        max_length=50,
        description="Targets that fail, the one that began first before the others, at most 50 and fewer where names "
        "are long.",
    )
    more: int = Field(0, ge=0, description="How many further targets fail.")
    counted: tuple[str, ...] = Field(
        (),
        max_length=20,
        description="How far each prober's counts are in window, in the operator's own short form, so that none counts "
        "twice.",
    )


class LastRun(ApiModel):
    """The newest run that the answer counts."""

    name: str = Field(description="Name of the ProbeRun.")
    slot: Time | None = Field(None, description="The newest time of the schedule that had its run.")
    finished_at: Time = Field(description="When the run was completed.")


class ProbeResultStatus(ApiModel):
    """The answer now; written by the operator alone."""

    verdict: Verdict = Field(
        Verdict.UNKNOWN, description="Passed: the target works. Failed: it does not. Unknown: it cannot be told."
    )
    since: Time | None = Field(None, description="Since when the verdict has been this one.")
    reason: str = Field("", description="Why, as one CamelCase word for programs, such as CheckFailed.")
    message: str = Field(
        "",
        description="Why, as a sentence for people, at most 1 KiB; empty when Passed, unless targets of a resident "
        "probe fail or flap all the same.",
    )
    severity: Severity = Field(Severity.WARNING, description="How much a failure matters, from the ProbeConfig.")
    consecutive: Consecutive = Field(Consecutive(), description="How many runs in a row ended alike, up to now.")
    window: tuple[WindowSummary, ...] = Field(
        (),
        **described(
            "How reliable the target was over the last hour and the last day.",
            list_type="map",
            list_map_keys=["period"],
        ),
    )
    digests: tuple[str, ...] = Field(
        (), description="The counts behind window in the operator's own short form, so that a restart forgets nothing."
    )
    history: tuple[Outcome, ...] = Field((), description="How the last runs ended, the newest first, at most 10.")
    last_run: LastRun | None = Field(None, description="The newest run that this answer counts.")
    targets: ResultTargets | None = Field(
        None, description="How the single nodes are, for a config with targets.eachNode."
    )
    resident: ResultResident | None = Field(
        None, description="How the single targets are, for a config with mode Resident."
    )
    next_run: Time | None = Field(None, description="When the next run is due, if there is a schedule.")
    missed: MissedSlots = Field(MissedSlots(), description="The slots of the schedule that had no run.")
    fresh_until: Time | None = Field(
        None,
        description="When this answer is out of date if nobody writes a newer one: then take it for Unknown, whatever "
        "it says.",
    )
    observed_generation: int | None = Field(
        None, description="The metadata.generation of the ProbeConfig that this answer is about."
    )
    conditions: tuple[Condition, ...] = Field(
        (),
        **described(
            "Healthy: the verdict as True, False or Unknown. Fresh: whether runs complete as often as they should, or "
            "resident probers are heard. "
            "Maintenance: whether a maintenance window is open, in which the verdict raises no alarm.",
            list_type="map",
            list_map_keys=["type"],
        ),
    )


class ProbeResult(ApiModel):
    """The answer now for the ProbeConfig of the same name: verdict, since when, why, and how reliable lately."""

    crd: ClassVar[Crd] = Crd(
        plural="proberesults",
        short_names=("pres",),
        namespaced=True,
        columns=(
            Column("Verdict", ".status.verdict"),
            Column("Since", ".status.since", "date", description="How long the verdict has been this one."),
            Column("Severity", ".status.severity"),
            Column("Success 1h", '.status.window[?(@.period=="1h")].successRatio', "number"),
            Column("Message", ".status.message"),
        ),
    )

    api_version: Literal["kubeprobe.io/v1alpha1"] = Field(API_VERSION, description="Always kubeprobe.io/v1alpha1.")
    kind: Literal["ProbeResult"] = Field("ProbeResult", description="Always ProbeResult.")
    metadata: ObjectMeta = Field(description="Metadata of the object.")
    status: ProbeResultStatus = Field(
        default_factory=ProbeResultStatus, description="The answer now; written by the operator alone."
    )

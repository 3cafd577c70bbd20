"""What to do about one ProbeRun: deliver its pod, wait, take the first complete outcome, tidy up.

The decision is level-triggered: it may be taken at any time, any number of times and after a crash, and comes to the
same end. A run's record is written once, when it is over; only a run that takes long gets a word in between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from kubeprobe.api import (
    API_VERSION,
    Condition,
    Phase,
    ProbeConfig,
    ProbeRun,
    ProbeRunStatus,
    ProbeTemplate,
    Source,
    Verdict,
)
from kubeprobe.plan import outcome as outcomes
from kubeprobe.plan.budget import Priority
from kubeprobe.plan.delivery import Attempts, refused
from kubeprobe.plan.outcome import Outcome
from kubeprobe.plan.pod import Place, Site, build_pod
from kubeprobe.plan.pod_view import PodView
from kubeprobe.plan.resolve import Mistake, Work, of_run
from kubeprobe.plan.schedule import interval_seconds
from kubeprobe.plan.stage import NodeView, PodEvent, standstill
from probe_sdk.wire import LABEL_CONFIG, LABEL_RUN

LAST_WORD_SECONDS = 1.0
"""How long after a run's deadline its last words may still arrive by way of the kubelet."""
REPLACED = Outcome(
    Verdict.UNKNOWN,
    "Replaced",
    "the next run was due before this one had an outcome; spec.concurrency of its config is Replace",
    Source.DELIVERY,
)
LAGGED = Outcome(
    Verdict.UNKNOWN,
    "OperatorLagging",
    "no outcome was heard, but the operator itself was held up or its clock moved while the run was going",
    Source.TIMEOUT,
)
LONG_RUN_SECONDS = 5.0
"""A run that lasts longer is marked Running; a shorter one is not worth the write."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was asked of the API server about a run that stayed silent."""

    events: Sequence[PodEvent]
    node: NodeView | None


@dataclass(frozen=True, slots=True)
class RunSeen:
    """All that the decision about a run looks at."""

    run: ProbeRun
    config: ProbeConfig | None = None
    template: ProbeTemplate | None = None
    namespace_labels: Mapping[str, str] | None = None
    pod: PodView | None = None
    delivered: bool = False
    """A pod was created for this run: when none is there, it was taken away."""
    attempts: Attempts | None = None
    replaced: bool = False
    """The config's next run was due and takes this one's place."""
    lagged: bool = False
    """The operator did not keep up while the run was going: what it did not hear may have been said."""
    evidence: Evidence | None = None
    place: Place | None = None
    """Which of the run's pods this is about, where it has one on each of several nodes."""
    work: Work | Mistake | None = None
    """What the run is to do, where that was worked out already, for all its pods together."""


@dataclass(frozen=True, slots=True)
class CreatePod:
    """Start the run."""

    manifest: dict[str, Any]


@dataclass(frozen=True, slots=True)
class DeletePod:
    """Remove a pod that nobody needs any more."""

    uid: str
    at_once: bool
    """Without waiting for a kubelet that never took the pod on."""


@dataclass(frozen=True, slots=True)
class WriteStatus:
    """Write the run's status; a Completed one is final."""

    status: ProbeRunStatus


@dataclass(frozen=True, slots=True)
class Adopt:
    """Make a run that a user created belong to its config."""

    patch: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AskForEvidence:
    """Gather the pod's events and its node's state, then decide again."""

    pod_uid: str
    node: str


Action = CreatePod | DeletePod | WriteStatus | Adopt | AskForEvidence


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What to do now, and when to look again without being told (None: when something changes)."""

    actions: tuple[Action, ...] = ()
    wake_at: datetime | None = None

    @property
    def priority(self) -> Priority:
        """What its writes are worth: they belong together, so that an adoption is as urgent as what it goes before."""
        if any(isinstance(one, WriteStatus) and one.status.phase is Phase.COMPLETED for one in self.actions):
            return Priority.VERDICT
        if any(isinstance(one, Adopt | CreatePod) for one in self.actions):
            return Priority.RUN
        return Priority.HISTORY


def plan_run(seen: RunSeen, site: Site, now: datetime) -> RunPlan:
    """Decide about one run."""
    run, pod = seen.run, seen.pod
    if run.metadata.deletion_timestamp is not None:
        return RunPlan()
    if run.status.phase is Phase.COMPLETED:
        return RunPlan(_tidy(run, pod))
    if seen.replaced:
        return _finish(run, pod, REPLACED, now)
    adopt = adoption(run, seen.config)
    work = seen.work or of_run(run, seen.config, seen.template, seen.namespace_labels)
    plan = _deliver(seen, work, site, now) if pod is None else _follow(seen, pod, work, now)
    return RunPlan((*adopt, *plan.actions), plan.wake_at)


def complete(run: ProbeRun, pod: PodView | None, outcome: Outcome, now: datetime) -> ProbeRunStatus:
    """The final status of a run that came to this outcome now."""
    report = outcome.report
    started = pod.started_at if pod else run.status.started_at
    passed = {Verdict.PASSED: "True", Verdict.FAILED: "False", Verdict.UNKNOWN: "Unknown"}[outcome.verdict]
    return ProbeRunStatus(
        phase=Phase.COMPLETED,
        verdict=outcome.verdict,
        reason=outcome.reason,
        message=outcome.message,
        errors=report.errors if report else (),
        steps=tuple(step.model_dump() for step in report.steps) if report else (),
        attributes=report.attributes if report else {},
        stage=outcome.stage,
        source=outcome.source,
        node=pod.node if pod else run.status.node,
        pod=pod.name if pod else run.status.pod,
        pod_uid=pod.uid if pod else run.status.pod_uid,
        started_at=started,
        finished_at=now,
        duration_seconds=_seconds_between(started, now) if started else None,
        report_digest=outcomes.digest(report) if report else "",
        conditions=(
            Condition(type="Completed", status="True", reason="Completed", message="", last_transition_time=now),
            Condition(
                type="Passed",
                status=passed,
                reason=outcome.reason,
                message=outcome.message,
                last_transition_time=now,
            ),
        ),
    )


def _seconds_between(start: datetime, end: datetime) -> float:
    """Never less than nothing, even when the clock was set back in between."""
    return max(round((end - start).total_seconds(), 3), 0.0)


def _deliver(seen: RunSeen, work: Work | Mistake, site: Site, now: datetime) -> RunPlan:
    run, attempts = seen.run, seen.attempts
    if seen.delivered or run.status.pod:
        gone = Outcome(
            Verdict.UNKNOWN,
            "PodDeleted",
            "the probe's pod was deleted before it had an outcome, and not by kubeprobe",
            Source.DELIVERY,
        )
        return _finish(run, None, gone, now)
    if isinstance(work, Mistake):
        mistaken = Outcome(Verdict.UNKNOWN, work.reason, outcomes.cut(work.message), Source.DELIVERY)
        return _finish(run, None, mistaken, now)
    if attempts is not None:
        give_up = attempts.first_at + timedelta(seconds=work.timeout_seconds)
        if now >= give_up:
            return _finish(run, None, refused(attempts.refusal, work.delivery), now)
        again = min(attempts.next_at(_interval(seen.config, work, now)), give_up)
        if now < again:
            return RunPlan(wake_at=again)
    return RunPlan((CreatePod(build_pod(run, work, site, now, seen.place)),))


def _interval(config: ProbeConfig | None, work: Work, now: datetime) -> float:
    if config is None or config.spec.schedule is None:
        return work.timeout_seconds
    return interval_seconds(config.spec.schedule, now)


def _follow(seen: RunSeen, pod: PodView, work: Work | Mistake, now: datetime) -> RunPlan:
    run = seen.run
    if pod.run_uid != run.metadata.uid:
        return _name_taken(run, pod, now)
    found = outcomes.from_pod(pod)
    if found is not None and not (found.source is Source.EXIT_CODE and pod.interrupted):
        return _finish(run, pod, found, now)
    deadline = _deadline(run, pod, work)
    if pod.ended or pod.deleting:
        return _end_of(seen, pod, work, deadline, now)
    if now < deadline + timedelta(seconds=LAST_WORD_SECONDS):
        return _wait(run, pod, deadline, now)
    return _silent(seen, pod, work, now)


def _deadline(run: ProbeRun, pod: PodView, work: Work | Mistake) -> datetime:
    """When the probe's time is over; counted anew where somebody took the pod's annotation away."""
    if pod.deadline is not None:
        return pod.deadline
    timeout_seconds = 0.0 if isinstance(work, Mistake) else work.timeout_seconds
    return (pod.started_at or run.metadata.creation_timestamp) + timedelta(seconds=timeout_seconds)


def _end_of(seen: RunSeen, pod: PodView, work: Work | Mistake, deadline: datetime, now: datetime) -> RunPlan:
    """The pod ends without an outcome: taken away, refused by the kubelet, or past its time."""
    disrupted = pod.condition("DisruptionTarget")
    lost_node = disrupted is not None and disrupted.reason == "DeletionByTaintManager"
    if lost_node or (pod.ended and not pod.deleting):
        return _silent(seen, pod, work, now)
    if not pod.ended and now < deadline:
        # It may still speak while it is being ended.
        return RunPlan(wake_at=deadline)
    why = f" ({disrupted.reason}: {disrupted.message})" if disrupted else ""
    gone = Outcome(
        Verdict.UNKNOWN,
        "PodDeleted",
        outcomes.cut(f"the probe's pod was deleted before it had an outcome, and not by kubeprobe{why}"),
        Source.DELIVERY,
    )
    return _finish(seen.run, pod, gone, now)


def _wait(run: ProbeRun, pod: PodView, deadline: datetime, now: datetime) -> RunPlan:
    over = deadline + timedelta(seconds=LAST_WORD_SECONDS)
    if run.status.phase is Phase.RUNNING or not pod.running:
        return RunPlan(wake_at=over)
    long = (pod.started_at or run.metadata.creation_timestamp) + timedelta(seconds=LONG_RUN_SECONDS)
    if now < long:
        return RunPlan(wake_at=min(long, over))
    status = ProbeRunStatus(
        phase=Phase.RUNNING, node=pod.node, pod=pod.name, pod_uid=pod.uid, started_at=pod.started_at
    )
    return RunPlan((WriteStatus(status),), wake_at=over)


def _silent(seen: RunSeen, pod: PodView, work: Work | Mistake, now: datetime) -> RunPlan:
    if seen.evidence is None:
        return RunPlan((AskForEvidence(pod.uid, pod.node or pod.wanted_node),))
    if isinstance(work, Mistake):
        mistaken = Outcome(Verdict.UNKNOWN, work.reason, outcomes.cut(work.message), Source.DELIVERY)
        return _finish(seen.run, pod, mistaken, now)
    if seen.lagged:
        return _finish(seen.run, pod, LAGGED, now)
    found = standstill(pod, seen.evidence.events, seen.evidence.node)
    waited = _seconds_between(pod.started_at, now) if pod.started_at else work.timeout_seconds
    return _finish(seen.run, pod, outcomes.from_standstill(found, waited, work.delivery), now)


def _name_taken(run: ProbeRun, pod: PodView, now: datetime) -> RunPlan:
    if pod.deleting:
        return RunPlan()  # the watch tells when the name is free
    taken = Outcome(
        Verdict.UNKNOWN,
        "PodNameTaken",
        f"pod {pod.name!r} exists already and does not belong to this run; delete it or give the run another name",
        Source.DELIVERY,
    )
    return _finish(run, None, taken, now)


def _finish(run: ProbeRun, pod: PodView | None, outcome: Outcome, now: datetime) -> RunPlan:
    return RunPlan((WriteStatus(complete(run, pod, outcome, now)),))


def _tidy(run: ProbeRun, pod: PodView | None) -> tuple[Action, ...]:
    """A passed run's pod goes at once, a failed one's stays for its log as long as there is one to read."""
    if pod is None or pod.deleting or pod.run_uid != run.metadata.uid:
        return ()
    never_ran = not (pod.running or pod.ended)
    if run.status.verdict is Verdict.PASSED or never_ran or run.status.reason == REPLACED.reason:
        return (DeletePod(pod.uid, at_once=bool(pod.node) and not pod.acknowledged),)
    return ()


def adoption(run: ProbeRun, config: ProbeConfig | None) -> tuple[Adopt, ...]:
    """What makes a run that a user created belong to its config; nothing where it does."""
    if config is None or any(owner.kind == "ProbeConfig" for owner in run.metadata.owner_references):
        return ()
    owners = [owner.model_dump(by_alias=True, exclude_none=True) for owner in run.metadata.owner_references]
    belong = belonging(config, run.metadata.name)
    for ours in belong["ownerReferences"]:
        ours["controller"] = not any(owner.get("controller") for owner in owners)
    return (Adopt({"metadata": {**belong, "ownerReferences": [*owners, *belong["ownerReferences"]]}}),)


def belongs(run: ProbeRun, config: ProbeConfig) -> bool:
    """Whether a run is this config's, and not one of an earlier config of the same name."""
    owners = [owner.uid for owner in run.metadata.owner_references if owner.kind == "ProbeConfig"]
    return not owners or config.metadata.uid in owners


def belonging(config: ProbeConfig, run_name: str) -> dict[str, Any]:
    """Labels and owner reference of a run that belongs to a config."""
    return {
        "labels": {LABEL_RUN: run_name, LABEL_CONFIG: config.metadata.name},
        "ownerReferences": [
            {
                "apiVersion": API_VERSION,
                "kind": "ProbeConfig",
                "name": config.metadata.name,
                "uid": config.metadata.uid,
                "controller": True,
            }
        ],
    }

"""What to do about a run that covers several nodes: a pod on each, so many at a time, one record for all.

Each node is decided about as a run of its own would be (`plan_run`): its pod, its deadline, its three ways home. What
is different is the record: the outcomes of all nodes stand in one status, which is written at most once a second while
the wave is under way. A node's pod is let go only when its outcome is in the written record, so whoever comes after a
crash finds either the outcome or the pod, and repeats nothing.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from kubeprobe.api import (
    Phase,
    ProbeConfig,
    ProbeRun,
    ProbeRunStatus,
    ProbeTemplate,
    RunTarget,
    Source,
    Verdict,
)
from kubeprobe.plan import outcome as outcomes
from kubeprobe.plan import record
from kubeprobe.plan.delivery import Attempts
from kubeprobe.plan.outcome import Outcome
from kubeprobe.plan.pod import Place, Site
from kubeprobe.plan.pod_view import PodView
from kubeprobe.plan.record import NodeOutcome
from kubeprobe.plan.resolve import of_run
from kubeprobe.plan.run import (
    Adopt,
    AskForEvidence,
    CreatePod,
    DeletePod,
    Evidence,
    RunPlan,
    RunSeen,
    WriteStatus,
    complete,
    plan_run,
)
from probe_sdk.wire import Report

PACE_SECONDS = 1.0
"""Between two writes of a wave's progress: what comes meanwhile is written together, reports that wait included."""
AT_ONCE = 10
"""Of a run over nodes whose config says nothing of its own about sweeps."""


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """What is known of one node of the wave, beside its outcome."""

    pod: PodView | None = None
    delivered: bool = False
    attempts: Attempts | None = None
    evidence: Evidence | None = None
    lagged: bool = False
    """Whether the operator was held up, or its clock moved, since the node's pod was started."""

    @property
    def begun(self) -> bool:
        """Whether the node's probe has been started, or at least tried to be."""
        return self.pod is not None or self.delivered or self.attempts is not None


@dataclass(frozen=True, slots=True)
class WaveSeen:
    """All that the decision about a wave looks at."""

    run: ProbeRun
    config: ProbeConfig | None = None
    template: ProbeTemplate | None = None
    namespace_labels: Mapping[str, str] | None = None
    nodes: Mapping[int, NodeSeen] = field(default_factory=dict)
    """By the node's place in the wave; one that is not there was not begun."""
    reported: Mapping[int, NodeOutcome] = field(default_factory=dict)
    """Outcomes that the intake holds and that wait to be written."""
    present: Container[str] | None = None
    """The names of the nodes that there are; None when they are not watched."""
    written_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WavePlan:
    """What to do about a wave now."""

    adopt: Adopt | None = None
    create: tuple[tuple[int, dict[str, Any]], ...] = ()
    delete: tuple[tuple[int, DeletePod], ...] = ()
    ask: tuple[tuple[int, AskForEvidence], ...] = ()
    status: ProbeRunStatus | None = None
    wake_at: datetime | None = None


def pod_name(run: ProbeRun, index: int) -> str:
    """The name of the pod on one of the run's nodes."""
    return f"{run.metadata.name}-{index}"


def index_of(run: ProbeRun, name: str) -> int | None:
    """Which of the run's nodes a pod of this name is for; None when it is not one of the run's."""
    tail = name.removeprefix(f"{run.metadata.name}-")
    if not tail.isdecimal() or pod_name(run, int(tail)) != name or int(tail) >= len(_target(run).nodes):
        return None
    return int(tail)


def reported(report: Report) -> NodeOutcome:
    """The outcome that a node's probe reported to the intake."""
    found = outcomes.from_report(report, Source.REPORT)
    return NodeOutcome(found.verdict, found.reason, found.message, mark_of(report))


def mark_of(report: Report) -> str:
    """What tells a node's report from another one in the record."""
    return outcomes.digest(report)[: record.MARK_LENGTH]


def known(run: ProbeRun) -> dict[int, NodeOutcome]:
    """The outcomes in the run's written record, by the nodes' places."""
    return record.read(run.status.targets, len(_target(run).nodes))


def plan_wave(seen: WaveSeen, site: Site, now: datetime) -> WavePlan:
    """Decide about one run that covers several nodes."""
    if seen.run.metadata.deletion_timestamp is not None:
        return WavePlan()
    done = known(seen.run)
    round_ = _Round(seen, site, now, {n: one for n, one in seen.reported.items() if n not in done})
    for index in range(len(_target(seen.run).nodes)):
        if index in done:
            round_.tidy(index, done[index])
        elif seen.run.status.phase is not Phase.COMPLETED and index not in round_.fresh:
            round_.follow(index)
    if seen.run.status.phase is Phase.COMPLETED:
        return WavePlan(delete=tuple(round_.delete))
    round_.start(done)
    status, wake_at = _progress(seen, done, round_.fresh, now)
    return WavePlan(
        adopt=round_.adopt if not _target(seen.run).sweep else None,
        create=tuple(round_.create),
        delete=tuple(round_.delete),
        ask=tuple(round_.ask),
        status=status,
        wake_at=min((at for at in (*round_.wakes, wake_at) if at is not None), default=None),
    )


class _Round:
    """One look at all nodes of a wave."""

    def __init__(self, seen: WaveSeen, site: Site, now: datetime, fresh: dict[int, NodeOutcome]) -> None:
        self._seen = seen
        self._site = site
        self._now = now
        self._work = of_run(seen.run, seen.config, seen.template, seen.namespace_labels)
        self.fresh = fresh
        self.adopt: Adopt | None = None
        self.create: list[tuple[int, dict[str, Any]]] = []
        self.delete: list[tuple[int, DeletePod]] = []
        self.ask: list[tuple[int, AskForEvidence]] = []
        self.wakes: list[datetime] = []

    def tidy(self, index: int, outcome: NodeOutcome) -> None:
        """Let the pod of a node go whose outcome is written, as a run's own pod would be."""
        if self._node(index).pod is not None:
            status = ProbeRunStatus(phase=Phase.COMPLETED, verdict=outcome.verdict)
            self._take(index, self._plan(index, status))

    def follow(self, index: int) -> None:
        """Bring a node forward that was begun, and give one up that is gone."""
        node = self._node(index)
        if self._gone(index):
            found = outcomes.from_pod(node.pod) if node.pod else None
            self.fresh[index] = _gone() if found is None else _of_outcome(found)
        elif node.begun:
            self._take(index, self._plan(index, ProbeRunStatus()))

    def start(self, done: Mapping[int, NodeOutcome]) -> None:
        """Begin as many of the nodes that wait as may be under way together."""
        over = {**done, **self.fresh}
        indexes = range(len(_target(self._seen.run).nodes))
        free = self._at_once() - sum(self._under_way(index, ended=index in over) for index in indexes)
        waiting = [index for index in indexes if index not in over and not self._node(index).begun]
        for index in waiting[: max(free, 0)]:
            self._take(index, self._plan(index, ProbeRunStatus()))

    def _under_way(self, index: int, *, ended: bool) -> bool:
        node = self._node(index)
        if not ended:
            return node.begun
        pod = node.pod
        # A pod whose outcome is there may take its time to end, but one that hangs must not hold the wave up.
        return pod is not None and not pod.ended and pod.deadline is not None and self._now < pod.deadline

    def _plan(self, index: int, status: ProbeRunStatus) -> RunPlan:
        seen, node = self._seen, self._node(index)
        alone = RunSeen(
            run=seen.run.model_copy(update={"status": status}),
            config=seen.config,
            template=seen.template,
            namespace_labels=seen.namespace_labels,
            pod=node.pod,
            delivered=node.delivered,
            attempts=node.attempts,
            evidence=node.evidence,
            lagged=node.lagged,
            work=self._work,
            place=Place(pod_name(seen.run, index), _target(seen.run).nodes[index]),
        )
        return plan_run(alone, self._site, self._now)

    def _take(self, index: int, plan: RunPlan) -> None:
        for action in plan.actions:
            match action:
                case CreatePod(manifest):
                    self.create.append((index, manifest))
                case DeletePod():
                    self.delete.append((index, action))
                case AskForEvidence():
                    self.ask.append((index, action))
                case Adopt():
                    self.adopt = action
                case WriteStatus(status) if status.phase is Phase.COMPLETED:
                    self.fresh[index] = record.of_status(status)
        if plan.wake_at is not None:
            self.wakes.append(plan.wake_at)

    def _node(self, index: int) -> NodeSeen:
        return self._seen.nodes.get(index, NodeSeen())

    def _gone(self, index: int) -> bool:
        present = self._seen.present
        return present is not None and _target(self._seen.run).nodes[index] not in present

    def _at_once(self) -> int:
        config = self._seen.config
        targets = config.spec.targets if config else None
        return targets.each_node.max_concurrent if targets else AT_ONCE


def _progress(
    seen: WaveSeen, done: Mapping[int, NodeOutcome], fresh: Mapping[int, NodeOutcome], now: datetime
) -> tuple[ProbeRunStatus | None, datetime | None]:
    """The status to write now, or when there will be one to write."""
    run, count = seen.run, len(_target(seen.run).nodes)
    targets = record.write({**done, **fresh}, count)
    pods = [one.pod.started_at for one in seen.nodes.values() if one.pod is not None]
    started = run.status.started_at or min((at for at in pods if at is not None), default=now)
    if len(done) + len(fresh) == count:
        return _final({**done, **fresh}, run.model_copy(update={"status": _going(started)}), now), None
    if not fresh:
        return None, None
    due = seen.written_at + timedelta(seconds=PACE_SECONDS) if seen.written_at else now
    # A clock that was set back must not hold reports up.
    if now < due and seen.written_at is not None and now >= seen.written_at:
        return None, due
    return _going(started).model_copy(update={"targets": targets}), None


def _going(started_at: datetime) -> ProbeRunStatus:
    return ProbeRunStatus(phase=Phase.RUNNING, started_at=started_at)


def _final(outcomes_: Mapping[int, NodeOutcome], run: ProbeRun, now: datetime) -> ProbeRunStatus:
    nodes = _target(run).nodes
    targets = record.write(outcomes_, len(nodes))
    verdict, total = record.overall((targets,))
    named = [f"{nodes[n]} ({one.reason})" for n, one in sorted(outcomes_.items()) if one.verdict is verdict]
    reason, message = record.summary(verdict, total, named)
    status = complete(run, None, Outcome(verdict, reason, message, Source.TARGETS), now)
    return status.model_copy(update={"targets": targets})


def _gone() -> NodeOutcome:
    return NodeOutcome(Verdict.UNKNOWN, "NodeGone", "no node of this name, or not until its probe had an outcome")


def _of_outcome(found: Outcome) -> NodeOutcome:
    mark = record.TERMINATION_MARK if found.source is Source.TERMINATION_MESSAGE else record.OTHER_MARK
    return NodeOutcome(found.verdict, found.reason, found.message, mark)


def _target(run: ProbeRun) -> RunTarget:
    assert run.spec.target is not None
    return run.spec.target

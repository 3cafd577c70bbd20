"""Gates, their probes and changes, built with as little said as a test needs; and a world in which time goes by."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from tests.unit.plan.builders import CREATED, at, config, meta, run

from kubeprobe.api import ChangeGate, ChangeGateStatus, ProbeConfig, ProbeResultStatus, ProbeRun, WorkloadKind
from kubeprobe.plan.change_runs import Skipped, skips
from kubeprobe.plan.gate import GatePlan, GateSeen, plan_gate, rolls_back
from kubeprobe.plan.gate_course import ChangeSeen
from kubeprobe.plan.gate_probe import Bound
from kubeprobe.plan.gate_scope import Workload
from kubeprobe.plan.gate_words import Proof

CHANGE = "chg-01"


def gate(name: str = "production", *, status: Any = None, metadata: Any = None, **spec: Any) -> ChangeGate:
    whole = {"scope": {"namespaces": ["*"]}, "probes": {"namespaces": ["*"]}, **spec}
    body = {"metadata": meta(name, namespace="", **(metadata or {})), "spec": whole, "status": _wire(status)}
    return ChangeGate.model_validate(body)


def with_status(of: ChangeGate, status: ChangeGateStatus) -> ChangeGate:
    """The gate after its status went through the API server."""
    return ChangeGate.model_validate({**of.model_dump(by_alias=True, mode="json"), "status": _wire(status)})


def answer(
    verdict: str = "Passed",
    *,
    since: float = 0,
    ended: float = 0,
    passes: int | None = None,
    took: float = 0,
    outcome: str = "",
    **more: Any,
) -> ProbeResultStatus:
    """An answer whose newest run ended then, with this outcome or one like the verdict."""
    reason = {"Passed": "Passed", "Failed": "CheckFailed", "Unknown": "Stale"}[verdict]
    last = {"run": "r", "verdict": outcome or verdict, "at": at(ended), "durationSeconds": took}
    passed = passes if passes is not None else int(verdict == "Passed")
    usual = {
        "verdict": verdict,
        "since": at(since),
        "reason": reason,
        "message": "" if verdict == "Passed" else "no route to host",
        "history": [last],
        "lastRun": {"name": "r", "finishedAt": at(ended)},
        "consecutive": {"passed": passed, "failed": int(verdict == "Failed")},
    }
    return ProbeResultStatus.model_validate({**usual, **more})


def bound(
    name: str = "main",
    verdict: str | None = "Passed",
    *,
    of: ProbeConfig | None = None,
    runs: Sequence[ProbeRun] = (),
    change: str = CHANGE,
    heard: float | None = None,
    due: Collection[str] = (),
    skipped: Skipped | None = None,
    **more: Any,
) -> Bound:
    """A periodic probe, or the one that is given, with this answer and these runs for the change."""
    of = of or config(name)
    return Bound(
        of,
        answer(verdict, **more) if verdict is not None else None,
        at(heard) if heard is not None else None,
        {change: tuple(runs)},
        due,
        skipped or skips(of, None, CREATED),
    )


def change_run(verdict: str | None = None, *, created: float = 20, node: str | None = None, name: str = "") -> ProbeRun:
    """A run for a change that takes a second; one that goes on without a verdict."""
    status: dict[str, Any] = {"phase": "Running"}
    if verdict is not None:
        end = at(created + 1).isoformat()
        status = {"phase": "Completed", "verdict": verdict, "reason": "CheckFailed", "message": "broken"}
        status["finishedAt"] = end
    born = at(int(created)).isoformat()
    return run(name or f"main-{created:g}", metadata={"creationTimestamp": born}, status=status, node=node)


def change(
    id_: str = CHANGE,
    *,
    began: float = 10,
    closed: float | None = None,
    settled: float | None = None,
    count: int = 1,
) -> ChangeSeen:
    """A change that was closed as it began, unless told otherwise."""
    closed_at = at(closed if closed is not None else began)
    return ChangeSeen(id_, count, at(began), closed_at, at(settled) if settled is not None else None)


def workload(name: str = "cart", template: str = "t1", image: str = "cart:1", **more: Any) -> Workload:
    usual = {"namespace": "shop", "kind": WorkloadKind.DEPLOYMENT, "images": {"app": image}}
    return Workload(**{**usual, "name": name, "template": template, **more})


@dataclass
class World:
    """A gate and all that it sees, for stories: what is planned is written, and time goes by."""

    gate: ChangeGate
    probes: dict[str, Bound] = field(default_factory=dict)
    change: ChangeSeen | None = None
    workloads: Sequence[Workload] | None = None
    nodes: Collection[str] | None = None
    proof: Proof | None = None
    now: datetime = CREATED
    writes: int = 0

    def seen(self) -> GateSeen:
        probes = tuple(self.probes.values())
        return GateSeen(self.gate, probes, self.change, self.workloads, self.nodes, self.proof)

    def look(self, seconds: float | None = None) -> GatePlan:
        """Plan at a time, or now, and write."""
        self.now = at(seconds) if seconds is not None else self.now
        plan = plan_gate(self.seen(), self.now)
        if plan.status is not None:
            self.gate, self.writes = with_status(self.gate, plan.status), self.writes + 1
        return plan

    def says(self, name: str, verdict: str | None, **more: Any) -> None:
        """A probe's answer is now this one."""
        before = self.probes.get(name, bound(name))
        said = answer(verdict, **more) if verdict is not None else None
        self.probes[name] = replace(before, answer=said)

    def ran(self, name: str, *runs: ProbeRun, change: str = CHANGE) -> None:
        """A probe has these runs for a change."""
        before = self.probes[name]
        self.probes[name] = replace(before, runs={**before.runs, change: runs})

    def spec(self, **update: Any) -> None:
        """Somebody edits the gate; None takes a field away."""
        body = self.gate.model_dump(by_alias=True, mode="json")
        self.gate = ChangeGate.model_validate({**body, "spec": {**body["spec"], **update}})

    @property
    def status(self) -> ChangeGateStatus:
        return self.gate.status

    @property
    def rolls_back(self) -> bool:
        return rolls_back(self.status, self.change)

    @property
    def state(self) -> str:
        """Open or closed, why, and what the probes say, as one line."""
        return f"{self.status.phase}/{self.status.reason}/{self.status.verdict}"


def until(seconds: float) -> str:
    return (CREATED + timedelta(seconds=seconds)).isoformat()


def _wire(status: Any) -> dict[str, Any]:
    if isinstance(status, ChangeGateStatus):
        return status.model_dump(by_alias=True, exclude_none=True, mode="json")
    return status or {}


__all__ = [
    "World",
    "answer",
    "at",
    "bound",
    "change",
    "change_run",
    "gate",
    "until",
    "with_status",
    "workload",
]

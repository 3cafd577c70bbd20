"""What holds of a gate whatever happens to it, in whatever order: random stories, each step planned twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.plan.builders import CREATED, config, on_demand
from tests.unit.plan.gates import World, bound, change_run, gate, until, workload

from kubeprobe.api import (
    ChangeGateStatus,
    GatePhase,
    GateReason,
    GateVerdict,
    ProbeConfig,
    ProbeRun,
    Verdict,
    broken_rules,
)
from kubeprobe.plan.gate import GatePlan, plan_gate
from kubeprobe.plan.gate_course import ChangeSeen, overriding
from kubeprobe.plan.gate_probe import stance

RESIDENT = config("res", mode="Resident", schedule=None, resident={"interval": "1s"})
CONFIGS = {"per": config("per"), "ask": on_demand("ask"), "res": RESIDENT, "off": config("off", suspend=True)}
NAMES = sorted(CONFIGS)
WELL = {GateReason.IDLE, GateReason.VERIFIED, GateReason.RECOVERED}
PENDING = {GateReason.SETTLING, GateReason.VERIFYING}

Event = tuple[Any, ...]
names = st.sampled_from(NAMES)
verdicts = st.sampled_from(["Passed", "Passed", "Failed", "Unknown"])
outcomes = st.sampled_from(["Passed", "Passed", "Failed", "Unknown", None])
COMMON = (
    st.tuples(st.just("time"), st.sampled_from([0.5, 3.0, 20.0, 61.0])),
    st.tuples(st.just("says"), names, verdicts, st.integers(0, 4)),
    st.tuples(st.just("ran"), names, outcomes, st.sampled_from([None, None, "n1"])),
    st.tuples(st.just("ran"), st.just("all"), outcomes, st.just(None)),
    st.tuples(st.just("says"), st.just("all"), verdicts, st.just(3)),
    st.tuples(st.just("begins")),
    st.tuples(st.just("settles")),
    st.tuples(st.just("image"), st.sampled_from(["t1", "t2"])),
)
RARE = (
    st.tuples(st.just("time"), st.just(700.0)),
    st.tuples(st.just("silent"), names),
    st.tuples(st.just("unbound"), names),
    st.tuples(st.just("bound"), names),
    st.tuples(st.just("changes lost")),
    st.tuples(st.just("nodes"), st.sampled_from([None, (), ("n1",)])),
    st.tuples(st.just("hold"), st.booleans()),
    st.tuples(st.just("override"), st.sampled_from([None, -5.0, 5.0, 100.0])),
    st.tuples(st.just("policy"), st.sampled_from(["Keep", "Open", "Close"])),
    st.tuples(st.just("threshold"), st.integers(1, 3)),
    st.tuples(st.just("edit"), st.sampled_from(["phase", "probes", "reason", "change"])),
)
EVENTS = st.one_of(*COMMON, *COMMON, *RARE)


class Story(World):
    """A world to which anything may happen."""

    def happens(self, event: Event) -> None:
        kind, *rest = event
        getattr(self, f"_{kind.replace(' ', '_')}")(*rest)

    @property
    def seconds(self) -> float:
        return (self.now - CREATED).total_seconds()

    def _time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def _says(self, name: str, verdict: str, passes: int) -> None:
        for one in self._named(name):
            self.says(one, verdict, since=self.seconds, ended=self.seconds, passes=passes)
            self.probes[one] = replace(self.probes[one], heard_at=self.now)

    def _silent(self, name: str) -> None:
        for one in self._named(name):
            self.says(one, None)

    def _ran(self, name: str, verdict: str | None, node: str | None) -> None:
        if self.status.change is None:
            return
        of = self.status.change.id
        for one in self._named(name):
            before: tuple[ProbeRun, ...] = tuple(self.probes[one].runs.get(of, ()))
            run = change_run(verdict, created=self.seconds, node=node, name=f"{one}-{len(before)}")
            self.ran(one, *before, run, change=of)

    def _named(self, name: str) -> list[str]:
        return [one for one in self.probes if name in (one, "all")]

    def _unbound(self, name: str) -> None:
        self.probes.pop(name, None)

    def _bound(self, name: str) -> None:
        one: ProbeConfig = CONFIGS[name]
        self.probes.setdefault(name, bound(of=one, verdict=None))

    def _begins(self) -> None:
        self.change = ChangeSeen(f"chg-{self.seconds * 10:09.0f}", 1, self.now, self.now)

    def _settles(self) -> None:
        if self.change is not None:
            self.change = replace(self.change, settled_at=self.now)

    def _changes_lost(self) -> None:
        self.change = None

    def _nodes(self, nodes: tuple[str, ...] | None) -> None:
        self.nodes = nodes

    def _image(self, template: str) -> None:
        self.workloads = [workload(template=template, image=f"cart:{template}")]

    def _hold(self, held: bool) -> None:
        self.spec(hold={"reason": "freeze"} if held else None)

    def _override(self, seconds: float | None) -> None:
        self.spec(override={"reason": "r", "until": until(self.seconds + seconds)} if seconds is not None else None)

    def _policy(self, policy: str) -> None:
        self.spec(onInconclusive=policy)

    def _threshold(self, passes: int) -> None:
        self.spec(successThreshold=passes)

    def _edit(self, what: str) -> None:
        closed = self.status.phase is GatePhase.CLOSED
        edits: dict[str, dict[str, Any]] = {
            "phase": {"phase": GatePhase.OPEN if closed else GatePhase.CLOSED, "closure_id": "" if closed else "cls-x"},
            "probes": {"probes": ()},
            "reason": {"reason": GateReason.RECOVERED},
            "change": {"change": None},
        }
        self.gate = self.gate.model_copy(update={"status": self.status.model_copy(update=edits[what])})


def precedence(story: Story, plan: GatePlan) -> None:
    """Override before hold before what the probes say."""
    status, gate = story.status, story.gate
    if overriding(gate, story.now):
        assert (status.phase, status.reason) == (GatePhase.OPEN, GateReason.OVERRIDE)
    elif gate.spec.hold is not None:
        assert (status.phase, status.reason) == (GatePhase.CLOSED, GateReason.HOLD)
    else:
        assert status.reason not in (GateReason.HOLD, GateReason.OVERRIDE)


def never_open_over_a_failed_probe(story: Story, plan: GatePlan) -> None:
    probes = story.probes.values()
    failing = [one for one in probes if stance(one, None, story.now).verdict is Verdict.FAILED]
    if failing and story.status.reason is not GateReason.OVERRIDE:
        assert story.status.phase is GatePhase.CLOSED
        assert story.status.verdict in (GateVerdict.FAILED, GateVerdict.PENDING)


def consistent(story: Story, plan: GatePlan) -> None:
    """Phase, reason, verdict and the rest of the status say the same."""
    status = story.status
    closed, reason = status.phase is GatePhase.CLOSED, status.reason
    assert list(broken_rules(status)) == []
    assert bool(status.closure_id) is closed
    assert not (reason in WELL and closed)
    assert reason is not GateReason.PROBE_FAILED or closed
    pending = status.change is not None and status.change.verdict is GateVerdict.PENDING
    assert pending is (status.verdict is GateVerdict.PENDING)
    assert reason not in PENDING or pending
    if reason in WELL:
        assert status.verdict is GateVerdict.PASSED
    conditions = {one.type: one for one in status.conditions}
    assert conditions["Open"].status == str(not closed)
    assert (conditions["Verified"].status == "True") is (status.verdict is GateVerdict.PASSED)
    assert len(status.message.encode()) <= 1024
    assert status.message
    assert "\n" not in status.message
    assert len(status.probes) == len(story.probes)


def rolls_back_for_a_failed_change_alone(story: Story, plan: GatePlan) -> None:
    if story.rolls_back:
        status = story.status
        assert (status.phase, status.reason, status.verdict) == (
            GatePhase.CLOSED,
            GateReason.PROBE_FAILED,
            GateVerdict.FAILED,
        )
        assert status.change is not None
        assert story.change is not None
        assert (status.change.id, status.change.verdict) == (story.change.id, GateVerdict.FAILED)


def asks_within_reason(story: Story, plan: GatePlan) -> None:
    """Each run once, of probes that can be run, while there is something to tell."""
    assert len(set(plan.runs)) == len(plan.runs)
    assert {asked.name for asked in plan.runs} <= {"per", "ask"} & story.probes.keys()
    for asked in plan.runs:
        assert asked.at <= story.now
        assert story.status.change is not None
        assert asked.change_id == story.status.change.id
    assert plan.wake_at is None or plan.wake_at > story.now


def settled(story: Story, plan: GatePlan) -> None:
    """Planning again on what was written changes nothing, and asks for the same."""
    again = plan_gate(story.seen(), story.now)
    assert again.status is None
    assert (again.runs, again.judged, again.turned, again.wake_at) == (plan.runs, (), False, plan.wake_at)


INVARIANTS: tuple[Callable[[Story, GatePlan], None], ...] = (
    precedence,
    never_open_over_a_failed_probe,
    consistent,
    rolls_back_for_a_failed_change_alone,
    asks_within_reason,
    settled,
)


def through_a_change(before: ChangeGateStatus, story: Story, event: Event) -> None:
    """What closed a gate keeps it closed until a change is done with, unless somebody took it away."""
    held = {(one.namespace, one.name) for one in before.probes if one.closes}
    bound_now = {one.key for one in story.probes.values()}
    if event[0] != "edit" and story.status.verdict is GateVerdict.PENDING:
        assert held & bound_now <= {(one.namespace, one.name) for one in story.status.probes if one.closes}


def good_images(before: ChangeGateStatus, story: Story) -> None:
    """Images are taken down only when all is well."""
    images = [one.images for one in story.status.last_good]
    if images != [one.images for one in before.last_good]:
        assert story.status.verdict is GateVerdict.PASSED


@settings(max_examples=60, deadline=None)
@given(st.lists(EVENTS, min_size=20, max_size=40))
def test_whatever_happens(events: list[Event]) -> None:
    story = Story(gate(timeout="2m"), {name: bound(of=CONFIGS[name]) for name in ("per", "ask", "res")})
    for event in (("time", 0.0), *events):
        before = story.status
        story.happens(event)
        plan = story.look()
        for invariant in INVARIANTS:
            invariant(story, plan)
        through_a_change(before, story, event)
        good_images(before, story)


def test_a_gate_that_is_looked_at_as_it_asks_comes_to_rest() -> None:
    """However a change ends, its gate does not go on writing."""
    for verdict in ("Passed", "Failed", "Unknown", None):
        story = Story(gate(timeout="2m"), {"ask": bound(of=CONFIGS["ask"])})
        story.look(0)
        story.happens(("time", 1.0))
        story.happens(("begins",))
        story.happens(("settles",))
        story.look()
        story.happens(("ran", "ask", verdict, None))
        for _ in range(50):
            plan = story.look()
            if plan.wake_at is None:
                break
            story.now = plan.wake_at
        assert story.writes <= 5

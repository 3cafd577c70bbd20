"""That gates and changes understand each other: what each is told, and a story of both to its end."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan import gates
from tests.unit.plan.builders import at, on_demand
from tests.unit.plan.changes import (
    CART,
    FIRST,
    SECOND,
    THIRD,
    change,
    changed,
    created,
    named,
    node_body,
    over,
    rollout,
    tracked,
    triggered,
    workload,
)
from tests.unit.plan.gates import gate, until

from kubeprobe.api import (
    Change,
    ChangeGate,
    ChangeGateNote,
    ChangePhase,
    ChangeSource,
    GateChange,
    GateVerdict,
    ProbeConfig,
    ProbeRun,
    WorkloadKind,
)
from kubeprobe.plan.batch import Batch, Wait, change_id
from kubeprobe.plan.change import ChangeSeen, plan_change
from kubeprobe.plan.change_runs import Skipped, gate_run, plan_change_runs
from kubeprobe.plan.demand import Demand, rollouts_of
from kubeprobe.plan.fingerprint import ObjectKey, read_tracked
from kubeprobe.plan.gate import GatePlan, GateSeen, plan_gate
from kubeprobe.plan.gate_change import (
    awaited,
    bound,
    change_seen,
    counted_by,
    gate_wait,
    gates_of,
    in_scope,
    newest_of,
    note_of,
    rollback_ordered,
    told_until,
    workload_of,
)
from kubeprobe.plan.gate_scope import UNTOLD
from kubeprobe.plan.rollout import RolloutState

OWN = "kubeprobe"
PROD = ["production"]
SETTINGS = ObjectKey("ConfigMap", "shop", "settings")
CART_2 = tracked("cart:2")
GONE = {"deletionTimestamp": until(0)}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, Wait(10, 60)),
        ({"quiet": "5m", "longestQuiet": "1h"}, Wait(300, 60)),
        ({"quiet": "1s", "longestQuiet": "2s"}, Wait(1, 2)),
    ],
)
def test_how_long_a_gate_waits_for_more(spec: dict[str, str], expected: Wait) -> None:
    assert gate_wait(gate(**spec)) == expected


def batch(*keys: ObjectKey, source: ChangeSource = ChangeSource.ROLLOUT) -> Batch:
    return Batch(source, at(0), at(0), Wait(10), {key: changed(key) for key in keys})


@pytest.mark.parametrize(
    ("told", "announced_at", "expected"),
    [
        (batch(CART), (), ("all", "front")),
        (batch(ObjectKey("DaemonSet", "shop", "agent")), (), ("all",)),
        (batch(ObjectKey("Deployment", OWN, "operator")), (), ()),
        (batch(SETTINGS, source=ChangeSource.OBJECT), (), ()),
        (batch(SETTINGS, CART), (), ("all", "front")),
        (batch(ObjectKey("Announced", "", "release"), source=ChangeSource.ANNOUNCED), ("front",), ("front",)),
        (batch(ObjectKey("Announced", "", "release"), source=ChangeSource.ANNOUNCED), ("going",), ()),
    ],
)
def test_which_gates_a_batch_is_told_to(told: Batch, announced_at: tuple[str, ...], expected: tuple[str, ...]) -> None:
    all_gates = [
        gate("going", metadata=GONE),
        gate("front", scope={"namespaces": ["shop"], "namespaceLabels": {"team": "shop"}, "kinds": ["Deployment"]}),
        gate("all"),
    ]
    assert gates_of(all_gates, told, {"shop": {"team": "shop"}}, OWN, announced_at) == expected


def test_what_is_in_the_scope_of_a_gate() -> None:
    assert in_scope(gate(), tracked(), {}, OWN)
    assert not in_scope(gate(), read_tracked("Node", node_body()), {}, OWN)
    assert not in_scope(gate(scope={"namespaces": ["pay"]}), tracked(), {}, OWN)


def test_the_newest_change_is_the_one_that_was_closed_last() -> None:
    """The second began before the first, and was gathered for longer."""
    first = change(FIRST, began=30, last=30, closed=31, gates=PROD)
    second = change(SECOND, began=0, last=55, closed=60, gates=PROD)
    other = change(THIRD, gates=["staging"])
    assert newest_of(gate(), [second, first, other]) is second
    assert newest_of(gate(), [other]) is None


@pytest.mark.parametrize("name", ["zzz", "chg-", "chg-Z", "chg-9-9"])
def test_a_change_that_somebody_made_by_another_name_is_none_to_a_gate(name: str) -> None:
    """It would be later in order than all others, and no name of its verdict."""
    forged = change(name, gates=PROD)
    first = change(FIRST, gates=PROD)
    assert newest_of(gate(), [first, forged]) is first
    assert awaited(gate(), [first, forged]) == (first,)
    assert note_of(gate(), forged) is None


@pytest.mark.parametrize(
    ("one", "spec", "expected"),
    [
        pytest.param(change(), {}, 10, id="as it was closed"),
        pytest.param(change(last=8), {}, 18, id="after its quiet time"),
        pytest.param(change(last=55, closed=60), {"quiet": "5m", "longestQuiet": "10m"}, 355, id="a longer one"),
        pytest.param(change(last=55, closed=60), {"quiet": "50s"}, 60, id="after the longest"),
        pytest.param(change(last=55, closed=60), {"quiet": "1s", "longestQuiet": "30s"}, 60, id="not before it closed"),
        pytest.param(change(last=8, source=ChangeSource.ANNOUNCED), {"quiet": "1m"}, 10, id="as it was announced"),
    ],
)
def test_when_a_gate_takes_a_change_for_settled(one: Change, spec: dict[str, str], expected: float) -> None:
    seen = change_seen(gate(**spec), one, [rollout(), rollout(RolloutState.FAILED)])
    assert (seen.id, seen.count, seen.began_at, seen.closed_at) == (FIRST, 1, at(0), one.spec.closed)
    assert seen.settled_at == at(expected)
    assert change_seen(gate(**spec), one, [rollout(), rollout(RolloutState.PAUSED)]).settled_at is None


def with_change(name: str, verdict: str = "Failed", **metadata: Any) -> ChangeGate:
    told = {"id": name, "count": 1, "since": until(0), "verdict": verdict}
    closed = {"phase": "Closed", "reason": "ProbeFailed", "since": until(3), "closureID": "cls-1"}
    return gate(status={**closed, "change": told, "verifyingSince": until(1)}, metadata=metadata)


@pytest.mark.parametrize(
    ("of", "verdict"),
    [
        pytest.param(with_change(SECOND), "Failed", id="it is about this change"),
        pytest.param(with_change(FIRST), "Pending", id="it has not taken it up"),
        pytest.param(with_change(THIRD), None, id="it is about a newer one"),
        pytest.param(with_change(SECOND, **GONE), None, id="it is being deleted"),
        pytest.param(gate(), "Pending", id="it is new"),
        pytest.param(gate(metadata={"creationTimestamp": until(11)}), None, id="it came after the change"),
    ],
)
def test_what_a_gate_says_of_a_change(of: ChangeGate, verdict: str | None) -> None:
    note = note_of(of, change(SECOND, gates=PROD))
    assert (note.verdict.value if note is not None else None) == verdict


@pytest.mark.parametrize("verdict", ["Pending", "Passed", "Failed"])
def test_a_change_whose_place_was_taken_is_judged_with_the_newer_one(verdict: str) -> None:
    def told(said: str, **status: Any) -> ChangeGateNote | None:
        note = {"name": "production", "phase": "Open", "reason": "Settling", "verdict": said, "since": until(0)}
        return note_of(with_change(THIRD, verdict), change(SECOND, gates=PROD, status={"gates": [note], **status}))

    waiting = told("Pending")
    assert waiting is not None
    assert waiting.verdict == verdict
    assert told("Failed") is None
    assert told("Pending", finishedAt=until(5)) is None


@pytest.mark.parametrize(("said", "over", "verdict"), [
    (None, False, "Failed"), ("Pending", False, "Failed"), ("Failed", False, None), ("Pending", True, None),
])  # fmt: skip
def test_a_change_is_told_its_own_verdict_when_the_gate_has_turned_to_the_next_one(
    said: str | None, over: bool, verdict: str | None
) -> None:
    of = with_change(THIRD, "Passed")
    judged = GateChange(id=SECOND, since=at(0), verdict=GateVerdict.FAILED)
    of = gates.with_status(of, of.status.model_copy(update={"judged_before": judged}))
    note = {"name": "production", "phase": "Open", "reason": "Verifying", "verdict": said, "since": until(0)}
    status: dict[str, Any] = {"gates": [note] if said else [], "finishedAt": until(5) if over else None}
    told = note_of(of, change(SECOND, gates=PROD, status=status))
    assert (told.verdict.value if told is not None else None) == verdict
    if said == "Pending" and not over:
        first = note_of(of, change(FIRST, gates=PROD, status=status))
        assert first is not None
        assert first.verdict.value == "Failed", "it was judged with the second"


def settling(name: str) -> ChangeGate:
    told = {"id": name, "count": 1, "since": until(0), "verdict": "Pending"}
    return gate(status={"phase": "Open", "reason": "Settling", "since": until(0), "verdict": "Pending", "change": told})


@pytest.mark.parametrize(
    ("of", "names"),
    [
        pytest.param(gate(), [FIRST, SECOND, THIRD], id="it has judged none"),
        pytest.param(settling(SECOND), [FIRST, SECOND, THIRD], id="it waits"),
        pytest.param(with_change(SECOND, "Pending"), [THIRD], id="it looks at the second"),
        pytest.param(with_change(THIRD), [THIRD], id="it has judged all"),
    ],
)
def test_whose_rollouts_a_gate_waits_for(of: ChangeGate, names: list[str]) -> None:
    changes = [
        change(FIRST, gates=PROD),
        change(SECOND, gates=PROD),
        change(THIRD, gates=PROD),
        change("chg-0", gates=PROD, status={"finishedAt": until(5)}),
        change("chg-9", gates=["other"]),
    ]
    assert [one.metadata.name for one in awaited(of, changes)] == names


def test_which_runs_are_kept_for_gates() -> None:
    spec = on_demand()
    manifest = gate_run(spec, FIRST, "n1", at(1))
    run = over(created(manifest, at(2)), at(3), "Failed")
    assert counted_by([with_change(FIRST)], spec, [run], ()) == {run.metadata.name}
    assert counted_by([with_change(FIRST, "Passed"), with_change(SECOND), gate()], spec, [run], ()) == frozenset()
    assert counted_by([with_change(FIRST)], spec, [], ()) == frozenset()


def test_a_rollback_is_ordered_for_the_newest_change_alone() -> None:
    failed, newer = change(FIRST, gates=PROD), change(SECOND, gates=PROD)
    assert rollback_ordered(with_change(FIRST), [failed])
    assert not rollback_ordered(with_change(FIRST), [failed, newer])
    assert not rollback_ordered(with_change(FIRST), [])


def test_a_gate_is_told_with_its_state() -> None:
    said = {"phase": "Closed", "reason": "ProbeFailed", "verdict": "Failed", "since": until(3)}
    assert note_of(with_change(FIRST), change()) == ChangeGateNote.model_validate({"name": "production", **said})


MAIN = triggered({"rollout": {}})
FINISHED, GOING = rollout(), rollout(RolloutState.PROGRESSING)
SUSPENDED = Skipped("Suspended", "spec.suspend of the ProbeConfig is true")


def demand(one: Change, *rollouts: Any) -> Demand:
    return Demand(one, one.spec.probes[0], rollouts or (FINISHED,))


@pytest.mark.parametrize(
    ("rollouts", "skipped", "due"),
    [
        ((FINISHED,), None, {FIRST}),
        ((GOING,), None, {FIRST}),
        ((FINISHED,), SUSPENDED, set()),
        ((rollout(RolloutState.SUPERSEDED),), None, set()),
    ],
)
def test_which_changes_a_probes_own_triggers_see_to(rollouts: Any, skipped: Skipped | None, due: set[str]) -> None:
    planned = plan_change_runs(MAIN, [demand(change(), *rollouts)], (), skipped, at(10))
    one = bound(MAIN, None, at(9), (), planned.followed, skipped)
    assert (one.config, one.answer, one.heard_at, one.runs, one.due) == (MAIN, None, at(9), {}, due)
    assert one.skipped is skipped


def test_a_probes_own_run_tells_the_gate_when_it_is_over() -> None:
    manifest = plan_change_runs(MAIN, [demand(change())], (), None, at(10)).create
    assert manifest is not None
    going = created(manifest, at(10))
    for run, due in ((going, {FIRST}), (over(going, at(12)), set())):
        planned = plan_change_runs(MAIN, [demand(change())], [run], None, at(12))
        one = bound(MAIN, None, None, [run], planned.followed, None)
        assert (one.runs, one.due) == ({FIRST: (run,)}, due)


def test_a_run_that_failed_is_told_to_the_gate_as_soon_as_no_other_attempt_is_to_come() -> None:
    """Else a gate would wait for one that nobody asks for: its config is skipped, or its Change is over."""
    retried = triggered({"rollout": {}}, retries={"limit": 1})
    manifest = plan_change_runs(retried, [demand(change())], (), None, at(10)).create
    assert manifest is not None
    failed = over(created(manifest, at(10)), at(12), "Failed")

    def told(demands: list[Demand], skipped: Skipped | None) -> str:
        planned = plan_change_runs(retried, demands, [failed], skipped, at(12))
        (run,) = bound(retried, None, None, [failed], planned.followed, skipped).runs[FIRST]
        return run.status.phase.value

    assert told([demand(change())], None) == "Pending"
    assert told([demand(change())], Skipped("Maintenance", "m")) == "Completed"
    assert told([], None) == "Completed"


def test_a_workload_is_seen_as_the_changes_have_told_it() -> None:
    one, done = tracked("cart:2"), workload(spec={"replicas": 0}, status={"observedGeneration": 1})
    seen = workload_of(one, one.fingerprint, done)
    assert seen is not None
    assert (seen.key, seen.template) == (("shop", "Deployment", "cart"), one.fingerprint)
    assert seen.in_place
    going = workload_of(one, one.fingerprint, workload(status={"observedGeneration": 1}))
    assert going is not None
    assert not going.in_place
    assert (seen.images, seen.labels, seen.kind) == ({"app": "cart:2"}, {"app": "cart"}, WorkloadKind.DEPLOYMENT)
    for told in (tracked("cart:1").fingerprint, None):
        untold = workload_of(one, told, done)
        assert untold is not None
        assert untold.template == UNTOLD
    node = read_tracked("Node", node_body())
    assert workload_of(node, node.fingerprint, done) is None


class Both:
    """A gate with one probe that is run when asked, and a Change in its scope that no trigger wants."""

    def __init__(self) -> None:
        self.gate = gate()
        self.change = change(objects=[named(mark=CART_2.fingerprint)], probes=[], gates=PROD)
        self.config: ProbeConfig = on_demand()
        self.runs: list[ProbeRun] = []

    def look(self, seconds: float) -> GatePlan:
        """Plan both, write, and start what is asked for."""
        rolled_out = workload(spec={"replicas": 0}, status={"observedGeneration": 1})
        rollouts = rollouts_of(
            self.change, lambda one: in_scope(self.gate, one, {}, OWN), {CART: CART_2}, {CART: rolled_out}
        )
        seen = bound(self.config, self.answer(), None, self.runs, (), None)
        plan = plan_gate(GateSeen(self.gate, [seen], change_seen(self.gate, self.change, rollouts)), at(seconds))
        if plan.status is not None:
            self.gate = gates.with_status(self.gate, plan.status)
        for one in plan.runs:
            self.runs.append(created(gate_run(self.config, one.change_id, one.node, one.at), at(seconds)))
        note = note_of(self.gate, self.change)
        notes = [note] if note is not None else []
        told = plan_change(ChangeSeen(self.change, (), rollouts, notes, self.runs), at(seconds)).status
        if told is not None:
            self.change = self.change.model_copy(update={"status": told})
        return plan

    def answer(self) -> Any:
        verdicts = [one.status.verdict.value for one in self.runs if one.status.verdict is not None]
        return gates.answer(verdicts[-1] if verdicts else "Passed")


@pytest.mark.parametrize(("verdict", "phase"), [("Passed", "Open"), ("Failed", "Closed")])
def test_a_gate_has_its_probes_run_for_a_change_and_both_come_to_the_same(verdict: str, phase: str) -> None:
    both = Both()
    asked = both.look(11).runs
    assert [(one.change_id, one.namespace, one.name, one.node) for one in asked] == [(FIRST, "probes", "main", "")]
    assert both.change.status.phase is ChangePhase.VERIFYING
    assert both.look(12).runs == ()
    both.runs = [over(both.runs[0], at(13), verdict)]
    assert both.look(14).runs == ()
    assert both.gate.status.phase.value == phase
    assert both.gate.status.change is not None
    assert both.gate.status.change.verdict.value == both.change.status.phase.value == verdict
    assert both.change.status.finished_at == at(14)


def test_a_verdict_tells_of_changes_up_to_its_own_and_after_an_override_of_all_up_to_then() -> None:
    def told(**change: Any) -> str:
        return told_until(gate(status={"change": change} if change else None).status)

    assert told() == ""
    assert told(id="chg-2", since=at(0)) == "chg-2"
    after = told(since=at(10))
    assert change_id("", "before", at(9)) < after < change_id("", "later", at(11))

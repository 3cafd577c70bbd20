"""The gate's state machine, as transitions: what stands and is seen, and what stands then."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.plan.builders import config, on_demand
from tests.unit.plan.gates import CHANGE, World, at, bound, change, change_run, gate, until, workload

from kubeprobe.api import ChangeGateStatus, GateVerdict
from kubeprobe.plan.budget import Priority
from kubeprobe.plan.change_runs import skips
from kubeprobe.plan.gate import GateSeen, plan_gate, rolls_back
from kubeprobe.plan.gate_runs import RunAsked
from kubeprobe.plan.gate_words import Proof


def world(*names: str, **spec: Any) -> World:
    """A gate, looked at once, whose probes all pass."""
    one = World(gate(**spec), {name: bound(name) for name in names or ("main",)})
    one.look(0)
    return one


def verifying(*names: str, **spec: Any) -> World:
    """A gate that has been verifying a change for nothing yet, since second 20."""
    one = world(*names, **spec)
    one.change = change(settled=20)
    one.look(20)
    assert one.status.reason.value == "Verifying"
    return one


def closed(**spec: Any) -> World:
    """A gate that its only probe has closed since second 5."""
    one = world(**spec)
    one.says("main", "Failed", since=5, ended=5)
    one.look(5)
    assert one.state == "Closed/ProbeFailed/Failed"
    return one


# Without a change


def test_a_new_gate_is_open_and_idle() -> None:
    one = world()
    assert one.state == "Open/Idle/Passed"
    assert (one.status.since, one.status.closure_id, one.status.closed_by) == (at(0), "", "")
    assert one.status.observed_generation == 1


def test_what_stands_is_not_written_again() -> None:
    one = world()
    assert one.look(99).status is None


def test_a_probe_that_fails_closes_the_gate_at_once() -> None:
    one = world("cart", "main")
    one.says("main", "Failed", since=4, ended=5)
    plan = one.look(5)
    assert one.state == "Closed/ProbeFailed/Failed"
    assert (one.status.since, one.status.closed_by) == (at(5), "probes/main")
    assert one.status.closure_id.startswith("cls-")
    assert (plan.turned, plan.priority) == (True, Priority.VERDICT)
    assert [probe.name for probe in one.status.probes] == ["main", "cart"]


def test_that_it_fails_in_other_words_is_no_new_closure() -> None:
    one = closed()
    before = one.status
    one.says("main", "Failed", since=5, ended=65, message="timeout")
    plan = one.look(65)
    assert (one.status.closure_id, one.status.since) == (before.closure_id, before.since)
    assert "timeout" in one.status.message
    assert plan.priority is Priority.HISTORY


def test_the_gate_opens_when_the_probe_passes_again() -> None:
    one = closed()
    one.says("main", "Passed", since=65, ended=65)
    one.look(65)
    assert one.state == "Open/Recovered/Passed"
    assert (one.status.since, one.status.closure_id, one.status.closed_by) == (at(65), "", "")
    assert one.look(66).status is None


def test_each_closure_has_a_name_of_its_own() -> None:
    one = closed()
    first = one.status.closure_id
    one.says("main", "Passed", since=65)
    one.look(65)
    one.says("main", "Failed", since=70)
    one.look(70)
    assert one.status.closure_id not in ("", first)
    other = World(gate("other"), dict(one.probes))
    other.look(70)
    assert other.status.closure_id not in (first, one.status.closure_id)


def test_as_many_passes_are_needed_as_the_threshold_says() -> None:
    one = closed(successThreshold=3)
    for passes, state in (
        (1, "Closed/ProbeFailed/Failed"),
        (2, "Closed/ProbeFailed/Failed"),
        (3, "Open/Recovered/Passed"),
    ):
        one.says("main", "Passed", since=60, ended=60 * passes, passes=passes)
        one.look(60 * passes)
        assert one.state == state
    assert one.status.probes[0].reason == ""


def test_the_threshold_is_counted_anew_after_each_failure() -> None:
    one = closed(successThreshold=2)
    one.says("main", "Passed", since=60, ended=60, passes=1)
    one.look(60)
    assert one.status.probes[0].message == "it passes, and counts as mended after 2 runs in a row (now 1)"
    one.says("main", "Failed", since=120, ended=120)
    one.look(120)
    one.says("main", "Passed", since=180, ended=180, passes=1)
    one.look(180)
    assert one.state == "Closed/ProbeFailed/Failed"


def test_the_last_of_several_probes_opens_the_gate() -> None:
    one = world("cart", "main")
    one.says("main", "Failed", since=4)
    one.says("cart", "Failed", since=5)
    one.look(5)
    assert one.status.closed_by == "probes/main"
    one.says("main", "Passed", since=60)
    one.look(60)
    assert (one.state, one.status.closed_by) == ("Closed/ProbeFailed/Failed", "probes/cart")
    one.says("cart", "Passed", since=61)
    one.look(61)
    assert one.state == "Open/Recovered/Passed"


@pytest.mark.parametrize(
    ("policy", "from_open", "from_closed"),
    [("Keep", "Open", "Closed"), ("Open", "Open", "Open"), ("Close", "Closed", "Closed")],
)
@pytest.mark.parametrize("lost", [("Unknown", {}), ("Failed", {"freshUntil": at(50)}), (None, {})])
def test_a_probe_that_cannot_tell(policy: str, from_open: str, from_closed: str, lost: Any) -> None:
    for one, phase in ((world(onInconclusive=policy), from_open), (closed(onInconclusive=policy), from_closed)):
        one.says("main", lost[0], **lost[1])
        one.look(60)
        assert one.state == f"{phase}/Inconclusive/Inconclusive"
        one.says("main", "Passed", since=70, ended=70)
        one.look(70)
        well = "Recovered" if phase == "Closed" else "Idle"
        assert one.state == f"Open/{well}/Passed"


def test_a_probe_that_failed_and_went_silent_is_not_forgotten() -> None:
    one = closed(successThreshold=2)
    one.says("main", "Unknown")
    one.look(60)
    one.says("main", "Passed", since=70, ended=70, passes=1)
    one.look(70)
    assert one.state == "Closed/ProbeFailed/Failed"


def test_an_answer_older_than_the_gate_wants_tells_nothing() -> None:
    one = World(gate(freshness="30s"), {"main": bound(ended=0)})
    plan = one.look(0)
    assert (one.state, plan.wake_at) == ("Open/Idle/Passed", at(30))
    one.look(30)
    assert one.state == "Open/Inconclusive/Inconclusive"
    assert one.status.probes[0].reason == "Stale"


@pytest.mark.parametrize(
    ("policy", "from_open", "from_closed"),
    [("Keep", "Open", "Closed"), ("Open", "Open", "Open"), ("Close", "Closed", "Closed")],
)
def test_a_gate_without_probes(policy: str, from_open: str, from_closed: str) -> None:
    for one, phase in ((world(onInconclusive=policy), from_open), (closed(onInconclusive=policy), from_closed)):
        one.probes = {}
        one.look(60)
        assert one.state == f"{phase}/NoProbes/Inconclusive"
        assert "selects no ProbeConfig" in one.status.message
        assert one.look(61).status is None


def test_a_gate_without_probes_is_not_kept_closed_by_a_hold_that_is_over() -> None:
    one = world(hold={"reason": "freeze"})
    one.probes = {}
    one.look(5)
    assert one.state == "Closed/Hold/Inconclusive"
    one.spec(hold=None)
    one.look(6)
    assert one.state == "Open/NoProbes/Inconclusive"


def test_a_gate_that_goes_has_no_more_plans() -> None:
    leaving = gate(metadata={"deletionTimestamp": at(5).isoformat()})
    plan = plan_gate(GateSeen(leaving, (bound(verdict="Failed"),)), at(5))
    assert (plan.status, plan.runs, plan.wake_at) == (None, (), None)


# A change


def test_a_change_settles_first() -> None:
    one = world()
    one.change = change()
    plan = one.look(10)
    assert one.state == "Open/Settling/Pending"
    assert one.status.change is not None
    assert (one.status.change.id, one.status.change.count, one.status.change.since) == (CHANGE, 1, at(10))
    assert one.status.verifying_since is None
    assert (plan.runs, plan.wake_at) == ((), at(10 + 60 + 600))


def test_that_a_change_grows_while_it_settles_is_not_worth_a_write() -> None:
    one = World(gate(), {"main": bound()}, workloads=[workload("a"), workload("b")])
    one.look(0)
    one.change = change()
    one.workloads = [workload("a", "t2"), workload("b")]
    one.look(10)
    one.change, one.workloads = change(count=500), [workload("a", "t2"), workload("b", "t2")]
    assert one.look(11).status is None
    one.says("main", "Failed", since=12)
    assert one.look(12).status is not None
    one.change = change(count=500, settled=20)
    one.look(20)
    assert one.status.change is not None
    assert one.status.change.count == 500
    assert [good.changed for good in one.status.last_good] == [True, True]


def test_a_change_that_has_settled_is_verified_by_a_run_of_each_probe() -> None:
    one = world("cart", "main")
    one.change = change(settled=25)
    assert one.look(10).wake_at == at(25)
    plan = one.look(25)
    assert one.state == "Open/Verifying/Pending"
    assert one.status.verifying_since == at(25)
    assert plan.runs == (RunAsked(CHANGE, "probes", "cart", "", at(25)), RunAsked(CHANGE, "probes", "main", "", at(25)))
    assert plan.priority is Priority.RUN
    again = one.look(26)
    assert (again.status, again.runs) == (None, plan.runs)


def test_a_change_that_never_comes_to_rest_is_verified_all_the_same() -> None:
    one = world(longestQuiet="30s", quiet="5s", timeout="1m")
    one.change = change()
    one.look(10)
    assert one.look(99).status is None
    assert one.look(100).runs
    assert one.state == "Open/Verifying/Pending"


def test_a_change_that_is_lost_while_it_settles_is_verified_in_the_end() -> None:
    one = world()
    one.change = change()
    one.look(10)
    one.change = None
    one.look(670)
    assert one.state == "Open/Verifying/Pending"


def test_a_change_is_verified_when_all_its_runs_have_passed() -> None:
    one = verifying("cart", "main")
    one.ran("cart", change_run("Passed"))
    one.ran("main", change_run())
    assert one.look(21).status is None
    one.ran("main", change_run("Passed"))
    plan = one.look(22)
    assert one.state == "Open/Verified/Passed"
    assert one.status.message == "2 probes pass after change chg-01"
    assert [(done.id, done.verdict) for done in plan.judged] == [(CHANGE, GateVerdict.PASSED)]
    assert (one.look(23).judged, one.look(999).runs) == ((), ())


def test_a_pass_from_before_the_rollout_was_over_is_no_verdict_on_it() -> None:
    """Such as of a probe whose own triggers run it when the rollout starts, or that an earlier gate had run."""
    one = World(gate(), {"main": bound(of=on_demand())}, workloads=[workload()])
    one.look(0)
    one.change, one.workloads = change(), [workload(template="t2", image="cart:2")]
    one.ran("main", change_run("Passed", created=20))
    one.look(22)
    assert one.state == "Open/Settling/Pending"
    one.change = change(settled=300)
    plan = one.look(300.5)
    assert one.state == "Open/Verifying/Pending"
    assert plan.runs == (RunAsked(CHANGE, "probes", "main", "", at(300.5)),)
    assert [good.images for good in one.status.last_good] == [{"app": "cart:1"}]
    one.ran("main", change_run("Passed", created=20), change_run("Passed", created=300))
    assert one.look(302).runs == ()
    assert one.state == "Open/Verified/Passed"
    assert [good.images for good in one.status.last_good] == [{"app": "cart:2"}]


def test_one_failed_run_is_enough_to_close() -> None:
    one = verifying("cart", "main")
    one.ran("main", change_run("Failed"))
    one.ran("cart", change_run())
    plan = one.look(21)
    assert one.state == "Closed/ProbeFailed/Failed"
    assert "probe probes/main failed" in one.status.message
    assert "run main-20: broken" in one.status.message
    assert [(done.id, done.verdict) for done in plan.judged] == [(CHANGE, GateVerdict.FAILED)]
    assert one.rolls_back


def test_a_probe_that_failed_for_a_change_recovers_by_its_schedule() -> None:
    one = verifying()
    one.ran("main", change_run("Failed"))
    one.says("main", "Failed", since=21, ended=21)
    one.look(21)
    one.says("main", "Passed", since=80, ended=80)
    assert one.look(80).runs == ()
    assert one.state == "Open/Recovered/Passed"
    assert one.status.change is not None
    assert one.status.change.verdict is GateVerdict.PASSED
    assert not one.rolls_back


def test_a_pass_elsewhere_mends_no_node() -> None:
    one = verifying()
    one.ran("main", change_run("Failed", node="n1"), change_run("Passed", node="n2"))
    one.look(22)
    assert one.status.closed_by == "probes/main"
    assert "run main-20 on node n1" in one.status.message
    one.says("main", "Passed", since=80, ended=80, passes=7)
    plan = one.look(80)
    assert one.state == "Closed/ProbeFailed/Failed"
    assert plan.runs == (RunAsked(CHANGE, "probes", "main", "n1", at(80)),)
    assert plan.wake_at == at(200)
    again = change_run("Passed", node="n1", created=81)
    one.ran("main", change_run("Failed", node="n1"), change_run("Passed", node="n2"), again)
    one.look(82)
    assert one.state == "Open/Recovered/Passed"


def test_what_failed_on_a_node_has_to_pass_there_whatever_changes_meanwhile() -> None:
    one = verifying()
    one.probes["main"] = bound(of=on_demand())
    one.ran("main", change_run("Failed", node="n1"), change_run("Passed", node="n2"))
    one.look(22)
    assert one.status.probes[0].nodes == ("n1",)
    one.change = change("chg-2", began=30)
    one.look(30)
    assert (one.state, one.status.probes[0].nodes) == ("Closed/Settling/Pending", ("n1",))
    one.change = change("chg-2", began=30, settled=40)
    plan = one.look(40)
    assert [asked.node for asked in plan.runs] == ["", "n1"]
    one.ran("main", change_run("Passed", created=41), change="chg-2")
    one.look(42)
    assert one.state == "Closed/Verifying/Pending"
    there = change_run("Passed", created=43, node="n1")
    one.ran("main", change_run("Passed", created=41), there, change="chg-2")
    one.look(44)
    assert one.state == "Open/Recovered/Passed"
    assert [probe.nodes for probe in one.status.probes] == [()]


def test_what_failed_on_a_node_has_to_pass_there_when_an_override_has_ended() -> None:
    one = verifying()
    one.ran("main", change_run("Failed", node="n1"))
    one.look(21)
    one.spec(override={"reason": "outage", "until": until(100)})
    one.look(22)
    assert [asked.node for asked in one.look(100).runs] == ["", "n1"]
    one.ran("main", change_run("Passed", created=101), change="")
    one.look(103)
    assert one.state == "Closed/Verifying/Pending"


def test_a_node_that_failed_is_forgotten_when_it_is_gone() -> None:
    one = verifying()
    one.ran("main", change_run("Failed", node="n1"))
    one.look(21)
    one.change, one.nodes = change("chg-2", began=30, settled=40), {"n2"}
    plan = one.look(40)
    assert [asked.node for asked in plan.runs] == [""]
    assert one.status.probes[0].nodes == ()


def test_a_node_that_is_gone_no_longer_closes_the_gate() -> None:
    one = verifying()
    one.ran("main", change_run("Failed", node="n1"))
    one.nodes = {"n1", "n2"}
    one.look(21)
    one.nodes = {"n2"}
    one.says("main", "Passed", since=25, ended=25)
    one.look(30)
    assert one.state == "Open/Recovered/Passed"


def test_a_run_on_a_new_node_that_fails_closes_before_the_rollout_is_over() -> None:
    one = world()
    one.change = change()
    one.look(10)
    one.ran("main", change_run("Failed", created=12, node="n1"))
    one.look(14)
    assert one.state == "Closed/Settling/Pending"
    assert one.status.closed_by == "probes/main"
    assert not one.rolls_back
    one.change = change(settled=30)
    one.look(30)
    assert one.state == "Closed/ProbeFailed/Failed"
    assert one.rolls_back


def test_a_failure_from_before_is_no_verdict_on_the_change() -> None:
    one = closed()
    one.change = change(settled=20)
    one.look(20)
    assert one.state == "Closed/Verifying/Pending"
    assert "probe probes/main failed" in one.status.message
    assert not one.rolls_back


def test_a_closed_gate_stays_closed_until_the_change_is_verified() -> None:
    one = closed()
    one.change = change()
    one.look(10)
    assert one.state == "Closed/Settling/Pending"
    one.says("main", "Passed", since=15, ended=15)
    one.look(15)
    assert one.state == "Closed/Settling/Pending"
    assert one.status.probes[0].message == "it passes, and counts as mended when the change is verified"
    one.change = change(settled=20)
    one.look(20)
    assert one.state == "Closed/Verifying/Pending"
    one.ran("main", change_run("Passed"))
    one.look(21)
    assert one.state == "Open/Recovered/Passed"
    assert one.status.since == at(21)


def test_a_probe_that_has_not_told_in_time_is_inconclusive() -> None:
    one = verifying(onInconclusive="Close")
    one.ran("main", change_run("Unknown"))
    one.look(619)
    assert one.state == "Open/Verifying/Pending"
    plan = one.look(620)
    assert one.state == "Closed/Inconclusive/Inconclusive"
    assert one.status.probes[0].message == "it did not tell within 10m how things are after change chg-01"
    assert [done.verdict for done in plan.judged] == [GateVerdict.INCONCLUSIVE]
    one.ran("main", change_run("Unknown"), change_run("Passed", created=1000))
    one.says("main", "Passed", ended=1001)
    one.look(1001)
    assert one.state == "Open/Recovered/Passed"
    assert one.status.change is not None
    assert one.status.change.verdict is GateVerdict.PASSED


def test_a_late_failure_is_one() -> None:
    one = verifying()
    one.look(620)
    assert one.state == "Open/Inconclusive/Inconclusive"
    one.ran("main", change_run("Failed", created=619))
    one.look(621)
    assert one.state == "Closed/ProbeFailed/Failed"
    assert one.rolls_back


def test_a_failure_hours_after_an_inconclusive_change_is_not_put_down_to_it() -> None:
    one = verifying()
    one.look(620)
    one.says("main", "Failed", since=9999, ended=9999)
    one.look(9999)
    assert one.state == "Closed/ProbeFailed/Failed"
    assert not one.rolls_back


def test_a_failure_after_a_verified_change_is_not_put_down_to_it() -> None:
    one = verifying()
    one.ran("main", change_run("Passed"))
    one.look(21)
    one.says("main", "Failed", since=99, ended=99)
    one.look(99)
    assert one.state == "Closed/ProbeFailed/Failed"
    assert not one.rolls_back
    one.says("main", "Passed", since=150, ended=150)
    one.look(150)
    assert one.state == "Open/Recovered/Passed"


def test_changes_during_a_verification_are_verified_once_more_together() -> None:
    one = world(probes={"namespaces": ["probes"]})
    one.workloads = [workload(image="cart:1")]
    one.look(1)
    one.change = change(settled=20)
    one.look(20)
    for number in (2, 3, 4):
        one.change = change(f"chg-{number}", began=20 + number, settled=40)
        one.look(20 + number)
        assert one.status.change is not None
        assert one.status.change.id == CHANGE
    one.workloads = [workload(template="t2", image="cart:2")]
    one.ran("main", change_run("Passed"))
    plan = one.look(50)
    assert one.state == "Open/Verifying/Pending"
    assert one.status.change is not None
    assert (one.status.change.id, one.status.verifying_since) == ("chg-4", at(50))
    assert plan.runs == (RunAsked("chg-4", "probes", "main", "", at(50)),)
    assert [(done.id, done.verdict) for done in plan.judged] == [(CHANGE, GateVerdict.PASSED)]
    assert [good.images for good in one.status.last_good] == [{"app": "cart:1"}]
    one.ran("main", change_run("Passed", created=51), change="chg-4")
    one.look(52)
    assert one.state == "Open/Verified/Passed"
    assert [good.images for good in one.status.last_good] == [{"app": "cart:2"}]


def test_a_failed_change_keeps_the_gate_closed_for_the_one_that_waited() -> None:
    one = verifying()
    one.change = change("chg-2", began=21)
    one.ran("main", change_run("Failed"))
    plan = one.look(22)
    assert one.state == "Closed/Settling/Pending"
    assert [done.verdict for done in plan.judged] == [GateVerdict.FAILED]
    one.change = change("chg-2", began=21, settled=30)
    one.look(30)
    one.ran("main", change_run("Passed", created=31), change="chg-2")
    one.look(32)
    assert one.state == "Open/Recovered/Passed"


def test_what_was_judged_before_the_present_change_is_remembered() -> None:
    """A Change that is not looked at in between would have the verdict on the next one else."""
    one = verifying()

    def judged() -> tuple[str, str] | None:
        told = one.status.judged_before
        return (told.id, told.verdict.value) if told is not None else None

    one.change = change("chg-2", began=21)
    assert (one.look(21).status, judged()) == (None, None)
    one.ran("main", change_run("Failed"))
    one.look(22)
    assert judged() == (CHANGE, "Failed")
    one.change = change("chg-3", began=23, settled=30)
    one.look(30)
    assert judged() == (CHANGE, "Failed"), "the second was not judged for itself"
    one.ran("main", change_run("Passed", created=31), change="chg-3")
    one.says("main", "Passed", ended=32)
    one.look(32)
    assert (one.state, judged()) == ("Open/Recovered/Passed", (CHANGE, "Failed"))
    one.change = change("chg-4", began=40)
    one.look(40)
    assert judged() == ("chg-3", "Passed")


def test_a_verified_change_does_not_open_a_closed_gate_while_another_one_waits() -> None:
    one = closed()
    one.change = change(settled=20)
    one.look(20)
    one.change = change("chg-2", began=25)
    one.says("main", "Passed", since=26, ended=26)
    one.ran("main", change_run("Passed"))
    plan = one.look(26)
    assert one.state == "Closed/Settling/Pending"
    assert [(done.id, done.verdict) for done in plan.judged] == [(CHANGE, GateVerdict.PASSED)]


def test_a_change_that_comes_while_another_settles_takes_its_place() -> None:
    one = world()
    one.change = change()
    one.look(10)
    one.change = change("chg-2", began=12)
    one.look(12)
    assert one.status.change is not None
    assert (one.state, one.status.change.id) == ("Open/Settling/Pending", "chg-2")
    assert one.status.change.since == at(10), "they settle together, in the time of the first"


def test_changes_that_come_one_into_the_other_do_not_keep_a_gate_from_looking() -> None:
    one = World(gate(timeout="60s", longestQuiet="10s"), {"main": bound()})
    for number in range(1, 8):
        one.change = change(f"chg-00{number}", began=10 * number)
        one.look(10 * number)
        assert one.state == "Open/Settling/Pending"
    one.change = change("chg-008", began=80)
    one.look(80)
    assert one.state == "Open/Verifying/Pending"


def test_what_changed_before_the_gate_is_none_of_its_business() -> None:
    one = World(gate(), {"main": bound()}, change=change(began=-5, settled=0))
    one.look(0)
    assert one.state == "Open/Idle/Passed"


def test_an_older_change_that_comes_to_light_is_not_gone_back_to() -> None:
    one = verifying()
    one.ran("main", change_run("Passed"))
    one.look(21)
    one.change = change("chg-0", began=5, settled=6)
    assert one.look(22).status is None


def test_a_change_while_no_operator_was_there_is_verified_and_the_gate_stays_closed() -> None:
    one = closed()
    one.probes["main"] = bound(verdict="Passed", since=3000, ended=3000)
    one.change = change(began=3600, settled=3600)
    one.look(3605)
    assert one.state == "Closed/Verifying/Pending"


def test_without_verify_on_change_a_change_is_judged_by_what_the_probes_come_to_themselves() -> None:
    one = verifying("main", "cart", verifyOnChange=False)
    assert one.look(21).runs == ()
    one.says("main", "Passed", ended=60, took=2)
    one.look(60)
    assert one.state == "Open/Verifying/Pending"
    one.says("cart", "Failed", since=61, ended=61)
    one.look(61)
    assert one.state == "Closed/ProbeFailed/Failed"
    assert one.rolls_back


def test_a_change_that_no_probe_tells_of_is_inconclusive_at_once() -> None:
    one = world()
    one.probes = {}
    one.change = change(settled=20)
    one.look(20)
    assert one.state == "Open/NoProbes/Inconclusive"
    one.probes = {"main": bound(runs=[change_run("Passed", created=30)])}
    one.look(31)
    assert one.state == "Open/Verified/Passed"


def test_a_closed_gate_whose_probes_are_gone_stays_closed_through_a_change() -> None:
    one = closed()
    one.probes, one.change = {}, change()
    one.look(10)
    assert one.state == "Closed/Settling/Pending"
    assert "no probe is left that closed it" in one.status.message


def test_no_run_is_asked_for_in_a_window_that_pauses_them_and_one_when_it_is_over() -> None:
    window = [{"cron": "0 12 * * *", "duration": "30m", "runs": "Pause"}]
    one = world()
    paused = on_demand(maintenance=window)
    one.probes["main"] = bound(of=paused)
    one.change = change(settled=20)
    plan = one.look(20)
    assert (one.state, plan.runs) == ("Open/Inconclusive/Inconclusive", ())
    assert one.status.probes[0].reason == "Maintenance"
    assert one.look(620).wake_at == at(1800)
    one.probes["main"] = replace(bound(of=paused), skipped=skips(paused, None, at(1800)))
    assert [asked.name for asked in one.look(1800).runs] == ["main"]
    one.ran("main", change_run("Passed", created=1800))
    one.look(1802)
    assert one.state == "Open/Verified/Passed"


# Hold and override


def test_hold_closes_and_its_end_opens() -> None:
    one = world(hold={"reason": "quarter's end"})
    assert one.state == "Closed/Hold/Passed"
    assert one.status.message.startswith("spec.hold keeps it closed: quarter's end; it opens when spec.hold is removed")
    assert one.status.closed_by == ""
    one.spec(hold=None)
    one.look(5)
    assert one.state == "Open/Idle/Passed"


def test_override_goes_before_hold_and_hold_before_the_verdict() -> None:
    one = closed()
    token = one.status.closure_id
    one.spec(hold={"reason": "freeze"})
    one.look(6)
    assert (one.state, one.status.since) == ("Closed/Hold/Failed", at(6))
    assert one.status.closure_id not in ("", token)
    one.spec(override={"reason": "outage", "until": until(100)})
    plan = one.look(7)
    assert (one.state, plan.wake_at) == ("Open/Override/Failed", at(100))
    assert one.status.message == "spec.override keeps it open until 2026-03-01 12:01:40Z: outage"
    assert (one.status.closure_id, one.status.closed_by) == ("", "")


def test_no_closure_has_the_name_of_an_earlier_one() -> None:
    one = closed()
    names = [one.status.closure_id]
    for second, reason in enumerate(("freeze", "audit", "freeze", None), start=6):
        one.spec(hold={"reason": reason} if reason else None)
        one.look(second)
        assert one.look(second + 0.5).status is None
        names.append(one.status.closure_id)
        one.says("main", "Passed" if second == 6 else "Failed", since=second)
    assert len(set(names)) == 5
    assert one.state == "Closed/ProbeFailed/Failed"


def test_under_hold_what_the_probes_say_is_still_followed() -> None:
    one = world(hold={"reason": "freeze"}, successThreshold=2)
    one.says("main", "Failed", since=5)
    one.look(5)
    one.says("main", "Passed", since=60, passes=1)
    one.look(60)
    one.spec(hold=None)
    one.look(61)
    assert one.state == "Closed/ProbeFailed/Failed"


@pytest.mark.parametrize("early", [False, True])
def test_when_an_override_ends_the_probes_are_asked_anew(early: bool) -> None:
    one = closed()
    one.spec(override={"reason": "outage", "until": until(100)})
    one.look(6)
    one.says("main", "Passed", since=50, ended=50)
    one.look(50)
    assert one.state == "Open/Override/Passed"
    if early:
        one.spec(override=None)
    plan = one.look(100)
    assert one.state == "Open/Verifying/Pending"
    assert plan.runs == (RunAsked("", "probes", "main", "", at(100)),)
    assert one.status.message == "the present state is being verified by 1 probe"
    one.ran("main", change_run("Failed", created=101), change="")
    one.look(103)
    assert one.state == "Closed/ProbeFailed/Failed"
    assert ("spec.override ended at" in one.status.message) is not early
    assert not one.rolls_back
    one.ran("main", change_run("Passed", created=101), change="")
    one.look(104)
    assert one.state == "Open/Recovered/Passed"


def test_runs_from_before_do_not_tell_of_the_time_after_an_override() -> None:
    one = closed()
    one.spec(override={"reason": "outage", "until": until(100)})
    one.look(6)
    one.says("main", "Passed", since=50, ended=50)
    one.look(50)
    one.ran("main", change_run("Failed", created=40), change="")
    one.look(100)
    assert one.state == "Open/Verifying/Pending"
    one.ran("main", change_run("Failed", created=40), change_run("Passed", created=100), change="")
    one.look(102)
    assert one.state == "Open/Verified/Passed"
    assert one.status.message == "1 probe passes"


def test_a_verification_goes_on_under_an_override() -> None:
    one = verifying()
    one.spec(override={"reason": "outage", "until": until(30)})
    one.look(21)
    one.ran("main", change_run("Failed"))
    plan = one.look(22)
    assert one.state == "Open/Override/Failed"
    assert [done.verdict for done in plan.judged] == [GateVerdict.FAILED]
    assert not one.rolls_back


def test_a_change_in_progress_at_the_end_of_an_override_is_verification_enough() -> None:
    one = verifying()
    one.spec(override={"reason": "outage", "until": until(30)})
    one.look(21)
    one.look(30)
    assert one.status.change is not None
    assert (one.state, one.status.change.id) == ("Open/Verifying/Pending", CHANGE)


def test_an_override_that_is_over_when_it_is_set_opens_nothing() -> None:
    one = closed()
    one.spec(override={"reason": "outage", "until": until(5)})
    one.look(6)
    assert one.state == "Closed/ProbeFailed/Failed"
    assert "(spec.override ended at 2026-03-01 12:00:05Z)" in one.status.message


# A status edited by hand


@pytest.mark.parametrize(
    "edit",
    [
        {"phase": "Open", "closureID": "", "reason": "Idle"},
        {"closureID": "cls-mine"},
        {"reason": "Override", "phase": "Open", "closureID": ""},
        {"reason": "Verified"},
        {"verdict": "Passed"},
        {"probes": []},
        {"closedBy": "probes/other"},
        {"message": "all is well"},
        {"conditions": []},
        {"observedGeneration": 7},
        {"moreProbes": 3},
        {"change": {"id": "chg-x", "count": 3, "since": at(1).isoformat(), "verdict": "Failed"}},
    ],
)
def test_a_status_edited_by_hand_is_put_right(edit: dict[str, Any]) -> None:
    one = closed()
    body = one.status.model_dump(by_alias=True, exclude_none=True, mode="json")
    one.gate = gate(status={**body, **edit})
    assert one.look(7).status is not None
    assert one.status.phase.value == "Closed"
    assert one.status.closed_by == "probes/main"
    assert one.look(8).status is None
    assert not one.rolls_back


def edited(one: World, **edit: Any) -> None:
    """Somebody writes something else into the gate's status."""
    body = one.status.model_dump(by_alias=True, exclude_none=True, mode="json")
    one.gate = gate(status={**body, **edit})


def test_a_change_that_nobody_made_does_not_keep_a_gate_from_the_next_one() -> None:
    one = verifying()
    edited(one, change={"id": "chg-zzz", "since": until(10), "verdict": "Passed"})
    one.change = change("chg-02", began=30, settled=30)
    one.look(30)
    assert one.state == "Open/Verifying/Pending"
    assert one.status.change is not None
    assert one.status.change.id == "chg-02"


def test_a_change_that_nobody_made_is_forgotten_before_there_is_another_one() -> None:
    """Whoever announces one must not be told at once that it has passed."""
    one = world()
    edited(one, change={"id": "chg-zzz", "since": until(10), "verdict": "Passed"})
    one.look(20)
    assert (one.state, one.status.change) == ("Open/Idle/Passed", None)


def test_a_change_that_a_clock_has_made_which_ran_ahead_is_verified_once() -> None:
    one = world()
    one.change = change("chg-zzz", began=9000, settled=9000)
    one.look(20)
    assert one.state == "Open/Settling/Pending"
    one.change = change("chg-zzz", began=9000, settled=15)
    one.look(21)
    assert one.status.verifying_since == at(21)
    one.ran("main", change_run("Passed", created=22), change="chg-zzz")
    one.look(23)
    assert one.state == "Open/Verified/Passed"
    assert one.look(24).status is None


NEVER = "9999-12-31T23:59:59Z"


def test_a_verification_that_is_said_to_begin_in_times_to_come_begins_now() -> None:
    one = verifying()
    edited(one, verifyingSince=NEVER)
    one.look(22)
    assert (one.state, one.status.verifying_since) == ("Open/Verifying/Pending", at(22))


def test_a_change_that_is_said_to_have_begun_in_times_to_come_began_now() -> None:
    one = world()
    edited(one, change={"id": CHANGE, "since": NEVER, "verdict": "Pending"})
    one.look(22)
    one.look(22 + 60 + 600)
    assert (one.state, one.status.verifying_since) == ("Open/Verifying/Pending", at(22 + 60 + 600))


def test_a_gate_closed_by_hand_opens() -> None:
    one = world()
    body = one.status.model_dump(by_alias=True, exclude_none=True, mode="json")
    one.gate = gate(status={**body, "phase": "Closed", "closureID": "cls-x", "reason": "ProbeFailed"})
    one.look(7)
    assert one.state == "Open/Idle/Passed"


def test_an_answer_from_the_status_alone_is_no_order_to_roll_back() -> None:
    assert not rolls_back(ChangeGateStatus(), None)
    assert not rolls_back(ChangeGateStatus(), change())


def test_only_the_newest_change_is_rolled_back() -> None:
    one = verifying()
    one.ran("main", change_run("Failed"))
    one.look(21)
    assert rolls_back(one.status, change())
    assert not rolls_back(one.status, change("chg-2"))
    assert not rolls_back(one.status, None)


# What it remembers


def test_good_images_are_taken_down_when_all_is_well_and_nothing_changes() -> None:
    one = World(gate(), {"main": bound()}, workloads=[workload()])
    one.look(0)
    (good,) = one.status.last_good
    assert (good.namespace, good.kind.value, good.name, good.images) == (
        "shop",
        "Deployment",
        "cart",
        {"app": "cart:1"},
    )
    one.change, one.workloads = change(settled=20), [workload(template="t2", image="cart:2")]
    one.look(20)
    assert (one.status.last_good[0].images, one.status.last_good[0].changed) == ({"app": "cart:1"}, True)
    one.ran("main", change_run("Failed"))
    one.look(21)
    assert "going back to the last good images passes, and a change with the annotation" in one.status.message
    one.change, one.workloads = change("chg-2", began=30, settled=40), [workload()]
    one.look(40)
    assert one.status.last_good[0].changed is False
    one.ran("main", change_run("Passed", created=41), change="chg-2")
    one.look(42)
    assert one.state == "Open/Recovered/Passed"
    assert one.status.last_good[0].images == {"app": "cart:1"}


def test_images_are_not_taken_down_while_they_are_not_known() -> None:
    one = World(gate(), {"main": bound()}, workloads=[workload()])
    one.look(0)
    one.workloads = None
    one.spec(enforcement="Warn")
    one.look(1)
    assert len(one.status.last_good) == 1


def test_another_scope_has_other_images() -> None:
    one = World(gate(), {"main": bound()}, workloads=[workload()])
    one.look(0)
    one.gate = gate(status=one.status, metadata={"generation": 2})
    one.workloads = [workload("pay")]
    one.look(1)
    assert [good.name for good in one.status.last_good] == ["pay"]


def test_of_many_probes_those_that_close_the_gate_are_named() -> None:
    names = [f"p{number:02}" for number in range(60)]
    one = World(gate(), {name: bound(name) for name in names})
    one.says("p59", "Failed", since=3)
    one.says("p58", "Unknown")
    one.look(5)
    assert [probe.name for probe in one.status.probes][:3] == ["p59", "p58", "p00"]
    assert (len(one.status.probes), one.status.more_probes) == (50, 10)


def test_what_came_of_trying_to_pass_is_told() -> None:
    one = world()
    enforced = {found.type: found for found in one.status.conditions}["Enforced"]
    assert (enforced.status, enforced.reason) == ("Unknown", "NotTried")
    one.proof = Proof(denied=True)
    one.look(1)
    enforced = {found.type: found for found in one.status.conditions}["Enforced"]
    assert (enforced.status, enforced.last_transition_time) == ("True", at(1))


# When to look again


def test_a_prober_that_is_awaited_is_listened_for() -> None:
    resident = config("main", mode="Resident", schedule=None, resident={"interval": "10s", "failures": 3})
    one = World(gate(), {"main": bound(of=resident, heard=0)})
    one.look(0)
    one.change = change(settled=20)
    plan = one.look(20)
    assert (plan.runs, plan.wake_at) == ((), at(20 + 40))
    assert one.look(60).wake_at == at(65)
    one.probes["main"] = bound(of=resident, heard=61)
    one.look(62)
    assert one.state == "Open/Verified/Passed"


def test_an_override_is_looked_at_when_it_ends() -> None:
    one = world(override={"reason": "r", "until": until(50)})
    assert one.look(1).wake_at == at(50)


def test_a_probe_run_only_when_asked_is_asked_until_it_passes_often_enough() -> None:
    one = verifying(successThreshold=2)
    one.probes["main"] = bound(of=on_demand(), runs=[change_run("Failed")])
    one.look(21)
    assert one.look(79).runs == ()
    assert [asked.at for asked in one.look(80).runs] == [at(80)]
    runs = [change_run("Failed"), change_run("Passed", created=80)]
    one.probes["main"] = bound(of=on_demand(), runs=runs, ended=81)
    one.look(82)
    assert one.state == "Closed/ProbeFailed/Failed"
    assert [asked.at for asked in one.look(200).runs] == [at(200)]
    runs.append(change_run("Passed", created=200))
    one.probes["main"] = bound(of=on_demand(), runs=runs, ended=201, passes=2)
    one.look(202)
    assert one.state == "Open/Recovered/Passed"


def test_an_answer_that_is_yet_to_follow_a_run_is_waited_for() -> None:
    one = verifying()
    one.probes["main"] = bound(verdict="Unknown", runs=[change_run("Passed")])
    one.look(22)
    assert one.state == "Open/Verifying/Pending"
    assert one.status.probes[0].verdict.value == "Unknown"
    one.probes["main"] = bound(runs=[change_run("Passed")])
    one.look(23)
    assert one.state == "Open/Verified/Passed"

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.builders import config, on_demand
from tests.unit.plan.gates import CHANGE, at, bound, change_run, gate

from kubeprobe.api import GateChange, GateProbe, GateVerdict, Verdict
from kubeprobe.plan.gate_course import Course
from kubeprobe.plan.gate_entry import View
from kubeprobe.plan.gate_probe import Bound, stance, trial
from kubeprobe.plan.gate_runs import Asked, asked, round_of
from kubeprobe.plan.gate_seat import seats

PASS, FAIL, LOST, GOING = (change_run(verdict) for verdict in ("Passed", "Failed", "Unknown", None))
EARLY = change_run("Passed", created=15)


@pytest.mark.parametrize(
    ("seconds", "began", "following"),
    [(0, 0, 60), (59, 0, 60), (60, 60, 180), (180, 180, 420), (419, 180, 420), (420, 420, 900), (900, 900, 1500),
     (1499, 900, 1500), (1500, 1500, 2100), (86400, 86100, 86700), (-5, 0, 60)],
)  # fmt: skip
def test_rounds_come_more_and_more_seldom(seconds: float, began: float, following: float) -> None:
    assert round_of(at(0), at(seconds)) == (at(began), at(following))


def wanted(
    one: Bound, seconds: float = 30, *, verdict: str = "Pending", closes: bool = False, threshold: int = 1, **spec: Any
) -> Asked:
    """What is asked for of one probe, of a change that is verified since second 20."""
    course = Course(GateChange(id=CHANGE, since=at(10), verdict=GateVerdict(verdict)), at(20))
    whole = gate(successThreshold=threshold, **spec).spec
    now_is, places = stance(one, None, at(seconds)), seats(one.runs, course.change, None)
    view = View(one, now_is, trial(one, now_is, places, course, whole), places)
    told = GateProbe(namespace="probes", name="main", verdict=Verdict.FAILED, closes=closes)
    return asked(course, [view], [told], whole, at(seconds))


ASKS = bound(of=on_demand())


@pytest.mark.parametrize(
    ("one", "more", "nodes"),
    [
        pytest.param(bound(), {}, [""], id="at first"),
        pytest.param(bound(due={CHANGE}), {}, [], id="its own triggers see to that"),
        pytest.param(bound(runs=[GOING]), {"seconds": 999}, [], id="one goes on"),
        pytest.param(bound(runs=[PASS]), {}, [], id="it passed"),
        pytest.param(bound(runs=[EARLY]), {}, [""], id="it passed before the change had come to rest"),
        pytest.param(bound(of=on_demand(), runs=[EARLY]), {}, [""], id="one without a schedule, too"),
        pytest.param(bound(runs=[EARLY, GOING]), {}, [], id="and runs once more"),
        pytest.param(bound(runs=[change_run("Passed", created=15, node="n1")]), {}, [], id="on a node with new pods"),
        pytest.param(bound(runs=[LOST]), {"seconds": 79}, [], id="it could not tell, and has had this round"),
        pytest.param(bound(runs=[LOST]), {"seconds": 80}, [""], id="in the next round"),
        pytest.param(bound(runs=[FAIL]), {"seconds": 80, "verdict": "Failed", "closes": True}, [], id="its schedule"),
        pytest.param(
            bound(of=on_demand(), runs=[FAIL]),
            {"seconds": 80, "verdict": "Failed", "closes": True},
            [""],
            id="it has none",
        ),
        pytest.param(
            bound(runs=[change_run("Failed", node="n1"), change_run("Passed", node="n2")]),
            {"seconds": 80, "verdict": "Failed", "closes": True},
            ["n1"],
            id="on the node that failed",
        ),
        pytest.param(
            bound(of=on_demand(), runs=[PASS]),
            {"seconds": 80, "verdict": "Passed", "closes": True, "threshold": 3},
            [""],
            id="it has to pass more often",
        ),
        pytest.param(
            bound(runs=[PASS]),
            {"seconds": 80, "verdict": "Passed", "closes": True, "threshold": 3},
            [],
            id="its schedule sees to that",
        ),
        pytest.param(
            bound(of=on_demand(), verdict="Failed"),
            {"seconds": 80, "verdict": "Passed", "closes": True},
            [""],
            id="later",
        ),
        pytest.param(
            bound("main", "Failed"),
            {"seconds": 80, "verdict": "Passed", "closes": True},
            [],
            id="later, by its schedule",
        ),
        pytest.param(
            bound("main", "Unknown", runs=[PASS]), {"seconds": 80}, [], id="its answer follows by its schedule"
        ),
        pytest.param(bound(verdict="Unknown", of=on_demand(), runs=[PASS]), {"seconds": 80}, [""], id="or by a run"),
        pytest.param(bound(verdict="Passed"), {"seconds": 80, "verdict": "Passed"}, [], id="all is well"),
        pytest.param(bound(), {"verifyOnChange": False}, [], id="not to be run"),
        pytest.param(bound(of=config(suspend=True)), {}, [], id="suspended"),
        pytest.param(
            bound(of=on_demand(), runs=[FAIL, change_run("Passed", created=80)]),
            {"seconds": 100, "verdict": "Failed", "closes": True, "threshold": 2},
            [],
            id="one in each round",
        ),
    ],
)
def test_which_runs_are_asked_for(one: Bound, more: dict[str, Any], nodes: list[str]) -> None:
    found = wanted(one, **more)
    assert [run.node for run in found.runs] == nodes
    assert {(run.change_id, run.namespace, run.name) for run in found.runs} <= {(CHANGE, "probes", "main")}


def test_a_run_is_called_after_its_round_however_often_it_is_asked_for() -> None:
    assert [run.at for second in (20, 30, 79) for run in wanted(ASKS, second).runs] == [at(20)] * 3
    assert [run.at for run in wanted(ASKS, 80).runs] == [at(80)]
    assert wanted(ASKS, 30).next_at == at(80)


def test_nothing_is_asked_for_while_nothing_is_verified() -> None:
    spec = gate().spec
    assert asked(None, [], [], spec, at(30)) == Asked()
    settling = Course(GateChange(id=CHANGE, since=at(10)), None)
    assert asked(settling, [], [], spec, at(30)) == Asked()

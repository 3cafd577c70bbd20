from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.builders import config, on_demand
from tests.unit.plan.gates import CHANGE, at, bound, change_run, gate

from kubeprobe.api import Duration, GateChange, ProbeConfig, Verdict
from kubeprobe.plan.change_runs import Skipped
from kubeprobe.plan.gate_course import Course
from kubeprobe.plan.gate_probe import Bound, Evidence, Trial, passes_enough, stance, trial, turn_seconds
from kubeprobe.plan.gate_seat import seats

AWAITED, PASSED, FAILED, UNKNOWN = Evidence.AWAITED, Evidence.PASSED, Evidence.FAILED, Evidence.UNKNOWN


def resident(**more: Any) -> ProbeConfig:
    return config("main", mode="Resident", schedule=None, resident={"interval": "1s", **more})


# How its target is


@pytest.mark.parametrize(
    ("one", "freshness", "seconds", "verdict", "reason"),
    [
        pytest.param(bound(verdict=None), None, 5, "Unknown", "Pending", id="no answer"),
        pytest.param(bound(verdict="Unknown"), None, 5, "Unknown", "Stale", id="unknown, with its reason"),
        pytest.param(bound(verdict="Unknown", reason=""), None, 5, "Unknown", "Pending", id="unknown without one"),
        pytest.param(bound(), None, 9999, "Passed", "Passed", id="no limit"),
        pytest.param(bound(freshUntil=at(50)), None, 49, "Passed", "Passed", id="fresh"),
        pytest.param(bound(verdict="Failed", freshUntil=at(50)), None, 50, "Unknown", "Stale", id="out of date"),
        pytest.param(bound(ended=20), "30s", 49, "Passed", "Passed", id="young enough"),
        pytest.param(bound(ended=20), "30s", 50, "Unknown", "Stale", id="too old"),
        pytest.param(bound(ended=20, freshUntil=at(45)), "30s", 45, "Unknown", "Stale", id="the earlier one"),
        pytest.param(bound(of=resident(), heard=90), "30s", 100, "Passed", "Passed", id="heard lately"),
        pytest.param(bound(of=resident(), heard=60), "30s", 90, "Unknown", "Stale", id="not heard for too long"),
        pytest.param(
            bound(of=resident(), lastRun=None), "30s", 90, "Passed", "Passed", id="not heard, as after a start"
        ),
    ],
)
def test_an_answer_is_believed_while_it_is_fresh(
    one: Bound, freshness: str | None, seconds: float, verdict: str, reason: str
) -> None:
    found = stance(one, Duration(freshness) if freshness else None, at(seconds))
    assert (found.verdict.value, found.reason) == (verdict, reason)


def test_when_an_answer_is_out_of_date_is_said() -> None:
    found = stance(bound(verdict="Failed", freshUntil=at(50)), None, at(99))
    assert found.message == "its answer, Failed, has been out of date since 2026-03-01 12:00:50Z"
    assert (found.since, found.ends_at) == (at(50), None)
    assert stance(bound(freshUntil=at(50)), None, at(0)).ends_at == at(50)


# What it came to after a change, which is verified since second 20


def tried(one: Bound, *, verifying: float | None = 20, **spec: Any) -> Trial:
    now_is = stance(one, None, at(500))
    course = Course(GateChange(id=CHANGE, since=at(10)), at(verifying) if verifying is not None else None)
    return trial(one, now_is, seats(one.runs, course.change, None), course, gate(**spec).spec)


PAUSED = Skipped("Maintenance", "a maintenance window is open", at(600))
PASS, FAIL, LOST, GOING = change_run("Passed"), change_run("Failed"), change_run("Unknown"), change_run()
EARLY = change_run("Passed", created=19)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        pytest.param(bound(), AWAITED, id="not run yet"),
        pytest.param(bound(runs=[GOING]), AWAITED, id="running"),
        pytest.param(bound(runs=[PASS]), PASSED, id="passed"),
        pytest.param(bound(runs=[FAIL]), FAILED, id="failed"),
        pytest.param(bound(runs=[LOST]), AWAITED, id="could not tell"),
        pytest.param(bound(ended=60, took=30, runs=[LOST]), PASSED, id="its schedule told instead"),
        pytest.param(bound(ended=60, took=50, runs=[LOST]), AWAITED, id="by a run from before"),
        pytest.param(bound(ended=60, runs=[GOING]), AWAITED, id="the one for the change goes on"),
        pytest.param(bound(ended=60), PASSED, id="its runs are gone by now"),
        pytest.param(bound(verdict="Failed", ended=60, runs=[GOING]), FAILED, id="its schedule found the failure"),
        pytest.param(bound(verdict="Failed", ended=15, runs=[GOING]), AWAITED, id="failed before"),
        pytest.param(bound(verdict="Failed", ended=15, runs=[PASS]), AWAITED, id="passed once, and that is not enough"),
        pytest.param(bound(ended=60, outcome="Failed"), AWAITED, id="failed once, and that is not enough"),
        pytest.param(bound(ended=60, history=[]), AWAITED, id="no word of its runs"),
        pytest.param(bound(verdict="Unknown", runs=[PASS]), AWAITED, id="the answer is to follow"),
        pytest.param(bound(verdict=None, runs=[FAIL]), FAILED, id="failed, before there is an answer"),
        pytest.param(bound(ended=60, runs=[FAIL]), PASSED, id="failed, and passed since"),
        pytest.param(bound(ended=15, passes=3, runs=[FAIL]), FAILED, id="failed after it had passed"),
        pytest.param(bound(verdict="Unknown", ended=60, runs=[FAIL]), FAILED, id="failed, and cannot tell since"),
        pytest.param(bound(of=config(suspend=True)), UNKNOWN, id="suspended"),
        pytest.param(bound(of=config(suspend=True), runs=[LOST]), UNKNOWN, id="suspended after it could not tell"),
        pytest.param(bound(skipped=PAUSED), UNKNOWN, id="in a window that pauses its runs"),
        pytest.param(bound(skipped=PAUSED, runs=[GOING]), AWAITED, id="one goes on that began before the window"),
        pytest.param(bound(skipped=PAUSED, runs=[PASS]), PASSED, id="passed before the window"),
        pytest.param(bound(skipped=PAUSED, ended=60), PASSED, id="passed by its schedule before the window"),
        pytest.param(bound(skipped=PAUSED, runs=[FAIL]), FAILED, id="failed before the window"),
        pytest.param(bound(of=config(suspend=True), runs=[FAIL]), FAILED, id="suspended after it had failed"),
        pytest.param(bound(runs=[PASS], due={CHANGE}), AWAITED, id="passed, and is to be run elsewhere too"),
        pytest.param(bound(runs=[FAIL], due={CHANGE}), FAILED, id="failed, wherever else it is to be run"),
        pytest.param(bound(runs=[PASS], due={"chg-2"}), PASSED, id="is to be run for another change"),
        pytest.param(bound(of=on_demand(), runs=[PASS]), PASSED, id="run only when asked"),
        pytest.param(bound(runs=[EARLY]), AWAITED, id="passed before the change had come to rest"),
        pytest.param(bound(runs=[EARLY, PASS]), PASSED, id="and since"),
        pytest.param(bound(runs=[EARLY], ended=60), PASSED, id="and by its schedule since"),
        pytest.param(bound(runs=[EARLY, LOST]), AWAITED, id="and could not tell since"),
        pytest.param(bound(runs=[change_run("Failed", created=15), EARLY]), AWAITED, id="failed and passed before"),
        pytest.param(bound(runs=[change_run("Failed", created=15)]), FAILED, id="failed before, for the change"),
        pytest.param(
            bound(runs=[change_run("Passed", created=15, node="n1")]), PASSED, id="passed where new pods were ready"
        ),
        pytest.param(bound(of=resident(), heard=21.9), AWAITED, id="a prober that could not have told yet"),
        pytest.param(bound(of=resident(), heard=22), PASSED, id="a prober that would have told by now"),
        pytest.param(bound("main", "Failed", of=resident(), heard=22.5), FAILED, id="a prober that tells"),
        pytest.param(bound(of=resident()), AWAITED, id="a prober that was not heard"),
        pytest.param(bound(of=resident(), heard=90, runs=[LOST]), PASSED, id="a prober that somebody wanted run"),
    ],
)
def test_what_a_probe_came_to_after_a_change(one: Bound, expected: Evidence) -> None:
    assert tried(one).evidence is expected


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        pytest.param(bound(ended=60), PASSED, id="by its schedule"),
        pytest.param(bound(ended=15), AWAITED, id="not yet"),
        pytest.param(bound("main", "Failed", ended=60), FAILED, id="it fails"),
        pytest.param(bound(of=on_demand()), PASSED, id="one that nobody runs stands as it is"),
        pytest.param(
            bound("main", "Failed", of=on_demand()), UNKNOWN, id="and is no verdict on the change if it fails"
        ),
        pytest.param(bound(runs=[FAIL]), FAILED, id="a run that a trigger started"),
    ],
)
def test_what_a_probe_came_to_that_is_not_run_for_changes(one: Bound, expected: Evidence) -> None:
    assert tried(one, verifyOnChange=False).evidence is expected


def test_while_a_change_settles_only_a_failed_run_tells() -> None:
    assert tried(bound(runs=[PASS]), verifying=None).evidence is AWAITED
    assert tried(bound(runs=[FAIL]), verifying=None).evidence is FAILED


def test_a_run_that_begins_within_the_second_of_rest_counts() -> None:
    assert tried(bound(runs=[PASS]), verifying=20.9).evidence is PASSED
    assert tried(bound(runs=[PASS]), verifying=21).evidence is AWAITED


def test_every_node_has_to_pass() -> None:
    first, second = change_run("Passed", node="n1"), change_run("Passed", node="n2")
    assert tried(bound(runs=[first, second])).evidence is PASSED
    assert tried(bound(runs=[first, change_run(node="n2")])).evidence is AWAITED
    assert tried(bound(ended=99, passes=9, runs=[first, change_run("Failed", node="n2")])).evidence is FAILED


def test_after_a_failure_as_many_passes_are_needed_as_the_threshold_says() -> None:
    runs = [change_run("Failed", node="n1"), change_run("Passed", node="n1", created=30)]
    assert tried(bound(runs=runs), successThreshold=2).evidence is FAILED
    runs.append(change_run("Passed", node="n1", created=40))
    assert tried(bound(runs=runs), successThreshold=2).evidence is PASSED
    assert tried(bound(ended=60, passes=1, runs=[FAIL]), successThreshold=2).evidence is FAILED
    assert tried(bound(ended=60, passes=2, runs=[FAIL]), successThreshold=2).evidence is PASSED


def test_a_failure_names_its_run_and_node_and_dates_from_the_first() -> None:
    again = change_run("Failed", node="n1", created=40)
    found = tried(bound(runs=[change_run("Failed", node="n1"), again]))
    assert (found.reason, found.message) == ("CheckFailed", "run main-40 on node n1: broken")
    assert (found.since, found.by_run) == (at(21), True)
    bare = again.model_copy(update={"status": again.status.model_copy(update={"message": ""})})
    assert tried(bound(runs=[bare])).message == "run main-40 on node n1"
    assert not tried(bound("main", "Failed", ended=60)).by_run


def test_what_a_suspended_probe_says_is_why() -> None:
    found = tried(bound(of=config(suspend=True)))
    assert (found.reason, found.message) == ("Suspended", "spec.suspend of the ProbeConfig is true")


def test_a_prober_sees_to_its_passes_itself() -> None:
    passed = stance(bound(passes=1), None, at(0))
    assert passed.verdict is Verdict.PASSED
    assert not passes_enough(bound(), passed, 2)
    assert passes_enough(bound(), passed, 1)
    assert passes_enough(bound(of=resident()), passed, 2)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, 1 + 1),
        ({"failures": 3, "successes": 2, "timeout": "500ms"}, 3 + 0.5),
        ({"successes": 5}, 5 + 1),
        ({"window": 20, "ratio": 0.5}, 20 + 1),
        ({"interval": "1m"}, 60 + 10),
        ({"interval": "5s"}, 5 + 5),
    ],
)
def test_how_long_a_prober_may_take_to_tell(more: dict[str, Any], expected: float) -> None:
    spec = resident(**more).spec.resident
    assert spec is not None
    assert turn_seconds(spec) == pytest.approx(expected)


def test_what_can_be_run_when_asked() -> None:
    found = [bound(of=of).runnable for of in (config(), on_demand(), resident(), config(suspend=True))]
    assert found == [True, True, False, False]
    assert not bound(of=on_demand(), skipped=PAUSED).runnable

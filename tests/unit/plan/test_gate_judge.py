from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.gates import CHANGE, at, bound, change_run, gate

from kubeprobe.api import GateChange, GateVerdict
from kubeprobe.plan.gate_course import Course
from kubeprobe.plan.gate_judge import Judgement, judge, timeout_at
from kubeprobe.plan.gate_probe import Bound

PASS, FAIL, GOING = (change_run(verdict) for verdict in ("Passed", "Failed", None))
CLOSED_BY_MAIN = {"namespace": "probes", "name": "main", "verdict": "Failed", "closes": True}


def course(verdict: str = "Pending", verifying: float | None = 20) -> Course:
    change = GateChange(id=CHANGE, since=at(10), verdict=GateVerdict(verdict))
    return Course(change, at(verifying) if verifying is not None else None)


def judged(
    of: Course | None, *probes: Bound, seconds: float = 30, waiting: bool = False, status: Any = None, **spec: Any
) -> Judgement:
    return judge(gate(status=status, **spec), probes, of, None, at(seconds), waiting=waiting)


def said(found: Judgement) -> tuple[bool, str, str, str | None]:
    change = found.course.change.verdict.value if found.course is not None else None
    return (found.closed, found.reason.value, found.verdict.value, change)


@pytest.mark.parametrize(
    ("of", "probe", "seconds", "expected"),
    [
        pytest.param(None, bound(), 30, (False, "Idle", "Passed", None), id="nothing changed"),
        pytest.param(None, bound(verdict="Failed"), 30, (True, "ProbeFailed", "Failed", None), id="and it fails"),
        pytest.param(course(verifying=None), bound(), 30, (False, "Settling", "Pending", "Pending"), id="settles"),
        pytest.param(course(), bound(runs=[GOING]), 30, (False, "Verifying", "Pending", "Pending"), id="is verified"),
        pytest.param(course(), bound(runs=[PASS]), 30, (False, "Verified", "Passed", "Passed"), id="passed"),
        pytest.param(course(), bound(runs=[FAIL]), 30, (True, "ProbeFailed", "Failed", "Failed"), id="failed"),
        pytest.param(
            course(),
            bound(runs=[GOING]),
            620,
            (False, "Inconclusive", "Inconclusive", "Inconclusive"),
            id="not in time",
        ),
        pytest.param(
            course("Inconclusive"),
            bound(runs=[PASS]),
            630,
            (False, "Verified", "Passed", "Passed"),
            id="late, and passed",
        ),
        pytest.param(
            course("Inconclusive"),
            bound(runs=[FAIL]),
            630,
            (True, "ProbeFailed", "Failed", "Failed"),
            id="late, and failed",
        ),
        pytest.param(
            course("Inconclusive"),
            bound(verdict="Failed", ended=625),
            630,
            (True, "ProbeFailed", "Failed", "Inconclusive"),
            id="fails later on",
        ),
        pytest.param(course("Failed"), bound(runs=[PASS]), 30, (False, "Verified", "Passed", "Passed"), id="recovered"),
        pytest.param(
            course("Passed"),
            bound(verdict="Failed"),
            30,
            (True, "ProbeFailed", "Failed", "Passed"),
            id="fails afterwards",
        ),
        pytest.param(
            course("Passed"), bound(runs=[FAIL]), 30, (False, "Verified", "Passed", "Passed"), id="is done with"
        ),
    ],
)
def test_what_one_probe_makes_of_a_gate(of: Course | None, probe: Bound, seconds: float, expected: object) -> None:
    assert said(judged(of, probe, seconds=seconds)) == expected


def test_a_probe_that_goes_on_does_not_put_off_another_ones_failure() -> None:
    assert said(judged(course(), bound("a", runs=[GOING]), bound("b", runs=[FAIL])))[3] == "Failed"
    assert said(judged(course(), bound("a", runs=[GOING]), bound("b", runs=[PASS])))[3] == "Pending"


@pytest.mark.parametrize(
    ("of", "other", "waiting"),
    [
        pytest.param(course(verifying=None), bound("other"), False, id="settles"),
        pytest.param(course(), bound("other", runs=[GOING]), False, id="is verified"),
        pytest.param(course("Failed"), bound("other", runs=[GOING]), False, id="failed, and others go on"),
        pytest.param(course(), bound("other", runs=[PASS]), True, id="passed, and another change waits"),
    ],
)
def test_what_closed_the_gate_keeps_it_closed_while_there_is_more_to_come(
    of: Course, other: Bound, waiting: bool
) -> None:
    status = {"probes": [CLOSED_BY_MAIN]}
    assert judged(of, bound(runs=[PASS]), other, status=status, waiting=waiting).closed
    assert not judged(course(), bound(runs=[PASS]), bound("other", runs=[PASS]), status=status).closed


def test_probes_are_judged_in_the_order_of_their_names() -> None:
    found = judged(None, bound("b"), bound("a"))
    assert [view.bound.key[1] for view in found.views] == ["a", "b"]
    assert [one.name for one in found.probes] == ["a", "b"]


def test_when_the_time_of_the_probes_is_over() -> None:
    assert timeout_at(gate(timeout="1m"), course()) == at(80)
    assert timeout_at(gate(), course(verifying=None)) is None

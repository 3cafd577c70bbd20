from __future__ import annotations

from datetime import datetime

import pytest
from tests.unit.plan.gates import CHANGE, at, change, gate, until

from kubeprobe.api import ChangeGate, GateChange, GateVerdict
from kubeprobe.plan.gate_course import ChangeSeen, Course, course_of, newer, overriding, settles_at

LIMIT = 10 + 60 + 600
"""When a change that began at second 10 has settled at the latest."""


def standing(verdict: str = "Pending", verifying: float | None = None, reason: str = "Verifying") -> ChangeGate:
    """A gate with a change that began at second 10."""
    status = {"reason": reason, "change": {"id": CHANGE, "count": 1, "since": until(10), "verdict": verdict}}
    return gate(status={**status, **({"verifyingSince": until(verifying)} if verifying is not None else {})})


def found(of: ChangeGate, newest: ChangeSeen | None, seconds: float) -> tuple[str, str, datetime | None] | None:
    course = course_of(of, newest, at(seconds))
    return (course.change.id, course.change.verdict.value, course.verifying_since) if course is not None else None


NEXT = change("chg-2", began=30)


@pytest.mark.parametrize(
    ("of", "newest", "seconds", "expected"),
    [
        pytest.param(gate(), None, 5, None, id="never any"),
        pytest.param(gate(), change(began=-1), 5, None, id="from before the gate"),
        pytest.param(gate(), change(), 15, (CHANGE, "Pending", None), id="begins"),
        pytest.param(gate(), change(settled=15), 15, (CHANGE, "Pending", at(15)), id="begins and has settled"),
        pytest.param(gate(), change(settled=16), 15, (CHANGE, "Pending", None), id="will settle"),
        pytest.param(standing(), change(), 15, (CHANGE, "Pending", None), id="settles"),
        pytest.param(standing(), change(settled=12), 15, (CHANGE, "Pending", at(15)), id="has settled"),
        pytest.param(standing(), None, LIMIT - 1, (CHANGE, "Pending", None), id="is not told of"),
        pytest.param(standing(), None, LIMIT, (CHANGE, "Pending", at(LIMIT)), id="is not told of for too long"),
        pytest.param(standing(), NEXT, 31, ("chg-2", "Pending", None), id="another one while it settles"),
        pytest.param(standing(verifying=20), NEXT, 31, (CHANGE, "Pending", at(20)), id="another one that waits"),
        pytest.param(standing("Passed", 20), NEXT, 31, ("chg-2", "Pending", None), id="another one that may begin"),
        pytest.param(standing("Passed", 20), change(), 31, (CHANGE, "Passed", at(20)), id="is over"),
        pytest.param(standing("Failed", 20), None, 31, (CHANGE, "Failed", at(20)), id="is over and forgotten"),
        pytest.param(standing("Failed", 20, "Override"), None, 31, ("", "Pending", at(31)), id="an override ended"),
        pytest.param(
            standing("Failed", 20, "Override"), NEXT, 31, ("chg-2", "Pending", None), id="and there is a new one"
        ),
        pytest.param(standing("Pending", 20, "Override"), None, 31, (CHANGE, "Pending", at(20)), id="and it goes on"),
        pytest.param(gate(status={"reason": "Override"}), None, 31, ("", "Pending", at(31)), id="without any change"),
    ],
)
def test_which_change_is_verified_and_since_when(
    of: ChangeGate, newest: ChangeSeen | None, seconds: float, expected: object
) -> None:
    assert found(of, newest, seconds) == expected


def test_a_change_that_has_settled_is_told_with_its_full_count() -> None:
    course = course_of(standing(), change(count=40, settled=12), at(15))
    assert course is not None
    assert course.change.count == 40


def test_a_change_is_newer_by_its_name() -> None:
    course = Course(GateChange(id=CHANGE, since=at(10)), None)
    assert newer(NEXT, gate(), course)
    assert not newer(change(began=99), gate(), course)
    assert not newer(change("chg-0", began=10), gate(), course)


def test_a_change_that_began_earlier_and_was_closed_later_is_the_newer_one() -> None:
    """One of another source, that was gathered for longer; be it that the clock was set back meanwhile."""
    course = Course(GateChange(id=CHANGE, since=at(30)), None)
    assert newer(change("chg-2", began=0, closed=60), gate(), course)
    assert newer(change("chg-2", began=0, closed=-60), gate(), course)


def test_where_a_gate_verifies_of_its_own_accord_what_is_closed_later_is_newer() -> None:
    course = Course(GateChange(since=at(30)), at(30))
    assert newer(change(began=0, closed=31), gate(), course)
    assert not newer(change(began=0, closed=30), gate(), course)


def test_a_change_that_is_closed_when_its_gate_is_there_counts() -> None:
    assert newer(change(began=-5, closed=0), gate(), None)
    assert not newer(change(began=-5, closed=-1), gate(), None)


@pytest.mark.parametrize(
    ("newest", "expected"), [(None, LIMIT), (change(settled=50), 50), (change(settled=9999), LIMIT), (NEXT, LIMIT)]
)
def test_when_a_change_settles(newest: ChangeSeen | None, expected: float) -> None:
    assert settles_at(Course(GateChange(id=CHANGE, since=at(10)), None), newest, gate()) == at(expected)


def test_an_override_lasts_until_it_ends() -> None:
    one = gate(override={"reason": "r", "until": until(50)})
    assert overriding(one, at(49.9))
    assert not overriding(one, at(50))
    assert not overriding(gate(), at(0))


def test_a_course_is_settling_before_it_is_verified() -> None:
    begins = Course(GateChange(since=at(10)), None)
    assert (begins.pending, begins.settling) == (True, True)
    goes_on = Course(GateChange(since=at(10)), at(20))
    assert (goes_on.pending, goes_on.settling) == (True, False)
    over = Course(GateChange(since=at(10), verdict=GateVerdict.PASSED), None)
    assert (over.pending, over.settling) == (False, False)

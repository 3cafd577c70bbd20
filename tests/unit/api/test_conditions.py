from __future__ import annotations

from datetime import UTC, datetime

from kubeprobe.api import Condition, set_condition

EARLIER = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def condition(kind: str, status: str, reason: str = "Because", at: datetime = EARLIER) -> Condition:
    return Condition(type=kind, status=status, reason=reason, last_transition_time=at)


def test_the_first_of_its_type_begins_now() -> None:
    assert set_condition((), condition("Ready", "True"), NOW) == (condition("Ready", "True", at=NOW),)


def test_a_new_reason_alone_does_not_move_the_time() -> None:
    before = (condition("Ready", "False", "One"),)
    after = set_condition(before, condition("Ready", "False", "Two", at=NOW), NOW)
    assert after == (condition("Ready", "False", "Two", at=EARLIER),)


def test_a_flip_moves_the_time() -> None:
    before = (condition("Ready", "False"),)
    assert set_condition(before, condition("Ready", "True"), NOW)[0].last_transition_time == NOW


def test_the_same_again_is_equal_to_what_stands() -> None:
    before = (condition("Ready", "True"), condition("Healthy", "False"))
    assert set_condition(before, condition("Healthy", "False", at=NOW), NOW) == before


def test_others_stay_in_their_place() -> None:
    before = (condition("A", "True"), condition("B", "True"), condition("C", "True"))
    after = set_condition(iter(before), condition("B", "False"), NOW)
    assert [one.type for one in after] == ["A", "B", "C"]
    assert [one.status for one in after] == ["True", "False", "True"]
    assert set_condition(before, condition("D", "True"), NOW)[3].type == "D"

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.gates import at, bound, gate

from kubeprobe.api import GateProbe, Verdict
from kubeprobe.plan.gate_entry import MESSAGE_BYTES, View, entry, importance
from kubeprobe.plan.gate_probe import Evidence, Trial, stance

CLOSED = GateProbe(namespace="probes", name="main", verdict=Verdict.FAILED, reason="CheckFailed", closes=True)
WELL = CLOSED.model_copy(update={"verdict": Verdict.PASSED, "closes": False, "reason": ""})
FAILED = Trial(Evidence.FAILED, "CheckFailed", "run r: broken", at(3), by_run=True)
LATE = Trial(Evidence.UNKNOWN, "NotInTime", "it did not tell", at(3))


def told(
    verdict: str | None, found: Trial | None = None, before: GateProbe | None = None, *, more: bool = False, **spec: Any
) -> GateProbe:
    one = bound(verdict=verdict, passes=1)
    view = View(one, stance(one, None, at(5)), found or Trial(Evidence.PASSED))
    return entry(view, before, gate(**spec).spec, more_to_come=more)


@pytest.mark.parametrize(
    ("verdict", "found", "before", "more", "expected"),
    [
        ("Passed", None, None, False, ("Passed", "", False)),
        ("Passed", None, CLOSED, False, ("Passed", "", False)),
        ("Passed", None, CLOSED, True, ("Passed", "Recovering", True)),
        ("Passed", None, WELL, True, ("Passed", "", False)),
        ("Failed", None, WELL, False, ("Failed", "CheckFailed", True)),
        ("Passed", FAILED, WELL, False, ("Failed", "CheckFailed", True)),
        ("Unknown", FAILED, WELL, False, ("Failed", "CheckFailed", True)),
        ("Passed", LATE, WELL, False, ("Unknown", "NotInTime", False)),
        ("Unknown", LATE, WELL, False, ("Unknown", "Stale", False)),
        (None, None, None, False, ("Unknown", "Pending", False)),
        ("Unknown", None, CLOSED, False, ("Unknown", "Stale", True)),
    ],
)
def test_what_is_remembered_of_a_probe(
    verdict: str | None, found: Trial | None, before: GateProbe | None, more: bool, expected: object
) -> None:
    one = told(verdict, found, before, more=more)
    assert (one.verdict.value, one.reason, one.closes) == expected


@pytest.mark.parametrize(
    ("policy", "before", "more", "closes"),
    [
        ("Keep", WELL, False, False),
        ("Keep", CLOSED, False, True),
        ("Open", CLOSED, False, False),
        ("Open", CLOSED, True, True),
        ("Open", WELL, True, False),
        ("Close", WELL, False, True),
        ("Close", CLOSED, True, True),
    ],
)
def test_what_a_probe_that_cannot_tell_does(policy: str, before: GateProbe, more: bool, closes: bool) -> None:
    assert told("Unknown", None, before, more=more, onInconclusive=policy).closes is closes
    assert told("Passed", LATE, before, more=more, onInconclusive=policy).closes is closes


def test_a_message_is_one_line_within_its_bound() -> None:
    one = told("Passed", Trial(Evidence.FAILED, "R", "a\n  b\t" + "c" * 999, at(3)))
    assert one.message.startswith("a b ccc")
    assert len(one.message.encode()) <= MESSAGE_BYTES


def test_numbers_in_a_message_are_no_news() -> None:
    before = told("Passed", Trial(Evidence.FAILED, "R", "run r-17: 300ms", at(3)))
    assert told("Passed", Trial(Evidence.FAILED, "R", "run r-18: 400ms", at(3)), before) is before
    for other in (
        Trial(Evidence.FAILED, "R", "run r-18: refused", at(3)),
        Trial(Evidence.FAILED, "S", "run r-17: 300ms", at(3)),
        Trial(Evidence.FAILED, "R", "run r-17: 300ms", at(4)),
    ):
        assert told("Passed", other, before) is not before


def test_how_often_it_has_passed_is_news() -> None:
    first = told("Passed", None, CLOSED, successThreshold=3)
    assert first.message == "it passes, and counts as mended after 3 runs in a row (now 1)"
    one = bound(passes=2)
    view = View(one, stance(one, None, at(5)), Trial(Evidence.PASSED))
    second = entry(view, first, gate(successThreshold=3).spec, more_to_come=False)
    assert second.message.endswith("(now 2)")


def test_the_most_important_come_first() -> None:
    def one(name: str, verdict: Verdict, closes: bool, since: float | None) -> GateProbe:
        when = at(since) if since is not None else None
        return GateProbe(namespace="n", name=name, verdict=verdict, closes=closes, since=when)

    ordered = [
        one("f", Verdict.FAILED, True, 3),
        one("e", Verdict.FAILED, True, 4),
        one("r", Verdict.PASSED, True, 2),
        one("u", Verdict.UNKNOWN, False, None),
        one("a", Verdict.PASSED, False, 9),
        one("b", Verdict.PASSED, False, 1),
    ]
    mixed = [ordered[place] for place in (4, 2, 5, 0, 3, 1)]
    assert sorted(mixed, key=importance) == ordered

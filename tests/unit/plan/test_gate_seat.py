from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.builders import run
from tests.unit.plan.gates import CHANGE, at, change_run

from kubeprobe.api import GateChange, ProbeRun, Verdict
from kubeprobe.plan.gate_seat import Look, Seat, counted, seats

WORDS = {"P": "Passed", "F": "Failed", "U": "Unknown", ".": None}
THE_CHANGE = GateChange(id=CHANGE, since=at(10.7))


def seat(letters: str) -> Seat:
    """Runs that came to this, one after the other."""
    words = (WORDS[letter] for letter in letters)
    return Seat("", tuple(Look(f"r{n}", at(n), at(n), Verdict(one) if one else None) for n, one in enumerate(words)))


@pytest.mark.parametrize(
    ("letters", "passes", "failures", "lacks_one", "lacks_two"),
    [
        ("", 0, 0, True, True),
        (".", 0, 0, True, True),
        ("U", 0, 0, True, True),
        ("P", 1, 0, False, False),
        ("PU.", 1, 0, False, False),
        ("F", 0, 1, True, True),
        ("FF", 0, 2, True, True),
        ("PFUF", 0, 2, True, True),
        ("FP", 1, 1, False, True),
        ("FPP", 2, 1, False, False),
        ("FPFFP", 1, 2, False, True),
    ],
)
def test_what_the_runs_on_one_node_tell(
    letters: str, passes: int, failures: int, lacks_one: bool, lacks_two: bool
) -> None:
    one = seat(letters)
    assert (one.passes, len(one.failures)) == (passes, failures)
    assert (one.lacks(1), one.lacks(2)) == (lacks_one, lacks_two)
    assert one.going is ("." in letters)


def test_runs_are_told_apart_by_their_node_in_the_order_of_their_creation() -> None:
    late, early = change_run("Passed", created=30, node="n1"), change_run("Failed", created=20, node="n1")
    found = seats({CHANGE: [late, change_run("Passed"), early]}, THE_CHANGE, None)
    assert [(one.node, len(one.looks)) for one in found] == [("", 1), ("n1", 2)]
    assert [look.run for look in found[1].looks] == ["main-20", "main-30"]


def test_runs_of_other_changes_and_from_before_do_not_count() -> None:
    assert seats({"chg-0": [change_run("Failed")], CHANGE: [change_run("Failed", created=9)]}, THE_CHANGE, None) == ()
    assert len(seats({CHANGE: [change_run("Failed", created=10)]}, THE_CHANGE, None)) == 1


def test_a_node_that_is_gone_tells_nothing() -> None:
    runs = {CHANGE: [change_run("Failed", node="n1"), change_run("Passed")]}
    assert [one.node for one in seats(runs, THE_CHANGE, {"n2"})] == [""]
    assert [one.node for one in seats(runs, THE_CHANGE, {"n1"})] == ["", "n1"]


def test_the_waves_of_a_sweep_are_told_by_the_sweep() -> None:
    created = {"creationTimestamp": at(20).isoformat()}
    wave = run("main-1-1", metadata=created, target={"nodes": ["n1"], "sweep": "main-1"})
    assert seats({CHANGE: [wave]}, THE_CHANGE, None) == ()


def test_what_a_run_told() -> None:
    (failed,), (going,) = (seats({CHANGE: [one]}, THE_CHANGE, None) for one in (change_run("Failed"), change_run()))
    assert failed.looks == (Look("main-20", at(20), at(21), Verdict.FAILED, "CheckFailed", "broken"),)
    assert going.looks == (Look("main-20", at(20), at(20)),)


def pinned(phase: str, outcomes: str, **more: Any) -> ProbeRun:
    """A run for a change on three nodes."""
    reasons = [{"index": 1, "reason": "ExitCode", "message": "refused"}]
    targets = {"outcomes": outcomes, "reports": "." * 12, "notPassed": reasons}
    return run(
        "main-n",
        metadata={"creationTimestamp": at(20).isoformat()},
        target={"nodes": ["n1", "n2", "n3"]},
        status={"phase": phase, "targets": targets, **more},
    )


def test_a_run_on_several_nodes_tells_of_each() -> None:
    verdicts = {"P": Verdict.PASSED, "F": Verdict.FAILED, ".": None}
    found = seats({CHANGE: [pinned("Running", "PF.")]}, THE_CHANGE, {"n1", "n2", "n3"})
    assert [(one.node, one.looks[0].verdict) for one in found] == [
        ("n1", verdicts["P"]),
        ("n2", verdicts["F"]),
        ("n3", None),
    ]
    assert (found[1].looks[0].reason, found[1].looks[0].message) == ("ExitCode", "refused")
    assert [one.node for one in seats({CHANGE: [pinned("Running", "PF.")]}, THE_CHANGE, {"n3"})] == ["n3"]


def test_a_node_that_a_run_never_came_to_is_not_known() -> None:
    over = pinned("Completed", "PF.", verdict="Failed", finishedAt=at(30).isoformat())
    found = seats({CHANGE: [over]}, THE_CHANGE, None)
    assert [one.looks[0].verdict for one in found] == [Verdict.PASSED, Verdict.FAILED, Verdict.UNKNOWN]
    assert {one.looks[0].ended_at for one in found} == {at(30)}


@pytest.mark.parametrize(
    ("letters", "threshold", "kept"),
    [
        ("", 1, []),
        ("PPPP", 2, [2, 3]),
        ("FFFF", 2, [0, 3]),
        ("PFUFF", 1, [1, 4]),
        ("FPFFPPP", 2, [2, 3, 5, 6]),
        ("F.", 1, [0]),
    ],
)
def test_the_runs_that_a_gate_counts(letters: str, threshold: int, kept: list[int]) -> None:
    runs = [change_run(WORDS[letter], created=20 + n, node="n1") for n, letter in enumerate(letters)]
    names = counted({CHANGE: runs}, THE_CHANGE, threshold)
    assert names == {f"main-{20 + n}" for n in kept}
    left = [one for one in runs if one.metadata.name in names or one.status.verdict is None]
    [all_of_them] = seats({CHANGE: runs}, THE_CHANGE, None) or [Seat("n1")]
    [those] = seats({CHANGE: left}, THE_CHANGE, None) or [Seat("n1")]
    assert those.lacks(threshold) is all_of_them.lacks(threshold)
    assert those.failures[:1] == all_of_them.failures[:1]


def test_the_runs_that_a_gate_counts_are_of_each_node() -> None:
    runs = [change_run("Failed", created=20 + n, node=f"n{n}") for n in range(14)]
    assert len(counted({CHANGE: runs}, THE_CHANGE, 1)) == 14

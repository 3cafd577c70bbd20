from __future__ import annotations

from tests.unit.plan.gates import workload

from kubeprobe.api import MOST_GOOD, WorkloadKind
from kubeprobe.plan.gate_good import GOOD_BYTES, compared, recorded
from kubeprobe.plan.gate_scope import UNTOLD
from kubeprobe.plan.record import json_size


def test_workloads_are_kept_by_their_names() -> None:
    kept, more = recorded([workload("b"), workload("a", kind=WorkloadKind.STATEFUL_SET), workload("a")])
    assert [(one.kind.value, one.name) for one in kept] == [
        ("Deployment", "a"),
        ("Deployment", "b"),
        ("StatefulSet", "a"),
    ]
    assert more == 0


def test_only_so_many_are_kept() -> None:
    kept, more = recorded(workload(f"w{number:04}") for number in range(MOST_GOOD + 7))
    assert (len(kept), more, kept[-1].name) == (MOST_GOOD, 7, "w0499")


def test_fewer_are_kept_where_names_are_long() -> None:
    kept, more = recorded(workload(f"w{number:04}", image="r" * 1000) for number in range(MOST_GOOD))
    assert len(kept) + more == MOST_GOOD
    assert 0 < len(kept) < 130
    assert sum(json_size(one.model_dump(mode="json")) for one in kept) <= GOOD_BYTES


def test_what_is_another_one_by_now_is_marked() -> None:
    kept, _ = recorded([workload("a"), workload("b"), workload("gone")])
    now = compared(kept, [workload("a"), workload("b", "t2", image="cart:2"), workload("new")])
    assert [(one.name, one.changed, one.images["app"]) for one in now] == [
        ("a", False, "cart:1"),
        ("b", True, "cart:1"),
        ("gone", True, "cart:1"),
    ]
    back = compared(now, [workload("a"), workload("b"), workload("gone")])
    assert [one.changed for one in back] == [False, False, False]


def test_what_no_change_has_told_of_yet_goes_back_to_what_was_good_before() -> None:
    before, _ = recorded([workload("a"), workload("b"), workload("gone")])
    kept, more = recorded([workload("a", UNTOLD, image="a:2"), workload("b", "t2"), workload("new", UNTOLD)], before)
    assert [(one.name, one.template, one.changed, one.images["app"]) for one in kept] == [
        ("a", "t1", True, "cart:1"),
        ("b", "t2", False, "cart:1"),
    ]
    assert more == 0


def test_what_is_not_in_place_goes_back_to_what_was_good_before() -> None:
    before, _ = recorded([workload("a"), workload("b")])
    now = [workload("a", "t2", image="cart:typo", in_place=False), workload("b", in_place=False)]
    kept, more = recorded([*now, workload("new", in_place=False)], before)
    assert [(one.name, one.template, one.changed, one.images["app"]) for one in kept] == [
        ("a", "t1", True, "cart:1"),
        ("b", "t1", False, "cart:1"),
    ]
    assert more == 0
    assert compared(kept, now) == kept

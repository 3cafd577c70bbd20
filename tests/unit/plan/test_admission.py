"""What closed gates hold, by the same table as the admission policy on a real API server (tests/api/enforcement)."""

from __future__ import annotations

import pytest
from tests.api.enforcement.cases import (
    BEFORE,
    CASES,
    CLOSURE,
    KEY,
    NAMESPACES,
    ON_CALL,
    OWN_NAMESPACE,
    Case,
    gate,
    good,
    workload,
)

from kubeprobe.api import ChangeGate
from kubeprobe.plan.admission import Attempt, Place, Ruling, keys_shown, read_attempt, rule


def attempt_of(case: Case) -> Attempt:
    meta = case.after["metadata"]
    return read_attempt(
        case.after["kind"], (meta["namespace"], meta["name"]), case.after, case.before, dry_run=case.dry_run
    )


def ruling(case: Case) -> Ruling:
    gates = [ChangeGate.model_validate(one) for one in case.gates]
    place = Place(NAMESPACES[case.after["metadata"]["namespace"]], OWN_NAMESPACE)
    attempt = attempt_of(case)
    may = {"production"} if ON_CALL in case.groups else set()
    return rule(attempt, gates, place, may & set(keys_shown(attempt, gates, place)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_held_and_what_passes(case: Case) -> None:
    came = ruling(case)
    assert bool(came.denied) is bool(case.denied)
    assert case.denied in came.denied
    assert len(came.warnings) == bool(case.warned)
    assert case.warned in "".join(came.warnings)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (Case("held", workload(), BEFORE), {"held-by": "production/cls-1"}),
        (
            Case("by two", workload(), BEFORE, (gate(), gate("pay", enforcement="Warn"))),
            {"held-by": "pay/cls-1, production/cls-1"},
        ),
        (
            Case("back", workload("cart:1"), workload(), (gate(status=good()),)),
            {"held-by": "production/cls-1", "last-good": "production/cls-1"},
        ),
        (
            Case("broken", workload(annotations=KEY), BEFORE, groups=(ON_CALL,)),
            {"held-by": "production/cls-1", "break-glass": "production/cls-1"},
        ),
        (Case("scaled", workload("cart:1", replicas=3), BEFORE), {}),
    ],
)
def test_the_audit_log_is_told_what_held_it_and_how_it_passed(case: Case, expected: dict[str, str]) -> None:
    assert ruling(case).audit == expected


def test_only_of_the_gates_whose_glass_would_be_broken_the_cluster_is_asked() -> None:
    gates = [
        ChangeGate.model_validate(one)
        for one in (gate("a"), gate("b", status={"closureID": "cls-2"}), gate("c", status=good()), gate("d"))
    ]
    place = Place({}, OWN_NAMESPACE)
    back = read_attempt("Deployment", ("shop", "cart"), workload("cart:1", annotations=KEY), workload(), dry_run=False)
    assert keys_shown(back, gates, place) == ("a", "d")
    scaled = read_attempt("Deployment", ("shop", "cart"), workload(annotations=KEY), workload(), dry_run=False)
    assert keys_shown(scaled, gates, place) == ()


def test_a_right_counts_for_nothing_without_the_key() -> None:
    held = Case("held", workload(annotations={"kubeprobe.io/break-glass": "cls-0"}), BEFORE)
    gates = [ChangeGate.model_validate(gate())]
    assert "names another closure" in rule(attempt_of(held), gates, Place({}, OWN_NAMESPACE), {"production"}).denied


def test_what_has_no_template_is_read_all_the_same() -> None:
    bare = read_attempt("Deployment", ("shop", ""), {}, {"spec": None}, dry_run=False)
    assert (bare.new_template, bare.token, bare.workload.images) == (False, "", {})
    with pytest.raises(ValueError, match="ReplicaSet"):
        read_attempt("ReplicaSet", ("shop", "cart"), {}, None, dry_run=False)


def test_a_message_over_several_lines_is_told_in_one() -> None:
    case = Case("lines", workload(), BEFORE, (gate(status={"message": "a\nb", "closureID": CLOSURE}),))
    assert ruling(case).denied == "ChangeGate production is closed: a b"

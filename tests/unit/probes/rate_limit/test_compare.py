"""Each difference is told by object, field, wanted and found value."""

from typing import Any

import pytest

from rate_limit.compare import differences, walk
from rate_limit.objects import FLOW_SCHEMA, PRIORITY_LEVEL, Key, Specs

TENANTS, NEW = Key(FLOW_SCHEMA, "tenants"), Key(PRIORITY_LEVEL, "new")
SPEC: dict[str, Any] = {
    "matchingPrecedence": 500,
    "rules": [{"subjects": [{"kind": "User"}], "resourceRules": [{"verbs": ["get", "list"]}]}],
}
WANTED: Specs = {TENANTS: SPEC}


def test_the_same_is_no_difference() -> None:
    assert differences(WANTED, {TENANTS: dict(SPEC)}, []) == []


def test_missing_and_extra() -> None:
    missing, extra = differences(WANTED, {NEW: {}}, [])
    assert missing.startswith("FlowSchema tenants is missing: the baseline has it, the cluster does not")
    assert extra.startswith("PriorityLevelConfiguration new is extra")


@pytest.mark.parametrize(
    ("patterns", "found"),
    [([], 1), (["new"], 0), (["n*"], 0), (["PriorityLevelConfiguration/new"], 0), (["FlowSchema/new"], 1), (["N*"], 1)],
)
def test_extra_ones_can_be_ignored(patterns: list[str], found: int) -> None:
    assert len(differences({}, {NEW: {}}, patterns)) == found


def test_ignoring_is_for_extra_ones_only() -> None:
    assert len(differences(WANTED, {}, ["*"])) == 1


def test_changed_names_path_and_both_values() -> None:
    found = {**SPEC, "matchingPrecedence": 8000}
    assert differences(WANTED, {TENANTS: found}, []) == [
        "FlowSchema tenants is changed: spec.matchingPrecedence is 8000, the baseline says 500"
    ]


@pytest.mark.parametrize(
    ("found", "paths"),
    [
        ({**SPEC, "rules": [{**SPEC["rules"][0], "resourceRules": [{"verbs": ["list", "get"]}]}]}, []),
        (
            {**SPEC, "rules": [{**SPEC["rules"][0], "resourceRules": [{"verbs": ["get"]}]}]},
            ["spec.rules[0].resourceRules[0].verbs"],
        ),
        ({**SPEC, "rules": []}, ["spec.rules[0]"]),
        ({**SPEC, "rules": [*SPEC["rules"], {"subjects": []}]}, ["spec.rules[1]"]),
        ({**SPEC, "distinguisherMethod": {"type": "ByUser"}}, ["spec.distinguisherMethod"]),
        ({**SPEC, "extra": False, "more": {}, "none": None}, []),
        ({**SPEC, "matchingPrecedence": 0}, ["spec.matchingPrecedence"]),
        ({"rules": SPEC["rules"]}, ["spec.matchingPrecedence"]),
    ],
)
def test_paths(found: dict[str, Any], paths: list[str]) -> None:
    assert [path for path, _, _ in walk("spec", SPEC, found)] == paths


def test_zero_is_not_the_same_as_absent() -> None:
    ((path, _, _),) = walk("spec", {"nominalConcurrencyShares": 0}, {})
    assert path == "spec.nominalConcurrencyShares"


def test_long_values_are_cut() -> None:
    (text,) = differences({TENANTS: {"rules": ["x" * 500]}}, {TENANTS: {"rules": []}}, [])
    assert len(text) < 300
    assert "spec.rules is absent" not in text

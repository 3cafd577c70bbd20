"""Every rule has examples, and the Python form refuses and passes just those; tests/api asks the CEL form the same."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from tests.api.examples import CLOSURE, EXAMPLES, FINAL, IMMUTABLE, RECORD, TOGETHER, Body, Example, gate, run

from kubeprobe.api import KINDS, Broken, Rule, broken_rules
from kubeprobe.api.base import ApiModel
from kubeprobe.api.check import check_object
from kubeprobe.api.crd import object_schema
from kubeprobe.api.duration import FORM
from kubeprobe.api.rules import VALIDATIONS

BAD = [(example, body) for example in EXAMPLES for body in example.bad]
GOOD = [body for example in EXAMPLES for body in example.good]


def declared(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(declared, schema))
    if not isinstance(schema, dict):
        return set()
    own = {rule["message"] for rule in schema.get(VALIDATIONS, ())}
    return own.union(*map(declared, schema.values()))


def test_every_declared_rule_has_examples() -> None:
    messages = set().union(*(declared(object_schema(kind)) for kind in KINDS))
    fixed = {IMMUTABLE, RECORD, FINAL, TOGETHER, CLOSURE, FORM.message}
    assert messages == {example.message for example in EXAMPLES} | fixed


@pytest.mark.parametrize(("example", "body"), BAD)
def test_the_rule_refuses_what_it_should_and_names_the_field(example: Example, body: Body) -> None:
    problems = check_object(body).problems
    assert [(one.field, one.message) for one in problems] == [(example.field, example.message)]


@pytest.mark.parametrize("body", GOOD)
def test_the_rules_let_good_objects_pass(body: Body) -> None:
    assert check_object(body).problems == ()


@pytest.mark.parametrize(
    ("status", "together"),
    [({}, True), ({"phase": "Completed", "verdict": "Failed"}, True), ({"phase": "Completed"}, False),
     ({"phase": "Running", "verdict": "Failed"}, False)],
)  # fmt: skip
def test_a_run_has_a_verdict_exactly_when_it_is_over(status: Body, together: bool) -> None:
    problems = check_object({**run(configRef={"name": "c"}), "status": status}).problems
    assert [one.message for one in problems] == ([] if together else [TOGETHER])


@pytest.mark.parametrize(
    ("status", "together"),
    [({}, True), ({"phase": "Closed", "closureID": "cls-1"}, True), ({"phase": "Open", "closureID": ""}, True),
     ({"phase": "Closed"}, False), ({"phase": "Closed", "closureID": ""}, False), ({"closureID": "cls-1"}, False)],
)  # fmt: skip
def test_a_gate_has_a_closure_exactly_when_it_is_closed(status: Body, together: bool) -> None:
    problems = check_object({**gate(), "status": status}).problems
    assert [one.message for one in problems] == ([] if together else [CLOSURE])


SHORT = Rule("self.size() < 3", "keep it short", lambda value: len(value) < 3)
WITHIN = Rule("self.low <= self.high", "low must not exceed high", lambda self: self.low <= self.high, field="high")


class Inner(ApiModel):
    rules = (WITHIN,)
    low: int = 0
    high: int = 0


class Outer(ApiModel):
    rules = (Rule("self == oldSelf", "stays as it is"),)
    a_name: Annotated[str | None, SHORT] = None
    parts: tuple[Inner, ...] = ()


def test_paths_lead_through_lists_in_the_names_of_the_wire() -> None:
    outer = Outer(a_name="long", parts=(Inner(), Inner(low=1)))
    assert list(broken_rules(outer)) == [Broken("aName", SHORT), Broken("parts[1].high", WITHIN)]
    assert list(broken_rules(outer, "spec"))[1].path == "spec.parts[1].high"


def test_a_rule_about_the_whole_object_has_its_path() -> None:
    class Whole(ApiModel):
        rules = (Rule("false", "never", lambda _: False),)

    assert [one.path for one in broken_rules(Whole(), "spec")] == ["spec"]
    assert [one.path for one in broken_rules(Whole())] == [""]


def test_what_is_absent_breaks_no_rule_of_its_own() -> None:
    assert list(broken_rules(Outer())) == []


def test_the_schema_carries_both_kinds_of_rule() -> None:
    schema = Outer.model_json_schema()
    assert schema[VALIDATIONS] == [{"rule": "self == oldSelf", "message": "stays as it is"}]
    assert schema["properties"]["aName"][VALIDATIONS] == [{"rule": "self.size() < 3", "message": "keep it short"}]
    assert schema["$defs"]["Inner"][VALIDATIONS][0]["fieldPath"] == ".high"

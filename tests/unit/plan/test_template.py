from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.builders import at, template

from kubeprobe.api import ProbeTemplate
from kubeprobe.plan.template import plan_template


def told(of: ProbeTemplate, seconds: float = 0) -> ProbeTemplate:
    """The template after its plan was applied."""
    conditions = plan_template(of, at(seconds)).conditions
    assert conditions is not None
    return of.model_copy(update={"status": of.status.model_copy(update={"conditions": conditions})})


def test_a_good_template_is_accepted_once() -> None:
    one = told(template())
    (ready,) = one.status.conditions
    assert (ready.type, ready.status, ready.reason, ready.observed_generation) == ("Ready", "True", "Accepted", 1)
    again = plan_template(one, at(60))
    assert (again.conditions, again.mistake) == (None, None)


def test_a_schema_that_is_none_is_told() -> None:
    broken: dict[str, Any] = {"type": "object", "properties": {"port": {"type": "number of a port"}}}
    plan = plan_template(template(params=broken), at(0))
    assert plan.mistake is not None
    assert plan.mistake.reason == "InvalidParamsSchema"
    assert "port" in plan.mistake.message
    assert plan.conditions is not None
    assert (plan.conditions[0].status, plan.conditions[0].message) == ("False", plan.mistake.message)


@pytest.mark.parametrize("generation", [2, None])
def test_a_new_generation_is_told_without_a_new_transition(generation: int | None) -> None:
    one = told(template())
    newer = one.model_copy(update={"metadata": one.metadata.model_copy(update={"generation": generation})})
    (ready,) = told(newer, 60).status.conditions
    assert (ready.observed_generation, ready.last_transition_time) == (generation, at(0))

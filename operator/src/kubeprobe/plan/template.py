"""What to say about one ProbeTemplate: whether its parameter schema is one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kubeprobe.api import Condition, ProbeTemplate, set_condition
from kubeprobe.plan.params import schema_errors
from kubeprobe.plan.resolve import Mistake


@dataclass(frozen=True, slots=True)
class TemplatePlan:
    """What to write about a template."""

    conditions: tuple[Condition, ...] | None
    """The status conditions to write; None when they stand already."""
    mistake: Mistake | None


def plan_template(template: ProbeTemplate, now: datetime) -> TemplatePlan:
    """Decide about one template."""
    errors = schema_errors(dict(template.spec.params))
    mistake = Mistake("InvalidParamsSchema", "; ".join(errors)) if errors else None
    ready = Condition(
        type="Ready",
        status="False" if mistake else "True",
        reason=mistake.reason if mistake else "Accepted",
        message=mistake.message if mistake else "",
        observed_generation=template.metadata.generation,
        last_transition_time=now,
    )
    conditions = set_condition(template.status.conditions, ready, now)
    return TemplatePlan(None if conditions == template.status.conditions else conditions, mistake)

from __future__ import annotations

from typing import Any

import pytest

from kubeprobe.api import LabelSelector
from kubeprobe.plan.selector import matches

LABELS = {"team": "a", "tier": "gold"}


def needs(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({}, True),
        ({"matchLabels": {"team": "a"}}, True),
        ({"matchLabels": {"team": "a", "tier": "silver"}}, False),
        ({"matchLabels": {"absent": ""}}, False),
        (needs("team", "In", "a", "b"), True),
        (needs("team", "In", "b"), False),
        (needs("absent", "In", "a"), False),
        (needs("team", "NotIn", "a"), False),
        (needs("team", "NotIn", "b"), True),
        (needs("absent", "NotIn", "a"), True),
        (needs("team", "Exists"), True),
        (needs("absent", "Exists"), False),
        (needs("team", "DoesNotExist"), False),
        (needs("absent", "DoesNotExist"), True),
        ({"matchLabels": {"team": "a"}, **needs("tier", "In", "silver")}, False),
        ({"matchLabels": {"team": "b"}, **needs("tier", "In", "gold")}, False),
        ({"matchLabels": {"team": "a"}, **needs("tier", "In", "gold")}, True),
    ],
)
def test_selectors_select_as_kubernetes_does(selector: dict[str, Any], expected: bool) -> None:
    assert matches(LabelSelector.model_validate(selector), LABELS) is expected

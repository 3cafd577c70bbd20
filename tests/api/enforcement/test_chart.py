"""What the chart installs for gates, by its values."""

from __future__ import annotations

import pytest

from tests.lab.chart import ChartError, render

POLICIES = [
    ("ValidatingAdmissionPolicy", "kubeprobe-gates-enforce"),
    ("ValidatingAdmissionPolicy", "kubeprobe-gates-warn"),
    ("ValidatingAdmissionPolicyBinding", "kubeprobe-gates-enforce"),
    ("ValidatingAdmissionPolicyBinding", "kubeprobe-gates-warn"),
]
OFF = ("--set", "gates.enforcement.enabled=false")


def admission(*options: str, **more: str) -> list[tuple[str, str]]:
    found = [(one["kind"], one["metadata"]["name"]) for one in render(*options, **more)]
    return sorted(one for one in found if one[0].startswith("Validating"))


def test_it_brings_the_policies_and_off_is_one_value() -> None:
    assert admission() == POLICIES
    assert admission(*OFF) == []


def test_a_cluster_that_has_no_policies_is_told_the_way_out() -> None:
    with pytest.raises(ChartError, match=r"gates\.enforcement\.enabled=false"):
        render(kubernetes="1.29.4")
    assert admission(*OFF, kubernetes="1.29.4") == []


def test_every_namespace_is_all_but_the_one_that_it_is_in() -> None:
    policy = next(one for one in render(namespace="elsewhere") if one["kind"] == "ValidatingAdmissionPolicy")
    assert "'elsewhere'" in policy["spec"]["matchConditions"][0]["expression"]

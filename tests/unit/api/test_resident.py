"""What a config says about its resident prober."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api.examples import resident, targets

from kubeprobe.api import MOST_TARGETS, Discover, ProbeConfig
from kubeprobe.api.check import check_object
from probe_sdk.samples import MAX_TARGETS


def test_a_prober_takes_as_many_targets_as_the_wire() -> None:
    assert MOST_TARGETS == MAX_TARGETS


@pytest.mark.parametrize(("port", "read"), [(80, "80"), ("8080", "8080"), ("http", "http"), ("65535", "65535")])
def test_a_port_is_a_number_or_a_name(port: Any, read: str) -> None:
    assert Discover.model_validate({"kind": "Service", "port": port}).port == read


def test_a_list_of_ten_thousand_targets_is_refused_with_its_bound() -> None:
    (problem,) = check_object(targets(static=[{"name": f"t{number}"} for number in range(10_000)])).problems
    assert (problem.field, problem.message) == (
        "spec.resident.targets.static",
        "must have at most 1000 items; it is " + problem.message.partition("it is ")[2],
    )


def test_two_targets_of_one_name_are_refused() -> None:
    (problem,) = check_object(targets(static=[{"name": "a"}, {"name": "a"}])).problems
    assert problem.field.startswith("spec.resident.targets.static[1]")


def test_what_is_not_said_is_said_by_default() -> None:
    meta = {"name": "a", "namespace": "b", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
    spec = ProbeConfig.model_validate({**resident(), "metadata": meta}).spec.resident
    assert spec is not None
    assert (spec.per_target, spec.failures, spec.successes, spec.fail_when, spec.targets) == (1, 1, 1, "Any", None)

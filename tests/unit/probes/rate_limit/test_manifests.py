import pytest
from pydantic import ValidationError
from tests.unit.probes.manifests import documents, problems

from rate_limit.baseline import NAME
from rate_limit.compare import differences
from rate_limit.objects import FLOW_SCHEMA, PRIORITY_LEVEL, live, read_baseline
from rate_limit.probe import Params, probe


def test_template_and_example_agree_with_the_code() -> None:
    assert problems("rate_limit", probe) == []


def test_the_burst_is_bounded() -> None:
    with pytest.raises(ValidationError, match="less than or equal to 200"):
        Params(burst_requests=201)


def test_the_defaults_are_the_names_in_the_manifests() -> None:
    names = {one["metadata"]["name"] for one in documents("rate_limit", "rbac.yaml")}
    assert {Params().burst_service_account, Params().burst_flow_schema} <= names
    assert documents("rate_limit", "config.yaml")[0]["metadata"]["name"] == NAME == Params().baseline


def test_the_example_baseline_has_the_objects_that_are_shipped() -> None:
    shipped = {
        kind: [one for one in documents("rate_limit", "rbac.yaml") if one["kind"] == kind]
        for kind in (FLOW_SCHEMA, PRIORITY_LEVEL)
    }
    found = {key: spec for kind, items in shipped.items() for key, spec in live(kind, items).items()}
    baseline = read_baseline(documents("rate_limit", "config.yaml")[0]["data"])
    assert differences({key: baseline[key] for key in found}, found, []) == []

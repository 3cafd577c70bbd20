"""The published document is valid OpenAPI 3.1, and says what the server does."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from tests.unit.intake.conftest import Site
from tests.unit.intake.test_reports import FULL
from tests.unit.intake.test_samples import message

from kubeprobe.intake.metrics import CODES
from kubeprobe.intake.openapi import document
from probe_sdk.samples import SAMPLES_PATH, Samples
from probe_sdk.wire import REPORT_PATH, Report


@pytest.fixture
async def served(site: Site) -> dict[str, Any]:
    answer = await site.http.get("/openapi.json")
    assert answer.headers["Content-Type"].startswith("application/json")
    found: dict[str, Any] = answer.json()
    return found


def test_it_is_valid_openapi() -> None:
    OpenAPIV31SpecValidator(document("1.2.3")).validate()


async def test_it_is_served_with_this_version(served: dict[str, Any]) -> None:
    assert served == document(served["info"]["version"])


async def test_it_has_every_path_and_every_answer(site: Site, served: dict[str, Any]) -> None:
    assert set(served["paths"]) == {REPORT_PATH, SAMPLES_PATH, "/healthz", "/readyz", "/metrics", "/openapi.json"}
    for path, operations in served["paths"].items():
        assert ((await site.http.get(path)).status_code == 200) == ("get" in operations)
    for path in (REPORT_PATH, SAMPLES_PATH):
        assert set(served["paths"][path]["post"]["responses"]) == {str(code.value) for code in CODES}


async def test_its_report_is_the_model_that_reports_are_checked_with(served: dict[str, Any]) -> None:
    schema = {"$ref": "#/components/schemas/Report", "components": served["components"]}
    validator = Draft202012Validator(schema)
    assert list(validator.iter_errors(FULL.model_dump(mode="json"))) == []
    for wrong in ({}, {"ok": "yes"}, {"ok": True, "verdict": 1}, {"ok": False, "errors": ["x"] * 21}):
        assert list(validator.iter_errors(wrong)), wrong
    assert served["components"]["schemas"]["Report"]["properties"].keys() == Report.model_fields.keys()


async def test_its_samples_are_the_model_that_samples_are_checked_with(served: dict[str, Any]) -> None:
    schema = {"$ref": "#/components/schemas/Samples", "components": served["components"]}
    validator = Draft202012Validator(schema)
    assert list(validator.iter_errors(message().model_dump(mode="json"))) == []
    for wrong in ({}, {"epoch": ""}, {**message().model_dump(mode="json"), "sequence": 0}):
        assert list(validator.iter_errors(wrong)), wrong
    assert served["components"]["schemas"]["Samples"]["properties"].keys() == Samples.model_fields.keys()


async def test_a_report_needs_the_pods_token_and_the_rest_does_not(served: dict[str, Any]) -> None:
    assert served["paths"][REPORT_PATH]["post"]["security"] == [{"podToken": []}]
    assert served["components"]["securitySchemes"]["podToken"]["scheme"] == "bearer"
    assert all(one["get"]["security"] == [] for one in served["paths"].values() if "get" in one)

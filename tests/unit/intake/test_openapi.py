"""The published document is valid OpenAPI 3.1, and says what the server does."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from tests.unit.intake.conftest import Site
from tests.unit.intake.desk import CLOSED
from tests.unit.intake.test_reports import FULL
from tests.unit.intake.test_samples import message

from kubeprobe.intake.gates.handler import PATH
from kubeprobe.intake.gates.metrics import CODES as CODES_OF_GATES
from kubeprobe.intake.gates.metrics import Call
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
    own = {REPORT_PATH, SAMPLES_PATH, "/healthz", "/readyz", "/metrics", "/openapi.json"}
    assert {path for path in served["paths"] if not path.startswith("/v1/gates")} == own
    for path in own:
        operations = served["paths"][path]
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
    rest = (one for path, one in served["paths"].items() if not path.startswith("/v1/gates"))
    assert all(one["get"]["security"] == [] for one in rest if "get" in one)


async def test_it_has_every_call_of_a_gate_and_every_answer(site: Site, served: dict[str, Any]) -> None:
    site.gates.set(**CLOSED)
    found = {path.replace("{name}", "prod"): one for path, one in served["paths"].items() if path.startswith(PATH)}
    assert len(found) == len(Call)
    for path, operations in found.items():
        for method, operation in operations.items():
            if method == "parameters":
                continue
            answer = await site.http.request(method, path)
            assert answer.status_code in CODES_OF_GATES[_call_of(path)]
            told = {int(code) for code in operation["responses"]}
            assert told == {int(code) for code in CODES_OF_GATES[_call_of(path)]}
            schema = operation["responses"][str(answer.status_code)]["content"]["application/json"]["schema"]
            validator = Draft202012Validator({**schema, "components": served["components"]})
            assert list(validator.iter_errors(answer.json())) == []


def _call_of(path: str) -> Call:
    at = path.removeprefix(PATH).removeprefix("/prod").removeprefix("/")
    return Call(at or ("gate" if path.endswith("/prod") else "list"))


async def test_gates_can_be_asked_with_a_token_and_without(served: dict[str, Any]) -> None:
    gates = (one for path, one in served["paths"].items() if path.startswith(PATH))
    wanted = [one["security"] for operations in gates for at, one in operations.items() if at != "parameters"]
    assert all({} in security and len(security) == 3 for security in wanted)

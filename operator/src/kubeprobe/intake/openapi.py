"""The intake's OpenAPI document, from the models that it checks reports with."""

from __future__ import annotations

from typing import Any

from kubeprobe.intake.port import Answer
from probe_sdk.wire import MAX_BODY_BYTES, REPORT_PATH, Report

OTHER_ANSWERS = {
    400: "the body is not UTF-8, not JSON, or not a report",
    401: "no token, or one that is not valid here",
    413: f"the body is longer than {MAX_BODY_BYTES} bytes",
}


def document(version: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of this version."""
    schema = Report.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = {**schema.pop("$defs", {}), "Report": schema, "Error": _error_schema()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "kubeprobe intake", "version": version},
        "paths": {REPORT_PATH: {"post": _report_operation()}, **_plain_paths()},
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "podToken": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "The projected service account token in the file that KUBEPROBE_TOKEN_FILE names.",
                }
            },
        },
    }


def _error_schema() -> dict[str, Any]:
    return {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}


def _report_operation() -> dict[str, Any]:
    told = OTHER_ANSWERS | {answer.status: answer.text for answer in Answer}
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {
        "summary": "Report the outcome of a run",
        "description": "The run is that of the pod that the token is bound to. Answered 200 only once it is durable.",
        "security": [{"podToken": []}],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Report"}}},
        },
        "responses": {
            str(status): {"description": text, **({} if status == 200 else {"content": error})}
            for status, text in sorted(told.items())
        },
    }


def _plain_paths() -> dict[str, Any]:
    told = {
        "/healthz": "Whether the operator works",
        "/readyz": "Whether reports are taken",
        "/metrics": "Metrics in Prometheus' text format",
        "/openapi.json": "This document",
    }
    failing = {"503": {"description": "no; the body says which check fails"}}
    return {
        path: {
            "get": {
                "summary": summary,
                "responses": {"200": {"description": "yes"}, **(failing if path.endswith("z") else {})},
            }
        }
        for path, summary in told.items()
    }

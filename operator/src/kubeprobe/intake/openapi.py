"""The intake's OpenAPI document, from the models that it checks reports with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode

from kubeprobe.intake.gates import openapi as gates
from kubeprobe.intake.port import Answer, SamplesAnswer, Told
from kubeprobe.intake.refusal import RETRY_AFTER_SECONDS
from probe_sdk.samples import MAX_SAMPLES_BYTES, SAMPLES_PATH, Samples
from probe_sdk.wire import ENV_TOKEN_FILE, MAX_BODY_BYTES, REPORT_PATH, Report

OTHER_ANSWERS = {
    400: "the body is not UTF-8, not JSON, not what is wanted, or broken off",
    401: "no token, or one that is not valid here",
    408: "the body did not arrive in time",
    415: "the body has a Content-Encoding",
}
HEADERS = {
    401: {
        "WWW-Authenticate": {"description": "That a bearer token is wanted (RFC 6750).", "schema": {"type": "string"}}
    },
    503: {
        "Retry-After": {
            "description": "Seconds after which to send it again.",
            "schema": {"type": "integer", "minimum": 0, "examples": [RETRY_AFTER_SECONDS]},
        }
    },
}


def document(version: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of this version."""
    schemas = {**_schemas(Report), **_schemas(Samples), "Recorded": _text("recorded"), "Error": _text("error")}
    for model in gates.MODELS:
        schemas |= _schemas(model)
    token = {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": f"The projected service account token in the file that {ENV_TOKEN_FILE} names.",
    }
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "kubeprobe intake",
            "version": version,
            "description": "What a probe's pod says to the operator, what gates say to release tools, and what the "
            "operator says of itself.",
        },
        "servers": [{"url": "/"}],
        "paths": {
            REPORT_PATH: {"post": _report_operation()},
            SAMPLES_PATH: {"post": _samples_operation()},
            **gates.paths(),
            **_plain_paths(),
        },
        "components": {"schemas": schemas, "securitySchemes": {"podToken": token, **gates.SCHEMES}},
    }


def _text(name: str) -> dict[str, Any]:
    return {"type": "object", "required": [name], "properties": {name: {"type": "string"}}}


def _schemas(model: type[BaseModel]) -> dict[str, Any]:
    mode: JsonSchemaMode = "serialization" if model in gates.ANSWERED else "validation"
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}", mode=mode)
    return {**schema.pop("$defs", {}), model.__name__: schema}


def _report_operation() -> dict[str, Any]:
    return {
        "operationId": "report",
        "summary": "Report the outcome of a run",
        "description": "The run is that of the pod that the token is bound to. Answered 200 only once it is durable; "
        "the same report again is 200 and changes nothing.",
        **_posted("Report", MAX_BODY_BYTES, Answer),
    }


def _samples_operation() -> dict[str, Any]:
    return {
        "operationId": "samples",
        "summary": "Tell how the targets of a resident prober are",
        "description": "The prober is the pod that the token is bound to. Counts are since its epoch began, so a "
        "message that is lost costs nothing, and one that comes twice, or late, is 200 and changes nothing.",
        **_posted("Samples", MAX_SAMPLES_BYTES, SamplesAnswer),
    }


def _posted(schema: str, max_bytes: int, answers: Iterable[Told]) -> dict[str, Any]:
    told: dict[int, list[str]] = {status: [text] for status, text in OTHER_ANSWERS.items()}
    told[413] = [f"the body is longer than {max_bytes} bytes"]
    for one in answers:
        told.setdefault(one.status, []).append(one.text)
    return {
        "security": [{"podToken": []}],
        "requestBody": {"required": True, "content": _json(schema)},
        "responses": {str(status): _answer(status, "; or ".join(texts)) for status, texts in sorted(told.items())},
    }


def _answer(status: int, text: str) -> dict[str, Any]:
    content = _json("Recorded" if status == Answer.DURABLE.status else "Error")
    headers = {"headers": HEADERS[status]} if status in HEADERS else {}
    return {"description": text, **headers, "content": content}


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _plain_paths() -> dict[str, Any]:
    text: dict[str, Any] = {"text/plain": {"schema": {"type": "string"}}}
    failing = {"503": {"description": "No; a line for each check, '[-]' before those that fail.", "content": text}}
    well = "Yes; a line for each check."
    return {
        "/healthz": _get("healthz", "Whether the operator does its work", well, text, failing),
        "/readyz": _get("readyz", "Whether reports are taken", well, text, failing),
        "/metrics": _get("metrics", "The operator's metrics", "Prometheus' text format.", text),
        "/openapi.json": _get(
            "openapi", "This document", "OpenAPI 3.1.", {"application/json": {"schema": {"type": "object"}}}
        ),
    }


def _get(
    operation: str, summary: str, answer: str, content: dict[str, Any], others: dict[str, Any] | None = None
) -> dict[str, Any]:
    found = {"200": {"description": answer, "content": content}}
    return {"get": {"operationId": operation, "summary": summary, "security": [], "responses": found | (others or {})}}

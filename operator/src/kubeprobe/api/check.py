"""One object checked without an API server: as strictly as one would with its schema and rules, and more plainly."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from kubeprobe.api.base import API_VERSION, GROUP, ApiModel
from kubeprobe.api.change import Change
from kubeprobe.api.config import ProbeConfig
from kubeprobe.api.crd import object_schema
from kubeprobe.api.gate import ChangeGate
from kubeprobe.api.meta import ObjectMeta
from kubeprobe.api.result import ProbeResult
from kubeprobe.api.rules import broken_rules
from kubeprobe.api.run import ProbeRun
from kubeprobe.api.strict import Problem, strip, suggestion
from kubeprobe.api.structural import Schema, structural
from kubeprobe.api.template import ProbeTemplate

Kind = ProbeTemplate | ProbeConfig | ProbeRun | ProbeResult | ChangeGate | Change
KINDS: Mapping[str, type[Kind]] = {
    kind.__name__: kind for kind in (ProbeTemplate, ProbeConfig, ProbeRun, ProbeResult, ChangeGate, Change)
}
SERVER_FIELDS = ("generateName", "finalizers", "managedFields", "selfLink", "deletionGracePeriodSeconds")
"""Metadata that Kubernetes knows and kubeprobe has no use for."""
NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
NAME_LENGTH = 253
MAX_SHOWN = 60
TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
}
BOUNDS = {
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "string_pattern_mismatch": "must match the pattern {pattern}",
}


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of an object: the model if it can be read at all, and what is wrong with it."""

    model: Kind | None
    problems: tuple[Problem, ...]


def is_ours(body: Mapping[str, Any]) -> bool:
    """Whether an object claims to be one of kubeprobe's, by its group or by its kind."""
    return str(body.get("apiVersion", "")).split("/")[0] == GROUP or body.get("kind") in KINDS


def check_object(body: Mapping[str, Any]) -> Checked:
    """Check one object that `is_ours`, as it was written."""
    head = tuple(_head(body))
    if head:
        return Checked(None, head)
    kind = KINDS[body["kind"]]
    found: list[Problem] = []
    kept = strip(_schema(kind), {"metadata": {}, **body}, "", found.append)
    found += _name(kept.setdefault("metadata", {}))
    model, wrong = _read(kind, kept)
    found += wrong
    if model is not None:
        found += [Problem(broken.path, broken.rule.message) for broken in broken_rules(model)]
    return Checked(model, tuple(found))


def _head(body: Mapping[str, Any]) -> Iterator[Problem]:
    name, version = body.get("kind"), body.get("apiVersion")
    if not isinstance(name, str) or name not in KINDS:
        yield Problem("kind", f"{GROUP} has no kind {_shown(name)}; {suggestion(str(name), KINDS)}")
    elif version != API_VERSION:
        yield Problem("apiVersion", f"a {name} is of {API_VERSION}, not of {_shown(version)}; write that")
    elif not isinstance(body.get("metadata", {}) or {}, dict):
        yield Problem("metadata", f"must be an object with a name, not {_shown(body['metadata'])}")


def _schema(kind: type[Kind]) -> Schema:
    """The kind's schema, with that of its metadata, which a CRD leaves to the API server."""
    schema, metadata = object_schema(kind), structural(ObjectMeta.model_json_schema(by_alias=True))
    free: dict[str, Schema] = {name: {} for name in SERVER_FIELDS}
    metadata["properties"] = {**metadata["properties"], **free}
    return {**schema, "properties": {**schema["properties"], "metadata": metadata}}


def _name(metadata: Mapping[str, Any]) -> Iterator[Problem]:
    name = metadata.get("name")
    if name is None:
        if not metadata.get("generateName"):
            yield Problem("metadata.name", "is required; give the object a name")
    elif isinstance(name, str) and (len(name) > NAME_LENGTH or NAME.fullmatch(name) is None):
        yield Problem(
            "metadata.name",
            f"{_shown(name)} cannot be a name; use lower-case letters, digits, '-' and '.', at most {NAME_LENGTH}, "
            "with a letter or digit first and last",
        )


def _read(kind: type[Kind], kept: dict[str, Any]) -> tuple[Kind | None, list[Problem]]:
    """Read as JSON and strictly: what the API server takes for text or a number is none but that."""
    try:
        return kind.model_validate_json(json.dumps(kept), strict=True), []
    except ValidationError as error:
        return None, [_problem(kind, one) for one in error.errors(include_url=False)]


def _problem(kind: type[ApiModel], error: ErrorDetails) -> Problem:
    path = ""
    for step in error["loc"]:
        path = f"{path}[{step}]" if isinstance(step, int) else f"{path}.{step}" if path else step
    return Problem(path, _words(error))


def _words(error: ErrorDetails) -> str:
    kind, context, got = error["type"], error.get("ctx", {}), _shown(error["input"])
    if kind == "missing":
        return "is required; add it"
    if kind in TYPES:
        quotes = ": put it in quotes" if kind == "string_type" and not isinstance(error["input"], dict | list) else ""
        return f"must be {TYPES[kind]}, not {got}{quotes}"
    if kind in ("enum", "literal_error"):
        return f"must be {context['expected']}, not {got}"
    if kind in BOUNDS:
        return f"{BOUNDS[kind].format(**context)}; it is {got}"
    if kind == "value_error":
        return str(context["error"])
    return f"{error['msg']}; it is {got}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"

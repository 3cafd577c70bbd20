"""The dialect of a template's spec.params: OpenAPI v3 as CRDs use it, brought into JSON schema that can be checked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

ROOT: Final = "spec.params"
TYPES = ("string", "integer", "number", "boolean", "array", "object", "null")
BRANCHES = ("allOf", "anyOf", "oneOf")
KEYWORDS = frozenset(
    {
        "type", "properties", "required", "items", "additionalProperties", "enum", "default", "description", "title",
        "format", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength",
        "maxLength", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "nullable", "not",
        "example", "externalDocs", "const", *BRANCHES,
    }
)  # fmt: skip
FORMATS = FormatChecker(("date", "email", "ipv4", "ipv6", "regex", "uuid"))
META = Draft202012Validator(Draft202012Validator.META_SCHEMA)


def problems(schema: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a schema: each with its path and the way out."""
    if schema.get("type", "object") != "object":
        yield f"{ROOT}.type: parameters have names: write 'type: object', and the parameters under 'properties'"
        return
    words = tuple(_words(schema, ROOT))
    yield from words or dict.fromkeys(_unfit(error) for error in META.iter_errors(translate(schema)))


def _unfit(error: ValidationError) -> str:
    path = ROOT
    for step in error.absolute_path:
        path = item_path(path, step)
    return f"{path}: {error.message}; write an OpenAPI v3 schema here"


def _words(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """Mistakes in one schema's own words, then in the schemas inside it."""
    for word in schema:
        if word.startswith("$"):
            yield f"{path}.{word}: references are not followed: write what it refers to in its place"
        elif word not in KEYWORDS and not word.startswith("x-"):
            close = get_close_matches(word, KEYWORDS, n=1)
            hint = f"did you mean {close[0]}?" if close else "remove it, or write it as x-… if it is a note"
            yield f"{path}.{word}: OpenAPI v3 has no such keyword; {hint}"
    kind = schema.get("type")
    if isinstance(kind, str) and kind not in TYPES:
        yield f"{path}.type: {kind!r} is not a type; use one of {', '.join(TYPES[:-1])}"
    yield from _pattern(schema.get("pattern"), path)
    for inner, place in _inside(schema, path):
        if isinstance(inner, Mapping):
            yield from _words(inner, place)
        else:
            yield f"{place}: {inner!r} is not a schema; write one such as {{type: string}}"


def _pattern(pattern: object, path: str) -> Iterator[str]:
    if isinstance(pattern, str):
        try:
            re.compile(pattern)
        except re.error as error:
            yield f"{path}.pattern: {pattern!r} is not a regular expression ({error}); correct it"


def _inside(schema: Mapping[str, Any], path: str) -> Iterator[tuple[Any, str]]:
    """What has to be a schema itself, directly inside a schema."""
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        yield from ((part, f"{path}.properties.{name}") for name, part in properties.items())
    for word in ("items", "not"):
        if word in schema:
            yield schema[word], f"{path}.{word}"
    if not isinstance(schema.get("additionalProperties", True), bool):
        yield schema["additionalProperties"], f"{path}.additionalProperties"
    for word in BRANCHES:
        branches = schema.get(word)
        if isinstance(branches, list):
            yield from ((part, f"{path}.{word}[{index}]") for index, part in enumerate(branches))


def translate(schema: Mapping[str, Any], *, branch: bool = False) -> dict[str, Any]:
    """The JSON schema (2020-12) that means the same, with objects closed to names that they do not list.

    Args:
        schema: a schema whose words are known.
        branch: it is one of several that describe the same value, so it does not know all of its names.
    """
    out = {word: _inner(word, value, branch=branch) for word, value in schema.items()}
    for word, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(out.get(word), bool):
            exclusive = out.pop(word)
            if exclusive and bound in out:
                out[word] = out.pop(bound)
    if out.get("x-kubernetes-int-or-string") is True:
        out["type"] = ["integer", "string"]
    if out.pop("nullable", False) is True:
        _allow_null(out)
    if _closes(out, branch=branch):
        out["additionalProperties"] = False
    return out


def _inner(word: str, value: Any, *, branch: bool) -> Any:
    if word == "properties" and isinstance(value, Mapping):
        return {name: _schema(part) for name, part in value.items()}
    if word in ("items", "additionalProperties"):
        return _schema(value)
    if word in BRANCHES and isinstance(value, list):
        return [_schema(part, branch=True) for part in value]
    return _schema(value, branch=True) if word == "not" else value


def _schema(value: Any, *, branch: bool = False) -> Any:
    return translate(value, branch=branch) if isinstance(value, Mapping) else value


def _allow_null(out: dict[str, Any]) -> None:
    if isinstance(out.get("type"), str):
        out["type"] = [out["type"], "null"]
    if isinstance(out.get("enum"), list) and None not in out["enum"]:
        out["enum"] = [*out["enum"], None]


def _closes(out: Mapping[str, Any], *, branch: bool) -> bool:
    if branch or "additionalProperties" in out or out.get("x-kubernetes-preserve-unknown-fields") is True:
        return False
    return "properties" in out and not any(word in out for word in BRANCHES)


def item_path(path: str, step: str | int) -> str:
    """The path of something inside a value."""
    return f"{path}[{step}]" if isinstance(step, int) else f"{path}.{step}"

"""A run's parameters against its template's schema: defaults filled in, every error with its field and its way out.

Names that a schema does not list are refused, unless it says additionalProperties: they are typing mistakes far more
often than wishes.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from kubeprobe.plan.params_schema import FORMATS, ROOT, item_path, problems, translate

MAX_ERRORS = 10
MAX_SHOWN = 60
ONE_OF_TYPE = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
BOUNDS = {
    "minimum": "must be at least",
    "maximum": "must be at most",
    "exclusiveMinimum": "must be more than",
    "exclusiveMaximum": "must be less than",
    "multipleOf": "must be a multiple of",
    "minLength": "must have at least so many characters:",
    "maxLength": "must have at most so many characters:",
    "minItems": "must have at least so many items:",
    "maxItems": "must have at most so many items:",
    "pattern": "must match the pattern",
    "format": "must be of the format",
}


@dataclass(frozen=True, slots=True)
class ParamsCheck:
    """What became of the parameters: the values that a probe gets, and why it will not get them if there are errors."""

    values: Mapping[str, Any]
    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Compiled:
    schema: Mapping[str, Any]
    validator: Draft202012Validator
    errors: tuple[str, ...]


def check_params(schema: Mapping[str, Any], params: Mapping[str, Any]) -> ParamsCheck:
    """Fill in the schema's defaults and check what comes of it.

    Args:
        schema: a template's spec.params, an OpenAPI v3 schema.
        params: a config's or a run's spec.params.
    """
    compiled = _compile(json.dumps(schema))
    values = copy.deepcopy(dict(params))
    if compiled.errors:
        return ParamsCheck(values, compiled.errors)
    _fill(compiled.schema, values)
    told = dict.fromkeys(text for error in compiled.validator.iter_errors(values) for text in _tell(error))
    return ParamsCheck(values, tuple(told)[:MAX_ERRORS])


def schema_errors(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """What is wrong with a template's parameter schema itself; nothing if configs can be checked against it."""
    return _compile(json.dumps(schema)).errors


@lru_cache(maxsize=256)
def _compile(text: str) -> _Compiled:
    """Many configs share few templates, and a schema is dearer to read than parameters are to check."""
    schema = json.loads(text)
    found = tuple(problems(schema))
    translated = {} if found else translate({"type": "object", "properties": {}, **schema})
    validator = Draft202012Validator(translated, format_checker=FORMATS)
    if not found:
        found = tuple(_bad_defaults(translated, ROOT))
    return _Compiled(translated, validator, found[:MAX_ERRORS])


def _fill(schema: Mapping[str, Any], value: Any) -> None:
    """Put the defaults of what is absent into a value, in place; an absent object is not made up for its defaults."""
    if isinstance(value, dict):
        for name, part in schema.get("properties", {}).items():
            if name not in value and "default" in part:
                value[name] = copy.deepcopy(part["default"])
        for name, item in value.items():
            _fill(_part(schema, name), item)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for item in value:
            _fill(schema["items"], item)


def _part(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The schema of one of an object's fields."""
    found = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
    return found if isinstance(found, dict) else {}


def _bad_defaults(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """A default that its own schema refuses would break every config that leaves it out."""
    for name, part in schema.get("properties", {}).items():
        where = f"{path}.properties.{name}"
        if "default" in part:
            value = copy.deepcopy(part["default"])
            _fill(part, value)
            for error in Draft202012Validator(part, format_checker=FORMATS).iter_errors(value):
                yield f"{where}.default: {error.message}; correct the default or the schema"
        yield from _bad_defaults(part, where)


def _tell(error: ValidationError) -> Iterator[str]:
    """What a user reads about one error."""
    path = ROOT
    for step in error.absolute_path:
        path = item_path(path, step)
    if error.validator == "required":
        yield from (f"{path}.{name}: is required; set it{_meaning(error, name)}" for name in _missing(error))
    elif error.validator == "additionalProperties" and error.validator_value is False:
        yield from (f"{path}.{name}: {_unknown(error, name)}" for name in _surplus(error))
    else:
        yield f"{path}: {_expected(error)}"


def _missing(error: ValidationError) -> list[str]:
    return [name for name in _value(error) if name not in _instance(error)]


def _surplus(error: ValidationError) -> list[str]:
    known = _schema(error).get("properties", {})
    return sorted(name for name in _instance(error) if name not in known)


def _meaning(error: ValidationError, name: str) -> str:
    about = _part(_schema(error), name).get("description", "")
    return f": {_short(about)}" if about else ""


def _unknown(error: ValidationError, name: str) -> str:
    known = sorted(_schema(error).get("properties", {}))
    close = get_close_matches(name, known, n=1)
    if close:
        return f"the template has no such parameter; did you mean {close[0]}?"
    takes = f"it takes {', '.join(known)}" if known else "it takes none here"
    return f"the template has no such parameter; {takes}"


def _expected(error: ValidationError) -> str:
    got = _short(json.dumps(_instance(error), ensure_ascii=False))
    wanted = _value(error)
    if error.validator == "type":
        types = [wanted] if isinstance(wanted, str) else wanted
        return f"must be {' or '.join(ONE_OF_TYPE[one] for one in types)}, not {got}"
    if error.validator == "enum":
        return f"must be one of {', '.join(json.dumps(one, ensure_ascii=False) for one in wanted)}, not {got}"
    if error.validator in BOUNDS:
        return f"{BOUNDS[str(error.validator)]} {wanted}; it is {got}"
    return f"{_short(error.message)}; see the template's spec.params"


def _short(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


# jsonschema types these as perhaps unset, which they are not on errors that a validator found.


def _value(error: ValidationError) -> Any:
    return error.validator_value


def _instance(error: ValidationError) -> Any:
    return error.instance


def _schema(error: ValidationError) -> dict[str, Any]:
    return error.schema  # type: ignore[return-value]

"""Typed parameters of a probe: one pydantic model is the check's argument, its help and its template's schema."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from probe_sdk.durations import PATTERN, format_seconds, parse_seconds


class Model(BaseModel):
    """Base class of a probe's parameters: `max_latency` in Python is `maxLatency` in a ProbeConfig."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Duration(float):
    """A duration: seconds to calculate with, `500ms` or `1h30m` to read and write."""

    __slots__ = ()

    def __new__(cls, value: str | float) -> Self:
        """Take `500ms`, or a number of seconds."""
        seconds = parse_seconds(value) if isinstance(value, str) else float(value)
        if not 0 <= seconds < float("inf"):
            raise ValueError(f"{seconds} seconds are no duration: it has to be finite and not negative")
        return super().__new__(cls, seconds)

    def __str__(self) -> str:
        return format_seconds(self)

    def __repr__(self) -> str:
        return f"Duration({str(self)!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        from_text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema())
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_text]),
            serialization=core_schema.to_string_ser_schema(),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": PATTERN}


def openapi_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return a model as the OpenAPI v3 schema that a ProbeTemplate carries in `spec.params`."""
    schema = model.model_json_schema(by_alias=True)
    definitions = schema.pop("$defs", {})
    return _object(_inlined(schema, definitions))


def _inlined(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Replace references by what they mean, and 'this or null' by this: an absent parameter is left out."""
    if "$ref" in schema:
        named = definitions[schema["$ref"].removeprefix("#/$defs/")]
        schema = {**named, **{key: value for key, value in schema.items() if key != "$ref"}}
    folded = {key: _value(key, value, definitions) for key, value in schema.items() if key != "title"}
    if keyed := folded.pop("patternProperties", None):  # of names OpenAPI knows no rules: the model keeps to them
        folded["additionalProperties"] = next(iter(keyed.values()))
    folded.pop("propertyNames", None)
    choices = [choice for choice in folded.pop("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        folded = {**choices[0], **folded}
    elif choices:
        folded["anyOf"] = choices
    if folded.get("default", ...) is None:
        del folded["default"]
    return folded


def _value(key: str, value: Any, definitions: dict[str, Any]) -> Any:
    if key in ("properties", "patternProperties"):
        return {name: _inlined(each, definitions) for name, each in value.items()}
    if key in ("items", "additionalProperties") and isinstance(value, dict):
        return _inlined(value, definitions)
    if key in ("anyOf", "allOf", "oneOf"):
        return [_inlined(each, definitions) for each in value]
    return value


def _object(schema: dict[str, Any]) -> dict[str, Any]:
    """Leave out the model's docstring where it is only this module's own."""
    if schema.get("description") == Model.__doc__:
        del schema["description"]
    return {**schema, "properties": schema.get("properties", {})}

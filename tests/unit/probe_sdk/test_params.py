"""Durations, parameters, and the schema of a template."""

import json
from enum import StrEnum
from typing import Annotated

import jsonschema
import pytest
from pydantic import Field, StringConstraints, ValidationError

from probe_sdk import params
from probe_sdk.params import Duration, openapi_schema


@pytest.mark.parametrize(
    ("text", "seconds", "written"),
    [
        ("500ms", 0.5, "500ms"),
        ("30s", 30, "30s"),
        ("1h30m", 5400, "1h30m"),
        ("90s", 90, "1m30s"),
        ("1d", 86400, "1d"),
        ("1m1s1ms", 61.001, "1m1s1ms"),
        ("0s", 0, "0s"),
    ],
)
def test_a_duration_is_seconds_and_reads_as_written(text: str, seconds: float, written: str) -> None:
    duration = Duration(text)
    assert duration == seconds
    assert str(duration) == written
    assert repr(duration) == f"Duration('{written}')"


@pytest.mark.parametrize("text", ["", "5", "5 s", "-5s", "1.5s", "5 minutes", "5x", "s", "1s\n"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration: write numbers with a unit"):
        Duration(text)


@pytest.mark.parametrize("seconds", [-1.0, float("inf"), float("nan")])
def test_a_duration_is_finite_and_not_negative(seconds: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        Duration(seconds)


class Level(StrEnum):
    LOW = "low"


class Inner(params.Model):
    """A part."""

    host: str


class Params(params.Model):
    endpoints: list[str] = Field(min_length=1, description="Where etcd is.")
    max_latency: Duration = Duration("500ms")
    inner: Inner | None = None
    parts: tuple[Inner, ...] = ()
    by_name: dict[str, Inner] = Field(default={})
    level: Level = Level.LOW
    port: int | str = 2379
    tries: int = Field(default=3, ge=1)


def test_names_are_camel_case_in_json_and_snake_case_in_python() -> None:
    read = Params.model_validate_json('{"endpoints": ["a"], "maxLatency": "1s"}')
    assert read.max_latency == 1.0
    assert isinstance(read.max_latency, Duration)
    assert Params(endpoints=["a"], max_latency=Duration(1.0)) == read
    assert json.loads(read.model_dump_json(by_alias=True))["maxLatency"] == "1s"


@pytest.mark.parametrize(
    "body",
    [
        '{"endpoints": ["a"], "maxLatency": "1"}',
        '{"endpoints": ["a"], "maxLatency": 1}',
        '{"endpoints": ["a"], "x": 1}',
        "{}",
    ],
)
def test_wrong_parameters_are_refused(body: str) -> None:
    with pytest.raises(ValidationError):
        Params.model_validate_json(body)


def test_the_schema_is_one_that_a_template_can_carry() -> None:
    assert openapi_schema(Params) == {
        "type": "object",
        "additionalProperties": False,
        "required": ["endpoints"],
        "properties": {
            "endpoints": {
                "type": "array",
                "items": {"type": "string"},
                "minItems": 1,
                "description": "Where etcd is.",
            },
            "maxLatency": {"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$", "default": "500ms"},
            "inner": INNER,
            "parts": {"type": "array", "items": INNER, "default": []},
            "byName": {"type": "object", "additionalProperties": INNER, "default": {}},
            "level": {"type": "string", "enum": ["low"], "default": "low"},
            "port": {"anyOf": [{"type": "integer"}, {"type": "string"}], "default": 2379},
            "tries": {"type": "integer", "minimum": 1, "default": 3},
        },
    }


INNER = {
    "type": "object",
    "description": "A part.",
    "additionalProperties": False,
    "required": ["host"],
    "properties": {"host": {"type": "string"}},
}


def test_the_schema_and_the_model_agree() -> None:
    validator = jsonschema.Draft202012Validator(openapi_schema(Params))
    assert validator.is_valid({"endpoints": ["a"], "maxLatency": "1h30m", "inner": {"host": "x"}})
    assert not validator.is_valid({"endpoints": ["a"], "maxLatency": "fast"})
    assert not validator.is_valid({"endpoints": ["a"], "max_latency": "1s"})


def test_a_model_s_own_docstring_describes_it() -> None:
    assert openapi_schema(Inner)["description"] == "A part."
    assert openapi_schema(params.Model) == {"type": "object", "additionalProperties": False, "properties": {}}


class Labelled(params.Model):
    labels: dict[Annotated[str, StringConstraints(pattern="^[a-z]+$", max_length=3)], params.Duration] = Field({})


def test_rules_for_names_stay_with_the_model() -> None:
    """OpenAPI v3 has none; the values' schema is kept."""
    labels = params.openapi_schema(Labelled)["properties"]["labels"]
    assert labels.keys() == {"type", "default", "additionalProperties"}
    assert labels["additionalProperties"]["type"] == "string"
    with pytest.raises(ValidationError):
        Labelled.model_validate({"labels": {"A": "1s"}})

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubeprobe.plan.params import MAX_ERRORS, check_params, schema_errors
from kubeprobe.plan.params_schema import KEYWORDS

ETCD: dict[str, Any] = {
    "type": "object",
    "required": ["endpoints"],
    "properties": {
        "endpoints": {
            "type": "array",
            "description": "Addresses of etcd, as the clients use them.",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["host"],
                "properties": {"host": {"type": "string"}, "port": {"type": "integer", "default": 2379}},
            },
        },
        "prefix": {"type": "string", "default": "/kubeprobe/"},
        "tls": {"type": "object", "properties": {"verify": {"type": "boolean", "default": True}}},
        "labels": {
            "type": "object",
            "additionalProperties": {"type": "object", "properties": {"on": {"type": "boolean", "default": False}}},
        },
    },
}


def of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def test_defaults_are_filled_in_at_every_depth() -> None:
    params = {"endpoints": [{"host": "a"}, {"host": "b", "port": 1}], "tls": {}, "labels": {"x": {}}}
    before = copy.deepcopy(params)
    found = check_params(ETCD, params)
    assert found.errors == ()
    assert found.values == {
        "endpoints": [{"host": "a", "port": 2379}, {"host": "b", "port": 1}],
        "prefix": "/kubeprobe/",
        "tls": {"verify": True},
        "labels": {"x": {"on": False}},
    }
    assert params == before


def test_an_absent_object_is_not_made_up_for_its_defaults() -> None:
    assert "tls" not in check_params(ETCD, {"endpoints": [{"host": "a"}]}).values


def test_a_default_with_defaults_inside_is_filled_and_never_shared() -> None:
    schema = of(tls={**ETCD["properties"]["tls"], "default": {}})
    first = check_params(schema, {}).values
    assert first == {"tls": {"verify": True}}
    first["tls"]["verify"] = "changed by its user"
    assert check_params(schema, {}).values == {"tls": {"verify": True}}


@pytest.mark.parametrize(
    ("schema", "params", "errors"),
    [
        (
            ETCD,
            {},
            ("spec.params.endpoints: is required; set it: Addresses of etcd, as the clients use them.",),
        ),
        (ETCD, {"endpoints": [{}]}, ("spec.params.endpoints[0].host: is required; set it",)),
        (
            ETCD,
            {"endpoints": [{"host": "a"}], "prefx": "/"},
            ("spec.params.prefx: the template has no such parameter; did you mean prefix?",),
        ),
        (
            ETCD,
            {"endpoints": [{"host": "a", "zone": "b"}]},
            ("spec.params.endpoints[0].zone: the template has no such parameter; it takes host, port",),
        ),
        ({}, {"b": 1, "a": 1}, tuple(
            f"spec.params.{name}: the template has no such parameter; it takes none here" for name in "ab"
        )),
        (ETCD, {"endpoints": "a"}, ('spec.params.endpoints: must be a list, not "a"',)),
        (
            of(a={"type": "string", "nullable": True}),
            {"a": 1},
            ("spec.params.a: must be a string or null, not 1",),
        ),
        (
            of(a={"type": "string", "enum": ["x", "y"]}),
            {"a": "z"},
            ('spec.params.a: must be one of "x", "y", not "z"',),
        ),
        (of(a={"type": "integer", "minimum": 1}), {"a": 0}, ("spec.params.a: must be at least 1; it is 0",)),
        (
            of(a={"type": "string", "pattern": "^[0-9]+$"}),
            {"a": "é" * 99},
            (f'spec.params.a: must match the pattern ^[0-9]+$; it is "{"é" * 58}…',),
        ),
        (
            of(a={"type": "string", "format": "ipv4"}),
            {"a": "300.1.1.1"},
            ('spec.params.a: must be of the format ipv4; it is "300.1.1.1"',),
        ),
        (
            of(a={"not": {"type": "string"}}),
            {"a": "b"},
            ("spec.params.a: 'b' should not be valid under {'type': 'string'}; see the template's spec.params",),
        ),
        (
            of(a={"type": "object", "additionalProperties": {"type": "integer"}}),
            {"a": {"b": "c"}},
            ('spec.params.a.b: must be a whole number, not "c"',),
        ),
    ],
)  # fmt: skip
def test_errors_name_the_field_and_the_way_out(
    schema: dict[str, Any], params: dict[str, Any], errors: tuple[str, ...]
) -> None:
    assert check_params(schema, params).errors == errors


@pytest.mark.parametrize(
    ("schema", "params"),
    [
        ({"type": "object", "additionalProperties": True}, {"any": 1}),
        ({"type": "object", "x-kubernetes-preserve-unknown-fields": True}, {"any": 1}),
        (of(a={"type": "string", "nullable": True, "enum": ["x"]}), {"a": None}),
        (of(a={"enum": ["x", None], "nullable": True}), {"a": None}),
        (of(a={"type": "string", "nullable": False}), {"a": "x"}),
        (of(a={"x-kubernetes-int-or-string": True}), {"a": "80%"}),
        (of(a={"x-kubernetes-int-or-string": True}), {"a": 80}),
        (of(a={"type": "number", "minimum": 0, "exclusiveMinimum": False}), {"a": 0}),
        (of(a={"type": "number", "exclusiveMinimum": 0}), {"a": 0.5}),
        (of(a={"anyOf": [of(x={"type": "string"}), of(y={"type": "string"})]}), {"a": {"x": "1", "y": "2"}}),
        (of(a={**of(x={"type": "string"}), "oneOf": [{"required": ["x"]}, {"required": ["y"]}]}), {"a": {"y": "2"}}),
        (of(a={"not": {"properties": {"x": {"type": "string"}}}, "type": "object"}), {"a": {"x": 1}}),
        (of(a={"type": "object", "additionalProperties": True}), {"a": {"b": 1}}),
        (of(a={}), {"a": {"b": 1}}),
    ],
)
def test_what_the_schema_allows_passes(schema: dict[str, Any], params: dict[str, Any]) -> None:
    assert schema_errors(schema) == ()
    assert check_params(schema, params) == type(check_params({}, {}))(params, ())


@pytest.mark.parametrize(
    ("word", "bound", "at"), [("exclusiveMinimum", "minimum", 5), ("exclusiveMaximum", "maximum", 5)]
)
def test_exclusive_bounds_in_the_form_of_openapi(word: str, bound: str, at: int) -> None:
    schema = of(a={"type": "integer", bound: at, word: True})
    (error,) = check_params(schema, {"a": at}).errors
    assert f"than {at}; it is {at}" in error


def test_an_exclusive_bound_without_a_bound_is_none() -> None:
    assert check_params(of(a={"type": "integer", "exclusiveMinimum": True}), {"a": -1}).errors == ()


@pytest.mark.parametrize(
    ("schema", "errors"),
    [
        ({"type": "array"}, (("spec.params.type: parameters have names: write 'type: object', and the parameters under "
                             "'properties'"),)),
        (
            of(a={"type": "int"}),
            (("spec.params.properties.a.type: 'int' is not a type; use one of string, integer, number, boolean, array, "
             "object"),),
        ),
        (
            {"type": "object", "requird": []},
            ("spec.params.requird: OpenAPI v3 has no such keyword; did you mean required?",),
        ),
        (
            of(a={"type": "array", "items": {"zzz": 1}}),
            (("spec.params.properties.a.items.zzz: OpenAPI v3 has no such keyword; remove it, or write it as x-… if it "
             "is a note"),),
        ),
        (
            of(a={"anyOf": [{"type": "string"}, {"$ref": "https://example/x"}]}),
            (("spec.params.properties.a.anyOf[1].$ref: references are not followed: write what it refers to in its "
             "place"),),
        ),
        (
            of(a={"type": "string", "pattern": "("}),
            (("spec.params.properties.a.pattern: '(' is not a regular expression (missing ), unterminated subpattern "
             "at position 0); correct it"),),
        ),
        (
            {"type": "object", "properties": ["a"]},
            ("spec.params.properties: ['a'] is not of type 'object'; write an OpenAPI v3 schema here",),
        ),
        (
            of(a={"type": "object", "anyOf": "x"}),
            ("spec.params.properties.a.anyOf: 'x' is not of type 'array'; write an OpenAPI v3 schema here",),
        ),
        (
            of(a={"type": "object", "properties": {"b": {"type": "string", "default": 4}}}),
            (("spec.params.properties.a.properties.b.default: 4 is not of type 'string'; correct the default or the "
             "schema"),),
        ),
        (
            of(a=5),
            ("spec.params.properties.a: 5 is not a schema; write one such as {type: string}",),
        ),
    ],
)  # fmt: skip
def test_a_broken_schema_says_where(schema: dict[str, Any], errors: tuple[str, ...]) -> None:
    assert schema_errors(schema) == errors
    found = check_params(schema, {"a": 1})
    assert (found.values, found.errors) == ({"a": 1}, errors)


def test_no_more_errors_than_a_reader_takes() -> None:
    assert len(check_params({}, {f"p{index}": 1 for index in range(99)}).errors) == MAX_ERRORS


def test_the_same_mistake_is_told_once() -> None:
    schema = of(a={"allOf": [{"type": "string"}, {"type": "string"}]})
    assert check_params(schema, {"a": 1}).errors == ("spec.params.a: must be a string, not 1",)


KEYWORD_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "object", "string", "array", "a", "("]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*sorted(KEYWORDS), "a", "b", "x-kubernetes-int-or-string"]), inner, max_size=5
        )
    ),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from([*sorted(KEYWORDS), "a", "b"]), KEYWORD_VALUES, max_size=6)


@settings(max_examples=400, deadline=None)
@given(OBJECTS, OBJECTS)
def test_whatever_users_write_is_answered_and_never_raises(schema: dict[str, Any], params: dict[str, Any]) -> None:
    found = check_params(schema, params)
    assert all(isinstance(error, str) and error.startswith("spec.params") for error in found.errors)
    assert params.keys() <= found.values.keys()

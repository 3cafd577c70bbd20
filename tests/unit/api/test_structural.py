"""What has a structural counterpart is brought into it; what has none is refused with its place."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from kubeprobe.api.structural import NotStructuralError, structural


class Inner(BaseModel):
    """An inner thing."""

    number: int = 0


def folded(model: type[BaseModel]) -> dict[str, Any]:
    return structural(model.model_json_schema(), model.__name__)


def test_references_are_put_in_place_and_the_field_has_the_last_word() -> None:
    class Model(BaseModel):
        one: Inner = Field(description="The one.")
        many: tuple[Inner, ...]
        named: dict[str, Inner]

    properties = folded(Model)["properties"]
    inner = {"type": "object", "properties": {"number": {"type": "integer", "default": 0}}}
    assert properties["one"] == {**inner, "description": "The one."}
    assert properties["many"] == {"type": "array", "items": {**inner, "description": "An inner thing."}}
    assert properties["named"]["additionalProperties"]["properties"] == inner["properties"]


def test_null_is_another_word_for_absent() -> None:
    class Model(BaseModel):
        name: Annotated[str, Field(max_length=3)] | None = Field(None, description="A name.")

    assert folded(Model) == {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 3, "description": "A name."}},
    }


def test_free_form_objects_keep_what_they_get() -> None:
    class Model(BaseModel):
        params: dict[str, Any]

    assert folded(Model)["properties"]["params"] == {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def test_defaults_are_written_without_their_empty_parts() -> None:
    class Outer(BaseModel):
        text: str = ""
        names: tuple[str, ...] = ()
        zero: int = 0
        off: bool = False
        inner: Inner = Inner(number=3)

    properties = folded(Outer)["properties"]
    assert {name: part["default"] for name, part in properties.items() if "default" in part} == {
        "zero": 0,
        "off": False,
        "inner": {"number": 3},
    }


def test_kubernetes_markers_stay_and_a_constant_is_an_enum() -> None:
    class Model(BaseModel):
        kind: Literal["K"]
        names: tuple[str, ...] = Field(json_schema_extra={"x-kubernetes-list-type": "set"})

    properties = folded(Model)["properties"]
    assert properties["kind"] == {"type": "string", "enum": ["K"]}
    assert properties["names"]["x-kubernetes-list-type"] == "set"


class Cyclic(BaseModel):
    again: Cyclic | None = None


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Union(BaseModel):
    value: int | str


class Pair(BaseModel):
    value: tuple[int, str]


class Keyed(BaseModel):
    value: dict[Annotated[str, Field(pattern="^a")], int]


class Distinct(BaseModel):
    value: frozenset[int]


class Discriminated(BaseModel):
    class A(BaseModel):
        kind: Literal["a"]

    class B(BaseModel):
        kind: Literal["b"]

    value: A | B = Field(discriminator="kind")


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int]
    name: str


class Typeless(BaseModel):
    value: Any


class Strictly(BaseModel):
    value: int = Field(gt=0)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Cyclic, r"Cyclic\.again contains itself"),
        (Closed, "Closed forbids unknown fields"),
        (Union, r"Union\.value is a union"),
        (Pair, r"Pair\.value uses prefixItems"),
        (Keyed, r"Keyed\.value uses patternProperties"),
        (Distinct, r"Distinct\.value uses uniqueItems"),
        (Discriminated, r"Discriminated\.value uses discriminator, oneOf"),
        (Open, "Open has fields and free keys"),
        (Typeless, r"Typeless\.value has no type"),
        (Strictly, r"Strictly\.value uses exclusiveMinimum"),
    ],
)
def test_what_cannot_be_said_is_refused(model: type[BaseModel], words: str) -> None:
    with pytest.raises(NotStructuralError, match=words):
        folded(model)

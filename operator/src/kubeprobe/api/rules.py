"""Rules between fields, each written twice side by side: as CEL for the API server and as a check for use without one.

A rule stands either in a model's `rules`, where `self` is the object, or in a field's annotation, where `self` is the
field's value. The tests put the same examples to both forms, the CEL on a real API server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

VALIDATIONS = "x-kubernetes-validations"


@dataclass(frozen=True, slots=True)
class Rule:
    """One constraint that a schema's types cannot hold."""

    cel: str
    message: str
    """What has to hold and the way out, in the user's words."""
    check: Callable[[Any], bool] | None = None
    """The same as `cel` on the model or value; None where a rule compares with the object's former state."""
    field: str = ""
    """The field (its name on the wire) that the message is about; empty for the object itself."""

    def validation(self) -> dict[str, str]:
        """The rule as an item of x-kubernetes-validations."""
        where = {"fieldPath": f".{self.field}"} if self.field else {}
        return {"rule": self.cel, "message": self.message, **where}

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema of an annotated field, with this rule."""
        return with_validations(dict(handler(core_schema)), (self,))


def with_validations(schema: JsonSchemaValue, rules: Iterable[Rule]) -> JsonSchemaValue:
    """Add rules to a schema, in place, after those that it has."""
    added = [rule.validation() for rule in rules]
    if added:
        schema[VALIDATIONS] = [*schema.get(VALIDATIONS, ()), *added]
    return schema


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that does not hold, and the path of the field that it is about."""

    path: str
    rule: Rule


def broken_rules(model: BaseModel, path: str = "") -> Iterator[Broken]:
    """All rules that do not hold in an object and its parts.

    Args:
        model: the object.
        path: where it stands, such as `spec.schedule`; empty for a whole object.
    """
    for rule in getattr(type(model), "rules", ()):
        if rule.check is not None and not rule.check(model):
            yield Broken(_join(path, rule.field) or path, rule)
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        where = _join(path, field.alias or name)
        if value is None:
            continue
        for rule in field.metadata:
            if isinstance(rule, Rule) and rule.check is not None and not rule.check(value):
                yield Broken(where, rule)
        yield from _inside(value, where)


def _inside(value: object, path: str) -> Iterator[Broken]:
    if isinstance(value, BaseModel):
        yield from broken_rules(value, path)
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _inside(item, f"{path}[{index}]")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name else path or name

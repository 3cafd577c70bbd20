"""From a model's JSON schema to the structural schema that a CustomResourceDefinition takes.

JSON schema is the wider language. What has a counterpart is brought into it (references inlined, null unions made
optional fields); what has none is refused loudly, so that it is noticed when a model is changed and not when a cluster
refuses the CRD, or silently keeps less of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubeprobe.api.rules import VALIDATIONS

Schema = dict[str, Any]

KEPT = frozenset(
    {
        "type", "description", "enum", "format", "pattern", "default", "items", "properties", "required",
        "additionalProperties", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems",
        "minProperties", "maxProperties", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string",
        "x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type",
    }
)  # fmt: skip
DROPPED = frozenset({"title", "$defs"})
PRESERVE = "x-kubernetes-preserve-unknown-fields"


class NotStructuralError(TypeError):
    """A model says something that a structural schema cannot; the message names the place and the way out."""


def structural(schema: Mapping[str, Any], where: str = "") -> Schema:
    """The structural schema of a JSON schema as `model_json_schema` writes it.

    Args:
        schema: the JSON schema, with its $defs.
        where: what errors call it, such as the model's name.

    Raises:
        NotStructuralError: it cannot be said structurally.
    """
    return _fold(schema, schema.get("$defs", {}), where or str(schema.get("title", "schema")), ())


def _fold(schema: Mapping[str, Any], definitions: Mapping[str, Any], where: str, inside: tuple[str, ...]) -> Schema:
    found, inside = _resolved(schema, definitions, where, inside)
    folded = {key: value for key, value in found.items() if key not in DROPPED}
    if "const" in folded:
        folded["enum"] = [folded.pop("const")]
    if "properties" in folded:
        folded["properties"] = {
            name: _fold(part, definitions, f"{where}.{name}", inside) for name, part in folded["properties"].items()
        }
    if "items" in folded:
        folded["items"] = _fold(folded["items"], definitions, f"{where}[]", inside)
    _fold_map(folded, definitions, where, inside)
    _fold_default(folded)
    _refuse(folded, where)
    return folded


def _resolved(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], where: str, inside: tuple[str, ...]
) -> tuple[Schema, tuple[str, ...]]:
    """The schema with its reference and its null union replaced by what they stand for; its own words come first."""
    found = dict(schema)
    if "anyOf" in found:
        found = _over(_not_null(found.pop("anyOf"), where), found)
    if "$ref" in found:
        name = found.pop("$ref").rsplit("/", 1)[-1]
        if name in inside:
            raise NotStructuralError(f"{where} contains itself ({name}): a structural schema is finite")
        return _over(definitions[name], found), (*inside, name)
    return found, inside


def _over(inner: Schema, outer: Schema) -> Schema:
    """What a field says beside what its type says; the rules of both hold."""
    both = {**inner, **outer}
    if VALIDATIONS in inner and VALIDATIONS in outer:
        both[VALIDATIONS] = [*inner[VALIDATIONS], *outer[VALIDATIONS]]
    return both


def _not_null(options: list[Schema], where: str) -> Schema:
    real = [option for option in options if option != {"type": "null"}]
    if len(real) != 1:
        raise NotStructuralError(f"{where} is a union: make its members optional fields side by side, with a rule")
    return real[0]


def _fold_map(folded: Schema, definitions: Mapping[str, Any], where: str, inside: tuple[str, ...]) -> None:
    """Free-form objects keep what they are given; maps have a schema for their values."""
    values = folded.get("additionalProperties")
    if values is True:
        del folded["additionalProperties"]
        folded[PRESERVE] = True
    elif values is False:
        raise NotStructuralError(f"{where} forbids unknown fields: the API server prunes them, drop extra='forbid'")
    elif values is not None:
        folded["additionalProperties"] = _fold(values, definitions, f"{where}{{}}", inside)
        if "properties" in folded:
            raise NotStructuralError(f"{where} has fields and free keys: a structural schema has one or the other")


def _fold_default(folded: Schema) -> None:
    """What is empty need not be written into every object."""
    default = _without_empty(folded.pop("default", None))
    if not _empty(default):
        folded["default"] = default


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: kept for name, part in value.items() if not _empty(kept := _without_empty(part))}
    return value


def _empty(value: Any) -> bool:
    return value is None or value in ("", [], {})


def _refuse(folded: Schema, where: str) -> None:
    unknown = folded.keys() - KEPT
    if unknown:
        raise NotStructuralError(f"{where} uses {', '.join(sorted(unknown))}: a structural schema has no such thing")
    if "type" not in folded and "x-kubernetes-int-or-string" not in folded:
        raise NotStructuralError(f"{where} has no type: give the field one, or dict[str, Any] for a free-form object")

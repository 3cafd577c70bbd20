"""What the API server would pass over in silence: fields that a schema does not have, and nulls.

It prunes both, so a misspelt field is simply not there. A check before that has to say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from kubeprobe.api.structural import PRESERVE, Schema

LIKENESS = 0.7
"""How much of two names must agree before one is suggested for the other."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: the field, and what is wrong with the way out."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


def strip(schema: Schema, value: Any, path: str, tell: Callable[[Problem], None]) -> Any:
    """The value as the API server would keep it.

    Args:
        schema: the structural schema.
        value: what was written.
        path: where it stands.
        tell: takes what was found: unknown fields, and two items of a list that must differ.
    """
    if isinstance(value, dict) and schema.get("type") == "object":
        return _strip_object(schema, value, path, tell)
    if isinstance(value, list) and "items" in schema:
        _tell_twins(schema, value, path, tell)
        return [strip(schema["items"], item, f"{path}[{index}]", tell) for index, item in enumerate(value)]
    return value


def _strip_object(schema: Schema, value: dict[str, Any], path: str, tell: Callable[[Problem], None]) -> dict[str, Any]:
    known: Mapping[str, Schema] = schema.get("properties", {})
    kept = {}
    for name, part in value.items():
        where = f"{path}.{name}" if path else name
        if name in known:
            if part is not None:
                kept[name] = strip(known[name], part, where, tell)
        elif "additionalProperties" in schema:
            kept[name] = strip(schema["additionalProperties"], part, where, tell)
        elif schema.get(PRESERVE):
            kept[name] = part
        else:
            tell(Problem(where, f"there is no such field; {suggestion(name, known)}"))
    return kept


def suggestion(name: str, known: Iterable[str]) -> str:
    """The way out for a name that is not among those that are known."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=LIKENESS) or [
        one for one in names if one.lower() == name.lower()
    ]
    return f"did you mean {close[0]}?" if close else f"known here: {', '.join(names)}"


def _tell_twins(schema: Schema, items: list[Any], path: str, tell: Callable[[Problem], None]) -> None:
    """Items of a map-like list differ in their key, items of a set in themselves."""
    kind = schema.get("x-kubernetes-list-type")
    if kind not in ("map", "set"):
        return
    seen: list[Any] = []
    for index, item in enumerate(items):
        key = _key(schema, item) if kind == "map" else item
        if key in seen:
            tell(Problem(f"{path}[{index}]", f"{_shown(key)} is there already; remove one of the two"))
        seen.append(key)


def _key(schema: Schema, item: Any) -> Any:
    names = schema["x-kubernetes-list-map-keys"]
    return {name: item.get(name) for name in names} if isinstance(item, dict) else item


def _shown(key: Any) -> str:
    return ", ".join(f"{name} {value}" for name, value in key.items()) if isinstance(key, dict) else repr(key)

"""How a kind presents itself in the API: plural, short names, scope and the columns that kubectl get prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Column:
    """One column of `kubectl get`."""

    name: str
    path: str
    type: Literal["string", "date", "number", "integer", "boolean"] = "string"
    priority: int = 0
    """1 for a column that only `-o wide` shows."""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Crd:
    """What a CustomResourceDefinition says beyond the schema."""

    plural: str
    short_names: tuple[str, ...]
    namespaced: bool
    columns: tuple[Column, ...]

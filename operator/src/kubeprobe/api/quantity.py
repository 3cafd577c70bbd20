"""Amounts as Kubernetes writes them: 100m, 64Mi, 1."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

PATTERN = r"^([0-9]+|[0-9]+\.[0-9]*|\.[0-9]+)(([KMGTPE]i)|[numkMGTPE]|([eE][+-]?[0-9]+))?$"
QUANTITY = re.compile(PATTERN, re.ASCII)


def _from_number(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _well_formed(text: str) -> str:
    if QUANTITY.fullmatch(text) is None:
        raise ValueError(f"{text[:64]!r} is not an amount: write one such as 100m, 1, 64Mi or 1Gi")
    return text


Quantity = Annotated[
    str,
    BeforeValidator(_from_number),
    AfterValidator(_well_formed),
    WithJsonSchema({"x-kubernetes-int-or-string": True, "pattern": PATTERN}),
]
"""An amount of a resource, never negative; a whole number may be written without quotes."""

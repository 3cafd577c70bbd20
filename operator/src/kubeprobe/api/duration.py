"""Durations as users write them: 500ms, 30s, 5m, 1h30m."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from kubeprobe.api.rules import Rule, with_validations

PATTERN = "^([0-9]{1,9}(ms|s|m|h|d))+$"
"""Nine digits at most, so that no sum of milliseconds leaves 64 bits."""
MAX_LENGTH = 32
MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
HOW = "numbers with the units ms, s, m, h or d, such as 500ms, 30s, 5m or 1h30m"
PART = re.compile(r"([0-9]+)(ms|s|m|h|d)", re.ASCII)
WHOLE = re.compile(r"([0-9]{1,9}(ms|s|m|h|d))+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time that keeps the text it was written as; never negative."""

    text: str

    def __post_init__(self) -> None:
        if len(self.text) > MAX_LENGTH or WHOLE.fullmatch(self.text) is None:
            raise ValueError(f"{self.text[: MAX_LENGTH + 1]!r} is not a duration: write {HOW}")

    def __str__(self) -> str:
        return self.text

    @property
    def milliseconds(self) -> int:
        """The length in milliseconds."""
        return sum(int(number) * MILLISECONDS[unit] for number, unit in PART.findall(self.text))

    @property
    def seconds(self) -> float:
        """The length in seconds."""
        return self.milliseconds / 1000

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read from text, write as text."""
        from_text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema(strict=True))
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_text]),
            serialization=core_schema.to_string_ser_schema(when_used="always"),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A string of the form that the API server checks as well, by a rule: a pattern's refusal explains nothing."""
        return with_validations({"type": "string", "maxLength": MAX_LENGTH}, (FORM,))


FORM = Rule(cel=f"self.matches('{PATTERN}')", message=f"not a duration: write {HOW}")
"""What the API server says where `Duration` itself would raise."""


def cel_milliseconds(name: str) -> str:
    """The CEL expression of a duration's length in milliseconds."""
    factor = (
        "t.endsWith('ms') ? 1 : t.endsWith('s') ? 1000 : t.endsWith('m') ? 60000 : t.endsWith('h') ? 3600000 : 86400000"
    )
    return f"{name}.findAll('[0-9]+(ms|s|m|h|d)').map(t, int(t.find('[0-9]+')) * ({factor})).sum()"


def between(shortest: str, longest: str) -> Rule:
    """The rule that a duration lies within bounds, both included."""
    low, high = Duration(shortest).milliseconds, Duration(longest).milliseconds
    return Rule(
        cel=f"[{cel_milliseconds('self')}].all(length, length >= {low} && length <= {high})",
        check=lambda duration: low <= duration.milliseconds <= high,
        message=f"must be at least {shortest} and at most {longest}",
    )

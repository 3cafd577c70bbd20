from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kubeprobe.api import Duration
from kubeprobe.api.base import ApiModel
from kubeprobe.api.duration import between, cel_milliseconds


class Model(ApiModel):
    every: Duration = Duration("60s")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30), ("5m", 300), ("1h30m", 5400), ("2d", 172800), ("0s", 0), ("1m500ms", 60.5)],
)
def test_length(text: str, seconds: float) -> None:
    assert Duration(text).seconds == seconds
    assert str(Duration(text)) == text


@pytest.mark.parametrize(
    "text", ["", "5", "s", "-5s", "5 s", "5S", "1.5s", "5w", "5s\n", "\u0665s", "1234567890s", "1s" * 17]
)
def test_what_is_none_is_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(ValueError, match="such as 500ms, 30s, 5m or 1h30m"):
        Duration(text)


def test_read_from_text_and_written_as_it_was() -> None:
    model = Model.model_validate({"every": "1h30m"})
    assert model.every == Duration("1h30m")
    assert Model(every=model.every) == model
    assert model.model_dump(mode="json") == {"every": "1h30m"}
    assert Model.model_validate_json(model.model_dump_json()) == model


@pytest.mark.parametrize("value", [60, None, {"text": "60s"}])
def test_only_text_is_read(value: object) -> None:
    with pytest.raises(ValidationError):
        Model.model_validate({"every": value})
    with pytest.raises(ValidationError):
        Model.model_validate_json('{"every": 60}')


UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


@given(st.lists(st.tuples(st.integers(0, 999_999_999), st.sampled_from(sorted(UNITS))), min_size=1, max_size=2))
def test_parts_add_up(parts: list[tuple[int, str]]) -> None:
    duration = Duration("".join(f"{number}{unit}" for number, unit in parts))
    assert duration.milliseconds == sum(number * UNITS[unit] for number, unit in parts)


def test_bounds_are_included() -> None:
    check = between("1s", "1m").check
    assert check is not None
    assert [check(Duration(text)) for text in ("999ms", "1s", "60s", "60001ms")] == [False, True, True, False]


def test_cel_knows_the_same_units() -> None:
    cel = cel_milliseconds("self.every")
    assert cel.startswith("self.every.findAll('[0-9]+(ms|s|m|h|d)')")
    assert all(f"'{unit}') ? {factor}" in cel for unit, factor in UNITS.items() if unit != "d")
    assert ": 86400000)" in cel

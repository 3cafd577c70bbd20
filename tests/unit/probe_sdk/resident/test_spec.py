"""What a prober is to do is read from its file, and what is wrong in it is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from probe_sdk import ProbeFailure
from probe_sdk.resident.spec import SPEC_FILE, SpecFile, read_spec


def text(**spec: Any) -> str:
    return json.dumps({"interval": "1s", **spec})


@pytest.mark.parametrize(
    ("spec", "seconds"),
    [
        ({"interval": "10ms"}, 1.0),
        ({"interval": "5s"}, 5.0),
        ({"interval": "1h"}, 10.0),
        ({"interval": "1h", "timeout": "30s"}, 30.0),
        ({"interval": "10ms", "timeout": "9ms"}, 0.009),
    ],
)
def test_the_timeout_is_the_interval_within_reason(spec: dict[str, str], seconds: float) -> None:
    read = read_spec(json.dumps(spec), "here")
    assert (read.timeout_seconds, read.limits.timeout_seconds) == (seconds, seconds)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"interval": "9ms"}, "the shortest is 10ms"),
        ({"interval": "1 parsec"}, "here: interval: .*is not a duration"),
        ({"targets": [{"name": "a"}, {"name": "b"}, {"name": "a"}]}, "two targets are called a"),
        ({"targets": [{"name": str(number)} for number in range(1001)]}, "at most 1000 items"),
        ({"failures": 0}, "here: failures: .*greater than or equal to 1"),
        ({"speed": 9}, "here: speed: Extra inputs"),
    ],
)
def test_what_is_wrong_is_told(spec: dict[str, Any], said: str) -> None:
    with pytest.raises(ProbeFailure, match=said):
        read_spec(text(**spec), "here")


def test_a_file_that_changes_is_read_anew_and_a_broken_one_is_told_once(tmp_path: Path) -> None:
    file, path = SpecFile(tmp_path), tmp_path / SPEC_FILE
    with pytest.raises(ProbeFailure, match=SPEC_FILE):
        file.read()
    path.write_text(text(targets=[{"name": "a"}]))
    assert [one.name for one in file.read().targets] == ["a"]
    assert file.changed() is None
    path.write_text(text(targets=[{"name": "b"}]))
    changed = file.changed()
    assert changed is not None
    assert [one.name for one in changed.targets] == ["b"]
    path.write_text("{")
    with pytest.raises(ProbeFailure, match=SPEC_FILE):
        file.changed()
    assert file.changed() is None
    path.unlink()
    assert file.changed() is None

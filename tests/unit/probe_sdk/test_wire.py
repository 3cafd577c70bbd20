"""The report's model, its bounds on both sides, and the termination message."""

import json
import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from probe_sdk import wire
from probe_sdk.wire import Report, Step, StepSeconds, cut, parse_termination_message


def make_step(name: str = "put", count: int = 3, ok: int = 2) -> Step:
    return Step(name=name, count=count, ok=ok, seconds=StepSeconds(p50=0.1, p99=0.2, max=0.25))


def test_a_report_reads_what_the_design_says_a_report_is() -> None:
    body = """{"ok": false, "errors": ["etcd: no leader"], "attributes": {"node": "node-1"},
               "steps": [{"name": "put", "count": 3, "ok": 2, "seconds": {"p50": 0.1, "p99": 0.2, "max": 0.25}}]}"""
    assert Report.model_validate_json(body) == Report(
        ok=False, errors=("etcd: no leader",), steps=(make_step(),), attributes={"node": "node-1"}
    )


def test_what_a_shell_script_sends_is_enough() -> None:
    assert Report.model_validate_json('{"ok": true}') == Report(ok=True)


@pytest.mark.parametrize("body", ['{"ok": false}', '{"ok": false, "errors": []}', '{"ok": false, "errors": ["", " "]}'])
def test_a_failure_without_a_reason_says_so(body: str) -> None:
    assert Report.model_validate_json(body).errors == ("the probe reported failure without saying why",)


def test_blank_errors_do_not_contradict_success() -> None:
    assert Report.model_validate_json('{"ok": true, "errors": [""]}') == Report(ok=True)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ("{}", "ok"),
        ('{"ok": "true"}', "ok"),
        ('{"ok": 1}', "ok"),
        ('{"ok": "maybe", "errors": ["x"]}', "ok"),
        ('{"ok": true, "errors": ["x"]}', "errors"),
        ('{"ok": false, "errors": [1]}', "errors"),
        ('{"ok": false, "errors": "x"}', "errors"),
        ('{"ok": true, "oops": 1}', "oops"),
        ('{"ok": true, "attributes": {"": "x"}}', "attributes"),
        ('{"ok": true, "attributes": {"node": 1}}', "attributes"),
        ('{"ok": false, "errors": ["\\ud800"]}', ""),
        (json.dumps({"ok": False, "errors": ["x"] * 21}), "errors"),
        (json.dumps({"ok": False, "errors": ["x" * 1025]}), "errors"),
        (json.dumps({"ok": False, "errors": ["ä" * 513]}), "errors"),
        (json.dumps({"ok": True, "attributes": {f"a{n}": "x" for n in range(21)}}), "attributes"),
        (json.dumps({"ok": True, "attributes": {"a" * 64: "x"}}), "attributes"),
        (json.dumps({"ok": True, "attributes": {"a": "x" * 257}}), "attributes"),
    ],
)
def test_the_model_refuses_what_is_wrong_or_over_bounds(body: str, where: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Report.model_validate_json(body)
    assert caught.value.error_count() == 1
    assert where in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"ok": 4},
        {"ok": -1},
        {"count": -1, "ok": 0},
        {"count": 1.5},
        {"count": "3"},
        {"name": ""},
        {"name": "x" * 64},
        {"seconds": {"p50": -0.1, "p99": 0, "max": 0}},
        {"seconds": {"p50": 0, "p99": math.inf, "max": 0}},
        {"seconds": {"p50": 0, "p99": 0, "max": math.nan}},
        {"seconds": {"p50": 0, "p99": 0}},
        {"unit": "ms"},
    ],
)
def test_a_step_refuses(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Step.model_validate(make_step().model_dump() | change)


def test_more_than_fifty_steps_are_refused() -> None:
    with pytest.raises(ValidationError):
        Report(ok=True, steps=(make_step(),) * 51)


def test_the_bounds_themselves_are_allowed() -> None:
    Report(
        ok=False,
        errors=("ä" * 512,) * 20,
        steps=(make_step("x" * 63),) * 50,
        attributes={f"{n:063}": "x" * 256 for n in range(20)},
    )


def test_a_report_is_frozen() -> None:
    with pytest.raises(ValidationError):
        Report(ok=True).ok = False  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("short", 5, "short"),
        ("shorter", 6, "sho…"),
        ("ääää", 7, "ää…"),
        ("ääää", 8, "ääää"),
        ("😀😀😀", 8, "😀…"),
        ("xx", 1, "…"),
    ],
)
def test_cut_ends_on_a_character(text: str, limit: int, expected: str) -> None:
    assert cut(text, limit) == expected


def test_bounded_cuts_everything_to_what_the_model_takes() -> None:
    report = Report.bounded(
        ok=False,
        errors=["x" * 2_000_000, ValueError("typed"), "", *(f"error {n}" for n in range(30))],
        steps=[make_step(str(n)) for n in range(60)],
        attributes={"": "nameless", "k" * 100: "v" * 1000, **{f"n{n}": n for n in range(30)}},
    )
    assert len(report.errors) == 20
    assert len(report.errors[0].encode()) == 1024
    assert report.errors[0].endswith("…")
    assert report.errors[1] == "typed"
    assert report.errors[-1] == "… and 13 more errors"
    assert [step.name for step in report.steps] == [str(n) for n in range(50)]
    assert len(report.attributes) == 20
    assert report.attributes["k" * 62 + "…"] == "v" * 255 + "…"
    assert report.attributes["n0"] == "0"
    assert Report.model_validate_json(report.body()) == report


def test_bounded_replaces_what_utf8_cannot_say() -> None:
    report = Report.bounded(ok=False, errors=["no file \udcff"], attributes={"path": "\udcff"})
    assert report.errors == ("no file ?",)
    assert report.attributes == {"path": "?"}


def test_a_small_report_travels_whole_and_on_one_line() -> None:
    report = Report(ok=False, errors=("first line\nsecond",), steps=(make_step(),), attributes={"node": "node-1"})
    message = report.termination_message()
    assert "\n" not in message
    assert parse_termination_message(message) == report
    assert message.encode() == report.body()


def test_the_termination_message_gives_up_attributes_before_steps_before_errors() -> None:
    report = Report.bounded(
        ok=False,
        errors=["e" * 1000, "f" * 1000],
        steps=[make_step(f"step-{n}") for n in range(50)],
        attributes={"a": "x" * 250},
    )
    kept = parse_termination_message(report.termination_message())
    assert kept is not None
    assert kept.errors == report.errors
    assert kept.steps == report.steps[: len(kept.steps)]
    assert 10 < len(kept.steps) < 50
    assert len(report.termination_message().encode()) > 4096 - 200


def test_the_last_error_that_does_not_fit_is_cut_and_the_room_is_used() -> None:
    report = Report(ok=False, errors=("x" * 1024,) * 20)
    message = report.termination_message()
    kept = parse_termination_message(message)
    assert kept is not None
    assert kept.errors[:3] == report.errors[:3]
    assert kept.errors[3].endswith("x…")
    assert 4090 <= len(message.encode()) <= 4096


@pytest.mark.parametrize("length", range(200, 220))
def test_attributes_use_the_room_that_is_left_and_no_more(length: int) -> None:
    report = Report(ok=True, attributes={f"key-{n}": "x" * length for n in range(20)})
    message = report.termination_message()
    kept = parse_termination_message(message)
    assert kept is not None
    assert 17 <= len(kept.attributes) < 20
    assert 4096 - length - 20 < len(message.encode()) <= 4096


def test_what_json_escapes_still_fits() -> None:
    report = Report(ok=False, errors=("\x01" * 1024,) * 20, attributes={"a": "\x01" * 256})
    assert len(report.termination_message().encode()) <= 4096
    assert len(report.body()) <= wire.MAX_BODY_BYTES
    kept = parse_termination_message(report.termination_message())
    assert kept is not None
    assert kept.errors[0].startswith("\x01" * 600)


@given(
    st.lists(st.text(), max_size=25),
    st.dictionaries(st.text(), st.text(max_size=500), max_size=25),
    st.integers(0, 60),
    st.integers(1, 400),
)
def test_whatever_a_probe_says_arrives_within_bounds(
    errors: list[str], attributes: dict[str, str], steps: int, times: int
) -> None:
    report = Report.bounded(
        ok=False,
        errors=[error * times for error in errors],
        steps=[make_step(f"s{n}") for n in range(steps)],
        attributes=attributes,
    )
    message = report.termination_message()
    kept = parse_termination_message(message)
    assert kept is not None
    assert not kept.ok
    assert kept.errors
    assert len(message.encode()) <= wire.TERMINATION_MESSAGE_BYTES
    assert len(report.body()) <= wire.MAX_BODY_BYTES


@pytest.mark.parametrize(
    "text",
    ["", "   ", "Traceback (most recent call last)", "true", "[]", '{"level": "error"}', '{"ok":false,"err', "\0"],
)
def test_other_peoples_termination_messages_are_not_ours(text: str) -> None:
    assert parse_termination_message(text) is None


def test_a_script_may_end_its_message_with_a_newline() -> None:
    assert parse_termination_message('{"ok": true}\n') == Report(ok=True)


def test_the_wire_needs_no_more_than_pydantic() -> None:
    seen = "import sys, probe_sdk.wire; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = set(
        subprocess.run([sys.executable, "-c", seen], check=True, capture_output=True, text=True).stdout.split()
    )
    assert "pydantic" in loaded
    assert loaded.isdisjoint({"httpx", "tenacity", "asyncio", "argparse", "logging"})


def test_the_schema_describes_every_field() -> None:
    schema = Report.model_json_schema()
    fields = [schema["properties"], *(each["properties"] for each in schema["$defs"].values())]
    assert all("description" in field for properties in fields for field in properties.values())

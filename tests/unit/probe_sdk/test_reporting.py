"""Both ways home, and that neither raises when it is broken."""

import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.unit.probe_sdk.conftest import ScriptedIntake

import probe_sdk
from probe_sdk import ReportFailure, ReportSuccess, areport_failure, areport_success, attribute, step
from probe_sdk.clock import Deadline
from probe_sdk.environment import Environment
from probe_sdk.reporting import Reporter
from probe_sdk.steps import Recorder
from probe_sdk.wire import Report, parse_termination_message

FAILURE = Report(ok=False, errors=("no leader",))


@pytest.fixture
def in_a_pod(no_environment: Callable[..., None], intake: ScriptedIntake, token_file: str, recorder: Recorder) -> None:
    no_environment(URL=intake.url, TOKEN_FILE=token_file)


def reporter(url: str, token_file: str, log: Path) -> Reporter:
    now = datetime.now(UTC)
    return Reporter(Environment(url=url, token_file=token_file), Deadline(None, now), str(log))


@pytest.mark.usefixtures("in_a_pod")
def test_the_plain_form_reports_success(intake: ScriptedIntake, termination_log: Path) -> None:
    with step("put"):
        attribute("node", "node-1")
    assert ReportSuccess(termination_log=str(termination_log))
    sent = Report.model_validate_json(intake.received[0].body)
    assert sent.ok
    assert sent.steps[0].name == "put"
    assert sent.attributes == {"node": "node-1"}
    assert parse_termination_message(termination_log.read_text()) == sent


@pytest.mark.usefixtures("in_a_pod")
@pytest.mark.parametrize(
    ("given", "errors"),
    [(["a", "b"], ("a", "b")), ("one sentence", ("one sentence",)), ([OSError("x")], ("x",)), ([], None)],
)
def test_the_plain_form_reports_failure(
    intake: ScriptedIntake, termination_log: Path, given: list[object] | str, errors: tuple[str, ...] | None
) -> None:
    assert ReportFailure(given, termination_log=str(termination_log))
    sent = Report.model_validate_json(intake.received[0].body)
    assert not sent.ok
    assert sent.errors == (errors or ("the probe reported failure without saying why",))


@pytest.mark.usefixtures("in_a_pod")
async def test_the_async_forms_report_too(intake: ScriptedIntake, tmp_path: Path) -> None:
    assert await areport_success(termination_log=str(tmp_path / "none"))
    assert await areport_failure(["x"], termination_log=str(tmp_path / "none"))
    assert [Report.model_validate_json(request.body).ok for request in intake.received] == [True, False]


def test_both_spellings_are_the_same() -> None:
    assert probe_sdk.ReportSuccess is probe_sdk.report_success
    assert probe_sdk.ReportFailure is probe_sdk.report_failure


def test_the_termination_message_is_there_before_the_intake_hears(
    intake: ScriptedIntake, token_file: str, termination_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    hear = intake.next_status
    monkeypatch.setattr(intake, "next_status", lambda got: seen.append(termination_log.read_text()) or hear(got))  # type: ignore[func-returns-value]
    reporter(intake.url, token_file, termination_log).send(FAILURE)
    assert seen == [FAILURE.termination_message()]


def test_when_the_operator_is_away_the_termination_message_still_tells(
    token_file: str, termination_log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.now(UTC)
    deadline = Deadline(now, now)  # no time left: one try
    away = Reporter(Environment(url="http://127.0.0.1:1", token_file=token_file), deadline, str(termination_log))
    assert not away.send(FAILURE)
    assert parse_termination_message(termination_log.read_text()) == FAILURE
    assert "kubeprobe: report not delivered: http://127.0.0.1:1 does not answer" in capsys.readouterr().err


def test_what_was_reported_first_stands(intake: ScriptedIntake, token_file: str, termination_log: Path) -> None:
    intake.script = [200, 409]
    reporting = reporter(intake.url, token_file, termination_log)
    assert reporting.send(FAILURE)
    assert not reporting.send(Report(ok=True))
    assert parse_termination_message(termination_log.read_text()) == FAILURE


def test_anything_else_in_the_termination_log_gives_way(termination_log: Path) -> None:
    termination_log.write_bytes(b"\xffsomething else, and longer than what comes" * 200)
    reporter("", "", termination_log).send(FAILURE)
    assert termination_log.read_text() == FAILURE.termination_message()


def test_no_termination_log_is_made_where_there_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reporter("", "", tmp_path / "none").send(FAILURE)
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err == ""


def test_a_termination_log_that_cannot_be_written_is_told(
    tmp_path: Path, intake: ScriptedIntake, token_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log").mkdir()
    assert reporter(intake.url, token_file, tmp_path / "log").send(FAILURE)
    assert "kubeprobe: no termination message left in" in capsys.readouterr().err


def test_a_device_can_be_a_termination_log(tmp_path: Path) -> None:
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)  # noqa: PTH116 - a device, not a path of the test's
    assert reporter("", "", Path(os.devnull)).send(FAILURE)


def test_outside_a_cluster_the_verdict_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reporter("", "", tmp_path / "none").send(FAILURE)
    assert capsys.readouterr().out == "Failed\n  - no leader\n"


def test_a_final_answer_is_told_with_its_words(
    intake: ScriptedIntake, token_file: str, termination_log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    intake.script = [410]
    assert not reporter(intake.url, token_file, termination_log).send(FAILURE)
    assert "report not delivered: the operator answered 410 Gone: scripted 410" in capsys.readouterr().err

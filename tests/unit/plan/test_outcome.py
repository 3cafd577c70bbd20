from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.builders import container, pod

from kubeprobe.api import DeliveryFailure, Source, Stage, Verdict
from kubeprobe.plan.outcome import cut, digest, from_pod, from_report, from_standstill
from kubeprobe.plan.stage import Standstill
from probe_sdk.wire import Report

FAILED = Report(ok=False, errors=("put: no leader", "get: timeout"), attributes={"member": "a"})


def ended(**terminated: Any) -> Any:
    return from_pod(pod(status=container(terminated=terminated)))


def test_a_report_speaks_for_itself() -> None:
    passed = from_report(Report(ok=True), Source.REPORT)
    assert (passed.verdict, passed.reason, passed.message) == (Verdict.PASSED, "Passed", "")
    failed = from_report(FAILED, Source.REPORT)
    assert (failed.verdict, failed.reason) == (Verdict.FAILED, "CheckFailed")
    assert failed.message == "put: no leader; get: timeout"
    assert failed.report is FAILED


def test_the_message_of_many_errors_is_cut_and_the_report_keeps_them() -> None:
    report = Report(ok=False, errors=tuple("x" * 1000 for _ in range(20)))
    outcome = from_report(report, Source.REPORT)
    assert len(outcome.message.encode()) <= 1024
    assert outcome.report == report


@pytest.mark.parametrize(
    "state", [{}, container(running={}), container(waiting={"reason": "ErrImagePull"}), {"phase": "Failed"}]
)
def test_a_container_that_has_not_ended_tells_nothing(state: dict[str, Any]) -> None:
    assert from_pod(pod(status=state)) is None


def test_the_termination_message_outranks_the_exit_code() -> None:
    outcome = ended(exitCode=0, message=FAILED.termination_message())
    assert (outcome.verdict, outcome.source, outcome.report) == (Verdict.FAILED, Source.TERMINATION_MESSAGE, FAILED)
    outcome = ended(exitCode=1, message=Report(ok=True).termination_message() + "\n")
    assert (outcome.verdict, outcome.source) == (Verdict.PASSED, Source.TERMINATION_MESSAGE)


@pytest.mark.parametrize(
    ("terminated", "verdict", "reason", "message"),
    [
        ({"exitCode": 0}, Verdict.PASSED, "Passed", ""),
        ({"exitCode": 0, "message": "chatter"}, Verdict.PASSED, "Passed", ""),
        ({"exitCode": 3}, Verdict.FAILED, "ExitCode", "the probe exited with code 3 and wrote nothing"),
        (
            {"exitCode": 1, "reason": "Error", "message": "  no route\n"},
            Verdict.FAILED,
            "ExitCode",
            "the probe exited with code 1: no route",
        ),
        (
            {"exitCode": 137, "signal": 9, "reason": "Error"},
            Verdict.FAILED,
            "ExitCode",
            "the probe was ended by signal 9 and wrote nothing",
        ),
        (
            {"exitCode": 137, "reason": "OOMKilled", "message": "loading"},
            Verdict.FAILED,
            "OOMKilled",
            "the probe exited with code 137 (OOMKilled): loading",
        ),
        (
            {"exitCode": 128, "reason": "StartError", "message": 'exec: "prob": not found'},
            Verdict.FAILED,
            "ExitCode",
            'the probe exited with code 128 (StartError): exec: "prob": not found',
        ),
        (
            {"exitCode": 1, "message": '{"ok": 1}'},
            Verdict.FAILED,
            "ExitCode",
            'the probe exited with code 1: {"ok": 1}',
        ),
    ],
)
def test_a_probe_that_knows_nothing_of_us_is_told_by_its_exit_code(
    terminated: dict[str, Any], verdict: Verdict, reason: str, message: str
) -> None:
    outcome = ended(**terminated)
    assert (outcome.verdict, outcome.reason, outcome.message) == (verdict, reason, message)
    assert (outcome.source, outcome.report) == (Source.EXIT_CODE, None)


@pytest.mark.parametrize(
    ("stage", "delivery", "verdict"),
    [
        (Stage.STARTED_AND_SILENT, DeliveryFailure.UNKNOWN, Verdict.FAILED),
        (Stage.STARTED_AND_SILENT, DeliveryFailure.FAILED, Verdict.FAILED),
        (Stage.NO_IMAGE, DeliveryFailure.UNKNOWN, Verdict.UNKNOWN),
        (Stage.NO_IMAGE, DeliveryFailure.FAILED, Verdict.FAILED),
        (Stage.ENDED_UNHEARD, DeliveryFailure.UNKNOWN, Verdict.UNKNOWN),
    ],
)
def test_silence_is_failure_only_of_what_had_started_or_was_to_be_delivered(
    stage: Stage, delivery: DeliveryFailure, verdict: Verdict
) -> None:
    outcome = from_standstill(Standstill(stage, "Why", "look there"), 61.2, delivery)
    assert (outcome.verdict, outcome.reason, outcome.stage) == (verdict, "Why", stage)
    assert (outcome.message, outcome.source) == ("no outcome after 61s: look there", Source.TIMEOUT)


def test_a_digest_tells_reports_apart() -> None:
    assert digest(FAILED) == digest(Report.model_validate_json(FAILED.body()))
    assert digest(FAILED) != digest(Report(ok=False, errors=FAILED.errors))


def test_cut_is_on_a_character_and_within_bytes() -> None:
    assert cut("short") == "short"
    assert cut("é" * 600).endswith("…")
    assert len(cut("é" * 600).encode()) <= 1024

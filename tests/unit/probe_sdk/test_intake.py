"""The POST: its tries, its timeouts, and which answers are final."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.probe_sdk.conftest import ScriptedIntake

from probe_sdk.intake import TRIES, Intake
from probe_sdk.wire import Report

REPORT = Report(ok=False, errors=("etcd: no leader",) * 20, attributes={"node": "ä" * 256})


class Pauses(list[float]):
    """Takes the place of sleep and keeps what was asked of it."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


def test_a_report_is_sent_as_the_wire_says(intake: ScriptedIntake, token_file: str) -> None:
    assert Intake(intake.url, token_file).deliver(REPORT, 5).accepted
    (request,) = intake.received
    assert (request.path, request.authorization) == ("/v1/report", "Bearer a-token")
    assert request.content_type == "application/json"
    assert Report.model_validate_json(request.body) == REPORT


def test_an_url_may_have_a_path(intake: ScriptedIntake, token_file: str) -> None:
    Intake(intake.url + "/kubeprobe/", token_file).deliver(REPORT, 5)
    assert intake.received[0].path == "/kubeprobe/v1/report"


def test_after_503_the_whole_body_is_sent_again(intake: ScriptedIntake, token_file: str, pauses: Pauses) -> None:
    intake.script = [503, 503, 500, 200]
    assert Intake(intake.url, token_file, sleep=pauses).deliver(REPORT, 60).accepted
    assert len(intake.received) == 4
    assert {request.body for request in intake.received} == {REPORT.body()}
    assert all(request.length == len(request.body) for request in intake.received)
    assert pauses == sorted(pauses)
    assert 0.2 <= pauses[0] <= 0.3


def test_the_intake_says_how_long_to_wait(intake: ScriptedIntake, token_file: str, pauses: Pauses) -> None:
    intake.script, intake.retry_after = [503, 200], "7"
    assert Intake(intake.url, token_file, sleep=pauses).deliver(REPORT, 60).accepted
    assert pauses == [7.0]


@pytest.mark.parametrize("retry_after", ["soon", "", "Wed, 21 Oct 2026 07:28:00 GMT", "-1", "²"])
def test_other_forms_of_retry_after_change_nothing(
    intake: ScriptedIntake, token_file: str, pauses: Pauses, retry_after: str
) -> None:
    intake.script, intake.retry_after = [503, 200], retry_after
    assert Intake(intake.url, token_file, sleep=pauses).deliver(REPORT, 60).accepted
    assert pauses[0] < 0.5


def test_a_pause_beyond_the_deadline_is_not_waited_for(intake: ScriptedIntake, token_file: str, pauses: Pauses) -> None:
    intake.script, intake.retry_after = [503], "30"
    delivery = Intake(intake.url, token_file, sleep=pauses).deliver(REPORT, 5)
    assert not delivery.accepted
    assert "503 Service Unavailable: scripted 503" in delivery.why
    assert pauses == []
    assert len(intake.received) == 1


def test_tries_are_few(intake: ScriptedIntake, token_file: str, pauses: Pauses) -> None:
    intake.script = [503]
    assert not Intake(intake.url, token_file, sleep=pauses).deliver(REPORT, 600).accepted
    assert len(intake.received) == TRIES


@pytest.mark.parametrize("status", [302, 400, 401, 403, 409, 410, 413, 429])
def test_these_answers_are_final(intake: ScriptedIntake, token_file: str, status: int) -> None:
    intake.script = [status]
    delivery = Intake(intake.url, token_file).deliver(REPORT, 5)
    assert not delivery.accepted
    assert delivery.why.startswith(f"the operator answered {status} ")
    assert delivery.why.endswith(f"scripted {status}")
    assert len(intake.received) == 1


def test_a_refused_connection_is_tried_again_and_then_told(token_file: str, pauses: Pauses) -> None:
    with socket.socket() as reserved:  # bound and not listening: connections are refused
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        delivery = Intake(url, token_file, sleep=pauses).deliver(REPORT, 60)
    assert not delivery.accepted
    assert delivery.why.startswith(f"{url} does not answer: ConnectionRefusedError")
    assert len(pauses) == TRIES - 1


def test_an_intake_that_hangs_costs_no_more_than_the_time_left(intake: ScriptedIntake, token_file: str) -> None:
    intake.script = [0]
    began = time.monotonic()
    delivery = Intake(intake.url, token_file).deliver(REPORT, 0.5)
    assert not delivery.accepted
    assert "TimeoutError" in delivery.why
    assert time.monotonic() - began < 2


def test_an_intake_that_hung_once_gets_the_same_report_again(
    intake: ScriptedIntake, token_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probe_sdk.intake.ANSWER_SECONDS", 0.2)
    intake.script = [0, 200]
    assert Intake(intake.url, token_file).deliver(REPORT, 10).accepted
    assert [request.body for request in intake.received] == [REPORT.body()] * 2


@pytest.fixture
def rude_url() -> Iterator[str]:
    """Serve what takes connections and talks no HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"SSH-2.0-OpenSSH\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_what_talks_no_http_is_told_too(rude_url: str, token_file: str, pauses: Pauses) -> None:
    delivery = Intake(rude_url, token_file, sleep=pauses).deliver(REPORT, 60)
    assert not delivery.accepted
    assert "does not answer: BadStatusLine" in delivery.why


@pytest.mark.parametrize("url", ["intake:8080", "ftp://x", "http://", "http://x:port"])
def test_an_url_that_is_none_is_told_with_the_variable(url: str, token_file: str) -> None:
    delivery = Intake(url, token_file).deliver(REPORT, 5)
    assert not delivery.accepted
    assert delivery.why.startswith(f"KUBEPROBE_URL is {url!r}: ")


def test_https_is_spoken_where_it_is_asked_for(rude_url: str, token_file: str, pauses: Pauses) -> None:
    delivery = Intake(rude_url.replace("http:", "https:"), token_file, sleep=pauses).deliver(REPORT, 60)
    assert "SSLError" in delivery.why


def test_a_missing_token_is_told_with_the_variable(intake: ScriptedIntake, tmp_path: Path) -> None:
    delivery = Intake(intake.url, str(tmp_path / "none")).deliver(REPORT, 5)
    assert not delivery.accepted
    assert "KUBEPROBE_TOKEN_FILE is" in delivery.why
    assert intake.received == []


def test_the_token_is_read_for_each_try(intake: ScriptedIntake, token_file: str) -> None:
    intake.script = [503, 200]

    def rotate(_: float) -> None:
        Path(token_file).write_text("rotated")

    Intake(intake.url, token_file, sleep=rotate).deliver(REPORT, 60)
    assert [request.authorization for request in intake.received] == ["Bearer a-token", "Bearer rotated"]


def test_no_proxy_is_asked(intake: ScriptedIntake, token_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert Intake(intake.url, token_file).deliver(REPORT, 5).accepted

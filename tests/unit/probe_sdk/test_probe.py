"""A probe as a process of its own, as a pod runs it."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import pytest
from tests.unit.probe_sdk.conftest import ScriptedIntake

from probe_sdk import Probe, params
from probe_sdk.wire import Report, parse_termination_message

SCRIPT = """
import ctypes, sys, time
from probe_sdk import Probe, ProbeFailure, params, step

class Params(params.Model):
    how: str = "pass"
    max_latency: params.Duration = params.Duration("500ms")

probe = Probe(Params)

@probe.run
def check(p: Params) -> None:
    try:
        with step("put"):
            print("ready", flush=True)
            if p.how == "fail":
                raise ProbeFailure(f"slower than {p.max_latency}")
            if p.how == "hang in C":
                ctypes.CDLL(None).sleep(60)
            if p.how == "sleep":
                time.sleep(60)
    finally:
        print("cleaned up", flush=True)

if __name__ == "__main__":
    probe.main(termination_log=sys.argv.pop(1))
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path, termination_log: Path) -> Iterator[Start]:
    script = tmp_path / "a_probe.py"
    script.write_text(SCRIPT)
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **variables: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(script), str(termination_log), *arguments],
            env={"PATH": os.environ["PATH"], **{f"KUBEPROBE_{name}": value for name, value in variables.items()}},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def test_a_passing_probe_in_a_pod(start: Start, intake: ScriptedIntake, token_file: str, termination_log: Path) -> None:
    process = start(URL=intake.url, TOKEN_FILE=token_file, PARAMS="{}")
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert "Passed\n  put  ok  " in out
    sent = Report.model_validate_json(intake.received[0].body)
    assert sent.ok
    assert parse_termination_message(termination_log.read_text()) == sent


def test_a_failing_probe_in_a_pod(start: Start, intake: ScriptedIntake, token_file: str) -> None:
    process = start(URL=intake.url, TOKEN_FILE=token_file, PARAMS='{"how": "fail", "maxLatency": "1s"}')
    process.communicate(timeout=30)
    assert process.returncode == 1
    assert Report.model_validate_json(intake.received[0].body).errors == ("slower than 1s",)


def test_outside_a_cluster_it_prints_and_exits(start: Start) -> None:
    process = start("--set", "how=fail", "--set", "maxLatency=2s")
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Failed\n  - slower than 2s\n" in out


def test_a_check_that_hangs_in_c_is_ended_and_reported_before_its_deadline(
    start: Start, intake: ScriptedIntake, token_file: str, termination_log: Path
) -> None:
    at = datetime.now(UTC) + timedelta(seconds=4)
    process = start(URL=intake.url, TOKEN_FILE=token_file, PARAMS='{"how": "hang in C"}', DEADLINE=at.isoformat())
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert datetime.now(UTC) < at
    (error,) = Report.model_validate_json(intake.received[0].body).errors
    assert error.startswith("deadline of ")
    assert error.endswith("s passed in step 'put'")
    assert "ctypes.CDLL(None).sleep(60)" in err
    assert parse_termination_message(termination_log.read_text()) is not None


def test_a_deleted_pod_cleans_up_at_once_and_claims_nothing(
    start: Start, intake: ScriptedIntake, token_file: str, termination_log: Path
) -> None:
    process = start(URL=intake.url, TOKEN_FILE=token_file, PARAMS='{"how": "sleep"}')
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 143
    assert out == "cleaned up\n"
    assert intake.received == []
    assert termination_log.read_text() == ""


def test_wrong_parameters_are_a_failure_that_names_them(start: Start, termination_log: Path) -> None:
    process = start(PARAMS='{"hwo": "fail"}')
    process.communicate(timeout=30)
    assert process.returncode == 1
    report = parse_termination_message(termination_log.read_text())
    assert report is not None
    assert report.errors == ("parameter hwo: Extra inputs are not permitted",)


class Params(params.Model):
    host: str


@pytest.fixture
def sigterm() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def exit_code(main: Callable[[], NoReturn]) -> object:
    with pytest.raises(SystemExit) as left:
        main()
    return left.value.code


@pytest.mark.usefixtures("recorder", "sigterm", "no_environment")
def test_main_can_be_given_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probe = Probe(Params)
    seen: list[Params] = []
    probe.run(seen.append)
    variables = {"KUBEPROBE_PARAMS": json.dumps({"host": "dns"})}
    log = str(tmp_path / "none")
    assert exit_code(lambda: probe.main([], variables=variables, termination_log=log)) == 0
    assert exit_code(lambda: probe.main(["--set", "host=x"], variables={}, termination_log=log)) == 0
    monkeypatch.setattr(sys, "argv", ["probe", "--set", "host=y"])
    assert exit_code(probe.main) == 0
    assert [each.host for each in seen] == ["dns", "x", "y"]


@pytest.mark.usefixtures("recorder", "sigterm", "no_environment")
def test_sigterm_becomes_an_exit(tmp_path: Path) -> None:
    probe = Probe(params.Model)
    probe.run(lambda _: signal.raise_signal(signal.SIGTERM))
    assert exit_code(lambda: probe.main([], variables={}, termination_log=str(tmp_path / "none"))) == 143


@pytest.mark.usefixtures("recorder", "no_environment")
def test_main_runs_in_any_thread_and_tells_wrong_parameters(termination_log: Path) -> None:
    probe, codes = Probe(Params), []
    probe.run(print)

    def run() -> None:
        codes.append(exit_code(lambda: probe.main([], variables={}, termination_log=str(termination_log))))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert codes == [1]
    report = parse_termination_message(termination_log.read_text())
    assert report is not None
    assert report.errors == ("parameter host: Field required",)


@pytest.mark.usefixtures("sigterm")
def test_a_probe_without_a_check_says_what_to_do() -> None:
    with pytest.raises(TypeError, match=r"put @probe\.run over a function"):
        Probe(Params).main([], variables={})


def test_a_probe_has_one_check() -> None:
    probe = Probe(Params)
    probe.run(print)
    with pytest.raises(TypeError, match="has its check already"):
        probe.run(print)


def test_the_schema_is_the_model_s() -> None:
    assert Probe(Params).json_schema()["required"] == ["host"]


def test_importing_the_sdk_imports_nothing_that_a_check_may_not_need() -> None:
    seen = "import sys, probe_sdk; print(*{name.split('.')[0] for name in sys.modules})"
    answer = subprocess.run([sys.executable, "-c", seen], check=True, capture_output=True, text=True)
    loaded = set(answer.stdout.split())
    assert loaded.isdisjoint({"httpx", "tenacity", "asyncio", "argparse", "http", "ssl"})

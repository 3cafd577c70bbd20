"""The README's examples work as they stand there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.probe_sdk.conftest import ScriptedIntake

import probe_sdk
from probe_sdk.wire import Report, parse_termination_message

README = Path(__file__).parents[3] / "probe_sdk" / "README.md"


def example(language: str, number: int = 0) -> str:
    examples: list[str] = re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)
    return examples[number]


def run(command: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    path = {"PATH": os.environ["PATH"]}
    return subprocess.run(command, env=path | variables, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def pod(intake: ScriptedIntake, token_file: str) -> dict[str, str]:
    return {"KUBEPROBE_URL": intake.url, "KUBEPROBE_TOKEN_FILE": token_file}


def reported(intake: ScriptedIntake) -> Report:
    return Report.model_validate_json(intake.received[-1].body)


def test_the_probe(intake: ScriptedIntake, pod: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "dns.py").write_text(example("python"))
    port = int(intake.url.rpartition(":")[2])
    given = json.dumps({"host": "127.0.0.1", "port": port, "maxLatency": "5s"})
    ended = run([sys.executable, str(tmp_path / "dns.py")], {**pod, "KUBEPROBE_PARAMS": given})
    assert ended.returncode == 0, ended.stderr
    assert [step.name for step in reported(intake).steps] == ["resolve", "connect"]
    assert reported(intake).attributes == {"address": "127.0.0.1"}


@pytest.mark.parametrize("number", [1, 2])
def test_the_other_python(intake: ScriptedIntake, pod: dict[str, str], number: int) -> None:
    ended = run([sys.executable, "-c", example("python", number)], pod)
    assert ended.returncode == 0, ended.stderr
    assert [reported(intake).ok] == [True] if number == 2 else intake.received == []


@pytest.mark.parametrize("answers", [[200], [503, 200]])
def test_the_shell_script(
    intake: ScriptedIntake, pod: dict[str, str], tmp_path: Path, termination_log: Path, answers: list[int]
) -> None:
    target = tmp_path / "target"
    script = example("sh").replace("/dev/termination-log", str(termination_log))
    variables = {**pod, "PARAM_TARGET": f"file://{target}"}
    intake.script = [*answers, *answers]
    ended = run(["/bin/sh", "-c", script], variables)
    assert ended.returncode == 1
    assert not reported(intake).ok
    assert "\\" not in reported(intake).errors[0]
    assert f"file://{target}: curl: (37)" in reported(intake).errors[0]
    assert parse_termination_message(termination_log.read_text()) == reported(intake)
    target.touch()
    assert run(["/bin/sh", "-c", script], variables).returncode == 0
    assert reported(intake) == Report(ok=True)
    assert len(intake.received) == 2 * len(answers)


def test_the_shell_script_reports_what_json_has_to_escape(
    intake: ScriptedIntake, pod: dict[str, str], termination_log: Path
) -> None:
    functions = example("sh").partition("\nif said=")[0].replace("/dev/termination-log", str(termination_log))
    said = 'a "quoted" \\ path\n\tä\x01' + "x" * 5000
    ended = run(["/bin/sh", "-c", functions + '\nreport false "$SAID"'], {**pod, "SAID": said})
    assert ended.returncode == 0, ended.stderr
    assert reported(intake).errors[0].startswith('a "quoted" \\ path  xxx')


def test_the_wire_s_example_is_a_report() -> None:
    Report.model_validate_json(example("json"))


def test_every_public_name_is_told() -> None:
    text = README.read_text()
    assert [name for name in probe_sdk.__all__ if name not in text] == []

"""Where parameters come from."""

from pathlib import Path

import pytest
from pydantic import Field

from probe_sdk import ProbeFailure, params
from probe_sdk.arguments import read_params


class Params(params.Model):
    host: str = Field(description="Whom to ask.")
    port: int = 53
    max_latency: params.Duration = params.Duration("500ms")
    names: tuple[str, ...] = ()
    alias: str | None = None


def test_a_pod_s_parameters_come_from_its_environment() -> None:
    assert read_params(Params, '{"host": "dns", "maxLatency": "1s"}', []) == Params(
        host="dns", max_latency=params.Duration("1s")
    )


def test_params_take_the_place_of_the_environment() -> None:
    assert read_params(Params, '{"host": "dns", "port": 1}', ["--params", '{"host": "x"}']) == Params(host="x")


def test_params_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "params.json"
    file.write_text('{"host": "from a file"}')
    assert read_params(Params, "", ["--params", f"@{file}"]).host == "from a file"


def test_single_parameters_are_laid_over_the_others() -> None:
    assignments = ["port=5353", 'names=["a","b"]', "maxLatency=2s", "alias=12", "host=7"]
    arguments = [part for each in assignments for part in ("--set", each)]
    assert read_params(Params, '{"host": "dns"}', arguments) == Params(
        host="7", port=5353, names=("a", "b"), max_latency=params.Duration("2s"), alias="12"
    )


def test_a_probe_without_parameters_needs_none() -> None:
    assert read_params(params.Model, "", []) == params.Model()


@pytest.mark.parametrize(
    ("environment", "arguments", "error"),
    [
        ("", [], "parameter host: Field required"),
        ("{", [], "KUBEPROBE_PARAMS is not JSON: "),
        ("[]", [], "KUBEPROBE_PARAMS is not a JSON object: write one such as"),
        ("", ["--params", "x"], "--params is not JSON: "),
        ("", ["--params", "@/nowhere"], "--params @/nowhere: "),
        ("", ["--set", "host"], "--set host: write NAME=VALUE"),
        ('{"host": "x", "port": "p"}', [], "parameter port: Input should be a valid integer"),
        ('{"host": "x"}', ["--set", "port=p"], "parameter port: Input should be a valid integer"),
        ('{"host": "x", "maxLatency": "5"}', [], "parameter maxLatency: Value error, '5' is not a duration"),
        ('{"host": "x", "hots": "x"}', [], "parameter hots: Extra inputs are not permitted"),
        ('{"host": "x", "names": [1]}', [], "parameter names.0: Input should be a valid string"),
    ],
)
def test_a_mistake_is_told_with_its_parameter(environment: str, arguments: list[str], error: str) -> None:
    with pytest.raises(ProbeFailure) as caught:
        read_params(Params, environment, arguments)
    assert len(caught.value.errors) == 1
    assert caught.value.errors[0].startswith(error)


def test_each_mistake_is_a_sentence_of_its_own() -> None:
    with pytest.raises(ProbeFailure) as caught:
        read_params(Params, '{"port": "p"}', [])
    assert len(caught.value.errors) == 2


def test_help_shows_the_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        read_params(Params, "", ["--help"])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    assert "  host (string, required): Whom to ask.\n" in shown
    assert '  maxLatency (string, default "500ms")\n' in shown
    assert "  alias (string, optional)\n" in shown


def test_help_of_a_probe_without_parameters_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_params(params.Model, "", ["--help"])
    assert "This probe takes no parameters." in capsys.readouterr().out

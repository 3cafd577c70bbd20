"""`kubeprobe validate`: files in, one line per object out, exit codes 0, 1 and 2."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from kubeprobe.cli import validate as module
from kubeprobe.cli.main import app

GOOD = """\
apiVersion: kubeprobe.io/v1alpha1
kind: ProbeTemplate
metadata: {name: etcd}
spec:
  image: registry.example/probe
  allowedNamespaces: {matchLabels: {probes: allowed}}
  params: {type: object, required: [endpoints], properties: {endpoints: {type: array, items: {type: string}}}}
---
apiVersion: kubeprobe.io/v1alpha1
kind: ProbeConfig
metadata: {name: main, namespace: probes, annotations: {since: 2026-01-01}}
spec: {templateRef: {name: etcd}, schedule: {every: 60s}, params: {endpoints: [a]}}
---
---
apiVersion: kubeprobe.io/v1alpha1
kind: ProbeRun
metadata: {name: once, namespace: probes}
spec: {templateRef: {name: etcd}, params: {endpoints: [a]}}
---
apiVersion: kubeprobe.io/v1alpha1
kind: ProbeRun
metadata: {name: again, namespace: probes}
spec: {configRef: {name: main}}
"""
CONFIG = """\
apiVersion: kubeprobe.io/v1alpha1
kind: ProbeConfig
metadata: {name: main, namespace: probes}
"""


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["validate", *arguments], input=stdin)


def on(text: str) -> Result:
    return run("-f", "-", stdin=text)


def test_good_objects_have_one_line_each(tmp_path: Path) -> None:
    path = tmp_path / "all.yaml"
    path.write_text(GOOD)
    result = run("-f", str(path))
    assert result.stdout.splitlines() == [
        f"valid {path}: document 1: ProbeTemplate etcd",
        f"valid {path}: document 2: ProbeConfig probes/main",
        f"valid {path}: document 4: ProbeRun probes/once",
        f"valid {path}: document 5: ProbeRun probes/again",
    ]
    assert result.exit_code == 0


def test_a_mistake_names_file_document_object_field_and_way_out() -> None:
    result = on(GOOD + "---\n" + CONFIG + "spec: {templateRef: {name: etcd}, schedule: {evry: 60s}}\n")
    assert result.stdout.splitlines()[4:] == [
        (
            "invalid <stdin>: document 6: ProbeConfig probes/main: spec.schedule.evry: there is no such field; "
            "did you mean every?"
        ),
        (
            "invalid <stdin>: document 6: ProbeConfig probes/main: spec.schedule: set exactly one of every (such as "
            "60s) and cron (such as '*/5 * * * *')"
        ),
        (
            "invalid <stdin>: document 6: ProbeConfig probes/main: spec.params.endpoints: is required; set it "
            "(schema: ProbeTemplate 'etcd', spec.params)"
        ),
    ]
    assert result.exit_code == 1


def test_params_are_checked_against_a_template_in_another_file(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "template.yml").write_text(GOOD.split("---")[0])
    (tmp_path / "a.yaml").write_text(
        CONFIG + "spec: {templateRef: {name: etcd}, mode: OnDemand, params: {endpoint: [a], endpoints: [b]}}\n"
    )
    (tmp_path / "notes.txt").write_text("not: [read")
    result = run("-f", str(tmp_path))
    assert result.exit_code == 1
    assert "spec.params.endpoint: the template has no such parameter; did you mean endpoints?" in result.stdout
    assert len(result.stdout.splitlines()) == 2


def test_an_ad_hoc_run_is_held_against_its_template() -> None:
    result = on(
        GOOD.replace("spec: {templateRef: {name: etcd}, params: {endpoints: [a]}}", "spec: {templateRef: {name: etcd}}")
    )
    assert "ProbeRun probes/once: spec.params.endpoints: is required" in result.stdout


def test_a_template_that_is_not_there_is_said() -> None:
    result = on(CONFIG + "spec: {templateRef: {name: else}, schedule: {every: 60s}}\n")
    assert result.exit_code == 0
    assert result.stdout == (
        "valid <stdin>: document 1: ProbeConfig probes/main "
        "(params not checked: ProbeTemplate else is not among the files)\n"
    )


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("{cron: '* * *'}", "spec.schedule.cron: "),
        ("{cron: '* * * * *', timeZone: Mars/Olympus}", "spec.schedule.timeZone: 'Mars/Olympus' is not a time zone"),
    ],
)
def test_schedules_that_no_schema_can_hold(schedule: str, words: str) -> None:
    text = GOOD.split("---")[0] + "---\n" + CONFIG
    text += f"spec: {{templateRef: {{name: etcd}}, params: {{endpoints: [a]}}, schedule: {schedule}}}\n"
    result = on(text)
    assert result.exit_code == 1
    assert result.stdout.count(words) == 1


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("schedule: {every: 10s}, retries: {limit: 5, delay: 10s}", "spec.retries: "),
        ("schedule: {every: 10s}, maintenance: [{cron: '0 0 30 2 *', duration: 1h}]", "spec.maintenance[0].cron: "),
    ],
)
def test_what_can_never_work_is_told_without_the_template(spec: str, words: str) -> None:
    result = on(CONFIG + f"spec: {{templateRef: {{name: else}}, {spec}}}\n")
    assert result.exit_code == 1
    assert words in result.output


def test_a_template_with_a_broken_schema() -> None:
    result = on(GOOD.split("---")[0].replace("required:", "requird:"))
    assert "spec.params.requird: OpenAPI v3 has no such keyword; did you mean required?" in result.stdout
    assert result.exit_code == 1


def test_other_kinds_are_skipped_with_a_note() -> None:
    result = on("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n---\nkind: List\nitems:\n- {kind: Role}\n")
    assert result.stdout.splitlines() == [
        "skipped <stdin>: document 1: ConfigMap c (not a kind of kubeprobe.io)",
        "skipped <stdin>: document 2: Role without a name (not a kind of kubeprobe.io)",
    ]
    assert result.exit_code == 0


def test_a_document_that_is_no_object() -> None:
    result = on("just text\n---\nmetadata: odd\n")
    assert result.stdout.splitlines() == [
        (
            "invalid <stdin>: document 1: object without a kind without a name: must be an object with apiVersion and "
            "kind; indent it as YAML does"
        ),
        "skipped <stdin>: document 2: object without a kind without a name (not a kind of kubeprobe.io)",
    ]
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a: [", "not YAML: while parsing"),
        (b"a: 1\na: 2\n", "not YAML: the key 'a' stands twice: remove one"),
        (b"1: a\n", "not YAML: the key 1 is not text: put it in quotes"),
        (b"a: \xff\n", "not UTF-8 at byte 3; save it as UTF-8"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    result = run("-f", str(path))
    assert result.exit_code == 2
    assert f"kubeprobe validate: {path}: {words}" in result.stderr


def test_one_that_cannot_be_read_leaves_the_others_checked(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [")
    (tmp_path / "b.yaml").write_text(GOOD)
    result = run("-f", str(tmp_path), "-f", str(tmp_path / "missing"), "-f", str(tmp_path / "b.yaml"))
    assert result.exit_code == 2
    assert result.stdout.count("valid ") == 8
    assert "missing: No such file or directory; check the path" in result.stderr


def test_a_folder_without_objects(tmp_path: Path) -> None:
    result = run("-f", str(tmp_path))
    assert result.exit_code == 2
    assert "no .yaml, .yml, .json files in this folder; name another one" in result.stderr


def test_merge_keys_are_yaml(tmp_path: Path) -> None:
    text = "x: &x {name: c}\nkind: Pod\nmetadata:\n  <<: *x\n  labels: {a: b}\n"
    assert on(text).stdout == "skipped <stdin>: document 1: Pod c (not a kind of kubeprobe.io)\n"


def test_something_to_read_must_be_named() -> None:
    assert run().exit_code == 2


def test_in_a_terminal_it_is_for_the_eye(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    terminal = Console(file=out, force_terminal=True, color_system=None, soft_wrap=True, highlight=False)
    monkeypatch.setattr(module, "Console", lambda **_: terminal)
    text = GOOD + "---\nkind: Pod\n---\n" + CONFIG + "spec: {templateRef: {name: x}}\n"
    assert on(text).exit_code == 1
    lines = out.getvalue().splitlines()
    assert lines[0] == "✓ ProbeTemplate etcd  <stdin>: document 1"
    assert lines[4] == "- Pod without a name  <stdin>: document 6  (not a kind of kubeprobe.io)"
    assert lines[5].startswith("✗ ProbeConfig probes/main  <stdin>: document 7  (params not checked")
    assert lines[6].startswith("    spec.schedule: mode Periodic needs a schedule")
    assert lines[7] == "4 valid, 1 invalid, 1 skipped"


RESIDENT = """\
apiVersion: kubeprobe.io/v1alpha1
kind: ProbeTemplate
metadata: {name: http}
spec:
  image: registry.example/probe
  modes: [Resident]
  params: {type: object, required: [url], properties: {url: {type: string}}}
---
apiVersion: kubeprobe.io/v1alpha1
kind: ProbeConfig
metadata: {name: main, namespace: probes}
spec: {templateRef: {name: http}, mode: %s, resident: {interval: 1s, targets: {static: %s}}}
"""


def test_the_targets_of_a_resident_prober_are_checked_each_against_the_template() -> None:
    good = on(RESIDENT % ("Resident", "[{name: a, params: {url: b}}]"))
    assert (good.exit_code, "invalid" in good.stdout) == (0, False)
    bad = on(RESIDENT % ("Resident", "[{name: a, params: {url: b}}, {name: c}]"))
    assert bad.exit_code == 1
    (line,) = (line for line in bad.stdout.splitlines() if line.startswith("invalid"))
    assert "1 left out of the targets: spec.resident.targets.static[1] (c): spec.params.url: is required" in line


def test_a_mode_that_the_template_does_not_list_is_told() -> None:
    result = on(RESIDENT.replace("modes: [Resident]", "modes: [Periodic]") % ("Resident", "[{name: a}]"))
    assert "spec.mode: ProbeTemplate 'http' does not run in mode Resident; it allows Periodic" in result.stdout

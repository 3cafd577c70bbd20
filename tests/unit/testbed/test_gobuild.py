from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from testbed import gobuild
from testbed.errors import TestbedError
from testbed.gobuild import ALL_TOOLS, KUBERNETES, PAUSE, Builder, Tool, parse_go_version

PINS = {
    "kubernetes": "k8s.io/kubernetes v1.34.4",
    "etcd": "go.etcd.io/etcd/server/v3 v3.6.8",
    "coredns": "github.com/coredns/coredns v1.14.7",
    "registry": "github.com/distribution/distribution/v3 v3.0.0",
    "helm": "helm.sh/helm/v3 v3.22.0",
    "kwok": "sigs.k8s.io/kwok v0.8.0",
}


@pytest.mark.parametrize("tool", ALL_TOOLS, ids=lambda tool: tool.name)
def test_every_tool_is_pinned_down_to_the_sums(tool: Tool) -> None:
    if tool is not PAUSE:  # which has no dependency
        assert PINS[tool.name] in (tool.folder() / "go.mod").read_text()
        assert (tool.folder() / "go.sum").stat().st_size > 0


def test_kubernetes_is_built_with_its_own_staging_modules() -> None:
    replaced = [line for line in (KUBERNETES.folder() / "go.mod").read_text().splitlines() if "=>" in line]
    assert len(replaced) == 31
    assert all(line.endswith(" v0.34.4") for line in replaced)


def test_the_key_changes_with_whatever_changes_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(PAUSE.folder(), tmp_path / "pause")
    monkeypatch.setattr(gobuild, "_MODULES", tmp_path)
    keys = {PAUSE.key("go1.26.1"), PAUSE.key("go1.26.2"), replace(PAUSE, ldflags="-X a=b").key("go1.26.1")}
    (tmp_path / "pause" / "go.mod").write_text("module other\n")
    keys.add(PAUSE.key("go1.26.1"))
    assert len(keys) == 4
    assert PAUSE.key("go1.26.1") == PAUSE.key("go1.26.1")


@pytest.mark.parametrize(("text", "version"), [("go version go1.26.8 linux/amd64", (1, 26)), ("go1.9", (1, 9))])
def test_the_version_of_go_is_read(text: str, version: tuple[int, int]) -> None:
    assert parse_go_version(text) == version


def test_what_is_no_go_is_said(tmp_path: Path) -> None:
    with pytest.raises(TestbedError, match="no Go"):
        parse_go_version("gccgo (GCC) 12")


def test_a_build_lands_whole_under_its_key_and_is_made_once(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "cache", lambda _: None)
    assert builder.lacking([PAUSE]) == [PAUSE]
    folder = builder.build(PAUSE, lambda _: None)
    stamp = (folder / "pause").stat().st_mtime_ns
    assert builder.lacking([PAUSE]) == []
    assert builder.build(PAUSE, lambda _: None) == folder
    assert (folder / "pause").stat().st_mtime_ns == stamp
    builder.link([PAUSE], tmp_path / "bin")
    builder.link([PAUSE], tmp_path / "bin")
    process = subprocess.Popen([tmp_path / "bin" / "pause"])
    process.terminate()
    assert process.wait(timeout=10) in (0, -15)


def test_a_build_that_fails_leaves_nothing_and_shows_what_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(PAUSE.folder(), tmp_path / "modules" / "pause")
    (tmp_path / "modules" / "pause" / "main.go").write_text("package main\n\nfunc main() { nothing() }\n")
    monkeypatch.setattr(gobuild, "_MODULES", tmp_path / "modules")
    builder = Builder(tmp_path / "cache", lambda _: None)
    with pytest.raises(TestbedError, match="undefined: nothing"):
        builder.build(PAUSE, lambda _: None)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".pause.lock"]

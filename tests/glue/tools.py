"""Release tools' own client code, each as a Go program that answers a question by JSON, and the files that we ship."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from testbed.gobuild import Builder, Tool
from testbed.layout import cache_root

MODULES: Final = Path(__file__).parent / "gomod"
SHIPPED: Final = Path(__file__).parents[2] / "docs" / "glue"
ANSWER_SECONDS: Final = 60.0


@dataclass(frozen=True)
class GlueTool(Tool):
    """A tool whose module is one of these tests' own."""

    def folder(self) -> Path:
        """Where its go.mod is."""
        return MODULES / self.name


def tool(name: str, expected_seconds: float) -> GlueTool:
    """The module of this name, whose only program has the same name."""
    return GlueTool(name, {name: f"kubeprobe.io/glue/{name}"}, "", expected_seconds)


ARGO_ROLLOUTS = tool("argo_rollouts", 120)
FLAGGER = tool("flagger", 240)
FLUX = tool("flux", 90)
ARGO_CD = tool("argo_cd", 10)


@dataclass(frozen=True)
class Program:
    """A built tool."""

    path: Path

    def ask(self, question: dict[str, Any]) -> Any:
        """What it says to a question."""
        done = subprocess.run(
            [str(self.path)],
            input=json.dumps(question),
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def build(which: GlueTool) -> Program:
    """The tool's program, built where it is not there yet."""
    builder = Builder(cache_root(), _say)
    if builder.lacking([which]):
        _say(f"building {which.name} from its Go module (some {which.expected_seconds:.0f}s)")
    return Program(builder.build(which, lambda _: None) / which.name)


def shipped(name: str, kind: str) -> list[dict[str, Any]]:
    """The objects of a kind in a file that we ship."""
    found = [one for one in yaml.safe_load_all((SHIPPED / name).read_text()) if one["kind"] == kind]
    assert found, f"{name} has no {kind}"
    return found


def filled(template: Any, **args: str) -> Any:
    """The same with arguments put in where it has {{args.NAME}}."""
    text = json.dumps(template)
    for name, value in args.items():
        text = text.replace(f"{{{{args.{name}}}}}", value)
    assert "{{" not in text, text
    return json.loads(text)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

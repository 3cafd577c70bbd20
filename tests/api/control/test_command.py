"""`kubeprobe run`: the exit code is the verdict, and what is wrong is said."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.api.control.conftest import Operator
from tests.api.control.pods import ended
from tests.lab.kubectl import eventually

SOON_SECONDS = 30


def command(operator: Operator, *args: str) -> list[str]:
    kubeconfig = str(operator.kubectl.kubeconfig)
    return [sys.executable, "-m", "kubeprobe.cli", "run", *args, "--kubeconfig", kubeconfig]


@pytest.mark.parametrize(("code", "verdict", "exits"), [(0, "Passed", 0), (7, "Failed", 1)])
def test_with_wait_the_verdict_is_the_exit_code(
    operator: Operator, namespace: str, code: int, verdict: str, exits: int
) -> None:
    operator.template("waited")
    operator.config("waited", namespace)
    argv = command(operator, "waited", "-n", namespace, "--wait")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        pods = eventually("its pod", lambda: operator.kubectl.list("pods", namespace), SOON_SECONDS)
        operator.kubelet(pods[0]["metadata"]["name"], namespace, **ended(code, "disk full" if code else ""))
        said, _ = process.communicate(timeout=60)
    assert process.returncode == exits, said
    assert said.startswith(verdict)
    assert ("disk full" in said) == bool(code)


def test_an_unknown_verdict_and_one_that_does_not_come_have_a_code_of_their_own(
    operator: Operator, namespace: str
) -> None:
    operator.template("silent", timeout="1s")
    operator.config("silent", namespace)
    argv = command(operator, "silent", "-n", namespace, "--wait")
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.split()[0]) == (3, "Unknown")
    operator.template("slow", timeout="60s")
    operator.config("slow", namespace)
    argv = command(operator, "slow", "-n", namespace, "--wait", "--timeout", "1")
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert "is the operator running?" in done.stderr


def test_without_wait_the_run_is_named(operator: Operator, namespace: str) -> None:
    operator.template("named")
    operator.config("named", namespace)
    argv = command(operator, "named", "-n", namespace)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    name = done.stdout.removeprefix("proberun.kubeprobe.io/").removesuffix(" created\n")
    assert operator.kubectl.get("proberun", name, namespace) is not None

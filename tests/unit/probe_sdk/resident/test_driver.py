"""The same check that runs once stays, when it is asked to: in a process of its own, as in a pod."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from pydantic import model_validator

from probe_sdk import params
from probe_sdk.resident.driver import CheckDriver
from probe_sdk.resident.spec import SPEC_FILE, Spec
from probe_sdk.samples import LOG_MARK

SOON_SECONDS = 30.0
PROBE = """
import time

from probe_sdk import Probe, ProbeFailure, params, step

class Params(params.Model):
    count: int

probe = Probe(Params)

@probe.run
{define} check(p: Params) -> None:
    with step("count"):
        if p.count > 9:
            time.sleep(3600)
        if p.count < 0:
            raise ProbeFailure(f"{{p.count}} is below zero")

probe.main()
"""


@contextmanager
def staying(folder: Path, port: int, define: str) -> Iterator[subprocess.Popen[str]]:
    (folder / "probe.py").write_text(PROBE.format(define=define))
    environment = {"KUBEPROBE_RESIDENT": str(folder), "KUBEPROBE_PAGE_PORT": str(port), "KUBEPROBE_CONFIG": "counting"}
    process = subprocess.Popen(
        [sys.executable, str(folder / "probe.py")], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def metric(port: int, name: str) -> float | None:
    try:
        lines = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text.splitlines()
    except httpx.TransportError:
        return None
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), None)


@pytest.mark.parametrize("define", ["def", "async def"])
def test_a_check_stays_and_ends_on_sigterm(tmp_path: Path, free_port: int, define: str) -> None:
    targets = [
        {"name": "well"},
        {"name": "below", "params": {"count": -1}},
        {"name": "bad", "params": {"count": "many"}},
    ]
    spec = {"interval": "20ms", "params": {"count": 1}, "targets": targets}
    (tmp_path / SPEC_FILE).write_text(json.dumps(spec))
    with staying(tmp_path, free_port, define) as process:
        verdict = 'kubeprobe_target_verdict{config="counting",namespace="",target="%s"}'
        phase = 'kubeprobe_probe_phase_seconds_total{config="counting",namespace="",phase="count",target="well"}'
        end = time.monotonic() + SOON_SECONDS
        while (metric(free_port, verdict % "well"), metric(free_port, verdict % "below")) != (1.0, 0.0):
            assert time.monotonic() < end
            time.sleep(0.05)
        assert metric(free_port, phase) is not None
        assert metric(free_port, verdict % "bad") == -1.0
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=SOON_SECONDS)
    assert process.returncode == 0
    last = json.loads(said.splitlines()[-1].removeprefix(LOG_MARK))
    told = {one["target"]: one["message"] for one in last["notPassed"]}
    assert told["below"] == "-1 is below zero"
    assert told["bad"].startswith("parameter count")


def test_a_check_that_hangs_does_not_hold_up_the_end(tmp_path: Path, free_port: int) -> None:
    spec = {"interval": "20ms", "timeout": "100ms", "targets": [{"name": "hangs", "params": {"count": 10}}]}
    (tmp_path / SPEC_FILE).write_text(json.dumps(spec))
    with staying(tmp_path, free_port, "def") as process:
        end = time.monotonic() + SOON_SECONDS
        failed = 'kubeprobe_probes_total{config="counting",namespace="",outcome="failed",target="hangs"}'
        while not metric(free_port, failed):
            assert time.monotonic() < end
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=SOON_SECONDS)
    assert process.returncode == 0
    last = json.loads(said.splitlines()[-1].removeprefix(LOG_MARK))
    assert (last["round"], last["targetsFailed"]) == (1, 1)


def test_only_parameters_that_changed_are_read_again() -> None:
    read: list[int] = []

    class Counting(params.Model):
        count: int

        @model_validator(mode="after")
        def _counted(self) -> Self:
            read.append(self.count)
            return self

    def spec(**counts: int) -> Spec:
        targets = [{"name": name, "params": {"count": count}} for name, count in counts.items()]
        return Spec.model_validate({"interval": "1s", "targets": targets})

    rota: Any = None
    driver = CheckDriver(rota, print, Counting)
    driver.retarget(spec(a=1, b=2))
    driver.retarget(spec(a=1, b=3, c=4))
    assert read == [1, 2, 3, 4]
    driver._loop.close()

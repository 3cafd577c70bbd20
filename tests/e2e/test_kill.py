"""The operator killed in mid-run, over and over: no verdict is lost, none is counted twice, no pod is left."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.lab.kubectl import eventually
from tests.lab.lab import Lab
from tests.lab.process import operator_beside

KILLS = 10
CONFIGS = ("unhurried-1", "unhurried-2", "unhurried-3")
"""Several, so that one of them is in mid-run at nearly any time."""
SOON_SECONDS = 60
SCRIPT = "import time; from probe_sdk import ReportSuccess; time.sleep(1.5); ReportSuccess()"


@pytest.fixture
def namespace(lab: Lab) -> Iterator[str]:
    """A namespace for this test."""
    name = f"kills-{uuid.uuid4().hex[:6]}"
    lab.namespace(name)
    yield name
    lab.kubectl.delete("namespace", name, "", "--wait=false")


def test_kills_in_mid_run(lab: Lab, namespace: str, tmp_path: Path) -> None:
    lab.kubectl.apply(
        {
            "apiVersion": "kubeprobe.io/v1alpha1",
            "kind": "ProbeTemplate",
            "metadata": {"name": "unhurried"},
            "spec": {
                "image": lab.images.reference("probes"),
                "command": ["python", "-c", SCRIPT],
                "timeout": "30s",
            },
        }
    )
    with operator_beside(lab, tmp_path / "operator.log") as operator:
        for name in CONFIGS:
            schedule, history = {"every": "6s", "jitter": "5s"}, {"passed": 100, "failed": 100}
            lab.config(name, "unhurried", namespace, schedule=schedule, history=history)
        hit: set[str] = set()
        while len(hit) < KILLS:
            hit |= eventually("another run is going", partial(running, lab, namespace, frozenset(hit)), SOON_SECONDS)
            operator.kill()
            operator.start()
        for name in CONFIGS:
            lab.kubectl("patch", "probeconfig", name, "-n", namespace, "--type=json", "-p", STOP)
        eventually("all runs are over", lambda: all_over(lab, namespace), SOON_SECONDS)
        eventually("no pod is left", lambda: not lab.kubectl.list("pods", namespace), SOON_SECONDS)
    # The operator has ended cleanly, so what it counted is written.
    runs = lab.kubectl.list("proberuns", namespace)
    assert Counter(run["status"]["verdict"] for run in runs) == {"Passed": len(runs)}
    assert len(runs) >= KILLS
    by_config = Counter(run["spec"]["configRef"]["name"] for run in runs)
    for name in CONFIGS:
        hour = next(one for one in lab.result(name, namespace)["window"] if one["period"] == "1h")
        assert (hour["runs"], hour["passed"]) == (by_config[name], by_config[name])


STOP = '[{"op": "replace", "path": "/spec/mode", "value": "OnDemand"}, {"op": "remove", "path": "/spec/schedule"}]'


def running(lab: Lab, namespace: str, known: frozenset[str]) -> set[str]:
    """The pods whose process is at work, but for those that are known already."""
    pods = lab.kubectl.list("pods", namespace)
    return {pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] == "Running"} - known


def all_over(lab: Lab, namespace: str) -> bool:
    """Whether every run has its verdict."""
    return all(run["status"]["phase"] == "Completed" for run in lab.kubectl.list("proberuns", namespace))

"""The operator's wall clock jumps forward and back: runs go on by the new time, and nothing is called failed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from testbed import ControlPlane
from testbed.machine import Need, install
from tests.lab.kubectl import Kubectl, eventually
from tests.lab.process import OperatorProcess
from tests.lab.simulated import install as install_kinds
from tests.lab.stand_in import Noted, stand_in

HOST = "127.0.0.1"
NAMESPACE = "clock"
SOON_SECONDS = 60
JUMP = timedelta(minutes=10)
"""Within the life of a pod's token."""
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


@dataclass
class World:
    """An operator whose clock a file moves."""

    kubectl: Kubectl
    operator: OperatorProcess
    offset: Path
    noted: Noted

    def move(self, offset: timedelta) -> None:
        """Set the operator's clock so far ahead of ours."""
        self.offset.write_text(f"{offset.total_seconds():+.0f}")

    def slots(self) -> list[datetime]:
        """The slots of the runs that passed."""
        runs = self.kubectl.list("proberuns", NAMESPACE)
        return [
            datetime.fromisoformat(run["spec"]["trigger"]["slot"])
            for run in runs
            if run.get("status", {}).get("verdict") == "Passed"
        ]

    def result(self) -> dict[str, Any]:
        status: dict[str, Any] = (self.kubectl.get("proberesult", "ticking", NAMESPACE) or {}).get("status", {})
        return status


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    install([Need(FAKETIME, "libfaketime", "moves the operator's clock")], print)
    offset = tmp_path / "offset"
    offset.write_text("+0")
    env = {
        "LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": str(offset), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }  # fmt: skip
    with ControlPlane.start(tmp_path / "plane") as plane:
        kubectl = install_kinds(plane)
        kubectl("create", "namespace", NAMESPACE)
        kubectl("create", "serviceaccount", "default", "-n", NAMESPACE)
        operator = OperatorProcess(plane.kubeconfig, HOST, tmp_path / "operator.log", env=env)
        operator.start()
        try:
            with stand_in(plane.kubeconfig, NAMESPACE, lambda: [operator.url]) as noted:
                yield World(kubectl, operator, offset, noted)
        finally:
            operator.stop()


def test_a_clock_that_jumps_does_no_harm(world: World) -> None:
    body = {"apiVersion": "kubeprobe.io/v1alpha1", "kind": "ProbeTemplate", "metadata": {"name": "tick"}}
    world.kubectl.apply({**body, "spec": {"image": "none", "timeout": "60s"}})
    metadata = {"name": "ticking", "namespace": NAMESPACE}
    spec = {"templateRef": {"name": "tick"}, "schedule": {"every": "2s"}, "history": {"passed": 100}}
    world.kubectl.apply({**body, "kind": "ProbeConfig", "metadata": metadata, "spec": spec})
    eventually("runs pass", lambda: len(world.slots()) >= 2, SOON_SECONDS)

    world.move(JUMP)
    ahead = datetime.now(UTC) + JUMP - timedelta(seconds=5)
    eventually("runs go on ahead", lambda: sum(slot > ahead for slot in world.slots()) >= 2, SOON_SECONDS)

    world.move(timedelta())
    back = datetime.now(UTC)
    soon = back + JUMP / 2
    eventually("runs go on back", lambda: sum(back < slot < soon for slot in world.slots()) >= 2, SOON_SECONDS)

    assert {one["verdict"] for one in world.result()["history"]} <= {"Passed", "Unknown"}
    eventually("the answer is right", lambda: world.result().get("verdict") == "Passed", SOON_SECONDS, world.result)
    assert world.noted.repeated == []

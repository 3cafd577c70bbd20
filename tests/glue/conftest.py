"""The HTTP gate as the operator serves it, over views that a test fills, with a gate in each state."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from kubeprobe.api import Change, ChangeGate
from kubeprobe.control.gate_desk import ViewDesk
from kubeprobe.control.view import Views
from kubeprobe.intake.gates.handler import GateDeps
from kubeprobe.intake.server import Intake, IntakeDeps, serve
from tests.glue.states import AT, CHANGE, STATES, gate_object
from tests.unit.intake.cluster import Clock, Health, Keys, Reports, SampleTaker

HOST = "127.0.0.1"
WAITING, CALLS = "kubeprobe_gate_http_waiting", "kubeprobe_gate_http_calls_total"
PATIENCE_SECONDS = 30.0


@dataclass
class Site:
    """A running HTTP gate."""

    views: Views = field(default_factory=Views)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    synced: bool = True
    announced: list[tuple[str, Any]] = field(default_factory=list)
    """At which gate, and what."""
    port: int = 0
    _version: int = 0

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def waiting(self) -> float:
        """How many calls wait for a verdict now."""
        return self.registry.get_sample_value(WAITING) or 0.0

    def calls(self, call: str, code: int) -> float:
        """How many calls of this kind were answered so."""
        return self.registry.get_sample_value(CALLS, {"call": call, "code": str(code)}) or 0.0

    def put(self, name: str, state: str) -> None:
        """Have a gate of this name in this state."""
        body = gate_object(state)
        body["metadata"].update(self._meta(name))
        self.views.gates.put(ChangeGate.model_validate(body))

    def change(self, *gates: str) -> None:
        """Have the change of the states told to these gates."""
        spec: dict[str, Any] = {"source": "Announced", "count": 3, "gates": gates, "began": AT, "last": AT}
        objects = [{"kind": "Announcement", "name": "cart", "type": "Modified", "at": AT}]
        body = {"metadata": self._meta(CHANGE), "spec": {**spec, "closed": AT, "objects": objects}}
        self.views.changes.put(Change.model_validate(body))

    async def announce(self, name: str, said: Any) -> str:
        self.announced.append((name, said))
        return CHANGE

    def _meta(self, name: str) -> dict[str, str]:
        self._version += 1
        return {"name": name, "uid": f"uid-{name}", "resourceVersion": str(self._version), "creationTimestamp": AT}


async def until(condition: Callable[[], object]) -> None:
    """Wait for what a program is about to do."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - what another process does has no event to wait on
            await asyncio.sleep(0.005)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    for name in STATES:
        made.put(name, name)
    made.change(*STATES)
    desk = ViewDesk(made.views, lambda: made.synced, lambda: True, made.announce)
    clock = Clock()
    deps = IntakeDeps(Reports(), SampleTaker(), Health(), Keys(), made.registry, clock.now, GateDeps(desk))
    async with serve(Intake(deps), HOST, 0) as made.port:
        yield made

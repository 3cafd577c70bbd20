"""That what is wanted is known, however a gate, a Change or a config came into view."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.control.changing import World
from tests.unit.plan.builders import config, on_demand
from tests.unit.plan.changes import FIRST, triggered
from tests.unit.plan.changes import change as make_change
from tests.unit.plan.gates import gate

from kubeprobe.api import ChangeGate, ProbeConfig
from kubeprobe.control.again import look_again
from kubeprobe.control.change_calls import follow_wants
from kubeprobe.control.view import Views
from kubeprobe.kube.port import CONFIGS, GATES, Resource

STATELESS = {"namespaces": ["*"], "kinds": ["Deployment"]}
STATEFUL = {"namespaces": ["*"], "kinds": ["StatefulSet"]}
DATA: dict[str, Any] = {"object": {"kinds": ["ConfigMap"], "namespaceSelector": {}}}


@pytest.mark.parametrize(
    ("resource", "before", "now", "watched"),
    [
        (GATES, gate(scope=STATELESS), gate(scope=STATEFUL), "statefulsets"),
        (CONFIGS, on_demand("more"), triggered(DATA, name="more", metadata={"generation": 2}), "configmaps"),
    ],
)
async def test_what_was_looked_at_again_is_heard_though_the_watch_tells_nothing_new(
    resource: Resource, before: ChangeGate | ProbeConfig, now: ChangeGate | ProbeConfig, watched: str
) -> None:
    world = World()
    world.put(resource, before)
    await world.start()
    assert watched not in world.cluster.watched()
    hear, world.cluster.also = world.cluster.also, lambda plural, body, gone: None
    world.put(resource, now)
    key = (now.metadata.namespace, now.metadata.name)
    await look_again(world.replica.context, resource, key)
    hear(resource.plural, world.cluster.objects[resource.plural, *key], False)
    await world.replica.settle()
    assert watched in world.cluster.watched()
    await world.replica.stop()


class Ear:
    """How often somebody was called since it was last asked for."""

    def __init__(self) -> None:
        self.views = Views()
        self.calls = [0, 0]
        follow_wants(self.views, lambda: self._count(0), lambda: self._count(1))

    def _count(self, which: int) -> None:
        self.calls[which] += 1

    def called(self) -> tuple[int, int]:
        wants, listeners = self.calls
        self.calls = [0, 0]
        return wants, listeners


def version(number: int, **more: Any) -> dict[str, Any]:
    return {"resourceVersion": str(number), **more}


def test_a_gates_status_calls_nobody() -> None:
    ear = Ear()
    ear.views.gates.put(gate(metadata=version(1)))
    assert ear.called() == (1, 0)
    ear.views.gates.put(gate(metadata=version(2), status={"reason": "Settling"}))
    assert ear.called() == (0, 0)
    ear.views.gates.put(gate(metadata=version(3), scope=STATEFUL))
    assert ear.called() == (1, 0)
    ear.views.gates.put(gate(metadata=version(4, deletionTimestamp="2026-03-01T12:00:00Z"), scope=STATEFUL))
    assert ear.called() == (1, 0)
    ear.views.gates.drop(("", "production"), "uid-production")
    assert ear.called() == (1, 0)


def test_a_change_calls_when_it_is_new_and_when_it_is_over() -> None:
    ear = Ear()
    for number, status, calls in (
        (1, None, 1),
        (2, {"phase": "Verifying"}, 0),
        (3, {"phase": "Passed", "finishedAt": "2026-03-01T12:00:00Z"}, 1),
    ):
        made = make_change(FIRST, status=status)
        meta = made.metadata.model_copy(update={"resource_version": str(number)})
        ear.views.changes.put(made.model_copy(update={"metadata": meta}))
        assert ear.called() == (calls, 0)
    ear.views.changes.drop(("", FIRST), f"uid-{FIRST}")
    assert ear.called() == (1, 0)


def test_of_configs_only_those_with_triggers_call() -> None:
    ear = Ear()
    ear.views.configs.put(config(metadata=version(1)))
    assert ear.called() == (0, 0)
    ear.views.configs.put(config(metadata=version(2, generation=2), triggers=[DATA]))
    assert ear.called() == (0, 1)
    ear.views.configs.put(config(metadata=version(3, generation=2), triggers=[DATA]))
    assert ear.called() == (0, 0)
    ear.views.configs.drop(("probes", "main"), "uid-main")
    assert ear.called() == (0, 1)

"""That every Change comes to its end, whatever keeps its configs from running."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.control.changing import ROLLOUT, World
from tests.unit.plan.builders import config, meta, on_demand
from tests.unit.plan.changes import triggered
from tests.unit.plan.gates import gate

from kubeprobe.api import ChangePhase
from kubeprobe.control.context import Kind
from kubeprobe.control.follow import KINDS, followable
from kubeprobe.kube.port import CHANGES, CONFIGMAPS, CONFIGS, GATES, RUNS, ApiError, Object
from kubeprobe.plan.changed import Announcement

EDITED = {"generation": 2}
QUOTA = ApiError(403, "Forbidden", "exceeded quota")
AWAY = ApiError(500, "InternalError", 'failed calling webhook "policy.example": connection refused')


async def test_a_config_that_is_suspended_while_it_was_busy_keeps_no_change_open(world: World) -> None:
    world.deploy("cart:2")
    await world.replica.later(11)
    [run] = world.runs
    world.deploy("cart:3")
    await world.replica.later(15)
    assert world.changes[1].status.phase is ChangePhase.SETTLING, "one run at a time"
    world.put(CONFIGS, triggered(ROLLOUT, metadata=EDITED, suspend=True))
    await world.replica.later(2)
    world.end(run.metadata.name)
    await world.replica.later(2)
    assert len(world.runs) == 1
    second = world.changes[1]
    assert [(one.state, one.reason) for one in second.status.probes] == [("Skipped", "Suspended")]
    assert second.status.finished_at is not None


async def test_a_change_that_waits_for_a_busy_config_does_not_have_it_looked_at_again_and_again(world: World) -> None:
    world.deploy("cart:2")
    await world.replica.later(11)
    world.deploy("cart:3")
    await world.replica.later(15)
    [run], waiting = world.runs, world.changes[1].metadata.name
    await world.replica.reconcilers[Kind.CHANGE](("", waiting))
    assert (Kind.CONFIG, ("probes", "main")) not in world.replica.queue._ready
    world.end(run.metadata.name)
    await world.replica.later(2)
    assert len(world.runs) == 2


async def test_changes_that_come_one_into_the_other_do_not_keep_a_config_from_being_tried_again(world: World) -> None:
    world.cluster.refuse["proberuns"] = QUOTA
    going = {"observedGeneration": 1, "replicas": 4, "updatedReplicas": 1}
    world.put(CONFIGS, triggered(ROLLOUT, name="other", suspend=True))
    world.deploy("cart:2")
    await world.replica.later(200)
    world.deploy("pay:1", "pay", status=going)
    await world.replica.later(150)
    assert [bool(one.status.finished_at) for one in world.changes] == [True, False]
    world.cluster.refuse.clear()
    await world.replica.later(60)
    world.deploy("pay:1", "pay")
    await world.replica.later(20)
    assert len(world.runs) == 1, "the quota has room again"


@pytest.mark.parametrize("refusal", [QUOTA, AWAY])
async def test_a_scheduled_run_that_is_refused_keeps_no_run_for_a_change_from_beginning(
    world: World, monkeypatch: pytest.MonkeyPatch, refusal: ApiError
) -> None:
    create = world.cluster.create

    async def refusing(resource: Any, namespace: Any, body: Object) -> Object:
        if resource == RUNS and "slot" in body["spec"]["trigger"]:
            raise refusal
        return await create(resource, namespace, body)

    monkeypatch.setattr(world.cluster, "create", refusing)
    world.put(CONFIGS, config(triggers=[ROLLOUT], metadata=EDITED))
    await world.replica.later(20)
    assert ("ProbeConfig", "main", "RunRefused") in world.events
    world.deploy("cart:2")
    await world.replica.later(15)
    assert [run.spec.trigger.change_id for run in world.runs] == [world.changes[0].metadata.name]


async def test_a_rollout_that_moves_has_no_refused_run_tried_before_its_time(world: World) -> None:
    world.cluster.refuse["proberuns"] = QUOTA
    world.put(CONFIGS, config(triggers=[ROLLOUT], metadata=EDITED))
    world.deploy("cart:2")
    await world.replica.later(13)
    before = world.cluster.writes["create proberuns"]
    assert before
    for _ in range(20):
        world.replica.queue.add((Kind.CONFIG, ("probes", "main")))
        await world.replica.settle()
    await world.replica.later(20)
    assert world.cluster.writes["create proberuns"] - before <= 10
    assert [one for one in world.events if one[2] == "RunRefused"] == 2 * [("ProbeConfig", "main", "RunRefused")]
    world.cluster.refuse.clear()
    await world.replica.later(31)
    assert {run.spec.trigger.kind.value for run in world.runs} == {"Schedule", "Change"}


async def test_a_kind_that_the_cluster_does_not_serve_keeps_no_large_change_open(world: World) -> None:
    tracking = world.replica.changes.tracking
    more = followable([*KINDS, "Rollout.argoproj.io/v1alpha1/rollouts"], ())
    world.cluster.refuse["list rollouts"] = ApiError(404, "NotFound", "the server could not find the resource")
    tracking._may = world.replica.changes._may = more
    world.put(CONFIGS, triggered({"rollout": {"kinds": ["Rollout.argoproj.io"]}}, name="other"))
    for number in range(51):
        world.deploy("many:1", f"many-{number}")
    await world.replica.later(15)
    assert world.runs == [], "it may only not be served yet"
    await world.replica.later(60)
    [change], [run] = world.changes, world.runs
    assert change.spec.others
    world.end(run.metadata.name)
    await world.replica.later(2)
    assert world.changes[0].status.phase is ChangePhase.PASSED


async def test_changes_that_cannot_be_written_are_gathered_and_not_queued_up(world: World) -> None:
    world.cluster.refuse["changes"] = ApiError(403, "Forbidden", "a policy denies it")
    for number in range(2, 8):
        world.deploy(f"cart:{number}")
        await world.replica.later(15)
    world.cluster.refuse.clear()
    await world.replica.later(40)
    assert [one.spec.objects[0].details for one in world.changes] == ["app: cart:1 → cart:2", "app: cart:2 → cart:7"]


async def test_what_cannot_be_written_is_sent_again_in_its_own_time(world: World) -> None:
    world.cluster.refuse["changes"] = QUOTA
    world.deploy("cart:2")
    await world.replica.later(12)
    before = world.cluster.writes["create changes"]
    for number in range(10):
        world.deploy("many:1", f"many-{number}")
        await world.replica.settle()
    assert world.cluster.writes["create changes"] == before
    world.cluster.refuse.clear()
    await world.replica.later(3)
    assert len(world.changes) == 1, "it was not sent so often that it rests for long"


async def test_one_that_cannot_be_written_does_not_rest_for_the_failures_of_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put(CONFIGS, triggered({"object": {"kinds": ["ConfigMap"], "namespaceSelector": {}}}, name="other"))
    await world.replica.settle()
    world.cluster.refuse["changes"] = QUOTA
    world.deploy("cart:2")
    world.cluster.write(CONFIGMAPS, {"metadata": meta("settings", namespace="shop"), "data": {"a": "b"}})
    await world.replica.later(43)
    assert world.changes == []
    world.cluster.refuse.clear()
    create, left = world.cluster.create, [True, False]

    async def second_fails(resource: Any, namespace: Any, body: Object) -> Object:
        if resource == CHANGES and left and not left.pop(0):
            raise QUOTA
        return await create(resource, namespace, body)

    monkeypatch.setattr(world.cluster, "create", second_fails)
    while not world.changes:
        await world.replica.later(1)
    assert len(world.changes) == 1
    await world.replica.later(2)
    assert len(world.changes) == 2


async def test_a_clock_that_is_set_back_keeps_no_change_from_being_written(world: World) -> None:
    world.cluster.refuse["changes"] = QUOTA
    world.deploy("cart:2")
    await world.replica.later(12)
    world.cluster.refuse.clear()
    world.replica.now -= timedelta(hours=1)
    await world.replica.settle()
    assert len(world.changes) == 1


async def test_who_announces_does_not_wait_for_what_cannot_be_written(world: World) -> None:
    world.put(GATES, gate("prod"))
    world.cluster.refuse["changes"] = ApiError(403, "Forbidden", "a policy denies it")
    world.deploy("cart:2")
    await world.replica.later(60)
    asked = asyncio.create_task(world.replica.changes.announce("prod", Announcement(by="ci")))
    await world.replica.later(3)
    with pytest.raises(ApiError, match="a policy denies it"):
        await asyncio.wait_for(asked, 1)


async def test_only_what_it_concerns_is_looked_at_when_a_config_goes(world: World) -> None:
    world.put(CONFIGS, on_demand("plain"))
    await world.replica.settle()
    audience = world.replica.changes._audience
    before = audience.listeners
    world.cluster.remove(CONFIGS, "probes", "plain")
    assert audience.listeners is before
    world.cluster.remove(CONFIGS, "probes", "main")
    assert audience.listeners is not before

"""The way of a change: seen, gathered, written, probed, told; and what crashes and edits in between make of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.unit.control.changing import ROLLOUT, World
from tests.unit.plan.builders import CREATED
from tests.unit.plan.changes import change as change_of
from tests.unit.plan.changes import triggered, workload_body

from kubeprobe.api import ChangePhase
from kubeprobe.control import changes
from kubeprobe.kube.port import CHANGES, CONFIGS, DEPLOYMENTS, RUNS, ApiError
from kubeprobe.plan.change import KEPT_CHANGES

DEPLOYMENT_SHARD = "kubeprobe-known-deployment-0-of-1"
EDITED = {"generation": 2}


async def test_a_changed_workload_is_a_change_and_its_probe_runs(world: World) -> None:
    await world.replica.later(5)
    assert world.changes == []
    world.deploy("cart:2")
    await world.replica.later(9)
    assert world.changes == []
    await world.replica.later(2)
    [change] = world.changes
    assert change.spec.summary == "Deployment shop/cart: app: cart:1 → cart:2"
    assert [probe.name for probe in change.spec.probes] == ["main"]
    [run] = world.runs
    assert run.spec.trigger.change_id == change.metadata.name
    assert change.status.phase is ChangePhase.VERIFYING
    world.end(run.metadata.name)
    await world.replica.settle()
    [change] = world.changes
    assert (change.status.phase, change.status.reason) == (ChangePhase.PASSED, "ProbesPassed")
    assert change.status.finished_at is not None
    assert ("Deployment", "cart", "ChangeSeen") in world.events
    assert ("Deployment", "cart", "ChangePassed") in world.events


async def test_what_is_there_when_a_kind_is_first_followed_is_no_change(world: World) -> None:
    await world.replica.later(120)
    assert world.changes == []
    assert DEPLOYMENT_SHARD in world.shards


async def test_what_changes_together_is_one(world: World) -> None:
    world.deploy("pay:1", "pay")
    await world.replica.later(5)
    world.deploy("cart:2")
    await world.replica.later(7)
    assert world.changes == []
    await world.replica.later(5)
    [change] = world.changes
    assert [(one.name, one.type) for one in change.spec.objects] == [("pay", "Added"), ("cart", "Modified")]
    assert len(world.runs) == 1


async def test_what_goes_on_with_a_status_keeps_nobody_waiting(world: World) -> None:
    world.deploy("cart:2", status={"observedGeneration": 0})
    for number in range(11):
        world.deploy("cart:2", status={"observedGeneration": 1, "updatedReplicas": number % 3})
        await world.replica.later(1)
    assert len(world.changes) == 1


async def test_what_is_put_back_in_time_was_no_change(world: World) -> None:
    world.deploy("cart:2")
    await world.replica.later(5)
    world.deploy("cart:1")
    await world.replica.later(60)
    assert world.changes == []


async def test_a_change_made_while_the_operator_was_down_is_found_and_told_once(world: World) -> None:
    await world.replica.stop()
    world.deploy("cart:2")
    world.deploy("pay:1", "pay")
    world.cluster.write(DEPLOYMENTS, workload_body("old:1", name="old"))
    await world.start(world.replica.now)
    await world.replica.later(11)
    [change] = world.changes
    assert {(one.name, one.type) for one in change.spec.objects} == {
        ("cart", "Modified"),
        ("old", "Added"),
        ("pay", "Added"),
    }
    assert {one.details for one in change.spec.objects} == {""}, "nobody saw what it was"
    assert {one.api_version for one in change.spec.objects} == {"apps/v1"}, "those of a list are without"
    await world.replica.stop()
    world.cluster.remove(DEPLOYMENTS, "shop", "old")
    await world.start(world.replica.now)
    await world.replica.later(11)
    assert [one.type for change in world.changes[1:] for one in change.spec.objects] == ["Deleted"]
    await world.restart()
    await world.replica.later(60)
    assert len(world.changes) == 2


async def test_a_crash_after_the_change_and_before_its_fingerprints_tells_nothing_twice(world: World) -> None:
    world.deploy("cart:2")
    world.cluster.refuse["configmaps"] = ApiError(500, "InternalError", "no")
    await world.replica.later(11)
    assert len(world.changes) == 1
    assert "cart " in world.shards[DEPLOYMENT_SHARD]["data"]["shop"]
    before = world.shards[DEPLOYMENT_SHARD]["data"]
    await world.replica.stop()
    world.cluster.refuse.clear()
    await world.start(world.replica.now)
    await world.replica.later(60)
    assert len(world.changes) == 1
    assert world.shards[DEPLOYMENT_SHARD]["data"] != before


async def test_a_creation_whose_answer_was_lost_is_not_made_twice(world: World, monkeypatch: Any) -> None:
    create = world.cluster.create
    lost: list[Any] = []

    async def losing(resource: Any, namespace: Any, body: Any) -> Any:
        answer = await create(resource, namespace, body)
        if resource == CHANGES and not lost:
            lost.append(answer)
            raise ApiError(0, "", "connection reset")
        return answer

    monkeypatch.setattr(world.cluster, "create", losing)
    world.deploy("cart:2")
    await world.replica.later(20)
    assert lost
    assert len(world.changes) == len(world.runs) == 1


async def test_what_was_changed_again_while_its_change_was_written_is_another_change(world: World) -> None:
    world.deploy("cart:2")
    world.cluster.refuse["changes"] = ApiError(503, "ServiceUnavailable", "no")
    await world.replica.later(11)
    world.deploy("cart:1")
    await world.replica.later(2)
    world.cluster.refuse.clear()
    await world.replica.later(15)
    first, second = world.changes
    assert [one.spec.objects[0].details for one in (first, second)] == ["app: cart:1 → cart:2", "app: cart:2 → cart:1"]
    assert first.metadata.name < second.metadata.name
    assert first.status.reason == "Superseded"


async def test_a_change_that_concerns_nobody_costs_no_write_before_some_minutes(world: World) -> None:
    selector = {"matchLabels": {"app": "pay"}}
    world.put(CONFIGS, triggered({"rollout": {"namespaceSelector": {}, "selector": selector}}, metadata=EDITED))
    await world.replica.later(2)
    before = world.cluster.writes.total()
    world.deploy("cart:2")
    await world.replica.later(60)
    assert (world.changes, world.cluster.writes.total()) == ([], before)
    shard = world.shards[DEPLOYMENT_SHARD]
    await world.replica.later(300)
    assert world.shards[DEPLOYMENT_SHARD] != shard
    assert world.cluster.writes.total() == before + 1
    await world.restart()
    await world.replica.later(60)
    assert world.changes == []


async def test_a_kind_is_watched_and_remembered_while_somebody_wants_it(world: World) -> None:
    assert {"deployments", "statefulsets", "daemonsets"} <= world.cluster.watched()
    assert world.cluster.watched().isdisjoint({"nodes", "configmaps", "secrets", "pods"})
    world.put(CONFIGS, triggered({"rollout": {"kinds": ["StatefulSet"], "namespaceSelector": {}}}, metadata=EDITED))
    await world.replica.settle()
    assert world.cluster.watched() == {"statefulsets"}
    assert set(world.shards) == {"kubeprobe-known-statefulset-0-of-1"}
    world.cluster.remove(CONFIGS, "probes", "main")
    await world.replica.settle()
    assert world.cluster.watched() == set()
    assert world.shards == {}


async def test_more_than_fit_into_one_change_are_several_and_the_config_runs_once_at_a_time(world: World) -> None:
    for number in range(501):
        world.deploy("many:1", f"many-{number}")
    await world.replica.later(15)
    assert sorted(one.spec.count for one in world.changes) == [1, 500]
    [run] = world.runs
    world.deploy("cart:2")
    await world.replica.later(15)
    assert len(world.changes) == 3
    assert len(world.runs) == 1, "one run is under way"
    world.end(run.metadata.name)
    await world.replica.later(2)
    assert len(world.runs) == 2
    covered = {run.spec.trigger.change_id, *(one.change_id for one in run.spec.trigger.covers)}
    newest = next(one for one in world.runs if one.metadata.name != run.metadata.name)
    covered |= {newest.spec.trigger.change_id, *(one.change_id for one in newest.spec.trigger.covers)}
    assert covered == {one.metadata.name for one in world.changes}
    world.end(newest.metadata.name)
    await world.replica.later(2)
    assert {one.status.phase for one in world.changes} == {ChangePhase.PASSED}


async def test_a_rollout_that_is_rolled_back_in_the_middle_is_not_probed(world: World) -> None:
    going = {"observedGeneration": 1, "replicas": 4, "updatedReplicas": 1}
    world.deploy("cart:2", status=going)
    await world.replica.later(20)
    [change] = world.changes
    assert (change.status.phase, change.status.reason, world.runs) == (ChangePhase.SETTLING, "RollingOut", [])
    world.deploy("cart:1")
    await world.replica.later(20)
    first, second = world.changes
    assert (first.status.phase, first.status.reason) == (ChangePhase.INCONCLUSIVE, "Superseded")
    assert [run.spec.trigger.change_id for run in world.runs] == [second.metadata.name]


@pytest.mark.parametrize(
    ("spec", "reason"),
    [({"suspend": True}, "Suspended"), ({"templateRef": {"name": "none"}}, "TemplateNotFound")],
)
async def test_a_config_that_cannot_run_is_skipped_and_the_change_says_why(
    world: World, spec: dict[str, Any], reason: str
) -> None:
    world.put(CONFIGS, triggered(ROLLOUT, name="other", **spec))
    await world.replica.settle()
    world.deploy("cart:2")
    await world.replica.later(15)
    [change] = world.changes
    other = next(one for one in change.status.probes if one.name == "other")
    assert (other.state, other.reason) == ("Skipped", reason)
    world.cluster.remove(CONFIGS, "probes", "main")
    await world.replica.later(1)
    [change] = world.changes
    assert {one.reason for one in change.status.probes} == {reason, "ConfigGone"}


async def test_the_newest_hundred_changes_that_are_over_are_kept(world: World) -> None:
    for number in range(KEPT_CHANGES + 3):
        name = f"chg-{number:026d}"
        status = {"phase": "Passed", "finishedAt": CREATED.isoformat()}
        world.put(CHANGES, change_of(name, status=status))
    await world.replica.later(1)
    assert [one.metadata.name for one in world.changes] == [f"chg-{number:026d}" for number in range(3, 103)]


async def test_a_failure_is_told_at_the_objects_and_by_the_change(world: World) -> None:
    world.deploy("cart:2")
    await world.replica.later(11)
    world.end(world.runs[0].metadata.name, "Failed")
    await world.replica.later(1)
    [change] = world.changes
    assert (change.status.phase, change.status.reason) == (ChangePhase.FAILED, "ProbesFailed")
    assert ("Deployment", "cart", "ChangeFailed") in world.events
    assert ("Change", change.metadata.name, "ChangeFailed") in world.events


WEBHOOK = 'Internal error occurred: failed calling webhook "runs.example.com": connection refused'


@pytest.mark.parametrize(
    "refusal", [ApiError(403, "Forbidden", "exceeded quota"), ApiError(500, "InternalError", WEBHOOK)]
)
async def test_a_run_that_the_api_server_does_not_take_keeps_its_change_open_for_minutes_only(
    world: World, refusal: ApiError
) -> None:
    world.cluster.refuse["proberuns"] = refusal
    world.deploy("cart:2")
    await world.replica.later(200)
    assert world.changes[0].status.phase is ChangePhase.SETTLING
    await world.replica.later(150)
    [change] = world.changes
    [probe] = change.status.probes
    assert (probe.state, probe.reason) == ("Skipped", "RunRefused")
    assert refusal.message in probe.message
    assert (change.status.phase, change.status.reason) == (ChangePhase.INCONCLUSIVE, "NotProbed")
    world.cluster.refuse.clear()
    await world.replica.later(2)
    world.deploy("cart:3")
    await world.replica.later(15)
    assert len(world.runs) == 1


async def test_a_run_that_is_deleted_is_made_again(world: World) -> None:
    world.deploy("cart:2")
    await world.replica.later(11)
    [run] = world.runs
    world.cluster.remove(RUNS, "probes", run.metadata.name)
    await world.replica.later(2)
    assert len(world.runs) == 1


async def test_what_was_gathered_for_a_kind_that_nobody_wants_any_more_is_dropped(world: World) -> None:
    world.deploy("cart:2")
    await world.replica.settle()
    world.put(CONFIGS, triggered({"rollout": {"kinds": ["DaemonSet"], "namespaceSelector": {}}}, metadata=EDITED))
    await world.replica.later(20)
    assert world.changes == []
    world.put(CONFIGS, triggered(ROLLOUT, metadata={"generation": 3}))
    await world.replica.later(2)
    assert DEPLOYMENT_SHARD in world.shards
    await world.restart()
    await world.replica.later(20)
    assert world.changes == []


async def test_fingerprints_that_cannot_be_read_are_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "RETRY_SECONDS", 0.0)
    await world.replica.stop()
    listing = world.cluster.list
    failed: list[Any] = []

    async def failing(resource: Any, *args: Any, **more: Any) -> AsyncIterator[Any]:
        if not failed:
            failed.append(resource)
            raise ApiError(503, "ServiceUnavailable", "no")
        async for body in listing(resource, *args, **more):
            yield body

    monkeypatch.setattr(world.cluster, "list", failing)
    world.deploy("cart:2")
    await world.start(world.replica.now)
    await world.replica.later(12)
    assert failed
    assert len(world.changes) == 1


async def test_a_change_that_nobody_is_left_for_is_none(world: World) -> None:
    world.put(CONFIGS, triggered({"node": {}}, name="other"))
    world.deploy("cart:2")
    await world.replica.later(5)
    changed = triggered({"rollout": {"namespaceSelector": {"matchLabels": {"team": "pay"}}}}, metadata=EDITED)
    world.put(CONFIGS, changed)
    await world.replica.later(20)
    assert world.changes == []
    world.put(CONFIGS, triggered(ROLLOUT, metadata={"generation": 3}))
    world.deploy("cart:3")
    await world.replica.later(20)
    assert [one.spec.objects[0].details for one in world.changes] == ["app: cart:2 → cart:3"]

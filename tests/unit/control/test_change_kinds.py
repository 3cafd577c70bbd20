"""Changes of other things than pod templates: nodes, configuration, what is announced; and runs on nodes."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.control.changing import OWN, Replica, World
from tests.unit.plan.builders import at, meta
from tests.unit.plan.changes import data_body, node_body, template, triggered
from tests.unit.plan.gates import gate

from kubeprobe.api import ChangePhase, ChangeSource
from kubeprobe.control import batches
from kubeprobe.control.context import Kind
from kubeprobe.control.follow import followable
from kubeprobe.kube.port import (
    CONFIGMAPS,
    GATES,
    NODES,
    PODS,
    REPLICA_SETS,
    SECRETS,
    ApiError,
)
from kubeprobe.plan.changed import Announcement
from kubeprobe.plan.gate_scope import UNTOLD
from kubeprobe.plan.rollout import RolloutState

OWNER = {"apiVersion": "apps/v1", "kind": "X", "name": "x", "controller": True}
PINNED = triggered({"rollout": {"namespaceSelector": {}, "kinds": ["Deployment"], "pinToNodes": True}})
SELECTED = {"namespaceSelector": {}, "selector": {"matchLabels": {"app": "cart"}}}
SAID = Announcement(by="ci", namespace="shop", name="cart", key="7", message="release 7")


def replica_set(world: World, image: str, uid: str) -> None:
    body = {
        "metadata": {**meta(uid, uid), "namespace": "shop", "ownerReferences": [{**OWNER, "uid": "uid-cart"}]},
        "spec": {"template": template(image, **{"pod-template-hash": uid})},
    }
    world.cluster.write(REPLICA_SETS, body)


def pod(world: World, name: str, owner: str, node: str, ready: float) -> None:
    state = {"type": "Ready", "status": "True", "lastTransitionTime": at(ready).isoformat()}
    body = {
        "metadata": {**meta(name), "namespace": "shop", "ownerReferences": [{**OWNER, "uid": owner}]},
        "spec": {"nodeName": node},
        "status": {"conditions": [state]},
    }
    world.cluster.write(PODS, body)


async def test_a_pinned_config_runs_on_the_nodes_that_new_pods_become_ready_on() -> None:
    world = World(PINNED)
    world.deploy("cart:1")
    replica_set(world, "cart:1", "old")
    pod(world, "cart-old", "old", "node-9", 0)
    replica = await world.start()
    assert {"pods", "replicasets", "controllerrevisions"} <= world.cluster.watched()
    going = {"observedGeneration": 1, "replicas": 3, "updatedReplicas": 1, "availableReplicas": 1}
    world.deploy("cart:2", status=going)
    replica_set(world, "cart:2", "new")
    pod(world, "cart-a", "new", "node-1", 5)
    await replica.later(11)
    [first] = world.runs
    assert first.spec.node == "node-1"
    pod(world, "cart-b", "new", "node-2", 12)
    pod(world, "cart-c", "new", "node-3", 13)
    await replica.later(2)
    assert len(world.runs) == 1, "one at a time"
    world.end(first.metadata.name)
    await replica.later(1)
    second = next(run for run in world.runs if run.metadata.name != first.metadata.name)
    assert second.spec.target is not None
    assert second.spec.target.nodes == ("node-2", "node-3")
    world.deploy("cart:2")
    world.end(second.metadata.name)
    await replica.later(1)
    [change] = world.changes
    assert change.status.phase is ChangePhase.PASSED
    assert len(world.runs) == 2
    await replica.stop()


async def test_nodes_that_changed_are_probed() -> None:
    world = World(triggered({"node": {"facts": ["Kubelet"], "pinToNodes": True}}))
    for name in ("node-1", "node-2"):
        world.cluster.write(NODES, node_body(name))
    replica = await world.start()
    world.cluster.write(NODES, node_body("node-1", kubelet="v1.31.0"))
    world.cluster.write(NODES, node_body("node-2", cordoned=True))
    await replica.later(12)
    [change] = world.changes
    assert (change.spec.source, change.spec.count) == (ChangeSource.NODE, 1)
    [run] = world.runs
    assert run.spec.node == "node-1"
    world.end(run.metadata.name)
    await replica.later(1)
    assert world.changes[0].status.phase is ChangePhase.PASSED
    await replica.stop()


async def test_configuration_is_followed_by_its_labels_and_own_objects_are_not() -> None:
    world = World(triggered({"object": {"kinds": ["ConfigMap"], **SELECTED}}))
    world.cluster.write(CONFIGMAPS, data_body("settings", {"url": "a"}))
    world.cluster.write(CONFIGMAPS, data_body("other", {"url": "a"}, labels={}))
    replica = await world.start()
    world.cluster.write(CONFIGMAPS, data_body("settings", {"url": "b"}))
    world.cluster.write(CONFIGMAPS, data_body("other", {"url": "b"}, labels={}))
    world.cluster.write(CONFIGMAPS, data_body("mine", {"url": "b"}, labels={"app": "cart", "kubeprobe.io/run": "x"}))
    await replica.later(12)
    [change] = world.changes
    [one] = change.spec.objects
    assert (one.name, one.parts, one.details) == ("settings", ("url",), "url")
    world.cluster.remove(CONFIGMAPS, "shop", "settings")
    await replica.later(12)
    assert [(one.name, one.type) for one in world.changes[-1].spec.objects] == [("settings", "Deleted")]
    await replica.stop()


async def test_secrets_are_followed_where_they_may_be_read_with_a_key_that_stays() -> None:
    world = World(triggered({"object": {"kinds": ["Secret"], **SELECTED}}))
    world.cluster.write(SECRETS, data_body("password", {"pw": "a"}))
    world.cluster.write(SECRETS, data_body("hidden", {"pw": "a"}, namespace="probes"))
    replica = await world.start(secret_namespaces=("shop",))
    seal = world.cluster.objects["secrets", OWN, "kubeprobe-seal"]
    world.cluster.write(SECRETS, data_body("hidden", {"pw": "b"}, namespace="probes"))
    await replica.stop()
    replica = await world.start(replica.now, ("shop",))
    await replica.later(12)
    assert world.changes == []
    world.cluster.write(SECRETS, data_body("password", {"pw": "b"}))
    await replica.later(12)
    [change] = world.changes
    assert [(one.name, one.details) for one in change.spec.objects] == [("password", "pw")]
    assert world.cluster.objects["secrets", OWN, "kubeprobe-seal"] == seal
    await replica.stop()
    await world.start(replica.now, ("probes",))
    await world.replica.later(12)
    assert all(one.name != "password" for change in world.changes[1:] for one in change.spec.objects)
    await world.replica.stop()


async def test_a_config_is_told_which_kinds_are_not_followed() -> None:
    world = World(triggered({"rollout": {"kinds": ["Rollout.argoproj.io"]}}))
    replica = await world.start()
    replica.queue.add((Kind.CONFIG, ("probes", "main")))
    await replica.settle()
    config = replica.context.views.configs.get(("probes", "main"))
    assert config is not None
    [ready] = [one for one in config.status.conditions if one.type == "Ready"]
    assert (ready.status, ready.reason) == ("False", "KindNotFollowed")
    assert "Rollout.argoproj.io" in ready.message
    await replica.stop()


def test_kinds_are_followed_that_the_platform_team_names() -> None:
    found = followable(["Deployment", "Rollout.argoproj.io/v1alpha1/rollouts"], ["shop"])
    assert {kind: [one.path(None) for one in resources] for kind, resources in found.items()} == {
        "Deployment": ["/apis/apps/v1/deployments"],
        "Rollout.argoproj.io": ["/apis/argoproj.io/v1alpha1/rollouts"],
        "Secret": ["/api/v1/namespaces/shop/secrets"],
    }


@pytest.mark.parametrize(("text", "hint"), [("Secret", "--secret-namespaces"), ("Rollout", "KIND.GROUP"), ("", "KIND")])
def test_a_kind_that_cannot_be_followed_is_refused_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        followable([text], [])


def test_a_kind_that_no_label_can_name_is_refused() -> None:
    with pytest.raises(ValueError, match="is longer than the 63 characters that a label takes"):
        followable([f"Rollout.{'a' * 56}/v1/rollouts"], [])
    assert followable([f"Rollout.{'a' * 55}/v1/rollouts"], [])


async def announced(replica: Replica, gate_name: str = "prod", said: Announcement = SAID) -> asyncio.Task[str]:
    task = asyncio.create_task(replica.changes.announce(gate_name, said))
    await replica.settle()
    return task


async def test_an_announcement_is_answered_when_its_change_is_written_and_its_steps_are_one() -> None:
    world = World(triggered({"announced": {"gates": ["prod"]}}))
    world.put(GATES, gate("prod"))
    replica = await world.start()
    first, again = await announced(replica), await announced(replica)
    assert not first.done()
    await replica.later(2)
    [change] = world.changes
    assert first.result() == again.result() == change.metadata.name
    assert (change.spec.gates, change.spec.objects[0].by) == (("prod",), "ci")
    assert [probe.name for probe in change.spec.probes] == ["main"]
    third = await announced(replica)
    assert third.result() == change.metadata.name
    await replica.later(2)
    assert len(world.changes) == len(world.runs) == 1
    await replica.stop()


async def test_an_announcement_that_is_not_written_is_refused_and_can_be_made_again() -> None:
    world = World()
    world.put(GATES, gate("prod"))
    replica = await world.start()
    world.cluster.refuse["changes"] = ApiError(503, "ServiceUnavailable", "etcd is away")
    first = await announced(replica)
    await replica.later(3)
    with pytest.raises(ApiError, match="etcd is away"):
        await first
    world.cluster.refuse.clear()
    second = await announced(replica)
    await replica.later(3)
    assert second.result() == world.changes[0].metadata.name
    waiting = await announced(replica, said=Announcement(by="ci"))
    await replica.stop()
    with pytest.raises(ApiError, match="does not lead") as refusal:
        await waiting
    assert refusal.value.status == 503
    with pytest.raises(ApiError, match="does not lead"):
        await replica.changes.announce("prod", SAID)


async def test_the_same_announced_at_another_gate_meanwhile_is_told_to_that_gate_too() -> None:
    world = World()
    for name in ("prod", "stage"):
        world.put(GATES, gate(name))
    replica = await world.start()
    first = await announced(replica, "prod")
    world.cluster.hold_creates = asyncio.Event()
    await replica.later(2)
    second = await announced(replica, "stage")
    world.cluster.hold_creates.set()
    await replica.later(3)
    assert {one.spec.gates: one.metadata.name for one in world.changes} == {
        ("prod",): first.result(),
        ("stage",): second.result(),
    }
    await replica.stop()


async def test_who_announces_more_than_fit_into_one_change_is_told_the_right_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches, "MOST_TOGETHER", 2)
    world = World()
    world.put(GATES, gate("prod"))
    replica = await world.start()
    said = [Announcement(by="ci", namespace="shop", name=name, key="7") for name in "abc"]
    asked = [asyncio.create_task(replica.changes.announce("prod", one)) for one in said]
    await replica.later(3)
    told = {one.name: change.metadata.name for change in world.changes for one in change.spec.objects}
    assert [task.result() for task in asked] == [told[name] for name in "abc"]
    assert len(world.changes) == 2
    await replica.stop()


async def test_an_announcement_at_a_gate_that_is_not_there_is_refused() -> None:
    world = World()
    replica = await world.start()
    asked = await announced(replica, "nowhere")
    await replica.later(2)
    with pytest.raises(ApiError, match="no such ChangeGate"):
        await asked
    assert world.changes == []
    await replica.stop()


async def test_a_gate_alone_is_told_of_what_is_in_its_scope() -> None:
    world = World()
    world.put(GATES, gate("prod", scope={"namespaces": ["shop"]}))
    world.deploy("cart:1")
    replica = await world.start()
    prod = replica.context.views.gates.get(("", "prod"))
    assert prod is not None
    held = replica.changes.workloads(prod)
    assert held is not None
    assert [one.key for one in held] == [("shop", "Deployment", "cart")]
    world.deploy("cart:2")
    await replica.settle()
    untold = replica.changes.workloads(prod)
    assert untold is not None
    assert [one.template for one in untold] == [UNTOLD], "no Change has told yet what it is now"
    await replica.later(12)
    [change] = world.changes
    assert (change.spec.gates, change.spec.probes) == (("prod",), ())
    assert [one.name for one in change.status.gates] == ["prod"]
    assert change.status.reason == "GatesVerifying"
    closed = {"phase": "Closed", "reason": "Hold"}
    world.put(GATES, gate("prod", scope={"namespaces": ["shop"]}, status=closed))
    await replica.later(1)
    assert [(one.phase, one.reason) for one in world.changes[0].status.gates] == [("Closed", "Hold")]
    held = replica.changes.workloads(prod)
    assert held is not None
    assert [dict(one.images) for one in held] == [{"app": "cart:2"}]
    await replica.stop()


async def test_while_a_kind_cannot_be_listed_nothing_is_decided_about_its_changes() -> None:
    world = World(triggered({"rollout": {"namespaceSelector": {}, "kinds": ["Deployment"]}}))
    world.put(GATES, gate("prod", scope={"namespaces": ["shop"]}))
    world.deploy("cart:1")
    replica = await world.start()
    world.deploy("cart:2")
    await replica.later(9)
    world.deploy("cart:2", status={"observedGeneration": 1, "replicas": 4, "updatedReplicas": 1})
    await replica.later(3)
    [change] = world.changes
    await replica.stop()
    world.cluster.refuse["list deployments"] = ApiError(403, "Forbidden", "no")
    replica = await world.start(replica.now)
    await replica.later(2)
    [same], prod = world.changes, replica.context.views.gates.get(("", "prod"))
    assert prod is not None
    assert same.status == change.status
    assert replica.changes.workloads(prod) is None
    assert [one.over for one in replica.changes.followed(("probes", "main"))] == [False]
    assert [one.state for one in replica.changes.rollouts(same, lambda _: True)] == [RolloutState.UNSEEN]
    assert world.runs == []
    await replica.stop()


async def test_configs_that_hear_of_nothing_cost_nothing() -> None:
    world = World()
    replica = await world.start()
    assert world.cluster.watched() == set()
    assert replica.changes.followed(("probes", "none")) == ()
    skipped = replica.changes.skipped(("probes", "none"))
    assert skipped is not None
    assert skipped.reason == "ConfigGone"
    await replica.stop()

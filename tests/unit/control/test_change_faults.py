"""What others make of the objects that changes rest on, by hand or by their own rules, ends nothing but itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.control.changing import OWN, ROLLOUT, World
from tests.unit.plan.changes import triggered, workload_body

from kubeprobe.control import ledgers
from kubeprobe.control.follow import followable
from kubeprobe.kube.port import CONFIGMAPS, CONFIGS, DEPLOYMENTS, SECRETS

SHARD = "kubeprobe-known-deployment-0-of-1"


@pytest.mark.parametrize("line", ["x" * 300 + " 00000000000000aa", " 00000000000000aa"])
async def test_a_fingerprint_that_was_written_by_hand_for_what_cannot_be_ends_nothing(world: World, line: str) -> None:
    await world.replica.stop()
    body = world.shards[SHARD]
    body["data"]["shop"] += f"\n{line}"
    body["data"]["s" * 200] = "cart 00000000000000aa"
    world.cluster.write(CONFIGMAPS, body)
    world.deploy("cart:2")
    await world.start(world.replica.now)
    await world.replica.later(12)
    [change] = world.changes
    assert [one.name for one in change.spec.objects] == ["cart"]


@pytest.mark.parametrize(
    "odd",
    [
        {"updateStrategy": "RollingUpdate"},
        {"template": "none"},
        {"template": {"spec": {"containers": ["app"]}}},
        {"replicas": "many"},
    ],
)
async def test_a_kind_of_others_that_is_made_otherwise_ends_nothing(
    world: World, odd: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    follow = world.replica.changes.tracking
    may = dict(followable(["Rollout.argoproj.io/v1alpha1/rollouts"], ()))
    follow._may = {**follow._may, **may}
    world.replica.changes._may = follow._may
    rollouts = may["Rollout.argoproj.io"][0]
    world.put(CONFIGS, triggered({"rollout": {"kinds": ["Rollout.argoproj.io"], "namespaceSelector": {}}}, name="odd"))
    world.cluster.write(rollouts, workload_body(name="odd", spec=odd, status={"updatedReplicas": 1}))
    world.cluster.write(rollouts, workload_body(name="even"))
    await world.replica.settle()
    assert "rollouts shop/odd cannot be read" in caplog.text
    assert [key.name for key in follow.workloads if key.kind == "Rollout.argoproj.io"] == ["even"]
    assert follow.tracked.keys() >= follow.workloads.keys()
    assert {key.name for key in follow.tracked} == {"cart", "even"}
    world.deploy("cart:2")
    await world.replica.later(12)
    assert len(world.changes) == 1


async def test_a_watch_that_was_ended_tells_nothing_any_more(world: World) -> None:
    tracking = world.replica.changes.tracking
    [sink] = [one._feed.sink for one in tracking.watches if one._feed.resource == DEPLOYMENTS]
    world.cluster.remove(CONFIGS, "probes", "main")
    await world.replica.settle()
    assert tracking.tracked == {}
    sink.observe(workload_body("cart:2"))
    assert (tracking.tracked, tracking.workloads) == ({}, {})
    world.put(CONFIGS, triggered(ROLLOUT))
    await world.replica.settle()
    tracked = dict(tracking.tracked)
    assert tracked
    [key] = tracked
    sink.forget((key.namespace, key.name), tracked[key].uid)
    assert tracking.tracked == tracked


@pytest.mark.parametrize("data", [None, {}, {"key": "no base64"}, {"key": ""}, {"key": "QQ==" * 50}])
async def test_a_key_of_secrets_that_is_none_is_told_with_the_way_out(
    world: World, data: dict[str, str] | None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "RETRY_SECONDS", 0.0)
    secret: dict[str, Any] = {"metadata": {"name": "kubeprobe-seal", "namespace": OWN}}
    world.cluster.write(SECRETS, {**secret, "data": data})
    trying = asyncio.create_task(world.replica.changes.ledgers.seal())
    await world.replica.settle()
    assert not trying.done()
    assert "Secret kubeprobe-system/kubeprobe-seal: data.key is no key" in caplog.text
    assert "delete the Secret" in caplog.text
    world.cluster.remove(SECRETS, OWN, "kubeprobe-seal")
    assert len(await trying) == 32

"""What is left of runs that are gone is deleted: not at once, and nothing else of the same name."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.builders import pod_body, run

from kubeprobe.control.leftovers import PERIOD_SECONDS, YOUNG_SECONDS, Leftovers
from kubeprobe.control.view import Key, Views
from kubeprobe.kube.port import CONFIGMAPS, PODS, ApiError, Object, Resource
from kubeprobe.plan.budget import Priority
from kubeprobe.plan.pod_view import read_pod

KEY = ("elsewhere", "subject")


class Writes:
    def __init__(self) -> None:
        self.deleted: list[tuple[str, Key, str]] = []
        self.refuse = False

    async def delete(self, _: Priority, resource: Resource, namespace: str, name: str, *, uid: str) -> None:
        if self.refuse:
            raise ApiError(403, "Forbidden", "not yours")
        self.deleted.append((resource.plural, (namespace, name), uid))


class Scene:
    def __init__(self) -> None:
        self.now = 0.0
        self.writes, self.views = Writes(), Views()
        self.runs = {"main-1"}
        writer: Any = self.writes
        self.leftovers = Leftovers(writer, lambda: self.runs, self.views.pods, lambda: self.now)
        self.sink = next(feed.sink for feed in self.leftovers.feeds() if feed.resource is CONFIGMAPS)

    async def pass_by(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += PERIOD_SECONDS
            await self.leftovers.sweep()


def labelled(uid: str = "uid-1") -> Object:
    labels = {"kubeprobe.io/run": "main-1"}
    return {"metadata": {"namespace": KEY[0], "name": KEY[1], "uid": uid, "labels": labels}}


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_what_has_its_run_stays(scene: Scene) -> None:
    scene.sink.observe(labelled())
    await scene.pass_by(10 * YOUNG_SECONDS)
    assert scene.writes.deleted == []


async def test_what_lost_its_run_goes_and_not_at_once(scene: Scene) -> None:
    scene.sink.observe(labelled())
    scene.runs.clear()
    await scene.leftovers.sweep()
    assert scene.writes.deleted == []
    await scene.pass_by(2 * YOUNG_SECONDS)
    assert ("configmaps", KEY, "uid-1") in scene.writes.deleted


async def test_another_object_of_the_same_name_has_its_own_time(scene: Scene) -> None:
    scene.sink.observe(labelled())
    scene.runs.clear()
    await scene.leftovers.sweep()
    scene.now += YOUNG_SECONDS
    scene.sink.observe(labelled("uid-2"))
    scene.sink.forget(KEY, "uid-1")
    await scene.leftovers.sweep()
    assert scene.writes.deleted == []
    await scene.pass_by(2 * YOUNG_SECONDS)
    assert {uid for _, _, uid in scene.writes.deleted} == {"uid-2"}


async def test_what_cannot_be_deleted_is_tried_again_and_what_is_gone_is_not(scene: Scene) -> None:
    scene.sink.observe(labelled())
    scene.runs.clear()
    scene.writes.refuse = True
    await scene.pass_by(2 * YOUNG_SECONDS)
    scene.writes.refuse = False
    await scene.pass_by(PERIOD_SECONDS)
    assert len(scene.writes.deleted) == 1
    scene.sink.forget(KEY, "uid-1")
    await scene.pass_by(2 * YOUNG_SECONDS)
    assert len(scene.writes.deleted) == 1


async def test_pods_are_left_behind_too(scene: Scene) -> None:
    scene.views.pods.put(read_pod(pod_body(run())))
    await scene.pass_by(2 * YOUNG_SECONDS)
    assert scene.writes.deleted == []
    scene.runs.clear()
    await scene.pass_by(2 * YOUNG_SECONDS)
    assert scene.writes.deleted[0] == (PODS.plural, ("probes", "main-1"), "uid-pod")

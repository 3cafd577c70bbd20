"""The leader's label: on its pod, on no other, and off again."""

from __future__ import annotations

import asyncio
from typing import Any

from kubeprobe.control.badge import LABEL_LEADER, Badge
from kubeprobe.kube.fence import Fence
from kubeprobe.kube.port import ApiError, Object, Resource

MINE = ("system", "me")


class Server:
    """Notes what is patched, and tells a badge as a watch would."""

    def __init__(self) -> None:
        self.patched: list[tuple[str, str | None]] = []
        self.heard = asyncio.Event()
        self.gone: set[str] = set()

    async def merge_patch(self, _: Resource, namespace: str, name: str, body: Object, **_kwargs: object) -> Object:
        assert namespace == MINE[0]
        self.patched.append((name, body["metadata"]["labels"][LABEL_LEADER]))
        self.heard.set()
        if name in self.gone:
            raise ApiError(404, "NotFound", "gone")
        return {}

    async def wait(self) -> None:
        async with asyncio.timeout(5):
            await self.heard.wait()
        self.heard.clear()


def pod(name: str, namespace: str = "system") -> Object:
    return {"metadata": {"name": name, "namespace": namespace, "uid": name}}


async def test_the_label_follows_the_leadership() -> None:
    server, leads = Server(), [False]
    api: Any = server
    badge = Badge(api, Fence(api, lambda: leads[0]), MINE, lambda: leads[0])
    running = asyncio.create_task(badge.run())
    badge.observe(pod("frozen"))
    badge.observe(pod("stranger", "elsewhere"))
    await asyncio.sleep(0.01)
    assert server.patched == []  # a standby has no business with others' labels
    server.gone.add("frozen")
    leads[0] = True
    badge.look()
    await server.wait()
    assert server.patched == [("me", "true"), ("frozen", None)]
    badge.observe(pod("me"))
    badge.forget(MINE, "me")  # a leader before took it off, late
    await server.wait()
    assert server.patched[2:] == [("me", "true")]
    leads[0] = False
    badge.look()
    await server.wait()
    assert server.patched[3:] == [("me", None)]
    badge.look()
    await asyncio.sleep(0.01)
    assert len(server.patched) == 4
    running.cancel()


async def test_only_pods_that_wear_it_are_watched() -> None:
    api: Any = Server()
    feed = Badge(api, api, MINE, lambda: True).feed()
    assert (feed.resource.plural, feed.label_selector) == ("pods", f"{LABEL_LEADER}=true")

"""The fence: reads pass always, writes while this replica leads, and those under way end with the leadership."""

from __future__ import annotations

import asyncio
from typing import Any

from kubeprobe.kube.fence import Fence, NotLeadingError
from kubeprobe.kube.port import PODS, Api, Object, Resource

WRITES = 5


class Server:
    """Counts what reaches it, and may keep a writer waiting."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self.all_in = asyncio.Event()
        self.answers = asyncio.Event()
        self.answers.set()
        self.fails = False

    def __getattr__(self, verb: str) -> Any:
        async def call(*_: object, **__: object) -> Object:
            self.reached.append(verb)
            if len(self.reached) == WRITES:
                self.all_in.set()
            await self.answers.wait()
            if self.fails:
                raise TimeoutError
            return {}

        return call


async def writes(api: Api) -> list[object]:
    """One of each kind of write, and what came of it."""
    came = await asyncio.gather(
        api.create(PODS, "default", {}),
        api.merge_patch(PODS, "default", "one", {}),
        api.apply(PODS, "default", "one", {}, force=False),
        api.delete(PODS, "default", "one", uid="1"),
        api.delete_collection(PODS, "default", label_selector="a=b"),
        return_exceptions=True,
    )
    return list(came)


def fenced(server: Server, leads: list[bool]) -> Fence:
    api: Any = server
    return Fence(api, lambda: leads[0])


async def test_a_leader_writes_and_a_standby_does_not() -> None:
    server, leads = Server(), [True]
    fence = fenced(server, leads)
    assert not any(isinstance(came, Exception) for came in await writes(fence))
    assert server.reached == ["create", "merge_patch", "apply", "delete", "delete_collection"]
    leads[0] = False
    assert all(isinstance(came, NotLeadingError) for came in await writes(fence))
    assert len(server.reached) == WRITES
    await fence.get(PODS, "default", "one")
    await fence.raw("/version")
    assert server.reached[WRITES:] == ["get", "raw"]


async def test_what_is_under_way_is_broken_off_when_the_leadership_ends() -> None:
    server, leads = Server(), [True]
    fence = fenced(server, leads)
    server.answers.clear()
    under_way = asyncio.create_task(writes(fence))
    await server.all_in.wait()
    leads[0] = False
    fence.shut()
    assert all(isinstance(came, NotLeadingError) for came in await under_way)
    fence.shut()  # there is nothing any more


async def test_another_timeout_is_not_mistaken_for_the_end_of_the_leadership() -> None:
    server = Server()
    server.fails = True
    assert all(type(came) is TimeoutError for came in await writes(fenced(server, [True])))


def test_every_write_of_the_port_is_fenced() -> None:
    known = {"create", "merge_patch", "apply", "delete", "delete_collection"}
    assert {name for name in vars(Api) if not name.startswith("_")} == known
    assert isinstance(PODS, Resource)

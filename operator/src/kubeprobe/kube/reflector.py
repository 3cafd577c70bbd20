"""Keeps somebody informed of every object of one resource: list once, then watch, and list again when a watch is lost.

After a new listing, objects that went away unseen are told as gone: a watch that was broken for a while must not leave
ghosts behind. (kopf was tried for this work; docs/decisions/0001 has the figures.)
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from kubeprobe.kube.port import Api, ApiError, Object, Resource

logger = logging.getLogger("kubeprobe.watch")

WATCH_SECONDS = (240, 360)
"""The server ends a watch after a time between these, so that many watches do not end together."""
FIRST_RETRY_SECONDS = 0.2
LONGEST_RETRY_SECONDS = 10.0
STEADY_SECONDS = 1.0
"""A watch that has been open for so long has told what happened before it was."""
MOST_DOUBLINGS = 10
"""More of them come to more than the longest, and after a thousand to more than a number holds."""
FAILURES_TO_LIST = 3
"""A version that cannot be watched so often may be of the past: an etcd restored from a backup counts from before."""
YIELD_EVERY = 200
"""Objects of a listing between two turns of the event loop: a long listing must not stop everything else."""

Key = tuple[str, str]


class Sink(Protocol):
    """Who is informed."""

    def observe(self, body: Object) -> None:
        """An object as it is now."""
        ...

    def forget(self, key: Key, uid: str) -> None:
        """An object that is gone."""
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """An object that somebody has in view, perhaps from another source than the watch."""

    key: Key
    uid: str
    version: int


@dataclass(frozen=True, slots=True)
class Feed:
    """What is watched, and for whom.

    Args:
        held: what the sink's owner has in view: what a later listing does not name of it is gone, also where the
            watch never told that it was there, such as what the owner created itself while the watch was broken.
    """

    resource: Resource
    sink: Sink
    label_selector: str = ""
    held: Callable[[], Iterable[Held]] = tuple


class Reflector:
    """Runs one feed. `listed` is set after the first complete listing; `heard_at` says when the server last spoke,
    and `turned_at` when it was last asked: an old one means that the reflector itself hangs.

    Args:
        clock: seconds that only go forward, such as `time.monotonic`.
        sleep: waits for so many seconds, such as `asyncio.sleep`.
    """

    def __init__(
        self,
        api: Api,
        feed: Feed,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._api = api
        self._feed = feed
        self._clock = clock
        self._sleep = sleep
        self._known: dict[Key, str] = {}
        self._hurry, self._open, self._opened_at = asyncio.Event(), asyncio.Event(), 0.0
        self.listed = asyncio.Event()
        self.heard_at = self.turned_at = clock()
        self.not_served_since: float | None = None
        """Since when the server has said that it has no such resource; None where it has, or does not say."""

    async def run(self) -> None:
        """List and watch, for ever."""
        failures, version = 0, ""
        self.heard_at = self._clock()
        while True:
            self.turned_at = self._clock()
            try:
                if not version:
                    version = await self._list()
                self._note_absence(absent=False)
                version = await self._watch(version)
                failures = 0
            except ApiError as error:
                failures += 1
                self._note_absence(absent=error.not_found)
                logger.warning("%s: %s", self._feed.resource.plural, error)
                if error.status == 410 or failures >= FAILURES_TO_LIST:
                    version = ""
                doublings = min(failures - 1, MOST_DOUBLINGS)
                delay = min(FIRST_RETRY_SECONDS * 2.0**doublings, LONGEST_RETRY_SECONDS)
                await self._rest(delay * random.uniform(0.5, 1.0))  # noqa: S311 - spreads retries, guards nothing

    async def catch_up(self) -> None:
        """Wait until the sink knows all that happened before this call; a watch that is broken is mended at once.

        Whoever is about to act on what somebody else did until now must not do so on a view from before an outage.
        """
        try:
            while not self._open.is_set() or self._clock() - self._opened_at < STEADY_SECONDS:
                self._hurry.set()
                await self._open.wait()
                await self._sleep(max(self._opened_at + STEADY_SECONDS - self._clock(), 0.0))
        finally:  # whoever ceases to wait must not leave it asking an API server that is away without rest
            self._hurry.clear()

    async def _rest(self, seconds: float) -> None:
        """Wait for so long, or until somebody wants to catch up."""
        waiting = [asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(self._hurry.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()
        if self._hurry.is_set():
            await self._sleep(FIRST_RETRY_SECONDS)

    def _note_absence(self, *, absent: bool) -> None:
        since = self._clock() if self.not_served_since is None else self.not_served_since
        self.not_served_since = since if absent else None

    def _now_open(self) -> None:
        self._opened_at = self._clock()
        self._open.set()

    async def _list(self) -> str:
        before, self._known = self._known, {}
        version, count = "", 0
        try:
            async for page in self._api.pages(self._feed.resource, label_selector=self._feed.label_selector):
                self.heard_at = self._clock()
                version = page["metadata"]["resourceVersion"]
                for body in page.get("items") or ():
                    self._observe(body)
                    count += 1
                    if count % YIELD_EVERY == 0:
                        await asyncio.sleep(0)
        except ApiError:
            self._known = before | self._known
            raise
        held = {one.key: one.uid for one in self._feed.held() if one.version <= int(version)}
        for key, uid in (*before.items(), *held.items()):
            if self._known.get(key) != uid:
                self._feed.sink.forget(key, uid)
        self.listed.set()
        return version

    async def _watch(self, version: str) -> str:
        """Follow the changes since a version until the server ends the watch; the version to go on from."""
        seconds = random.randint(*WATCH_SECONDS)  # noqa: S311 - spreads load, guards nothing
        feed = self._feed
        changes = self._api.watch(
            feed.resource, version, label_selector=feed.label_selector, timeout_seconds=seconds, opened=self._now_open
        )
        try:
            return await self._follow(changes, version)
        finally:
            self._open.clear()

    async def _follow(self, changes: AsyncIterator[Object], version: str) -> str:
        async for change in changes:
            self.heard_at = self._clock()
            body = change["object"]
            if change["type"] == "ERROR":
                if body.get("code") == 410:
                    return ""
                raise ApiError(body.get("code") or 0, body.get("reason") or "", body.get("message") or "watch error")
            version = body["metadata"]["resourceVersion"]
            if change["type"] == "DELETED":
                self._forget(body)
            elif change["type"] != "BOOKMARK":
                self._observe(body)
        return version

    def _observe(self, body: Object) -> None:
        meta = body["metadata"]
        key = (meta.get("namespace") or "", meta["name"])
        self._known[key] = meta["uid"]
        try:
            self._feed.sink.observe(body)
        except ValueError as error:
            # A schema that let this through is older or newer than this program; the others are not to suffer.
            logger.error("%s %s/%s cannot be read: %s", self._feed.resource.plural, *key, error)

    def _forget(self, body: Object) -> None:
        meta = body["metadata"]
        key = (meta.get("namespace") or "", meta["name"])
        if self._known.get(key) == meta["uid"]:
            del self._known[key]
        self._feed.sink.forget(key, meta["uid"])

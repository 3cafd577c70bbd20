"""What was told of the objects that are followed, kept in ConfigMaps of the operator's own namespace.

They are written after the Changes, and beside everything else: whoever comes after a crash reads the Changes over them.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kubeprobe.control.context import Context
from kubeprobe.kube.fence import NotLeadingError
from kubeprobe.kube.port import CONFIGMAPS, SECRETS, ApiError, Object
from kubeprobe.plan.budget import Priority
from kubeprobe.plan.fingerprint import LABEL_KNOWN, ObjectKey
from kubeprobe.plan.known import Shard, read_shard
from kubeprobe.plan.ledger import Ledger
from probe_sdk.wire import LABEL_MANAGED, MANAGED_BY

logger = logging.getLogger("kubeprobe.changes")

NOTES_SECONDS = 300.0
"""After so long what nobody wanted to be told of is written too."""
RETRY_SECONDS = 5.0
SEAL = "kubeprobe-seal"
SEAL_KEY = "key"
SEAL_BYTES = 32
MOST_SEAL_BYTES = 64
"""What the hash takes."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """A ConfigMap with fingerprints, as far as it takes to delete it."""

    uid: str
    kind: str


class Ledgers:
    """The ledgers of the kinds that are followed.

    Args:
        context: whose Changes they are about.
        namespace: the operator's own.
        clock: seconds that only go forward, such as `time.monotonic`.
    """

    def __init__(self, context: Context, namespace: str, clock: Callable[[], float]) -> None:
        self._ctx = context
        self._namespace = namespace
        self._clock = clock
        self._ledgers: dict[str, Ledger] = {}
        self._shards: list[Shard] = []
        """What was kept of kinds that are not followed yet."""
        self._stored: dict[str, _Stored] = {}
        """The ConfigMaps, by their names."""
        self._dropped: set[str] = set()
        """The names of those that are of no use any more, since nobody wants their kind."""
        self._stirred = asyncio.Event()
        self._notes_at = 0.0

    def reset(self) -> None:
        """Forget what was held in memory: another replica may have led meanwhile."""
        self._ledgers.clear()
        self._shards.clear()
        self._stored.clear()
        self._dropped.clear()

    async def load(self) -> None:
        """Read what is kept, before anything is begun. Raises `ApiError`."""
        shards: list[Shard] = []
        stored: dict[str, _Stored] = {}
        async for body in self._ctx.api.list(CONFIGMAPS, self._namespace, label_selector=LABEL_KNOWN):
            meta = body["metadata"]
            stored[meta["name"]] = _Stored(meta["uid"], (meta.get("labels") or {}).get(LABEL_KNOWN, ""))
            shard = read_shard(body)
            shards += [shard] if shard is not None else []
        self._shards, self._stored = shards, stored

    def of(self, kind: str) -> Ledger | None:
        """The ledger of a kind; None while it is not begun."""
        return self._ledgers.get(kind)

    def begin(self, kind: str, present: Mapping[ObjectKey, str]) -> Ledger:
        """The ledger of a kind of which all objects are known now."""
        ledger = self._ledgers[kind] = Ledger(kind, self._shards, self._ctx.views.changes, present)
        self._shards = [one for one in self._shards if one.kind != kind]
        self._stirred.set()
        return ledger

    def keep_only(self, kinds: frozenset[str]) -> None:
        """Let go what was kept of other kinds: nobody wants to be told of what becomes of them."""
        for kind in self._ledgers.keys() - kinds:
            del self._ledgers[kind]
        self._dropped |= {name for name, one in self._stored.items() if one.kind not in kinds}
        self._shards = [one for one in self._shards if one.kind in kinds]
        self._stirred.set()

    def tell(self, change: str, news: Mapping[ObjectKey, str]) -> None:
        """Take in what a Change tells that is written."""
        for kind in {key.kind for key in news} & self._ledgers.keys():
            self._ledgers[kind].tell(change, {key: mark for key, mark in news.items() if key.kind == kind})
        self._stirred.set()

    async def run(self) -> None:
        """Write what has to be written, for ever."""
        self._notes_at = self._clock() + NOTES_SECONDS
        while True:
            self._stirred.clear()
            try:
                await self.write()
                wait_seconds = self._notes_at - self._clock()
            except (ApiError, NotLeadingError) as error:
                logger.warning("fingerprints were not written: %s", error)
                wait_seconds = RETRY_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(wait_seconds, 0.0)):
                    await self._stirred.wait()

    async def write(self) -> None:
        """Write what has to be written now. Raises `ApiError`."""
        all_of_it = self._clock() >= self._notes_at
        if all_of_it:
            self._notes_at = self._clock() + NOTES_SECONDS
        for name in tuple(self._dropped):  # first: a kind that is followed again may use the same name
            await self._delete(name)
            self._dropped.discard(name)
        for ledger in tuple(self._ledgers.values()):
            await self._write(ledger, ledger.to_write(all_of_it=all_of_it))
            for name in ledger.spare():
                await self._delete(name)
                ledger.deleted(name)

    async def seal(self) -> bytes:
        """The key that Secrets' fingerprints are made with; for ever the same, or all of them would have changed."""
        while True:
            try:
                return await self._seal()
            except (ApiError, NotLeadingError, ValueError) as error:
                where = f"{self._namespace}/{SEAL}"
                logger.warning("Secrets are not followed without the key in the Secret %s: %s", where, error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _seal(self) -> bytes:
        try:
            body = await self._ctx.api.get(SECRETS, self._namespace, SEAL)
        except ApiError as error:
            if not error.not_found:
                raise
            body = await self._new_seal()
        return _key(body)

    async def _new_seal(self) -> Object:
        key = base64.b64encode(secrets.token_bytes(SEAL_BYTES)).decode()
        manifest: Object = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SEAL, "labels": {LABEL_MANAGED: MANAGED_BY}},
            "immutable": True,
            "data": {SEAL_KEY: key},
        }
        try:
            return await self._ctx.writer.create(Priority.RUN, SECRETS, self._namespace, manifest)
        except ApiError as error:
            if not error.already_exists:
                raise
            return await self._ctx.api.get(SECRETS, self._namespace, SEAL)

    async def _write(self, ledger: Ledger, manifests: Sequence[Object]) -> None:
        """Write shards; what was not written is handed out again."""
        left = deque(manifests)
        try:
            while left:
                name = left[0]["metadata"]["name"]
                body = await self._ctx.writer.apply(
                    Priority.HISTORY, CONFIGMAPS, self._namespace, name, left[0], force=True
                )
                ledger.written(left.popleft())
                self._stored[name] = _Stored(body["metadata"]["uid"], ledger.kind)
        finally:
            for manifest in left:
                ledger.failed(manifest)
        if self._ledgers.get(ledger.kind) is not ledger:
            self._dropped |= {manifest["metadata"]["name"] for manifest in manifests}

    async def _delete(self, name: str) -> None:
        stored = self._stored.get(name)
        if stored is not None:
            await self._ctx.writer.delete(Priority.HISTORY, CONFIGMAPS, self._namespace, name, uid=stored.uid)
            self._stored.pop(name, None)


def _key(body: Object) -> bytes:
    """What is in the Secret. Raises `ValueError` where somebody made it into something else."""
    try:
        key = base64.b64decode((body.get("data") or {}).get(SEAL_KEY) or "", validate=True)
    except ValueError:
        key = b""
    if not 0 < len(key) <= MOST_SEAL_BYTES:
        raise ValueError(
            f"data.{SEAL_KEY} is no key of 1 to {MOST_SEAL_BYTES} bytes; delete the Secret, and a new one is made (all "
            "Secrets that are followed are told as changed then, once)"
        )
    return key

"""Rounds of the operations against one member, and leaving nothing behind."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from etcd_crud.causes import EtcdFailure, Trouble
from etcd_crud.client import Etcd
from etcd_crud.evidence import gather, refusal
from etcd_crud.operations import NEED_THE_KEY, OPERATIONS, Subject
from etcd_crud.record import Record, Tally
from probe_sdk import step

GIVE_UP_AFTER = 2
"""Requests without any answer in a row: each costs a timeout, and the next says the same."""
CLEANUP_SECONDS = 1.0


class Exercise:
    """One member's turn in a run."""

    def __init__(self, etcd: Etcd, key: str, rounds: int, ttl_seconds: int) -> None:
        self._etcd = etcd
        self._key = key
        self._rounds = rounds
        self._ttl_seconds = ttl_seconds
        self._unanswered = 0
        self._record = Record(etcd.endpoint, {name: Tally() for name in ("connect", *OPERATIONS)})

    async def run(self) -> Record:
        """All rounds; every key hangs on one lease, which is ended whatever happens."""
        if await self._connected():
            await self._with_lease()
        for trouble in self._record.troubles()[:1]:
            self._record.evidence = await gather(self._etcd, trouble)
        return self._record

    async def _connected(self) -> bool:
        """The way to the member stands; its time is not etcd's, so it is no part of the latency."""
        while self._unanswered < GIVE_UP_AFTER:
            if await self._once("connect", self._connect):
                return True
            if not self._unanswered:
                return False
        return False

    async def _connect(self) -> None:
        try:
            await self._etcd.status()
        except EtcdFailure as failure:
            trouble = failure.trouble
            raise EtcdFailure((await refusal(self._etcd) if trouble.cut else None) or trouble) from None
        self._etcd.request_seconds.clear()

    async def _with_lease(self) -> None:
        """Without a lease nothing is written, since it might stay."""
        granted: list[str] = []

        async def grant() -> None:
            granted.append(await self._etcd.grant(self._ttl_seconds))

        await self._once("lease", grant)
        for lease in granted:
            try:
                await self._all_rounds(lease)
            finally:
                await self._clean_up(lease)

    async def _all_rounds(self, lease: str) -> None:
        for number in range(self._rounds):
            if self._unanswered >= GIVE_UP_AFTER:
                return
            await self._round(Subject(f"{self._key}/{number}", lease, self._ttl_seconds))

    async def _round(self, subject: Subject) -> None:
        written = False
        for name, operation in OPERATIONS.items():
            if self._unanswered >= GIVE_UP_AFTER:
                return
            if name in NEED_THE_KEY and not written:
                continue
            fine = await self._once(name, partial(operation, self._etcd, subject))
            written = written or (name == "put" and fine)

    async def _once(self, name: str, operation: Callable[[], Awaitable[None]]) -> bool:
        self._etcd.request_seconds.clear()
        trouble: Trouble | None = None
        try:
            with step(name):
                await operation()
        except EtcdFailure as failure:
            trouble = failure.trouble
        self._unanswered = self._unanswered + 1 if trouble and trouble.lost else 0
        self._record.note(name, list(self._etcd.request_seconds), trouble)
        return trouble is None

    async def _clean_up(self, lease: str) -> None:
        with suppress(EtcdFailure, TimeoutError):
            async with asyncio.timeout(CLEANUP_SECONDS):
                await self._etcd.revoke(lease)

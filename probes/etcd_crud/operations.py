"""The six operations, each of them a promise of etcd that is either kept or told as broken."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from types import MappingProxyType

from etcd_crud.causes import EtcdFailure, Trouble
from etcd_crud.client import Etcd


@dataclass(frozen=True)
class Subject:
    """The key of one round, and the lease of the run, with which the key goes even if the probe is killed."""

    key: str
    lease: str
    ttl_seconds: int


async def put(etcd: Etcd, subject: Subject) -> None:
    """A write is accepted."""
    await etcd.put(subject.key, "first", subject.lease)


async def get(etcd: Etcd, subject: Subject) -> None:
    """A read from the quorum gives what was written."""
    _expect("get", await etcd.get(subject.key), "first")


async def txn(etcd: Etcd, subject: Subject) -> None:
    """A comparison that holds swaps, one that does not leaves all as it is."""
    _expect("txn: the comparison with the value that is there", await _swap(etcd, subject, "first", "second"), True)
    _expect("txn: the comparison with a stale value", await _swap(etcd, subject, "first", "third"), False)


async def _swap(etcd: Etcd, subject: Subject, expected: str, value: str) -> bool:
    return await etcd.swap(subject.key, expected, value, subject.lease)


async def watch(etcd: Etcd, subject: Subject) -> None:
    """A watch is told of a put."""
    try:
        async with asyncio.timeout(2 * etcd.timeout_seconds), etcd.watch(subject.key) as messages:
            started = monotonic()
            await etcd.put(subject.key, "watched", subject.lease)
            async for message in messages:
                if message.get("events"):
                    etcd.request_seconds.append(monotonic() - started)
                    return
    except TimeoutError:
        pass
    raise EtcdFailure(Trouble("the watch did not show the put", "the member's log: it accepts writes and tells nobody"))


async def lease(etcd: Etcd, subject: Subject) -> None:
    """A key vanishes with its lease."""
    key = f"{subject.key}/leased"
    granted = await etcd.grant(subject.ttl_seconds)
    await etcd.put(key, "leased", granted)
    left = await etcd.left_seconds(granted)
    _expect("lease: whether it is alive", left > 0, True)
    await etcd.revoke(granted)
    _expect("lease: its key after the revoke", await etcd.get(key), None)


async def delete(etcd: Etcd, subject: Subject) -> None:
    """A deleted key is gone."""
    _expect("delete: the number of keys deleted", await etcd.delete(subject.key), 1)
    _expect("delete: the key afterwards", await etcd.get(subject.key), None)


Operation = Callable[[Etcd, Subject], Awaitable[None]]
OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {"put": put, "get": get, "txn": txn, "watch": watch, "lease": lease, "delete": delete}
)
NEED_THE_KEY = frozenset({"get", "txn", "delete"})
"""These say something only after the round's put."""


def _expect(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        cause = f"wrong answer: {what} is {found!r} instead of {wanted!r}"
        raise EtcdFailure(
            Trouble(cause, "the member's data: does it disagree with its peers (etcdctl endpoint hashkv)?")
        )

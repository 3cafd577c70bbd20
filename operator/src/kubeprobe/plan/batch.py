"""Changes that come together are one: gathered until it is quiet, and then written as one object with one id.

What is put back before its batch is closed was no change: nothing is different from what was told. A batch is closed
after a minute, or with five hundred objects, whatever still goes on, so a storm makes few of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from kubeprobe.api import (
    API_VERSION,
    MOST_GATES,
    MOST_OBJECTS,
    ChangedObject,
    ChangeProbe,
    ChangeSource,
    ChangeSpec,
    ChangeType,
)
from kubeprobe.plan.changed import Changed
from kubeprobe.plan.fingerprint import ObjectKey, Tracked
from kubeprobe.plan.known import packed
from probe_sdk.wire import cut as cut_to

LONGEST_SECONDS = 60.0
"""A batch is not kept open for longer, and no run waits for longer until it is quiet."""
MOST_TOGETHER = 500
SUMMARY_BYTES = 256
CAUSE_BYTES = 256
MANAGER_BYTES = 128
PART_BYTES = 253
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's, in lower case, as names of objects are."""
PREFIX = "chg-"
TIME_DIGITS, RANDOM_DIGITS = 10, 16


@dataclass(frozen=True, slots=True)
class Wait:
    """How long those whom a change concerns want to wait for more."""

    quiet_seconds: float
    longest_seconds: float = LONGEST_SECONDS

    def soonest(self, other: Wait) -> Wait:
        """The shorter of each: whoever wants to wait for longer can do so afterwards."""
        return Wait(
            min(self.quiet_seconds, other.quiet_seconds),
            min(self.longest_seconds, other.longest_seconds),
        )


ANNOUNCED_WAIT = Wait(1.0, 1.0)
"""How long announcements at one gate are gathered: whoever announces waits for the answer."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes of one source that are not written yet."""

    source: ChangeSource
    began: datetime
    last: datetime
    wait: Wait
    changes: Mapping[ObjectKey, Changed]

    @property
    def closes_at(self) -> datetime:
        """When it is complete: after the quiet time, or the longest, or with as many as fit into one."""
        if len(self.changes) >= MOST_TOGETHER:
            return self.last
        quiet = self.last + timedelta(seconds=self.wait.quiet_seconds)
        return min(quiet, self.began + timedelta(seconds=self.wait.longest_seconds))

    def is_due(self, now: datetime) -> bool:
        """Whether it is complete; with a clock that was set back to before its begin too, rather than never."""
        return now >= self.closes_at or now < self.began


def base_of(batch: Batch | None, key: ObjectKey, before: Tracked | None) -> Tracked | None:
    """What an object is compared with: what it was before the batch, or else how it was seen the last time."""
    changed = batch.changes.get(key) if batch is not None else None
    return before if changed is None else changed.base


def with_change(batch: Batch | None, source: ChangeSource, changed: Changed, wait: Wait, now: datetime) -> Batch:
    """The batch with one more change in it; the same object again replaces what was said of it."""
    if batch is None:
        return Batch(source, now, now, wait, {changed.key: changed})
    changes = {**batch.changes, changed.key: changed}
    return replace(batch, last=max(now, batch.last), wait=batch.wait.soonest(wait), changes=changes)


def without(batch: Batch | None, key: ObjectKey) -> Batch | None:
    """The batch without an object that is again what was told of it; None where nothing is left."""
    if batch is None or key not in batch.changes:
        return batch
    left = {other: changed for other, changed in batch.changes.items() if other != key}
    return replace(batch, changes=left) if left else None


def new_change(
    batch: Batch,
    newest: str,
    probes: Sequence[ChangeProbe],
    left_out: int,
    gates: Sequence[str],
    now: datetime,
) -> dict[str, Any]:
    """The manifest of the Change that a batch is written as.

    Args:
        batch: the batch, which is due.
        newest: the newest id that there is; the Change's is a later one, whatever clocks do.
        probes: the configs that it concerns.
        left_out: how many more these would be.
        gates: the gates in whose scope it lies.
        now: the time.
    """
    changes, closed = list(batch.changes.values()), max(now, batch.last)
    content = packed((one.key, one.fingerprint) for one in changes)
    spec = ChangeSpec(
        source=batch.source,
        summary=_summary(changes),
        objects=tuple(_object(one) for one in changes[:MOST_OBJECTS]),
        count=len(changes),
        others=packed((one.key, one.fingerprint) for one in changes[MOST_OBJECTS:]),
        probes=tuple(probes),
        left_out=left_out,
        gates=tuple(gates[:MOST_GATES]),
        began=batch.began,
        last=batch.last,
        closed=closed,
    )
    return {
        "apiVersion": API_VERSION,
        "kind": "Change",
        "metadata": {"name": change_id(newest, content, closed)},
        "spec": spec.model_dump(by_alias=True, exclude_defaults=True, mode="json"),
    }


def change_id(newest: str, content: str, closed: datetime) -> str:
    """A name that is later in order than the newest one, and no two contents share: Changes are in order by it.

    Args:
        newest: the newest name that there is; empty for none.
        content: what the Change tells.
        closed: when it was complete.
    """
    milliseconds = max(int(closed.timestamp() * 1000), _milliseconds(newest) + 1)
    digest = int.from_bytes(hashlib.sha256(content.encode()).digest()[:10], "big")
    return f"{PREFIX}{_digits(milliseconds, TIME_DIGITS)}{_digits(digest, RANDOM_DIGITS)}"


def has_place(name: str) -> bool:
    """Whether a name has a place in the order of Changes: one that somebody else made by another name has none."""
    digits = name.removeprefix(PREFIX)
    return name != digits != "" and set(digits) <= set(ALPHABET)


def last_id(closed: datetime) -> str:
    """A name that none of the Changes is after in order that were complete by then."""
    return f"{PREFIX}{_digits(int(closed.timestamp() * 1000), TIME_DIGITS)}{ALPHABET[-1] * RANDOM_DIGITS}"


def is_name(text: str) -> bool:
    """Whether it is a name as this operator gives them to Changes, and whole."""
    digits = text.removeprefix(PREFIX)
    return text.startswith(PREFIX) and len(digits) == TIME_DIGITS + RANDOM_DIGITS and set(digits) <= set(ALPHABET)


def _milliseconds(name: str) -> int:
    number = 0
    for letter in name.removeprefix(PREFIX)[:TIME_DIGITS]:
        number = number * len(ALPHABET) + max(ALPHABET.find(letter), 0)
    return number


def _digits(number: int, count: int) -> str:
    text = ""
    for _ in range(count):
        number, digit = divmod(number, len(ALPHABET))
        text = ALPHABET[digit] + text
    return text


def _object(one: Changed) -> ChangedObject:
    return ChangedObject(
        kind=one.key.kind,
        api_version=one.api_version,
        namespace=one.key.namespace,
        name=one.key.name,
        uid=one.uid,
        type=one.type,
        parts=tuple(cut_to(part, PART_BYTES) for part in one.parts),
        details=cut_to(one.details, SUMMARY_BYTES),
        by=cut_to(one.by, MANAGER_BYTES),
        cause=cut_to(one.cause, CAUSE_BYTES),
        fingerprint=one.fingerprint,
        at=one.at,
    )


def _summary(changes: Sequence[Changed]) -> str:
    first = changes[0]
    word = "" if first.type is ChangeType.MODIFIED else f" {first.type.value.lower()}"
    what = f"{first.key}{word}{': ' if first.details else ''}{first.details}"
    more = f" and {len(changes) - 1} more" if len(changes) > 1 else ""
    return cut_to(what, SUMMARY_BYTES - len(more)) + more

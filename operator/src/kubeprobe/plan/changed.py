"""What became of one object since it was told of: compared with what is known, or said by somebody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from kubeprobe.api import Change, ChangeSource, ChangeType
from kubeprobe.plan.fingerprint import ObjectKey, Tracked, differences

ANNOUNCED = "Announced"
"""The kind under which a Change names what was announced."""


@dataclass(frozen=True, slots=True)
class Changed:
    """One object that is not what was told of it."""

    key: ObjectKey
    type: ChangeType
    fingerprint: str
    at: datetime
    api_version: str = ""
    uid: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    details: str = ""
    by: str = ""
    cause: str = ""
    base: Tracked | None = None
    """The object as that was told, where this process saw it so: what it is compared with if it changes again."""


def compare(known: str | None, base: Tracked | None, after: Tracked, now: datetime) -> Changed | None:
    """What became of an object since it was told of; None where nothing did.

    Args:
        known: the fingerprint that was told; None when the object was not there.
        base: the object as this process saw it before, see `batch.base_of`.
        after: the object now.
        now: the time.
    """
    if known == after.fingerprint:
        return None
    told = base if base is not None and base.fingerprint == known else None
    parts, details = differences(told, after) if told is not None else ((), "")
    return Changed(
        key=after.key,
        type=ChangeType.ADDED if known is None else ChangeType.MODIFIED,
        fingerprint=after.fingerprint,
        at=min(after.written_at or now, now),
        api_version=after.api_version,
        uid=after.uid,
        labels=after.labels,
        parts=parts,
        details=details,
        by=after.by,
        cause=after.cause,
        base=told,
    )


def missing(key: ObjectKey, base: Tracked | None, now: datetime) -> Changed:
    """What became of an object that was told of and is gone.

    Args:
        key: which one.
        base: the object as this process saw it before, see `batch.base_of`.
        now: the time.
    """
    if base is None:
        return Changed(key, ChangeType.DELETED, "", now)
    return Changed(key, ChangeType.DELETED, "", now, base.api_version, base.uid, base.labels, base=base)


def announced(gate: str, namespace: str, name: str, mark: str, by: str, message: str, now: datetime) -> Changed:
    """What somebody announced.

    Args:
        gate: the gate at which it was.
        namespace: of what changes, where that was said.
        name: of what changes; the gate's where that was not said.
        mark: what tells this announcement from the one before it, as `fingerprint.fingerprint` writes it.
        by: who announced it.
        message: what was said of it.
        now: the time.
    """
    return Changed(
        ObjectKey(ANNOUNCED, namespace, name or gate),
        ChangeType.MODIFIED,
        mark,
        now,
        details=message,
        by=by,
    )


def announced_before(changes: Iterable[Change], gate: str, namespace: str, name: str) -> str | None:
    """What tells the newest announcement of something at a gate; None where there is none.

    Release tools announce each step of one release. They are one change, until another one is announced.
    """
    key = (ANNOUNCED, namespace, name or gate)
    mine = (one for one in changes if one.spec.source is ChangeSource.ANNOUNCED and gate in one.spec.gates)
    for change in sorted(mine, key=lambda one: one.metadata.name, reverse=True):
        for one in change.spec.objects:
            if (one.kind, one.namespace, one.name) == key:
                return one.fingerprint
    return None

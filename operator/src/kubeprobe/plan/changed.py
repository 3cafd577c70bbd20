"""What became of one object since it was told of: compared with what is known, or said by somebody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from kubeprobe.api import Change, ChangeSource, ChangeType
from kubeprobe.plan.fingerprint import ObjectKey, Tracked, differences, fingerprint

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


@dataclass(frozen=True, slots=True)
class Announcement:
    """What somebody says that changes, such as a release tool or a CI job."""

    by: str
    """Who announces it."""
    namespace: str = ""
    """Of what changes; empty where that is not said."""
    name: str = ""
    """Of what changes; empty where that is not said."""
    key: str = ""
    """What tells this announcement from the one before it, such as a checksum or a commit. Release tools announce each
    step of one release, which is one change; without a key each announcement is a change of its own."""
    message: str = ""
    """What changes, as a sentence."""
    link: str = ""
    """Where there is more about it."""

    def mark(self, now: datetime) -> str:
        """What its key comes to."""
        return fingerprint(["key", self.key] if self.key else ["at", now.isoformat()])

    def about(self, gate: str) -> ObjectKey:
        """What a Change names it by: what changes, or else the gate."""
        return ObjectKey(ANNOUNCED, self.namespace, self.name or gate)


def announced(gate: str, said: Announcement, now: datetime) -> Changed:
    """What somebody announced.

    Args:
        gate: the gate at which it was.
        said: what was said.
        now: the time.
    """
    return Changed(
        said.about(gate),
        ChangeType.MODIFIED,
        said.mark(now),
        now,
        details=said.message,
        by=said.by,
        cause=said.link,
    )


def announced_before(changes: Iterable[Change], gate: str, said: Announcement, now: datetime) -> str | None:
    """The name of the Change that is this very announcement, made before; None where it is a new one.

    It counts until another one of the same thing is made: what is announced again after that is a new change.
    """
    key, mark = said.about(gate), said.mark(now)
    mine = (one for one in changes if one.spec.source is ChangeSource.ANNOUNCED and gate in one.spec.gates)
    for change in sorted(mine, key=lambda one: one.metadata.name, reverse=True):
        for one in change.spec.objects:
            if ObjectKey(one.kind, one.namespace, one.name) == key:
                return change.metadata.name if one.fingerprint == mark else None
    return None

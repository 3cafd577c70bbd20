"""What was told of every object already: the fingerprints that are known, and how they are kept.

A Change is written first, the fingerprints that it tells afterwards. Each shard says up to which Change it is written,
so whoever comes after a crash reads the later Changes over it, as a log over its checkpoint, and tells nothing twice.
What nobody wants to be told of is kept with the next write, for it costs nothing to find it again.
"""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubeprobe.api import Change, ChangedObject
from kubeprobe.plan.fingerprint import FINGERPRINT_BYTES, LABEL_KNOWN, Body, ObjectKey, source_of
from probe_sdk.wire import LABEL_MANAGED, MANAGED_BY

COUNTS = (1, 16, 256)
"""How many shards a kind has: no more than its objects need, and never fewer again."""
FULL_BYTES = 450_000
"""A shard that has more is cut into sixteen: far from the 900 kB that a ConfigMap is to have at most."""
THROUGH = "kubeprobe.io/through"
PLACE = "kubeprobe.io/shard"
NO_NAMESPACE = "_"
KEY_BYTES = 6
PAIR_BYTES = KEY_BYTES + FINGERPRINT_BYTES
GONE = b"\0" * FINGERPRINT_BYTES
ROOM_BYTES = 24
"""Of one object beside its name: its fingerprint, a space, a line's end escaped, and what its namespace costs."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of the fingerprints of a kind, as it is kept."""

    name: str
    kind: str
    index: int
    count: int
    through: str
    """The newest Change that is in it; empty before the first."""
    fingerprints: Mapping[ObjectKey, str]


def read_shard(body: Body) -> Shard | None:
    """The reading of a ConfigMap with fingerprints; None for one that was edited into something else."""
    meta = body["metadata"]
    kind = (meta.get("labels") or {}).get(LABEL_KNOWN, "")
    notes = meta.get("annotations") or {}
    index, _, count = str(notes.get(PLACE) or "").partition("/")
    if not kind or not index.isdecimal() or count not in map(str, COUNTS) or int(index) >= int(count):
        return None
    lines = ((space, line.split(" ")) for space, text in (body.get("data") or {}).items() for line in text.split("\n"))
    found = {
        ObjectKey(kind, "" if space == NO_NAMESPACE else space, words[0]): words[1]
        for space, words in lines
        if len(words) == 2
    }
    return Shard(meta["name"], kind, int(index), int(count), str(notes.get(THROUGH) or ""), found)


def told(change: Change, keys: Iterable[ObjectKey]) -> dict[ObjectKey, str]:
    """The fingerprints that a Change tells, by object; empty for one that it says is gone.

    Args:
        change: the Change.
        keys: the objects that those could be which it does not name.
    """
    found = {ObjectKey(one.kind, one.namespace, one.name): one.fingerprint for one in change.spec.objects}
    others = unpacked(change.spec.others)
    if others:
        found |= {key: others[mark] for key in keys if key not in found and (mark := key_mark(key)) in others}
    return found


def packed(objects: Iterable[tuple[ObjectKey, str]]) -> str:
    """Objects and their fingerprints in few bytes."""
    return base64.b64encode(
        b"".join(key_mark(key) + (bytes.fromhex(mark) if mark else GONE) for key, mark in objects)
    ).decode()


def unpacked(text: str) -> dict[bytes, str]:
    """The fingerprints by the marks of their objects; nothing where it was edited into something else."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        return {}
    pairs = (raw[at : at + PAIR_BYTES] for at in range(0, len(raw) // PAIR_BYTES * PAIR_BYTES, PAIR_BYTES))
    return {one[:KEY_BYTES]: "" if one[KEY_BYTES:] == GONE else one[KEY_BYTES:].hex() for one in pairs}


def key_mark(key: ObjectKey) -> bytes:
    """What stands for an object where there is no room for its name."""
    return _hash(key)[:KEY_BYTES]


def as_key(one: ChangedObject) -> ObjectKey:
    """Which object a Change names."""
    return ObjectKey(one.kind, one.namespace, one.name)


class Ledger:
    """What was told of the objects of one kind.

    Args:
        kind: the kind.
        shards: what was kept of it.
        changes: the Changes that there are.
        present: the objects that there are now, with their fingerprints. Of a kind of which nothing was kept they are
            what is known: that it is followed from now on is no change of theirs.
    """

    def __init__(
        self, kind: str, shards: Iterable[Shard], changes: Iterable[Change], present: Mapping[ObjectKey, str]
    ) -> None:
        self.kind = kind
        mine = [one for one in shards if one.kind == kind]
        whole = _whole(mine)
        self._spare = {one.name for one in mine} - {one.name for one in whole}
        self._through = {one.index: one.through for one in whole}
        self._known: dict[ObjectKey, str] = {}
        self._unwritten: set[int] = set()
        """Shards that a Change, or the first look at the kind, has to be written in before anything else."""
        self._stale: set[int] = set()
        """Shards in which only something stands out that nobody was told of."""
        self._writing: set[int] = set()
        self._count = len(whole)
        if whole:
            self._known = {key: mark for one in whole for key, mark in one.fingerprints.items()}
            self._replay(changes, present)
        else:
            newest = max((one.metadata.name for one in changes), default="")
            self._known = dict(present)
            self._count = _enough(self._known)
            self._through = dict.fromkeys(range(self._count), newest)
            self._unwritten = set(range(self._count))

    def known(self, key: ObjectKey) -> str | None:
        """The fingerprint that was told of an object; None for one that was not there."""
        return self._known.get(key)

    def keys(self) -> tuple[ObjectKey, ...]:
        """All objects that are known."""
        return tuple(self._known)

    def tell(self, change: str, news: Mapping[ObjectKey, str]) -> None:
        """Take in what a Change tells that is written; an empty fingerprint is of an object that is gone."""
        for index in self._take(news):
            self._through[index] = max(change, self._through[index])
            self._unwritten.add(index)

    def note(self, key: ObjectKey, mark: str) -> None:
        """Take in how an object is of whose change nobody wants to be told."""
        self._stale |= self._take({key: mark})

    def to_write(self, *, all_of_it: bool) -> tuple[dict[str, Any], ...]:
        """The manifests of the shards that have to be written now, in the operator's own namespace.

        Each has to be told as `written` or `failed`; until then the same shard is not handed out again.

        Args:
            all_of_it: those as well in which nothing stands out that was told.
        """
        self._grow()
        wanted = (self._unwritten | (self._stale if all_of_it else set())) - self._writing
        parts = self._parts() if wanted else {}
        self._unwritten -= wanted
        self._stale -= wanted
        self._writing |= wanted
        return tuple(self._manifest(index, parts.get(index, {})) for index in sorted(wanted))

    def written(self, manifest: Mapping[str, Any]) -> None:
        """Take in that a shard was written."""
        index, count = _place(manifest)
        if count == self._count:
            self._writing.discard(index)

    def failed(self, manifest: Mapping[str, Any]) -> None:
        """Take in that a shard was not written."""
        index, count = _place(manifest)
        if count == self._count:
            self._writing.discard(index)
            self._unwritten.add(index)

    def spare(self) -> tuple[str, ...]:
        """The names of ConfigMaps that are of no use any more, once all that has to be written is."""
        if self._unwritten or self._writing:
            return ()
        return tuple(sorted(self._spare - {_name(self.kind, index, self._count) for index in range(self._count)}))

    def deleted(self, name: str) -> None:
        """Take in that a ConfigMap that was of no use is gone."""
        self._spare.discard(name)

    def _replay(self, changes: Iterable[Change], present: Mapping[ObjectKey, str]) -> None:
        keys = self._known.keys() | present.keys()
        for change in sorted(changes, key=lambda one: one.metadata.name):
            name = change.metadata.name
            if change.spec.source is source_of(self.kind) and any(name > one for one in self._through.values()):
                news = {key: mark for key, mark in told(change, keys).items() if key.kind == self.kind}
                late = {key: mark for key, mark in news.items() if name > self._through[self._index(key)]}
                self.tell(name, late)

    def _take(self, news: Mapping[ObjectKey, str]) -> set[int]:
        for key, mark in news.items():
            if mark:
                self._known[key] = mark
            else:
                self._known.pop(key, None)
        return {self._index(key) for key in news}

    def _index(self, key: ObjectKey) -> int:
        return int.from_bytes(_hash(key)[-2:], "big") % self._count

    def _parts(self) -> dict[int, dict[ObjectKey, str]]:
        parts: dict[int, dict[ObjectKey, str]] = defaultdict(dict)
        for key, mark in self._known.items():
            parts[self._index(key)][key] = mark
        return parts

    def _grow(self) -> None:
        """Have more shards where one is full: the new ones are all written before the old ones go."""
        enough = _enough(self._known)
        if enough <= self._count:
            return
        self._spare |= {_name(self.kind, index, self._count) for index in range(self._count)}
        newest = max(self._through.values())
        self._count = enough
        self._through = dict.fromkeys(range(enough), newest)
        self._unwritten, self._stale, self._writing = set(range(enough)), set(), set()

    def _manifest(self, index: int, part: Mapping[ObjectKey, str]) -> dict[str, Any]:
        lines: dict[str, list[str]] = defaultdict(list)
        for key in sorted(part):
            lines[key.namespace or NO_NAMESPACE].append(f"{key.name} {part[key]}")
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": _name(self.kind, index, self._count),
                "labels": {LABEL_KNOWN: self.kind, LABEL_MANAGED: MANAGED_BY},
                "annotations": {PLACE: f"{index}/{self._count}", THROUGH: self._through[index]},
            },
            "data": {space: "\n".join(of_space) for space, of_space in lines.items()},
        }


def _whole(shards: Sequence[Shard]) -> list[Shard]:
    """The shards that make up a whole, the finest there is: a cut that was not finished counts as not begun."""
    for count in reversed(COUNTS):
        found = {one.index: one for one in shards if one.count == count}
        if len(found) == count:
            return [found[index] for index in range(count)]
    return []


def _enough(known: Iterable[ObjectKey]) -> int:
    """How many shards there have to be for none to be full."""
    size = sum(len(key.name) + ROOM_BYTES for key in known)
    return next((count for count in COUNTS if size <= count * FULL_BYTES), COUNTS[-1])


def _name(kind: str, index: int, count: int) -> str:
    return f"kubeprobe-known-{kind.lower()}-{index}-of-{count}"


def _place(manifest: Mapping[str, Any]) -> tuple[int, int]:
    index, _, count = manifest["metadata"]["annotations"][PLACE].partition("/")
    return int(index), int(count)


def _hash(key: ObjectKey) -> bytes:
    return hashlib.blake2b(f"{key.kind}/{key.namespace}/{key.name}".encode(), digest_size=KEY_BYTES + 2).digest()

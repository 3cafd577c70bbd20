"""What was told of the objects of one kind: in memory, and as its shards keep it, whatever crashes in between.

A Change is written first, the fingerprints that it tells afterwards. Each shard says up to which Change it is written,
so whoever comes after a crash reads the later Changes over it, as a log over its checkpoint, and tells nothing twice.
What nobody wants to be told of is kept with the next write, for it costs nothing to find it again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kubeprobe.api import Change
from kubeprobe.plan.fingerprint import LABEL_KNOWN, ObjectKey, source_of
from kubeprobe.plan.known import COUNTS, NO_NAMESPACE, PLACE, THROUGH, Shard, key_hash, marks_of, shard_name, told_by
from probe_sdk.wire import LABEL_MANAGED, MANAGED_BY

FULL_BYTES = 200_000
"""Shards that have more are cut into sixteen each: every change writes one anew."""
ROOM_BYTES = 24
"""Of one object beside its name: its fingerprint, a space, a line's end escaped, and what its namespace costs."""


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
        self._parts: list[dict[ObjectKey, str]] = [dict(one.fingerprints) for one in whole]
        """What is known, by shard."""
        self._unwritten: set[int] = set()
        """Shards that a Change, or the first look at the kind, has to be written in before anything else."""
        self._stale: set[int] = set()
        """Shards in which only something stands out that nobody was told of."""
        self._writing: set[int] = set()
        if whole:
            self._replay(changes, present)
        else:
            self._cut(present, max((one.metadata.name for one in changes), default=""))

    def known(self, key: ObjectKey) -> str | None:
        """The fingerprint that was told of an object; None for one that was not there."""
        return self._parts[self._index(key)].get(key)

    def keys(self) -> tuple[ObjectKey, ...]:
        """All objects that are known."""
        return tuple(key for part in self._parts for key in part)

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
        wanted = (self._unwritten | (self._stale if all_of_it else set())) - self._writing
        if wanted and self._grow():
            wanted = set(self._unwritten)
        self._unwritten -= wanted
        self._stale -= wanted
        self._writing |= wanted
        return tuple(self._manifest(index) for index in sorted(wanted))

    def written(self, manifest: Mapping[str, Any]) -> None:
        """Take in that a shard was written."""
        index, count = _place(manifest)
        if count == len(self._parts):
            self._writing.discard(index)

    def failed(self, manifest: Mapping[str, Any]) -> None:
        """Take in that a shard was not written."""
        index, count = _place(manifest)
        if count == len(self._parts):
            self._writing.discard(index)
            self._unwritten.add(index)

    def spare(self) -> tuple[str, ...]:
        """The names of ConfigMaps that are of no use any more, once all that has to be written is."""
        if self._unwritten or self._writing:
            return ()
        return tuple(sorted(self._spare - self._names()))

    def deleted(self, name: str) -> None:
        """Take in that a ConfigMap that was of no use is gone."""
        self._spare.discard(name)

    def _replay(self, changes: Iterable[Change], present: Mapping[ObjectKey, str]) -> None:
        oldest, source = min(self._through.values()), source_of(self.kind)
        later = [one for one in changes if one.spec.source is source and one.metadata.name > oldest]
        marks = marks_of((*self.keys(), *present)) if any(one.spec.others for one in later) else {}
        for change in sorted(later, key=lambda one: one.metadata.name):
            name = change.metadata.name
            news = {key: mark for key, mark in told_by(change, marks).items() if key.kind == self.kind}
            self.tell(name, {key: mark for key, mark in news.items() if name > self._through[self._index(key)]})

    def _take(self, news: Mapping[ObjectKey, str]) -> set[int]:
        touched = set()
        for key, mark in news.items():
            index = self._index(key)
            touched.add(index)
            if mark:
                self._parts[index][key] = mark
            else:
                self._parts[index].pop(key, None)
        return touched

    def _index(self, key: ObjectKey) -> int:
        return int.from_bytes(key_hash(key)[-2:], "big") % len(self._parts)

    def _names(self) -> set[str]:
        return {shard_name(self.kind, index, len(self._parts)) for index in range(len(self._parts))}

    def _grow(self) -> bool:
        """Have more shards where they are full: the new ones are all written before the old ones go."""
        if _enough(self.keys()) <= len(self._parts):
            return False
        self._spare |= self._names()
        self._cut({key: mark for part in self._parts for key, mark in part.items()}, max(self._through.values()))
        return True

    def _cut(self, known: Mapping[ObjectKey, str], through: str) -> None:
        """Have as many shards as it takes, none of them written."""
        self._parts = [{} for _ in range(_enough(known))]
        self._through = dict.fromkeys(range(len(self._parts)), through)
        self._take(known)
        self._unwritten, self._stale, self._writing = set(range(len(self._parts))), set(), set()

    def _manifest(self, index: int) -> dict[str, Any]:
        lines: dict[str, list[str]] = defaultdict(list)
        part, count = self._parts[index], len(self._parts)
        for key in sorted(part):
            lines[key.namespace or NO_NAMESPACE].append(f"{key.name} {part[key]}")
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": shard_name(self.kind, index, count),
                "labels": {LABEL_KNOWN: self.kind, LABEL_MANAGED: MANAGED_BY},
                "annotations": {PLACE: f"{index}/{count}", THROUGH: self._through[index]},
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


def _place(manifest: Mapping[str, Any]) -> tuple[int, int]:
    index, _, count = manifest["metadata"]["annotations"][PLACE].partition("/")
    return int(index), int(count)

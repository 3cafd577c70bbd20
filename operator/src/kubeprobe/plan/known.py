"""How fingerprints are kept: as lines in ConfigMaps, a shard each, and as a few bytes each in a Change."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kubeprobe.api import Change, ChangedObject
from kubeprobe.plan.fingerprint import FINGERPRINT_BYTES, LABEL_KNOWN, Body, ObjectKey

COUNTS = (1, 16, 256)
"""How many shards a kind has: no more than its objects need, and never fewer again."""
THROUGH = "kubeprobe.io/through"
PLACE = "kubeprobe.io/shard"
NO_NAMESPACE = "_"
NAME_LENGTH, NAMESPACE_LENGTH = 253, 63
"""No object has a longer one: what was written by hand for one that has is none."""
KEY_BYTES = 6
PAIR_BYTES = KEY_BYTES + FINGERPRINT_BYTES
GONE = b"\0" * FINGERPRINT_BYTES


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
        if len(words) == 2 and 0 < len(words[0]) <= NAME_LENGTH and len(space) <= NAMESPACE_LENGTH
    }
    return Shard(meta["name"], kind, int(index), int(count), str(notes.get(THROUGH) or ""), found)


def told(change: Change, keys: Iterable[ObjectKey]) -> dict[ObjectKey, str]:
    """The fingerprints that a Change tells, by object, the named ones first; empty for one that it says is gone.

    Args:
        change: the Change.
        keys: the objects that those could be which it does not name.
    """
    return told_by(change, marks_of(keys) if change.spec.others else {})


def told_by(change: Change, marks: Mapping[bytes, ObjectKey]) -> dict[ObjectKey, str]:
    """The same as `told`, for who asks of many Changes: of a cluster's objects the marks take a while to compute.

    Args:
        change: the Change.
        marks: the objects that those could be which it does not name, by their marks; see `marks_of`.
    """
    found = {as_key(one): one.fingerprint for one in change.spec.objects}
    for mark, fingerprint in unpacked(change.spec.others).items():
        if mark in marks:
            found.setdefault(marks[mark], fingerprint)
    return found


def marks_of(keys: Iterable[ObjectKey]) -> dict[bytes, ObjectKey]:
    """Objects by their marks."""
    return {key_mark(key): key for key in keys}


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
    return key_hash(key)[:KEY_BYTES]


def as_key(one: ChangedObject) -> ObjectKey:
    """Which object a Change names."""
    return ObjectKey(one.kind, one.namespace, one.name)


def shard_name(kind: str, index: int, count: int) -> str:
    """What a shard is called."""
    return f"kubeprobe-known-{kind.lower()}-{index}-of-{count}"


def key_hash(key: ObjectKey) -> bytes:
    """What an object's shard, and its mark, follow from."""
    return hashlib.blake2b(f"{key.kind}/{key.namespace}/{key.name}".encode(), digest_size=KEY_BYTES + 2).digest()

"""What was told already: shards as a checkpoint, Changes as the log over it, and a process that dies anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from unittest import mock

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.plan.builders import at
from tests.unit.plan.changes import FIRST, SECOND, THIRD, WAIT, change, named

from kubeprobe.api import Change, ChangeSource
from kubeprobe.plan import batch as batches
from kubeprobe.plan import known
from kubeprobe.plan import ledger as ledgers
from kubeprobe.plan.batch import Batch, base_of, new_change, with_change, without
from kubeprobe.plan.changed import compare, missing
from kubeprobe.plan.fingerprint import ObjectKey, Tracked
from kubeprobe.plan.known import Shard, as_key, packed, read_shard, told
from kubeprobe.plan.ledger import Ledger

KIND = "Deployment"
A, B, C = (ObjectKey(KIND, "shop", name) for name in "abc")
NODE = ObjectKey("Node", "", "node-1")
ONE, TWO, THREE = "00000000000000a1", "00000000000000a2", "00000000000000a3"


def mark(number: int) -> str:
    return f"{number:016x}"


def stored(ledger: Ledger, *, all_of_it: bool = False) -> list[Shard]:
    """The shards that a ledger has written, read again."""
    found = []
    for manifest in ledger.to_write(all_of_it=all_of_it):
        ledger.written(manifest)
        shard = read_shard(json.loads(json.dumps(manifest)))
        assert shard is not None
        found.append(shard)
    return found


def followed(present: Mapping[ObjectKey, str], changes: tuple[Change, ...] = ()) -> tuple[Ledger, list[Shard]]:
    ledger = Ledger(KIND, [], changes, present)
    return ledger, stored(ledger)


def test_that_a_kind_is_followed_from_now_on_is_no_change() -> None:
    ledger, shards = followed({A: ONE, B: TWO}, (change(FIRST, objects=[named(A, THREE)]),))
    assert (ledger.known(A), ledger.known(B), ledger.known(C)) == (ONE, TWO, None)
    assert ledger.keys() == (A, B)
    (shard,) = shards
    assert (shard.name, shard.index, shard.count, shard.through) == ("kubeprobe-known-deployment-0-of-1", 0, 1, FIRST)
    assert shard.fingerprints == {A: ONE, B: TWO}
    assert ledger.to_write(all_of_it=True) == ()
    again = Ledger(KIND, shards, (change(FIRST, objects=[named(A, THREE)]),), {A: TWO})
    assert (again.known(A), again.known(B)) == (ONE, TWO)
    assert again.to_write(all_of_it=True) == ()


def test_a_change_is_taken_in_and_written() -> None:
    ledger, _ = followed({A: ONE, B: TWO})
    ledger.tell(FIRST, {A: THREE, B: "", C: ONE})
    assert (ledger.known(A), ledger.known(B), ledger.known(C)) == (THREE, None, ONE)
    (shard,) = stored(ledger)
    assert (shard.through, shard.fingerprints) == (FIRST, {A: THREE, C: ONE})


def test_what_nobody_wants_to_be_told_of_is_written_with_the_next() -> None:
    ledger, _ = followed({A: ONE})
    ledger.note(B, TWO)
    ledger.note(A, "")
    assert (ledger.known(A), ledger.known(B)) == (None, TWO)
    assert ledger.to_write(all_of_it=False) == ()
    (shard,) = stored(ledger, all_of_it=True)
    assert (shard.through, shard.fingerprints) == ("", {B: TWO})


def test_changes_that_are_not_in_the_shards_are_read_over_them() -> None:
    _, shards = followed({A: ONE})
    changes = (
        change(SECOND, objects=[named(A, THREE)]),
        change(FIRST, objects=[named(A, TWO), named(B, TWO)]),
        change(THIRD, source=ChangeSource.NODE, objects=[named(A, mark(9))]),
    )
    ledger = Ledger(KIND, shards, changes, {})
    assert (ledger.known(A), ledger.known(B)) == (THREE, TWO)
    (shard,) = stored(ledger)
    assert shard.through == SECOND
    assert Ledger(KIND, [shard], changes, {}).to_write(all_of_it=True) == ()


def test_a_change_that_is_in_the_shard_is_not_read_over_what_came_later() -> None:
    ledger, _ = followed({A: ONE})
    ledger.tell(FIRST, {A: TWO})
    ledger.note(A, ONE)
    shards = stored(ledger, all_of_it=True)
    assert Ledger(KIND, shards, (change(FIRST, objects=[named(A, TWO)]),), {}).known(A) == ONE


def test_kinds_do_not_mix() -> None:
    _, shards = followed({A: ONE})
    other = Ledger("StatefulSet", shards, (change(FIRST, objects=[named(A, TWO)]),), {})
    assert other.keys() == ()
    stateful = ObjectKey("StatefulSet", "shop", "a")
    ledger = Ledger(KIND, shards, (change(FIRST, objects=[named(stateful, TWO)]),), {})
    assert ledger.keys() == (A,)


def test_a_write_that_failed_is_tried_again_and_none_is_under_way_twice() -> None:
    ledger, _ = followed({A: ONE})
    ledger.tell(FIRST, {A: TWO})
    (first,) = ledger.to_write(all_of_it=False)
    ledger.tell(SECOND, {A: THREE})
    assert ledger.to_write(all_of_it=False) == ()
    assert ledger.spare() == ()
    ledger.failed(first)
    (second,) = ledger.to_write(all_of_it=False)
    assert second["metadata"]["annotations"]["kubeprobe.io/through"] == SECOND
    ledger.written(second)
    assert ledger.to_write(all_of_it=True) == ()


# More objects than one shard takes


def small(action: Callable[[], Any]) -> Any:
    """The action with shards that are full with three objects."""
    with mock.patch.object(ledgers, "FULL_BYTES", 80):
        return action()


def many(count: int) -> dict[ObjectKey, str]:
    return {ObjectKey(KIND, "shop", f"n{number}"): mark(number) for number in range(count)}


def test_a_full_shard_is_cut_and_the_old_one_goes_when_the_new_ones_are_there() -> None:
    ledger = Ledger(KIND, [], (), {A: ONE})
    old = stored(ledger)
    ledger.tell(FIRST, {**many(20)})
    manifests = small(lambda: ledger.to_write(all_of_it=False))
    assert len(manifests) == 16
    for manifest in manifests:
        assert ledger.spare() == ()
        ledger.written(manifest)
    assert ledger.spare() == ("kubeprobe-known-deployment-0-of-1",)
    new = [shard for manifest in manifests if (shard := read_shard(manifest)) is not None]
    assert {shard.through for shard in new} == {FIRST}
    again = Ledger(KIND, [*old, *new], (), {})
    assert dict.fromkeys(again.keys()) == dict.fromkeys([A, *many(20)])
    assert again.spare() == ("kubeprobe-known-deployment-0-of-1",)
    again.deleted("kubeprobe-known-deployment-0-of-1")
    assert again.spare() == ()


def test_a_cut_that_was_not_finished_was_not_begun() -> None:
    ledger = Ledger(KIND, [], (), {A: ONE})
    old = stored(ledger)
    ledger.tell(FIRST, {**many(20)})
    manifests = small(lambda: ledger.to_write(all_of_it=False))
    late = manifests[-1]
    some = [shard for manifest in manifests[:-1] if (shard := read_shard(manifest)) is not None]
    again = Ledger(KIND, [*old, *some], (change(FIRST, objects=[named(B, TWO)]),), {})
    assert again.keys() == (A, B)
    assert len(again.spare()) == 0
    stored(again)
    assert len(again.spare()) == 15
    again.tell(SECOND, {**many(20)})
    assert len(small(lambda: again.to_write(all_of_it=False))) == 16
    again.written(old_manifest())
    again.failed(old_manifest())
    again.written(late)
    assert again.spare() == ()


def old_manifest() -> dict[str, Any]:
    return {"metadata": {"annotations": {"kubeprobe.io/shard": "0/1"}}}


def test_a_baseline_that_was_not_finished_is_taken_anew() -> None:
    ledger = small(lambda: Ledger(KIND, [], (), many(20)))
    some = [shard for manifest in ledger.to_write(all_of_it=False)[:9] if (shard := read_shard(manifest)) is not None]
    again = Ledger(KIND, some, (), {A: ONE})
    assert again.keys() == (A,)


def test_there_is_an_end_to_cutting() -> None:
    with mock.patch.object(ledgers, "FULL_BYTES", 1):
        ledger = Ledger(KIND, [], (), many(300))
        shards = stored(ledger)
        assert len(shards) == 256
        ledger.tell(FIRST, {A: ONE})
        assert len(ledger.to_write(all_of_it=False)) == 1
    assert dict.fromkeys(Ledger(KIND, shards, (), {}).keys()) == dict.fromkeys(many(300))


# A process that dies anywhere


class DiedError(Exception):
    pass


class Cluster:
    """The API server: objects, Changes and shards; each write may be the last one of the process that makes it."""

    def __init__(self) -> None:
        self.present: dict[ObjectKey, str] = {}
        self.changes: list[Change] = []
        self.shards: dict[str, dict[str, Any]] = {}
        self.writes_left: int | None = None
        self.now = 0.0

    def write(self, action: Callable[[], Any]) -> None:
        """A write dies before it is made, or after; with no writes left none of it comes back."""
        if self.writes_left is not None:
            self.writes_left -= 1
            if self.writes_left == 0:
                raise DiedError
        action()
        if self.writes_left is not None:
            self.writes_left -= 1
            if self.writes_left == 0:
                raise DiedError


class Process:
    """The operator as far as this is about it: what it does with what it sees, in the order in which it has to."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        shards = [shard for body in cluster.shards.values() if (shard := read_shard(body)) is not None]
        self.ledger = Ledger(KIND, shards, cluster.changes, cluster.present)
        self.view: dict[ObjectKey, Tracked] = {}
        self.batch: Batch | None = None
        for key in dict.fromkeys([*cluster.present, *self.ledger.keys()]):
            self.see(key)

    def see(self, key: ObjectKey) -> None:
        now, mark_now, told_mark = at(self.cluster.now), self.cluster.present.get(key), self.ledger.known(key)
        base = base_of(self.batch, key, self.view.pop(key, None))
        if mark_now is None:
            found = missing(key, base, now) if told_mark is not None else None
        else:
            self.view[key] = Tracked(key, "apps/v1", "u", 1, {}, mark_now, (), "", None, "")
            found = compare(told_mark, base, self.view[key], now)
        if found is None:
            self.batch = without(self.batch, key)
        elif key.namespace == "quiet":
            self.ledger.note(key, found.fingerprint)
        else:
            self.batch = with_change(self.batch, ChangeSource.ROLLOUT, found, WAIT, now)

    def work(self) -> None:
        """What is due now."""
        now = at(self.cluster.now)
        if self.batch is not None and self.batch.is_due(now):
            newest = max((one.metadata.name for one in self.cluster.changes), default="")
            made = Change.model_validate(new_change(self.batch, newest, (), 0, (), now))
            self.cluster.write(lambda: self.cluster.changes.append(made))
            self.ledger.tell(made.metadata.name, {key: one.fingerprint for key, one in self.batch.changes.items()})
            self.batch = None
        for manifest in self.ledger.to_write(all_of_it=self.cluster.now % 7 < 1):
            self.cluster.write(lambda one=manifest: self.cluster.shards.update({one["metadata"]["name"]: one}))  # type: ignore[misc]
            self.ledger.written(manifest)
        for name in self.ledger.spare():
            self.cluster.write(lambda one=name: self.cluster.shards.pop(one, None))  # type: ignore[misc]
            self.ledger.deleted(name)


KEYS = [ObjectKey(KIND, space, name) for space in ("shop", "quiet") for name in "abcdefgh"]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, len(KEYS) - 1), st.integers(1, 3)),
        st.tuples(st.just("delete"), st.integers(0, len(KEYS) - 1), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 15), st.just(0)),
        st.tuples(st.just("die"), st.integers(0, 4) | st.integers(5, 40), st.integers(0, 1)),
        st.just(("wait", 11, 0)),
    ),
    max_size=40,
)


def lived(cluster: Cluster, steps: list[tuple[str, int, int]]) -> Process:
    """The process that is there in the end, after all that happened and a quiet minute."""
    Process(cluster).work()  # from then on the kind is followed
    process: Process | None = None
    for what, number, value in [*steps, ("wait", 15, 0), ("wait", 15, 0), ("wait", 15, 0)]:
        if what in ("put", "delete"):
            key = KEYS[number]
            if what == "put":
                cluster.present[key] = mark(value)
            else:
                cluster.present.pop(key, None)
            if process is not None:
                process.see(key)
            continue
        process = process or Process(cluster)
        try:
            if what == "die" and number == 0:
                process = None
            elif what == "die":
                cluster.writes_left = number
            else:
                for _ in range(number):
                    cluster.now += 1
                    process.work()
        except DiedError:
            cluster.writes_left, process = None, None
    cluster.writes_left = None
    process = Process(cluster)
    cluster.now += 20
    process.work()
    cluster.now += 20
    process.work()
    return process


@settings(max_examples=300, deadline=None)
@example([("put", 6, 1), ("put", 7, 1), ("die", 2, 0), ("wait", 11, 0)], 0)  # two are new, and only one is named
@example([("delete", 0, 0), ("delete", 1, 0), ("die", 2, 0), ("wait", 11, 0)], 3)  # two go, and only one is named
@example([("put", 0, 2), ("put", 1, 2), ("die", 1, 0), ("wait", 11, 0)], 3)
@given(STEPS, st.integers(0, 6))
def test_every_change_is_told_once_wherever_the_process_dies(steps: list[tuple[str, int, int]], there: int) -> None:
    with mock.patch.object(batches, "MOST_OBJECTS", 1), mock.patch.object(ledgers, "FULL_BYTES", 150):
        cluster = Cluster()
        cluster.present = {key: mark(1) for key in KEYS[:there]}
        first = dict(cluster.present)
        process = lived(cluster, steps)
        for key in KEYS:
            story = [(one, marks[key]) for one in cluster.changes if key in (marks := told(one, KEYS))]
            if key.namespace == "quiet":
                assert story == []
                assert process.ledger.known(key) == cluster.present.get(key)
                continue
            before = first.get(key, "")
            for _, one_mark in story:
                assert one_mark != before, "it was told what it had been told"
                before = one_mark
            is_now = cluster.present.get(key, "")
            if is_now or not story or key in {as_key(one) for one in story[-1][0].spec.objects}:
                assert before == is_now, "the last that was told is not how it is"
        names = [one.metadata.name for one in cluster.changes]
        assert names == sorted(set(names))
        assert all(one.spec.closed - one.spec.began <= at(61) - at(0) for one in cluster.changes)


def test_many_changes_are_read_over_it_and_each_object_is_looked_at_once() -> None:
    keys = [ObjectKey("Deployment", "shop", f"d-{number}") for number in range(5)]
    present = dict.fromkeys(keys, "00000000000000a1")
    others = packed((key, "00000000000000a2") for key in keys[1:])
    later = [change(f"chg-{number:026d}", objects=[named(keys[0])], others=others, count=5) for number in range(3)]
    (manifest,) = Ledger("Deployment", [], (), present).to_write(all_of_it=False)
    shard = read_shard(manifest)
    assert shard is not None
    with mock.patch.object(known, "key_mark", wraps=known.key_mark) as looked_at:
        ledger = Ledger("Deployment", [shard], later, present)
    assert {ledger.known(key) for key in keys} == {"00000000000000aa", "00000000000000a2"}
    assert looked_at.call_count <= 2 * len(keys)

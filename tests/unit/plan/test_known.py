"""How fingerprints are written, and read again."""

from __future__ import annotations

import pytest
from tests.unit.plan.changes import change, named

from kubeprobe.plan.fingerprint import ObjectKey
from kubeprobe.plan.known import Shard, as_key, key_mark, packed, read_shard, told, unpacked
from kubeprobe.plan.ledger import Ledger

KIND = "Deployment"
A, B, C = (ObjectKey(KIND, "shop", name) for name in "abc")
NODE = ObjectKey("Node", "", "node-1")
ONE, TWO = "00000000000000a1", "00000000000000a2"


def test_shards_are_read_as_they_are_written() -> None:
    ledger = Ledger("Node", [], (), {NODE: ONE})
    (manifest,) = ledger.to_write(all_of_it=False)
    assert manifest == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "kubeprobe-known-node-0-of-1",
            "labels": {"kubeprobe.io/known": "Node", "app.kubernetes.io/managed-by": "kubeprobe"},
            "annotations": {"kubeprobe.io/shard": "0/1", "kubeprobe.io/through": ""},
        },
        "data": {"_": f"node-1 {ONE}"},
    }
    assert read_shard(manifest) == Shard("kubeprobe-known-node-0-of-1", "Node", 0, 1, "", {NODE: ONE})


@pytest.mark.parametrize(
    ("labels", "notes"),
    [
        ({}, {"kubeprobe.io/shard": "0/1"}),
        ({"kubeprobe.io/known": "Node"}, {}),
        ({"kubeprobe.io/known": "Node"}, {"kubeprobe.io/shard": "x/1"}),
        ({"kubeprobe.io/known": "Node"}, {"kubeprobe.io/shard": "0/7"}),
        ({"kubeprobe.io/known": "Node"}, {"kubeprobe.io/shard": "1/1"}),
    ],
)
def test_what_was_edited_into_something_else_is_no_shard(labels: dict[str, str], notes: dict[str, str]) -> None:
    assert read_shard({"metadata": {"name": "s", "labels": labels, "annotations": notes}, "data": {}}) is None


def test_lines_that_say_nothing_are_passed_over() -> None:
    notes = {"kubeprobe.io/shard": "0/1"}
    body = {"metadata": {"name": "s", "labels": {"kubeprobe.io/known": KIND}, "annotations": notes}}
    shard = read_shard({**body, "data": {"shop": f"a {ONE}\nnonsense\n\nb {TWO} x"}})
    assert shard is not None
    assert shard.fingerprints == {A: ONE}
    assert read_shard(body) is not None


def test_lines_about_what_no_object_is_called_are_passed_over() -> None:
    notes = {"kubeprobe.io/shard": "0/1"}
    body = {"metadata": {"name": "s", "labels": {"kubeprobe.io/known": KIND}, "annotations": notes}}
    lines = f"a {ONE}\n {TWO}\n{'b' * 254} {TWO}"
    shard = read_shard({**body, "data": {"shop": lines, "s" * 64: f"a {TWO}"}})
    assert shard is not None
    assert shard.fingerprints == {A: ONE}


def test_packed_objects_are_unpacked_and_nonsense_is_nothing() -> None:
    assert unpacked(packed([(A, ONE), (B, "")])) == {key_mark(A): ONE, key_mark(B): ""}
    assert unpacked("") == {}
    assert unpacked("not base64!") == {}
    assert unpacked("ä") == {}
    assert unpacked("AAAA") == {}


def test_what_a_change_does_not_name_is_known_again() -> None:
    one = change(objects=[named(A, ONE)], others=packed([(B, TWO), (C, "")]), count=3)
    assert told(one, ()) == {A: ONE}
    assert told(change(objects=[named(A, ONE)]), (A, B)) == {A: ONE}
    assert told(one, (A, B, C, NODE)) == {A: ONE, B: TWO, C: ""}
    assert as_key(one.spec.objects[0]) == A

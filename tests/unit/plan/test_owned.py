"""What is read of a prober's objects, and when they are as they should be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kubeprobe.plan.owned import Owned, OwnedKind, covers, digest, read_owned


def read(kind: str, metadata: dict[str, Any] | None = None, **body: Any) -> Owned:
    meta = {"name": "m-resident", "namespace": "probes", "uid": "u", "resourceVersion": "7", **(metadata or {})}
    return read_owned(OwnedKind(kind), {"metadata": meta, **body})


def test_the_head_of_an_object_is_kept() -> None:
    metadata = {"generation": 3, "labels": {"kubeprobe.io/config": "m"}, "ownerReferences": [{"uid": "owner"}]}
    one = read("Deployment", metadata, spec={"replicas": 1})
    assert (one.namespace, one.name, one.uid, one.resource_version, one.generation) == (
        "probes", "m-resident", "u", 7, 3,
    )  # fmt: skip
    assert (one.config, one.owner_uids, one.spec, one.digest) == ("m", ("owner",), {"replicas": 1}, "")
    assert (one.wanted, one.available, one.complaint) == (0, 0, "")
    bare = read("DaemonSet")
    assert (bare.config, bare.owner_uids, bare.spec, bare.generation) == ("", (), {}, 0)


def test_a_config_map_is_known_by_its_data_and_a_workload_by_what_was_asked_for() -> None:
    assert read("ConfigMap", data={"a": "b"}).digest == digest({"a": "b"})
    assert read("ConfigMap").digest == digest({})
    annotated = {"annotations": {"kubeprobe.io/digest": "d"}}
    assert read("Deployment", annotated, data={"a": "b"}).digest == "d"


def test_a_config_map_tells_the_labels_of_targets() -> None:
    targets = [
        {"name": "a", "labels": {"team": "shop", "not a name": "x", "long": "y" * 254}},
        {"name": "b"},
    ]
    file = json.dumps({"interval": "1s", "targets": targets})
    assert read("ConfigMap", data={"resident.json": file}).labels == {"a": {"team": "shop"}}
    for broken in ({"resident.json": "{"}, {"resident.json": "{}"}, {}):
        assert read("ConfigMap", data=broken).labels == {}
    assert read("Deployment", data={"resident.json": file}).labels == {}


def test_each_controller_counts_in_its_own_words() -> None:
    one = read("Deployment", status={"replicas": 2, "availableReplicas": 1})
    other = read("DaemonSet", status={"desiredNumberScheduled": 5, "numberAvailable": 4})
    assert ((one.wanted, one.available), (other.wanted, other.available)) == ((2, 1), (5, 4))


@pytest.mark.parametrize(
    ("conditions", "complaint"),
    [
        ([{"type": "Progressing", "status": "True", "message": "well"}], ""),
        ([{"type": "Progressing", "status": "False", "message": "too slow"}], "too slow"),
        ([{"type": "Progressing", "status": "False", "reason": "Slow"}], "Slow"),
        (
            [
                {"type": "Progressing", "status": "False", "message": "too slow"},
                {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"},
            ],
            "exceeded quota",
        ),
    ],
)
def test_what_a_controller_complains_of(conditions: list[dict[str, str]], complaint: str) -> None:
    assert read("Deployment", status={"conditions": conditions}).complaint == complaint


@pytest.mark.parametrize(
    ("wanted", "there", "is_there"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"b": 2}, False),
        ({"a": 1}, None, False),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}, True),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"a": [1]}, {"a": 1}, False),
        ("x", "x", True),
        ("x", "y", False),
    ],
)
def test_all_that_is_wanted_is_there(wanted: Any, there: Any, is_there: bool) -> None:
    assert covers(wanted, there) is is_there

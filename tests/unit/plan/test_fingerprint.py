from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.plan.builders import at
from tests.unit.plan.changes import data_body, node_body, tracked, workload_body

from kubeprobe.api import ChangeSource
from kubeprobe.plan.fingerprint import (
    CAUSE,
    LABEL_KNOWN,
    Facts,
    ObjectKey,
    differences,
    fingerprint,
    is_own,
    read_tracked,
    source_of,
)

HOOKS = {
    "metadata": {"name": "hooks", "uid": "u", "resourceVersion": "1"},
    "webhooks": [{"name": "a", "clientConfig": {}}],
}
CRD = {
    "metadata": {"name": "crd", "uid": "u", "resourceVersion": "1"},
    "spec": {"group": "x", "versions": [{"name": "v1", "served": True}]},
}


def test_a_workload_is_its_pod_template_and_itself() -> None:
    one = tracked()
    assert (one.key, one.api_version, one.labels) == (
        ObjectKey("Deployment", "shop", "cart"),
        "apps/v1",
        {"app": "cart"},
    )
    assert str(one.key) == "Deployment shop/cart"
    assert str(ObjectKey("Node", "", "node-1")) == "Node node-1"
    assert len(one.fingerprint) == 16
    for same in (
        tracked(spec={"replicas": 7}),
        tracked(generation=9, resourceVersion="99", annotations={"a": "b"}),
        tracked(status={"replicas": 3}),
    ):
        assert same.fingerprint == one.fingerprint
    for other in (tracked("cart:2"), tracked(uid="another")):
        assert other.fingerprint != one.fingerprint


def test_what_is_null_is_as_if_it_was_not_there() -> None:
    assert fingerprint({"a": None, "b": [{"c": None}]}) == fingerprint({"b": [{}]})
    assert fingerprint({"b": 1, "a": 2}) == fingerprint({"a": 2, "b": 1})
    assert fingerprint([1, 2]) != fingerprint([2, 1])


@pytest.mark.parametrize(
    "other",
    [node_body(kubelet="v1.31.0"), node_body(cordoned=True), node_body(uid="another")],
)
def test_a_node_is_its_versions_and_whether_it_is_cordoned(other: dict[str, Any]) -> None:
    one = read_tracked("Node", node_body())
    assert read_tracked("Node", node_body(labels={"a": "b"})).fingerprint == one.fingerprint
    assert read_tracked("Node", other).fingerprint != one.fingerprint


def test_a_config_map_is_its_data_whoever_made_it() -> None:
    one = read_tracked("ConfigMap", data_body(data={"a": "1"}))
    assert read_tracked("ConfigMap", data_body(data={"a": "1"}, uid="another")).fingerprint == one.fingerprint
    assert read_tracked("ConfigMap", data_body(data={"a": "2"})).fingerprint != one.fingerprint
    binary = {**data_body(), "binaryData": {"a": "1"}, "data": None}
    assert [name for name, _ in read_tracked("ConfigMap", binary).facts] == ["a"]


def test_a_secret_is_sealed() -> None:
    body = data_body(data={"password": "aHVudGVyMg=="})
    one, other = read_tracked("Secret", body, b"seal"), read_tracked("Secret", body, b"another")
    assert one.fingerprint == read_tracked("Secret", body, b"seal").fingerprint
    assert one.fingerprint != other.fingerprint
    assert one.facts != other.facts
    assert "aHVudGVyMg" not in repr(one)
    with pytest.raises(ValueError, match="needs a seal"):
        read_tracked("Secret", body)
    plain = read_tracked("ConfigMap", body)
    assert read_tracked("ConfigMap", body, b"seal") == plain


@pytest.mark.parametrize(
    ("kind", "body", "path"),
    [
        ("ValidatingWebhookConfiguration", HOOKS, "webhooks"),
        ("MutatingWebhookConfiguration", HOOKS, "webhooks"),
        ("CustomResourceDefinition", CRD, "spec"),
    ],
)
def test_configuration_of_the_api_server(kind: str, body: dict[str, Any], path: str) -> None:
    one = read_tracked(kind, body)
    assert one.key == ObjectKey(kind, "", body["metadata"]["name"])
    assert read_tracked(kind, {**body, path: None}).fingerprint != one.fingerprint
    assert len(one.facts) == 1


def test_an_object_that_says_nothing_is_read() -> None:
    bare = {"metadata": {"name": "x", "uid": "u", "resourceVersion": "1"}}
    for kind in ("Deployment", "Node", "ConfigMap", "CustomResourceDefinition", "ValidatingWebhookConfiguration"):
        assert read_tracked(kind, bare).labels == {}


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("Deployment", ChangeSource.ROLLOUT),
        ("Rollout.argoproj.io", ChangeSource.ROLLOUT),
        ("Node", ChangeSource.NODE),
        ("Secret", ChangeSource.OBJECT),
    ],
)
def test_where_changes_of_a_kind_belong(kind: str, source: ChangeSource) -> None:
    assert source_of(kind) is source


# What changed


def test_images_are_told_as_they_were_and_are() -> None:
    side = {"template": {"spec": {"initContainers": [{"name": "init", "image": "i:1"}], "containers": []}}}
    assert differences(tracked("a:1"), tracked("a:2")) == (("app",), "app: a:1 → a:2")
    assert differences(tracked("a:1"), tracked(spec=side)) == (("app", "init"), "app removed (a:1); init added (i:1)")


def test_what_is_no_image_is_told_as_the_template() -> None:
    assert differences(
        tracked(), tracked(spec={"template": {"spec": {"containers": [{"name": "app", "image": "cart:1", "env": []}]}}})
    ) == (
        (),
        "spec.template",
    )


def test_a_node_is_told_by_its_facts() -> None:
    before, after = node_body(), node_body(kubelet="v1.31.0", cordoned=True)
    assert differences(read_tracked("Node", before), read_tracked("Node", after)) == (
        ("Cordon", "Kubelet"),
        "Cordon: open → cordoned; Kubelet: v1.30.0 → v1.31.0",
    )


def test_of_data_the_keys_alone_are_told_and_never_many() -> None:
    before = read_tracked("ConfigMap", data_body(data={"same": "1", "b": "1"}))
    after = read_tracked("ConfigMap", data_body(data={"same": "1", "b": "2", "c": "3"}))
    assert differences(before, after) == (("b", "c"), "b; c")
    many = read_tracked("ConfigMap", data_body(data={f"key-{number:03}": "x" for number in range(200)}))
    assert len(many.facts) == 50
    parts, details = differences(before, many)
    assert (len(parts), len(details.encode()) <= 256) == (10, True)


# Who changed it


def managed(manager: str, minute: int, *fields: str, subresource: str = "") -> dict[str, Any]:
    owned: dict[str, Any] = {}
    inner = owned
    for field in fields:
        inner = inner.setdefault(f"f:{field}", {})
    time = f"2026-03-01T12:{minute:02}:00Z"
    return {
        "manager": manager,
        "time": time,
        "fieldsV1": owned,
        **({"subresource": subresource} if subresource else {}),
    }


ENTRIES: list[tuple[str, list[dict[str, Any]], tuple[str, Any]]] = [
    ("nobody is told", [], ("", None)),
    (
        "the newest that owns some of the template",
        [managed("helm", 1, "spec", "template"), managed("kubectl", 3, "spec", "template"), managed("hpa", 9, "spec")],
        ("kubectl", at(180)),
    ),
    (
        "the controller's status does not count",
        [managed("helm", 1), managed("kcm", 2, subresource="status")],
        ("helm", at(60)),
    ),
    ("none owns it", [managed("helm", 1, "metadata"), managed("x", 2, "spec", "replicas")], ("x", at(120))),
    ("without a time", [{"manager": "old", "fieldsV1": None, "time": None}], ("old", None)),
]


@pytest.mark.parametrize(("entries", "expected"), [row[1:] for row in ENTRIES], ids=[row[0] for row in ENTRIES])
def test_who_wrote_it(entries: list[dict[str, Any]], expected: tuple[str, Any]) -> None:
    one = tracked(managedFields=entries)
    assert (one.by, one.written_at) == expected


def test_of_a_node_only_who_cordoned_it_is_known() -> None:
    entries = [managed("kubelet", 5, "metadata"), managed("kubectl-cordon", 1, "spec", "unschedulable")]
    one = read_tracked("Node", node_body(cordoned=True, managedFields=entries))
    assert (one.by, one.written_at) == ("kubectl-cordon", at(60))
    other = read_tracked("Node", node_body(managedFields=entries[:1]))
    assert (other.by, other.written_at) == ("", None)


def test_why_it_was_changed() -> None:
    assert tracked(annotations={CAUSE: "JIRA-7"}).cause == "JIRA-7"


@pytest.mark.parametrize("label", ["kubeprobe.io/run", "kubeprobe.io/config", "kubeprobe.io/resident", LABEL_KNOWN])
def test_our_own_doing_is_no_change(label: str) -> None:
    assert is_own(workload_body(labels={label: "x"}))
    assert not is_own(workload_body())
    assert not is_own({"metadata": {}})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, JSON)
def test_just_what_differs_has_another_fingerprint(one: Any, other: Any) -> None:
    assert (fingerprint(one) == fingerprint(other)) == (bare(one) == bare(other))


def bare(value: Any) -> Any:
    """The value without what is null, with numbers and truth kept apart."""
    if isinstance(value, dict):
        return {key: bare(part) for key, part in value.items() if part is not None}
    return [bare(part) for part in value] if isinstance(value, list) else (type(value), value)


def test_facts_are_small() -> None:
    facts: Facts = tracked().facts
    assert facts == (("app", "cart:1"),)

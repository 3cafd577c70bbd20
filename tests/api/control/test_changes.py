"""Changes on a real API server: found by watch or after a time without an operator, written once, and probed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.api.control.conftest import SOON_SECONDS, Operator, working
from tests.lab.kubectl import Kubectl, eventually

SHARD = "kubeprobe-known-deployment-0-of-1"
QUIET = "1s"


@dataclass
class Cluster:
    """An API server without controllers, and an operator that can be killed."""

    operator: Operator

    @property
    def kubectl(self) -> Kubectl:
        return self.operator.kubectl

    @property
    def log(self) -> Path:
        return self.operator.log

    def changes(self, namespace: str) -> list[dict[str, Any]]:
        """The Changes about a namespace, in their order."""
        found = [one for one in self.kubectl.list("changes") if one["spec"]["objects"][0].get("namespace") == namespace]
        return sorted(found, key=lambda one: str(one["metadata"]["name"]))

    def change(self, namespace: str, number: int) -> dict[str, Any]:
        """The Change of this number, once it is there."""
        return eventually(
            f"Change {number} about {namespace}",
            lambda: next(iter(self.changes(namespace)[number:]), None),
            SOON_SECONDS,
            self.log.read_text,
        )

    def known(self, name: str, namespace: str) -> str:
        """What is kept of a Deployment."""

        def look() -> str | None:
            lines = ((self.kubectl.get("configmap", SHARD, "default") or {}).get("data") or {}).get(namespace, "")
            return dict(line.split(" ") for line in lines.split("\n") if line).get(name)

        return eventually(f"fingerprint of {name}", look, SOON_SECONDS, self.log.read_text)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with working(tmp_path_factory.mktemp("changes")) as operator:
        operator.template("watcher")
        yield Cluster(operator)


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace with a Deployment, and a config that runs when it changes."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("create", "serviceaccount", "default", "-n", name)
    cluster.operator.deploy(name, "cart:1")
    cluster.operator.config("watcher", name, triggers=[{"rollout": {"kinds": ["Deployment"], "quiet": QUIET}}])
    cluster.known("cart", name)
    yield name
    cluster.kubectl("delete", "probeconfig", "watcher", "-n", name)
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def run_of(cluster: Cluster, namespace: str, change: str) -> dict[str, Any]:
    """The run that a Change asked for, once it is there."""

    def look() -> dict[str, Any] | None:
        runs = cluster.kubectl.list("proberuns", namespace)
        return next((one for one in runs if one["spec"]["trigger"].get("changeID") == change), None)

    return eventually(f"run for {change}", look, SOON_SECONDS, cluster.log.read_text)


def test_a_change_is_written_probed_and_told(cluster: Cluster, namespace: str) -> None:
    cluster.operator.deploy(namespace, "cart:2")
    change = cluster.change(namespace, 0)
    name = change["metadata"]["name"]
    assert change["spec"]["summary"] == f"Deployment {namespace}/cart: app: cart:1 → cart:2"
    assert [one["name"] for one in change["spec"]["probes"]] == ["watcher"]
    run = run_of(cluster, namespace, name)
    assert run["metadata"]["labels"]["kubeprobe.io/change"] == name
    pod = run["metadata"]["name"]
    eventually("its pod", lambda: cluster.kubectl.get("pod", pod, namespace), SOON_SECONDS, cluster.log.read_text)
    answer = cluster.operator.report(cluster.operator.token(pod, namespace), {"ok": True})
    assert answer.status_code == 200, answer.text
    cluster.kubectl("wait", "--for=condition=Verified", f"change/{name}", "--timeout=30s")
    status = cluster.changes(namespace)[0]["status"]
    assert (status["phase"], status["counts"]["passed"]) == ("Passed", 1)
    assert [line["reason"] for line in status["timeline"]][:2] == ["Changed", "Closed"]

    def told() -> bool:
        reasons = {
            one["reason"]
            for one in cluster.kubectl.list("events", namespace)
            if one["involvedObject"]["kind"] == "Deployment"
        }
        return {"ChangeSeen", "ChangePassed"} <= reasons

    eventually("Events on the Deployment", told, SOON_SECONDS, cluster.log.read_text)


def test_replicas_labels_and_annotations_are_no_change(cluster: Cluster, namespace: str) -> None:
    before = cluster.known("cart", namespace)
    cluster.kubectl("scale", "deployment/cart", "-n", namespace, "--replicas=5")
    cluster.kubectl("annotate", "deployment/cart", "-n", namespace, "note=1")
    cluster.kubectl("label", "deployment/cart", "-n", namespace, "tier=front")
    cluster.operator.deploy(namespace, "pay:1", "pay")
    change = cluster.change(namespace, 0)
    assert [(one["name"], one["type"]) for one in change["spec"]["objects"]] == [("pay", "Added")]
    assert cluster.known("cart", namespace) == before


def test_a_change_without_an_operator_is_found_when_it_is_back_and_told_once(cluster: Cluster, namespace: str) -> None:
    before = cluster.known("cart", namespace)
    cluster.operator.kill()
    cluster.operator.deploy(namespace, "cart:2")
    cluster.operator.begin()
    change = cluster.change(namespace, 0)
    [one] = change["spec"]["objects"]
    assert (one["name"], one["type"], one.get("parts")) == ("cart", "Modified", None)
    eventually(
        "the new fingerprint",
        lambda: cluster.known("cart", namespace) != before,
        SOON_SECONDS,
        cluster.log.read_text,
    )
    cluster.operator.kill()
    cluster.operator.begin()
    cluster.operator.deploy(namespace, "cart:3")
    second = cluster.change(namespace, 1)
    assert [one["fingerprint"] for one in second["spec"]["objects"]] != [one["fingerprint"]]
    assert len(cluster.changes(namespace)) == 2


def test_a_status_that_was_edited_by_hand_is_put_right(cluster: Cluster, namespace: str) -> None:
    cluster.operator.deploy(namespace, "cart:2")
    name = cluster.change(namespace, 0)["metadata"]["name"]
    run_of(cluster, namespace, name)
    forged = json.dumps({"status": {"phase": "Passed", "reason": "Forged"}})
    cluster.kubectl("patch", "change", name, "--subresource=status", "--type=merge", "-p", forged)

    def right() -> bool:
        return bool(cluster.changes(namespace)[0]["status"]["reason"] == "ProbesRunning")

    eventually("its own status", right, SOON_SECONDS, cluster.log.read_text)


def test_what_changed_cannot_be_edited(cluster: Cluster, namespace: str) -> None:
    cluster.operator.deploy(namespace, "cart:2")
    name = cluster.change(namespace, 0)["metadata"]["name"]
    edit = json.dumps({"spec": {"summary": "nothing"}})
    with pytest.raises(Exception, match="never changes"):
        cluster.kubectl("patch", "change", name, "--type=merge", "-p", edit)


def test_secrets_are_followed_where_the_operator_was_told_to(cluster: Cluster, namespace: str) -> None:
    cluster.operator.kill()
    cluster.operator.begin(f"--secret-namespaces={namespace}")
    selector = {"matchLabels": {"app": "cart"}}
    cluster.kubectl("create", "secret", "generic", "password", "-n", namespace, "--from-literal=pw=old")
    cluster.kubectl("label", "secret", "password", "-n", namespace, "app=cart")
    triggers = [{"object": {"kinds": ["Secret"], "selector": selector, "quiet": QUIET}}]
    cluster.operator.config("watcher", namespace, triggers=triggers)
    shard = "kubeprobe-known-secret-0-of-1"
    eventually(
        "Secrets are followed",
        lambda: cluster.kubectl.get("configmap", shard, "default"),
        SOON_SECONDS,
        cluster.log.read_text,
    )
    new = json.dumps({"stringData": {"pw": "new"}})
    cluster.kubectl("patch", "secret", "password", "-n", namespace, "--type=merge", "-p", new)
    change = cluster.change(namespace, 0)
    [one] = change["spec"]["objects"]
    assert (one["kind"], one["name"], one["parts"], one["details"]) == ("Secret", "password", ["pw"], "pw")
    assert cluster.kubectl.get("secret", "kubeprobe-seal", "default") is not None

"""What changed besides releases, end to end: a node that was cordoned, and what a release tool announces over HTTP."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from tests.lab.changes import SOON_SECONDS, change, followed, pinned, told
from tests.lab.faults import BROKEN_NODE
from tests.lab.kubectl import KubectlError, eventually
from tests.lab.lab import NAMESPACE, RELEASE, Lab

PASSES = "from probe_sdk import ReportSuccess; ReportSuccess()"
GATES = f"/api/v1/namespaces/{NAMESPACE}/services/{RELEASE}:http/proxy/v1/gates"
"""Where the replica that leads answers, by way of the API server."""


@pytest.fixture
def watch(lab: Lab) -> Iterator[str]:
    """A namespace for probes, and the name of a template and of a gate that watches over nothing."""
    name = f"watch-{uuid.uuid4().hex[:5]}"
    lab.namespace(name)
    image = lab.images.reference("probes")
    spec = {"image": image, "command": ["python", "-c", PASSES], "timeout": "60s"}
    gate = {"scope": {"namespaces": ["nowhere"]}, "probes": {"namespaces": [name]}, "quiet": "1s"}
    lab.kubectl.apply(_body("ProbeTemplate", name, spec), _body("ChangeGate", name, gate))
    yield name
    lab.kubectl.delete("changegate", name)
    lab.kubectl.delete("namespace", name, "", "--wait=false")
    lab.kubectl.delete("probetemplate", name)


def test_a_node_is_probed_as_soon_as_it_is_cordoned_and_again_when_it_is_open(lab: Lab, watch: str) -> None:
    cordons = {"facts": ["Cordon"], "pinToNodes": True, "quiet": "1s"}
    lab.config("node-works", watch, watch, mode="OnDemand", triggers=[{"node": cordons}])
    followed(lab, "Node", "", BROKEN_NODE)
    lab.kubectl("cordon", BROKEN_NODE)
    try:
        cordoned = change(lab, watch, 0)
    finally:
        lab.kubectl("uncordon", BROKEN_NODE)
    opened = change(lab, watch, 1)
    for one, words in ((cordoned, "open → cordoned"), (opened, "cordoned → open")):
        spec = one["spec"]
        assert (spec["source"], [of["name"] for of in spec["objects"]]) == ("Node", [BROKEN_NODE])
        assert words in spec["summary"]
        assert one["status"]["phase"] == "Passed"
        assert pinned(lab, watch, one["metadata"]["name"]) == {BROKEN_NODE: "Passed"}


def test_what_is_announced_is_probed_and_answered_and_its_story_is_told(lab: Lab, watch: str) -> None:
    lab.config("release-works", watch, watch, mode="OnDemand", triggers=[{"announced": {"gates": [watch]}}])
    said = {"namespace": watch, "name": "cart", "checksum": "c0ffee", "by": "ci/main", "message": "cart 2.1"}
    name = eventually("it is announced", lambda: _announce(lab, watch, said), SOON_SECONDS)
    assert _announce(lab, watch, said) == name

    def verdict() -> dict[str, Any] | None:
        word: dict[str, Any] = json.loads(lab.kubectl("get", "--raw", f"{GATES}/{watch}?change={name}&wait=20s"))
        return word if word["verdict"] != "Pending" else None

    word = eventually("the gate has judged it", verdict, SOON_SECONDS)
    assert (word["open"], word["verdict"], word["change"]) == (True, "Passed", {"id": name, "count": 1})
    assert json.loads(lab.kubectl("get", "--raw", f"{GATES}/{watch}/check"))["open"] is True

    over = change(lab, watch, 0)
    assert (over["metadata"]["name"], over["status"]["phase"]) == (name, "Passed")
    assert over["spec"]["gates"] == [watch]
    [run] = lab.kubectl.list("proberuns", watch)
    assert (run["spec"]["trigger"]["kind"], run["spec"]["trigger"]["changeID"]) == ("Change", name)
    story = told(lab, name)
    for part in ("Passed (ProbesPassed)", "ci/main", "cart 2.1", f"{watch}/release-works", run["metadata"]["name"]):
        assert part in story

    lab.kubectl(
        "patch", "changegate", watch, "--type=merge", "-p", json.dumps({"spec": {"hold": {"reason": "freeze"}}})
    )

    def refused() -> str:
        try:
            lab.kubectl("get", "--raw", f"{GATES}/{watch}/check")
        except KubectlError as error:
            return str(error)
        return ""

    eventually("a closed gate is 403", lambda: "orbidden" in refused(), SOON_SECONDS, refused)


def _announce(lab: Lab, gate: str, said: dict[str, str]) -> str:
    """The name of the Change that it is in."""
    answer = json.loads(lab.kubectl("create", "--raw", f"{GATES}/{gate}/changes", "-f", "-", stdin=json.dumps(said)))
    name: str = answer["change"]["id"]
    return name


def _body(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "kubeprobe.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}

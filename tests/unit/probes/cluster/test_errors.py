"""What the API refuses, and that it cannot be reached, each tells where to look."""

import pytest

from cluster.errors import ApiError, ApiSilent, ApiUnreachable, refusal_hint


@pytest.mark.parametrize(
    ("status", "message", "hint"),
    [
        (403, 'pods "x" is forbidden: exceeded quota: full, requested: pods=1', "ResourceQuota"),
        (500, 'failed calling webhook "dead.example": no route to host', "webhook's backend"),
        (400, 'admission webhook "x" denied the request: no', "admission webhook"),
        (403, 'pods "x" is forbidden: violates PodSecurity "restricted:latest"', "pod-security"),
        (403, 'User "system:serviceaccount:probes:x" cannot create resource "pods"', "RBAC"),
        (500, "etcdserver: request timed out", "etcd"),
        (429, "Too many requests, please try again later.", "priority and fairness"),
        (401, "Unauthorized", "token"),
        (409, "already exists", ""),
    ],
)
def test_refusals_name_what_to_look_at(status: int, message: str, hint: str) -> None:
    assert hint in refusal_hint(status, message)
    text = ApiError("POST /pods", status, "Reason", message).errors[0]
    assert message in text
    assert ("look at" in text) == bool(hint)


def test_unreachable_api_names_address_node_and_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEPROBE_NODE", "node-2")
    text = ApiUnreachable("https://10.96.0.1:443", "GET /x", "connection refused").errors[0]
    assert "https://10.96.0.1:443" in text
    assert "from node node-2" in text
    assert "look at kube-proxy on node node-2" in text
    assert "kube-apiserver" in text


def test_unreachable_api_outside_a_cluster_blames_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBEPROBE_NODE", raising=False)
    text = ApiUnreachable("https://10.200.0.1:6443", "GET /x", "connection refused").errors[0]
    assert "kube-proxy" not in text
    assert "kube-apiserver" in text


def test_silent_api_blames_the_server_not_the_way_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEPROBE_NODE", "node-2")
    text = ApiSilent("https://10.96.0.1:443", "GET /x", "no answer within 10s").errors[0]
    assert "kube-proxy" not in text
    assert "look at kube-apiserver and at etcd" in text

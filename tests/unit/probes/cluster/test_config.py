"""The two ways to a cluster, and the text where there is neither."""

import base64
from pathlib import Path

import pytest

from cluster.config import load
from probe_sdk import ProbeFailure

KUBECONFIG = """
current-context: here
contexts: [{name: here, context: {cluster: c, user: u, namespace: team}}]
clusters: [{name: c, cluster: {server: "https://10.200.0.1:6443/", certificate-authority: ca.crt}}]
users: [{name: u, user: {client-certificate-data: %s, client-key: key.pem}}]
"""


def test_service_account_of_a_pod(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first\n")
    (tmp_path / "ca.crt").write_text("CA")
    (tmp_path / "namespace").write_text("probes")
    config = load({"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}, tmp_path)
    assert (config.server, config.namespace, config.ca_pem) == ("https://10.96.0.1:443", "probes", "CA")
    assert config.bearer_token() == "first"
    (tmp_path / "token").write_text("renewed")
    assert config.bearer_token() == "renewed"


def test_ipv6_service_address(tmp_path: Path) -> None:
    for name in ("token", "ca.crt", "namespace"):
        (tmp_path / name).write_text("x")
    assert load({"KUBERNETES_SERVICE_HOST": "fd00::1"}, tmp_path).server == "https://[fd00::1]:443"


def test_kubeconfig_with_a_client_certificate(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("CA")
    (tmp_path / "key.pem").write_text("KEY")
    file = tmp_path / "config"
    file.write_text(KUBECONFIG % base64.b64encode(b"CERT").decode())
    config = load({"KUBECONFIG": str(file)}, tmp_path / "none")
    assert (config.server, config.namespace) == ("https://10.200.0.1:6443", "team")
    assert (config.ca_pem, config.certificate_pem, config.key_pem) == ("CA", "CERT", "KEY")
    assert "KEY" not in repr(config)
    assert load({"KUBECONFIG": str(file), "KUBEPROBE_NAMESPACE": "other"}).namespace == "other"


def test_neither_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(ProbeFailure, match="serviceAccountName"):
        load({}, tmp_path)


def test_kubeconfig_that_contradicts_itself(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("current-context: gone\ncontexts: []\n")
    with pytest.raises(ProbeFailure, match="no entry 'gone' in contexts"):
        load({"KUBECONFIG": str(file)})

"""What is read out of Secrets, kubeconfigs and webhook configurations; what cannot be read is told with its place."""

import datetime as dt
from base64 import b64encode
from pathlib import Path
from typing import Any

import yaml
from tests.unit.probes.cert_expiry.pki import mint

from cert_expiry import kubeconfigs, tls_secrets, webhooks
from cert_expiry.certificates import Source

NOW = dt.datetime.now(dt.UTC)
ROOT = mint("root", now=NOW, authority=True)
LEAF = mint("web", ROOT, now=NOW)


def encoded(data: bytes) -> str:
    return b64encode(data).decode()


def secret(**data: bytes) -> dict[str, Any]:
    files = {name.replace("_", "."): encoded(content) for name, content in data.items()}
    return {"metadata": {"namespace": "shop", "name": "web"}, "data": files}


def test_a_secret_has_a_chain_and_maybe_a_root() -> None:
    (presented,) = tls_secrets.read(secret(tls_crt=LEAF.pem + ROOT.pem)).presented
    assert (presented.where, len(presented.chain), presented.roots) == ("Secret shop/web", 2, None)
    (presented,) = tls_secrets.read(secret(tls_crt=LEAF.pem, ca_crt=ROOT.pem)).presented
    assert presented.roots == (ROOT.certificate,)


def test_secrets_that_cannot_be_read() -> None:
    assert "Secret shop/web: tls.crt is unparsable: it is empty" in tls_secrets.read(secret()).problems[0]
    assert "it holds no PEM certificate" in tls_secrets.read(secret(tls_crt=b"hello")).problems[0]
    torn = tls_secrets.read(secret(tls_crt=LEAF.pem.replace(b"MII", b"!!!", 1)))
    assert "it holds a broken PEM certificate" in torn.problems[0]
    half = tls_secrets.read(secret(tls_crt=LEAF.pem, ca_crt=b"x"))
    assert (len(half.presented), "ca.crt is unparsable" in half.problems[0]) == (1, True)


def kubeconfig(user: dict[str, str], cluster: dict[str, str]) -> bytes:
    document = {"users": [{"name": "alice", "user": user}], "clusters": [{"name": "main", "cluster": cluster}]}
    return yaml.safe_dump(document).encode()


def test_a_kubeconfig_has_users_and_trusted_authorities(tmp_path: Path) -> None:
    (tmp_path / "alice.crt").write_bytes(LEAF.pem)
    text = kubeconfig({"client-certificate": "alice.crt"}, {"certificate-authority-data": encoded(ROOT.pem)})
    user, cluster = kubeconfigs.read("kubeconfig x", text, tmp_path).presented
    assert (user.where, user.bundle) == ("kubeconfig x, user alice", False)
    assert (cluster.where, cluster.bundle) == ("kubeconfig x, cluster main", True)


def test_tokens_have_no_certificate() -> None:
    assert kubeconfigs.read("kubeconfig x", kubeconfig({"token": "secret"}, {}), None) == Source()


def test_kubeconfigs_that_cannot_be_read(tmp_path: Path) -> None:
    def problem(text: bytes) -> str:
        (found,) = kubeconfigs.read("kubeconfig x", text, tmp_path).problems
        return found

    assert "kubeconfig x is unparsable" in problem(b"{")
    assert "kubeconfig x is unparsable" in problem(b"just words")
    assert "kubeconfig x is unparsable" in problem(b"\xff\xfe\xfd")
    assert "user alice: client-certificate is unparsable" in problem(kubeconfig({"client-certificate-data": "@"}, {}))
    gone = problem(kubeconfig({"client-certificate": "gone.crt"}, {}))
    assert "user alice: client-certificate gone.crt: no such file or directory" in gone


def test_kubeconfig_files_by_pattern(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(kubeconfig({"client-certificate-data": encoded(LEAF.pem)}, {}))
    (source,) = kubeconfigs.read_files(f"{tmp_path}/*.yaml")
    assert source.presented[0].where == f"kubeconfig {tmp_path}/a.yaml, user alice"
    (source,) = kubeconfigs.read_files(f"{tmp_path}/*.conf")
    assert "there is no such file" in source.problems[0]


def test_a_bundle_shared_by_webhooks_is_looked_at_once() -> None:
    hooks = [{"name": f"{i}.example.org", "clientConfig": {"caBundle": encoded(ROOT.pem)}} for i in range(5)]
    hooks.append({"name": "public.example.org", "clientConfig": {"url": "https://hook.example.org"}})
    (source,) = webhooks.read("ValidatingWebhookConfiguration", {"metadata": {"name": "policy"}, "webhooks": hooks})
    hooks_named = "webhooks 0.example.org, 1.example.org, 2.example.org and 2 more"
    assert source.presented[0].where == f"ValidatingWebhookConfiguration policy, {hooks_named}: caBundle"


def test_conversion_webhooks_and_aggregated_apis() -> None:
    config = {"clientConfig": {"caBundle": encoded(ROOT.pem)}}
    crd = {"metadata": {"name": "things.example.org"}, "spec": {"conversion": {"webhook": config}}}
    (source,) = webhooks.read("CustomResourceDefinition", crd)
    assert source.presented[0].where == "CustomResourceDefinition things.example.org, webhook conversion: caBundle"
    service = {"metadata": {"name": "v1.example.org"}, "spec": {"caBundle": encoded(b"x")}}
    (source,) = webhooks.read("APIService", service)
    assert "APIService v1.example.org: caBundle is unparsable" in source.problems[0]
    plain = {"metadata": {"name": "things"}, "spec": {"conversion": {"strategy": "None"}}}
    assert list(webhooks.read("CustomResourceDefinition", plain)) == []

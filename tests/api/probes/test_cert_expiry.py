"""cert-expiry against a real API server with a certificate that expires tomorrow, and objects of a real cluster."""

from __future__ import annotations

import datetime as dt
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cert_expiry.probe import Params, check
from tests.api.probes.cases import NAMESPACE, Cluster, Outcome, act_as, run
from tests.unit.probes.cert_expiry.pki import Minted, mint

NOW = dt.datetime.now(dt.UTC)
ROOT = mint("shop-root", now=NOW, authority=True)
MIDDLE = mint("shop-middle", ROOT, now=NOW, authority=True)
CASE = {"probe": "cert-expiry"}


@pytest.fixture
def account(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be the case's service account, with its rights and no more."""
    cluster.install("cert_expiry")
    act_as(monkeypatch, cluster.kubeconfig("cert-expiry"))


async def probed(**params: Any) -> Outcome:
    return await run(check, Params.model_validate(params))


def encoded(data: bytes) -> str:
    return b64encode(data).decode()


@contextmanager
def applied(cluster: Cluster, manifest: dict[str, Any]) -> Iterator[None]:
    """An object for as long as the block lasts."""
    manifest["metadata"].setdefault("labels", CASE)
    cluster.kubectl.apply(manifest)
    try:
        yield
    finally:
        namespace = manifest["metadata"].get("namespace")
        where = ["-n", namespace] if namespace else []
        cluster.kubectl("delete", manifest["kind"], manifest["metadata"]["name"], *where)


def tls_secret(leaf: Minted, *above: Minted, ca: Minted | None = None) -> dict[str, Any]:
    chain = b"".join(each.pem for each in (leaf, *above))
    data = {"tls.crt": encoded(chain), "tls.key": encoded(leaf.key_pem)}
    if ca:
        data["ca.crt"] = encoded(ca.pem)
    metadata: dict[str, Any] = {"name": "web", "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata, "data": data}


def address(cluster: Cluster) -> str:
    return cluster.plane.api_url.removeprefix("https://")


def endpoint(cluster: Cluster, **more: str) -> dict[str, Any]:
    return {"endpoints": [{"address": address(cluster), "caFile": str(cluster.plane.ca), **more}]}


async def test_a_healthy_api_server_and_etcd_pass(cluster: Cluster) -> None:
    etcd = {"address": cluster.etcd_url.removeprefix("https://"), "caFile": cluster.etcd_files["caFile"]}
    outcome = await probed(endpoints=[*endpoint(cluster)["endpoints"], etcd], minDays=14)
    assert outcome.errors == ()
    assert outcome.steps["endpoint"].ok == 2
    assert outcome.attributes["certificates"] == "2"
    assert "days" in outcome.attributes["next-expiry"]


async def test_an_api_server_whose_certificate_expires_tomorrow(breakable: Cluster) -> None:
    text = (await probed(**endpoint(breakable))).only_error()
    assert text.startswith(f"endpoint {address(breakable)}: certificate CN=kube-apiserver (serial ")
    assert "1.0 days left: less than minDays 14" in text
    share = (await probed(**endpoint(breakable), minDays=0, minLifetimeShare=0.999)).only_error()
    assert "of its 1.0 days, less than minLifetimeShare 0.999" in share
    assert (await probed(**endpoint(breakable), minDays=0.5)).errors == ()


async def test_wrong_host(cluster: Cluster) -> None:
    text = (await probed(**endpoint(cluster, serverName="api.example.org"))).only_error()
    assert f"endpoint {address(cluster)} (as api.example.org): wrong host: certificate CN=kube-apiserver" in text
    assert "not for api.example.org" in text


async def test_a_chain_that_leads_elsewhere(cluster: Cluster) -> None:
    text = (await probed(**endpoint(cluster, caFile=cluster.etcd_files["caFile"]))).only_error()
    assert "broken chain: CN=kube-apiserver (serial " in text
    assert "is not signed by the trusted CN=ca although it names it" in text


async def test_a_stopped_endpoint_is_a_finding_of_its_own(breakable: Cluster) -> None:
    breakable.plane.stop("apiserver")
    try:
        text = (await probed(**endpoint(breakable))).only_error()
    finally:
        breakable.plane.restart("apiserver")
    assert text.startswith(f"endpoint {address(breakable)}: unreachable: connection refused")


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    ("leaf", "above", "ca", "words"),
    [
        (
            mint("web", MIDDLE, now=NOW, since_days=1, left_days=1),
            [MIDDLE],
            ROOT,
            "1.0 days left: less than minDays 14",
        ),
        (mint("web", MIDDLE, now=NOW, left_days=-1), [MIDDLE], ROOT, "has expired on"),
        (mint("web", MIDDLE, now=NOW, since_days=-1), [MIDDLE], ROOT, "is not valid before"),
        (mint("web", MIDDLE, now=NOW), [], ROOT, "broken chain: the issuer of CN=web (serial c0ffee), CN=shop-middle"),
        (
            mint("web", MIDDLE, now=NOW),
            [ROOT],
            None,
            "is followed by CN=shop-root (serial c0ffee), which has",
        ),
        (mint("web", MIDDLE, now=NOW), [MIDDLE], ROOT, None),
    ],
    ids=["tomorrow", "expired", "not-yet", "no-intermediate", "wrong-order", "healthy"],
)
async def test_tls_secrets(
    cluster: Cluster, leaf: Minted, above: list[Minted], ca: Minted | None, words: str | None
) -> None:
    with applied(cluster, tls_secret(leaf, *above, ca=ca)):
        errors = (await probed(secrets=[{"selector": "probe=cert-expiry"}])).errors
    assert len(errors) == (words is not None)
    for text in errors:
        assert text.startswith(f"Secret {NAMESPACE}/web: ")
        assert words
        assert words in text


@pytest.mark.usefixtures("account")
async def test_an_unparsable_secret_hides_no_other(cluster: Cluster) -> None:
    torn = {**tls_secret(mint("x", now=NOW)), "metadata": {"name": "torn", "namespace": NAMESPACE}}
    torn["data"] = {**torn["data"], "tls.crt": encoded(b"no certificate")}
    expired = tls_secret(mint("web", now=NOW, left_days=-3))
    with applied(cluster, torn), applied(cluster, expired):
        first, second = (await probed(secrets=[{"selector": "probe=cert-expiry"}])).errors
    assert first.startswith(f"Secret {NAMESPACE}/web: certificate CN=web")
    assert second.startswith(f"Secret {NAMESPACE}/torn: tls.crt is unparsable")


@pytest.mark.usefixtures("account")
async def test_selectors_that_select_nothing_and_namespaces_that_may_not_be_read(cluster: Cluster) -> None:
    chosen = [{"selector": "no=such"}, {"namespaces": ["kube-system"]}]
    nothing, forbidden = (await probed(secrets=chosen)).errors
    assert nothing == f"no TLS Secret in {NAMESPACE} has the labels no=such; look at the selector"
    assert "403 Forbidden" in forbidden
    assert "look at the RBAC of the probe's service account" in forbidden


@pytest.mark.usefixtures("account")
async def test_kubeconfigs_in_secrets_and_files(cluster: Cluster, tmp_path: Path) -> None:
    assert (await probed(kubeconfigs={"files": [str(cluster.plane.kubeconfig)]})).errors == ()
    user = {"client-certificate-data": encoded(mint("alice", now=NOW, left_days=1).pem)}
    text = f"users: [{{name: alice, user: {user}}}]"
    metadata = {"name": "alice", "namespace": NAMESPACE}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"kubeconfig": text}}
    with applied(cluster, secret):
        found = (await probed(kubeconfigs={"secrets": [{"selector": "probe=cert-expiry"}]})).only_error()
    assert found.startswith(f"kubeconfig in Secret {NAMESPACE}/alice, user alice: certificate CN=alice")
    assert "1.0 days left" in found


@pytest.mark.usefixtures("account")
async def test_webhook_bundles(cluster: Cluster) -> None:
    assert (await probed(webhooks=True)).errors == ()
    hook = {
        "name": "check.example.org",
        "clientConfig": {"url": "https://127.0.0.1:1/", "caBundle": encoded(mint("hook-ca", now=NOW, left_days=1).pem)},
        "rules": [
            {"apiGroups": ["none.example.org"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["x"]}
        ],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    with applied(cluster, {**kind, "metadata": {"name": "policy"}, "webhooks": [hook]}):
        text = (await probed(webhooks=True)).only_error()
    assert text.startswith(
        "ValidatingWebhookConfiguration policy, webhook check.example.org: caBundle: certificate CN=hook-ca"
    )
    assert "less than minDays 14" in text

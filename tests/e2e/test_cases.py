"""etcd-crud, cert-expiry and rate-limit on the testbed: green, then what each probes is broken for real, then green."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.lab.images import ROOT
from tests.lab.lab import PROBES, Lab
from tests.lab.stutter import stuttering

GREEN_SECONDS = 120
RED_SECONDS = 120
EVERY = "5s"
"""Whoever waits for the next run waits for half of it."""


@pytest.fixture(scope="module")
def probing(cases: Lab) -> Iterator[Lab]:
    """The lab with the three probes going."""
    cases.testbed.etcd_secret(PROBES)
    for case in ("etcd_crud", "cert_expiry", "rate_limit"):
        for one in cases.manifests(ROOT / "probes" / case / "config.yaml"):
            if "schedule" in one.get("spec", {}):
                one["spec"]["schedule"] |= {"every": EVERY}
            cases.kubectl.apply(one)
    yield cases
    for case in ("etcd-crud", "cert-expiry", "rate-limit"):
        cases.kubectl.delete("probeconfig", case, PROBES)


def test_etcd_that_is_slow_is_found_by_operation(probing: Lab) -> None:
    probing.verdict("etcd-crud", "Passed", GREEN_SECONDS)
    # Stopped for good, etcd would take the API server along, and nobody could be told anything.
    with stuttering(probing.testbed, "etcd", stop_seconds=0.8, go_seconds=0.2):
        status = probing.verdict("etcd-crud", "Failed", RED_SECONDS)
    assert "https://10.200.0.1:2379" in status["message"]
    probing.verdict("etcd-crud", "Passed", GREEN_SECONDS)


def test_a_certificate_that_expires_tomorrow_is_found(probing: Lab) -> None:
    probing.verdict("cert-expiry", "Passed", GREEN_SECONDS)
    certificate, key = self_signed("shop.example.com", datetime.now(UTC) + timedelta(days=1))
    data = {"tls.crt": base64.b64encode(certificate).decode(), "tls.key": base64.b64encode(key).decode()}
    metadata = {"name": "shop", "namespace": PROBES}
    probing.kubectl.apply(
        {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata, "data": data}
    )
    status = probing.verdict("cert-expiry", "Failed", RED_SECONDS, text="shop")
    assert "shop.example.com" in status["message"]
    probing.kubectl.delete("secret", "shop", PROBES)
    probing.verdict("cert-expiry", "Passed", GREEN_SECONDS)


def test_a_flow_schema_that_is_removed_is_found(probing: Lab) -> None:
    probing.verdict("rate-limit", "Passed", GREEN_SECONDS)
    kept = probing.kubectl.get("flowschema", "kubeprobe-burst")
    assert kept is not None
    probing.kubectl.delete("flowschema", "kubeprobe-burst")
    probing.verdict("rate-limit", "Failed", RED_SECONDS, text="kubeprobe-burst")
    kept["metadata"] = {key: kept["metadata"][key] for key in ("name", "labels") if key in kept["metadata"]}
    kept.pop("status", None)
    probing.kubectl("create", "-f", "-", stdin=json.dumps(kept))
    probing.verdict("rate-limit", "Passed", GREEN_SECONDS)


def self_signed(host: str, until: datetime) -> tuple[bytes, bytes]:
    """A certificate and its key, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_after(until)
    builder = builder.not_valid_before(until - timedelta(days=90))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private

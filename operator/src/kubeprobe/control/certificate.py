"""A certificate for a service of the cluster, and the authority that signed it and nothing else.

The authority's key is thrown away at once: the next certificate comes with an authority of its own, so there is no key
by which somebody could make more of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_DAYS = 90
RENEW_DAYS = 30
"""So long before its end it is renewed."""
SKEW = timedelta(hours=1)
"""Clocks differ: it is valid from a while before it was made."""
END = "-----END CERTIFICATE-----\n"


@dataclass(frozen=True, slots=True)
class Issued:
    """All of it, as PEM."""

    authority: str
    certificate: str
    key: str


def issue(names: Sequence[str], now: datetime) -> Issued:
    """A new certificate for these DNS names, by a new authority."""
    root_key, key = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
    root_name = _name(f"kubeprobe {now:%Y-%m-%d %H:%M:%S}")
    root = (
        _builder(root_name, root_name, root_key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(root_key, SHA256())
    )
    # The name of a certificate takes 64 characters, and that of a service may be longer: what counts is in the others.
    leaf = (
        _builder(_name("kubeprobe webhook"), root_name, key, now, signer=root_key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(root_key, SHA256())
    )
    return Issued(
        authority=root.public_bytes(Encoding.PEM).decode(),
        certificate=leaf.public_bytes(Encoding.PEM).decode(),
        key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    )


def good_until(certificate: str, authorities: str, names: Sequence[str]) -> datetime | None:
    """When a certificate is to be renewed; None for one that is not for these names, or that no authority signed."""
    try:
        found = x509.load_pem_x509_certificate(certificate.encode())
        told = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        signed = any(_signed(found, one) for one in x509.load_pem_x509_certificates(authorities.encode()))
    except (ValueError, x509.ExtensionNotFound):
        return None
    if not signed or set(told.get_values_for_type(x509.DNSName)) != set(names):
        return None
    return found.not_valid_after_utc - timedelta(days=RENEW_DAYS)


def newest(authorities: str) -> str:
    """The first of several authorities; empty when there is none."""
    first, end, _ = authorities.partition(END)
    return first + end if end else ""


def _signed(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: EllipticCurvePrivateKey,
    now: datetime,
    signer: EllipticCurvePrivateKey | None = None,
) -> x509.CertificateBuilder:
    signed_by = x509.AuthorityKeyIdentifier.from_issuer_public_key((signer or key).public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(signed_by, critical=False)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )

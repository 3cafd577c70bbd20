"""Certificates of every kind of bad health, made to order."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

DAY = dt.timedelta(days=1)
Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True)
class Minted:
    """A certificate with its key, which can sign others."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return self.key.private_bytes(serialization.Encoding.PEM, form, none)

    def write(self, folder: Path, *above: Minted) -> tuple[Path, Path]:
        """Chain and key as files."""
        chain, key = folder / "tls.crt", folder / "tls.key"
        chain.write_bytes(b"".join(each.pem for each in (self, *above)))
        key.write_bytes(self.key_pem)
        return chain, key


def elliptic() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def mint(
    name: str,
    issuer: Minted | None = None,
    *,
    now: dt.datetime,
    since_days: float = 100,
    left_days: float = 100,
    names: Sequence[str] = (),
    authority: bool = False,
    key: Key | None = None,
) -> Minted:
    """A certificate by an issuer, or by itself."""
    key = key or elliptic()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = issuer or Minted(None, key)  # type: ignore[arg-type]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(0xC0FFEE)
        .not_valid_before(now - since_days * DAY)
        .not_valid_after(now + left_days * DAY)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_alternative(each) for each in names]), critical=False
        )
    algorithm = None if isinstance(signer.key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Minted(builder.sign(signer.key, algorithm), key)


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)

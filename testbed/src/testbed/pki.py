"""Keys and certificates of the testbed, made once and kept.

Elliptic keys, since they cost nothing to make; only the key that signs service account tokens is RSA, because that
is what clusters out there sign with, and what a token's reader must be able to read.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_YEAR = dt.timedelta(days=365)
_SKEW = dt.timedelta(minutes=5)


@dataclass(frozen=True)
class KeyPair:
    """The files of a certificate and its key."""

    cert: Path
    key: Path

    @classmethod
    def at(cls, folder: Path, name: str) -> KeyPair:
        """The usual two file names."""
        return cls(folder / f"{name}.crt", folder / f"{name}.key")

    def exists(self) -> bool:
        """Whether both were written."""
        return self.cert.exists() and self.key.exists()


def write_key(path: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    """A private key, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )


def ensure_signing_key(path: Path) -> Path:
    """The RSA key that signs service account tokens; its public half lies beside it."""
    public = path.with_suffix(".pub")
    if not (path.exists() and public.exists()):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        write_key(path, key)
        encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        public.write_bytes(key.public_key().public_bytes(encoding, form))
    return public


def _name(common_name: str, organizations: Sequence[str] = ()) -> x509.Name:
    return x509.Name(
        [
            *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization) for organization in organizations),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, files: KeyPair) -> None:
        self.files = files
        if not files.exists():
            self._create()
        self._cert = x509.load_pem_x509_certificate(files.cert.read_bytes())
        key = serialization.load_pem_private_key(files.key.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{files.key} is not an elliptic key of ours")
        self._key = key

    def issue(
        self,
        files: KeyPair,
        common_name: str,
        organizations: Sequence[str] = (),
        *,
        names: Sequence[str] = (),
        days: int = 365,
    ) -> KeyPair:
        """A certificate for a client; with `names` for a server too. What is there already is kept."""
        if files.exists():
            return files
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if names else [])]
        now = dt.datetime.now(dt.UTC)
        builder = (
            self._builder(_name(common_name, organizations), key, now + dt.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        )
        if names:
            alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        write_key(files.key, key)
        cert = builder.issuer_name(self._cert.subject).sign(self._key, hashes.SHA256())
        files.cert.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
        return files

    @staticmethod
    def _builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey, until: dt.datetime) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(dt.datetime.now(dt.UTC) - _SKEW)
            .not_valid_after(until)
        )

    def _create(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(self.files.cert.stem)
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        cert = (
            self._builder(subject, key, dt.datetime.now(dt.UTC) + 10 * _YEAR)
            .issuer_name(subject)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(key, hashes.SHA256())
        )
        write_key(self.files.key, key)
        self.files.cert.write_bytes(cert.public_bytes(serialization.Encoding.PEM))

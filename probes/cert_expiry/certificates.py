"""Certificates as they are found, and what of them is worth saying. Pure."""

import datetime as dt
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import NameOID

DAY_SECONDS = 86400
SERIAL_DIGITS = 12


class UnreadableError(ValueError):
    """What should be a certificate is none; the text says what it is instead."""


@dataclass(frozen=True)
class Presented:
    """Certificates at a place: the first is the one that counts, the others lead to its root.

    Attributes:
        where: the place, as a reader finds it.
        chain: what is there, leaf first; of a bundle, the authorities in any order.
        roots: what the chain has to lead to; None where nobody says.
        host: the name or address that the leaf has to be for.
        bundle: the certificates are authorities to trust, each good enough alone.
    """

    where: str
    chain: tuple[x509.Certificate, ...]
    roots: tuple[x509.Certificate, ...] | None = None
    host: str | None = None
    bundle: bool = False


@dataclass(frozen=True)
class Source:
    """What one place gave: certificates to judge, and what could not even be read there."""

    presented: tuple[Presented, ...] = ()
    problems: tuple[str, ...] = ()


def parse(pem: bytes) -> tuple[x509.Certificate, ...]:
    """All certificates of a PEM text.

    Raises:
        UnreadableError: there is none, or one is broken.
    """
    if not pem.strip():
        raise UnreadableError("it is empty")
    try:
        with warnings.catch_warnings():
            # Odd but accepted encodings (such as a negative serial number) are no concern of this case.
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            return tuple(x509.load_pem_x509_certificates(pem))
    except ValueError as error:
        kind = "no PEM certificate" if b"-----BEGIN CERTIFICATE-----" not in pem else "a broken PEM certificate"
        raise UnreadableError(f"it holds {kind}: {error}") from None


def describe(certificate: x509.Certificate) -> str:
    """Subject and short serial number."""
    return f"{subject(certificate.subject)} (serial {short_serial(certificate)})"


def short_serial(certificate: x509.Certificate) -> str:
    """The beginning of the serial number, as openssl shows it."""
    digits = f"{certificate.serial_number:x}"
    return digits if len(digits) <= SERIAL_DIGITS else f"{digits[:SERIAL_DIGITS]}…"


def subject(name: x509.Name) -> str:
    """A name by its common name, where it has one."""
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return f"CN={common[0].value!s}" if common else (name.rfc4514_string() or "without a subject")


def days_left(certificate: x509.Certificate, now: dt.datetime) -> float:
    """Days until it expires; negative after that."""
    return (certificate.not_valid_after_utc - now).total_seconds() / DAY_SECONDS


def lifetime_days(certificate: x509.Certificate) -> float:
    """Days from its first to its last moment."""
    return (certificate.not_valid_after_utc - certificate.not_valid_before_utc).total_seconds() / DAY_SECONDS


def share_left(certificate: x509.Certificate, now: dt.datetime) -> float:
    """What part of its lifetime is left: 1 at first, 0 in the end."""
    whole = lifetime_days(certificate)
    return max(0.0, min(1.0, days_left(certificate, now) / whole)) if whole > 0 else 0.0


def longest(chain: Sequence[x509.Certificate]) -> x509.Certificate:
    """The certificate that expires last."""
    return max(chain, key=lambda certificate: certificate.not_valid_after_utc)


def issued_by_itself(certificate: x509.Certificate) -> bool:
    """Whether it is a root: others have it already, or don't trust it."""
    return certificate.issuer == certificate.subject

"""TLS as these probes are told of it, and what is wrong with a certificate in one sentence."""

from __future__ import annotations

import ssl
import time
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import certifi
from pydantic import Field

from endpoint.words import cause
from probe_sdk import Inconclusive, ProbeFailure, params

CERTIFICATE = "Certificate"
EXPIRY = "CertificateExpiry"
KEPT_CONTEXTS = 32


class Tls(params.Model):
    """How the endpoint is to prove who it is."""

    ca_file: str = Field("", description="File with the CAs to trust; the image's own if empty.")
    cert_file: str = Field("", description="File with a client certificate.")
    key_file: str = Field("", description="File with the client certificate's key.")
    verify: bool = Field(True, description="False: take any certificate; its expiry is still told.")
    min_remaining: params.Duration = Field(
        params.Duration("0s"), description="Fails when the certificate expires sooner than this, such as 168h."
    )


def context_of(tls: Tls) -> ssl.SSLContext:
    """What a connection trusts and shows. Files are read again when they have changed."""
    changed = tuple(_changed_at(path) for path in (tls.ca_file, tls.cert_file, tls.key_file))
    try:
        return _context(tls.ca_file, tls.cert_file, tls.key_file, tls.verify, changed)
    except OSError as error:  # SSLError is one
        files = ", ".join(path for path in (tls.ca_file, tls.cert_file, tls.key_file) if path)
        raise Inconclusive(
            f"tls: {error}: are {files} mounted, and CAs, a certificate and its key in PEM?", reason="TLSFiles"
        ) from None


@lru_cache(KEPT_CONTEXTS)
def _context(
    ca_file: str, cert_file: str, key_file: str, verify: bool, changed: tuple[float, ...]
) -> ssl.SSLContext:  # fmt: skip
    """Reading the usual CAs takes milliseconds: it is done once for all targets and each state of the files."""
    made = ssl.create_default_context(cafile=ca_file or certifi.where())
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT  # as Go's and curl's clients: old authorities lack key identifiers
    if cert_file:
        made.load_cert_chain(cert_file, key_file or None)
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def _changed_at(path: str) -> float:
    return Path(path).stat().st_mtime if path and Path(path).exists() else 0.0


def failure(who: str, error: OSError) -> ProbeFailure:
    """What a handshake's error says."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return ProbeFailure(f"TLS with {who}: {error.verify_message}", reason=CERTIFICATE)
    if isinstance(error, ssl.SSLError):
        said = (error.reason or str(error)).replace("_", " ").lower()
        hint = ": what listens there does not speak TLS" if error.reason in NO_TLS else ""
        return ProbeFailure(f"TLS with {who}: {said}{hint}", reason="TLS")
    return ProbeFailure(f"TLS with {who}: the handshake was broken off ({cause(error)})", reason="TLS")


NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")


def check_expiry(who: str, connection: ssl.SSLObject, tls: Tls) -> None:
    """Fail when the served certificate expires sooner than wanted; one that was not verified is looked at as well."""
    at = _expires_at(connection, tls)
    left = at - time.time()
    if left >= tls.min_remaining:
        return
    when = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}Z"
    how = (
        f"expired on {when}" if left < 0 else f"expires on {when}, in {left / 3600:.0f}h; expected {tls.min_remaining}"
    )
    raise ProbeFailure(f"TLS with {who}: the served certificate {how}", reason=EXPIRY)


def _expires_at(connection: ssl.SSLObject, tls: Tls) -> float:
    served = connection.getpeercert()
    if served:
        return ssl.cert_time_to_seconds(str(served["notAfter"]))
    if tls.verify or (encoded := connection.getpeercert(binary_form=True)) is None:
        return float("inf")
    from cryptography.x509 import load_der_x509_certificate  # only where Python does not read an unverified one

    return load_der_x509_certificate(encoded).not_valid_after_utc.timestamp()

"""Signed tokens in their compact form (RFC 7515), as far as clusters use it, and no further.

A general library spends some 200 microseconds on a token of which 26 are the signature (RS256, PyJWT 2.15, measured
here), more than all the rest of a report costs together. What is left of the format once only two algorithms are
wanted fits on this page. The signature itself is `cryptography`'s work, and a key alone decides its algorithm: what
the token's header says is compared, never obeyed.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic_core import from_json

RS256 = "RS256"
ES256 = "ES256"
ALGORITHMS = (RS256, ES256)
"""What clusters sign with. Never a symmetric one: the public key would then be the secret."""

KEPT_HEADERS = 16
"""A cluster's tokens have one header for each of its keys."""

_ES256_INTEGER_BYTES = 32
_RSA_PADDING, _SHA256, _ECDSA = PKCS1v15(), SHA256(), ECDSA(SHA256())
_URL_SAFE = bytes.maketrans(b"-_+/", b"+/!!")
"""To the standard alphabet, whose own two characters become illegal."""


class MalformedTokenError(Exception):
    """The text is not a token of the wanted form; the message is safe to answer with."""


class SignedToken(NamedTuple):
    """A token taken apart. Nothing in it is to be believed before a key's `has_signed` said so."""

    algorithm: str
    key_id: str
    payload: bytes
    signed: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key and the one algorithm that it verifies."""

    algorithm: str
    verify: Callable[[bytes, bytes], None]
    """Takes a signature and what it is to be of; raises `InvalidSignature`."""

    def has_signed(self, token: SignedToken) -> bool:
        """Whether the key's owner signed the token, with the key's own algorithm."""
        if token.algorithm != self.algorithm:
            return False
        try:
            self.verify(token.signature, token.signed)
        except InvalidSignature:
            return False
        return True


def read_token(text: str) -> SignedToken:
    """Take a token apart.

    Raises:
        MalformedTokenError: it is not one, or one of an algorithm that is not accepted.
    """
    try:
        signed, _, signature = text.encode("ascii").rpartition(b".")
        header, payload = signed.split(b".")
        algorithm, key_id = _read_header(header)
        return SignedToken(algorithm, key_id, _decoded(payload), signed, _decoded(signature))
    except ValueError as error:
        raise MalformedTokenError("the token is not a JSON Web Token") from error


@lru_cache(KEPT_HEADERS)
def _read_header(part: bytes) -> tuple[str, str]:
    """The algorithm and the key's id."""
    header = from_json(_decoded(part), allow_inf_nan=False)
    if not isinstance(header, dict) or header.get("alg") not in ALGORITHMS:
        raise MalformedTokenError(f"the token is not signed with one of {', '.join(ALGORITHMS)}")
    key_id = header.get("kid", "")
    if not isinstance(key_id, str) or "crit" in header:
        raise MalformedTokenError("the token's header asks for what no cluster's token needs")
    return header["alg"], key_id


def public_keys(document: Mapping[str, Any]) -> dict[str, VerificationKey]:
    """The usable keys of a JSON Web Key Set by their ids; others in it are passed over.

    Raises:
        ValueError: the document has no usable key.
    """
    entries = document.get("keys")
    found = {str(entry.get("kid", "")): _verification_key(entry) for entry in entries or () if isinstance(entry, dict)}
    usable = {key_id: key for key_id, key in found.items() if key is not None}
    if not usable:
        raise ValueError(f"the key set has no key for {' or '.join(ALGORITHMS)}")
    return usable


def _verification_key(entry: dict[str, Any]) -> VerificationKey | None:
    if entry.get("use", "sig") != "sig":
        return None
    try:
        key = jwt.PyJWK(entry).key
    except (jwt.PyJWTError, ValueError):
        return None
    if isinstance(key, RSAPublicKey):
        return VerificationKey(RS256, lambda signature, signed: key.verify(signature, signed, _RSA_PADDING, _SHA256))
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return VerificationKey(ES256, lambda signature, signed: key.verify(_der(signature), signed, _ECDSA))
    return None


def _decoded(part: bytes) -> bytes:
    padded = part.translate(_URL_SAFE) + b"=" * (-len(part) % 4)
    decoded = binascii.a2b_base64(padded, strict_mode=True)
    if binascii.b2a_base64(decoded, newline=False) != padded:
        raise ValueError("bits that no encoder sets")  # one token has one spelling
    return decoded


def _der(signature: bytes) -> bytes:
    """The two integers of an ECDSA signature, from RFC 7518's form to the one that is verified."""
    if len(signature) != 2 * _ES256_INTEGER_BYTES:
        raise InvalidSignature
    r, s = signature[:_ES256_INTEGER_BYTES], signature[_ES256_INTEGER_BYTES:]
    return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))

"""Tokens apart and signatures checked: what PyJWT refuses is refused here, what a cluster signs is taken."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from tests.unit.intake.cluster import PrivateKey, claims, ec_key, jwk, rsa_key, sign

from kubeprobe.intake.jws import MalformedTokenError, SignedToken, VerificationKey, public_keys, read_token

RSA, EC = rsa_key("rsa-1"), ec_key("ec-1")


def verifying(key: PrivateKey) -> VerificationKey:
    return public_keys({"keys": [jwk(key, "it")]})["it"]


def part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_both_algorithms_are_verified_and_only_by_their_own_key() -> None:
    of_rsa, of_ec = read_token(sign(claims())), read_token(sign(claims(), EC, "ec-1"))
    assert verifying(RSA).has_signed(of_rsa)
    assert verifying(EC).has_signed(of_ec)
    assert (of_rsa.key_id, of_ec.key_id) == ("rsa-1", "ec-1")
    assert json.loads(of_ec.payload) == claims()
    wrong: list[tuple[SignedToken, PrivateKey]] = [
        (of_rsa, rsa_key("other")),
        (of_rsa, EC),
        (of_ec, ec_key("other")),
        (of_ec, RSA),
    ]
    for token, key in wrong:
        assert not verifying(key).has_signed(token)


def test_a_header_does_not_choose_the_algorithm_for_a_key() -> None:
    body = part(claims())
    by_rsa, by_ec = f"{part({'alg': 'ES256'})}.{body}", f"{part({'alg': 'RS256'})}.{body}"
    rsa_signature = part(RSAAlgorithm(RSAAlgorithm.SHA256).sign(by_rsa.encode(), RSA))
    ec_signature = part(ECAlgorithm(ECAlgorithm.SHA256).sign(by_ec.encode(), EC))
    assert not verifying(RSA).has_signed(read_token(f"{by_rsa}.{rsa_signature}"))
    assert not verifying(EC).has_signed(read_token(f"{by_ec}.{ec_signature}"))


def test_a_changed_payload_is_not_what_was_signed() -> None:
    head, _, signature = sign(claims()).split(".")
    assert not verifying(RSA).has_signed(read_token(f"{head}.{part(claims(sub='system:admin'))}.{signature}"))


@pytest.mark.parametrize("length", [0, 63, 65, 70])
def test_an_ecdsa_signature_has_one_length(length: int) -> None:
    token = read_token(sign(claims(), EC))
    odd = SignedToken(token.algorithm, token.key_id, token.payload, token.signed, b"\1" * length)
    assert not verifying(EC).has_signed(odd)


def test_a_signature_of_zeros_is_no_signature() -> None:
    token = read_token(sign(claims(), EC))
    zeros = SignedToken(token.algorithm, token.key_id, token.payload, token.signed, bytes(64))
    assert not verifying(EC).has_signed(zeros)


def test_a_token_without_signature_is_refused() -> None:
    unsigned = jwt.encode(claims(), "", "none", headers={"kid": "rsa-1"})
    with pytest.raises(MalformedTokenError, match="RS256, ES256"):
        read_token(unsigned)


def test_the_public_key_is_nobodys_secret() -> None:
    secret = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'rsa-1'})}.{part(claims())}"
    mac = part(hmac.new(secret, signed.encode(), hashlib.sha256).digest())
    with pytest.raises(MalformedTokenError, match="RS256, ES256"):
        read_token(f"{signed}.{mac}")


@pytest.mark.parametrize("algorithm", ["nOnE", "", "HS512", "PS256", "RS1", None, ["RS256"], {"RS256": 1}, 256])
def test_no_other_algorithm_is_read(algorithm: object) -> None:
    with pytest.raises(MalformedTokenError, match="RS256, ES256"):
        read_token(f"{part({'alg': algorithm})}.{part({})}.{part(b'x')}")


def test_a_header_is_an_object() -> None:
    with pytest.raises(MalformedTokenError, match="RS256, ES256"):
        read_token(f"{part(['RS256'])}.{part({})}.{part(b'x')}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "..",
        "abc",
        "a.b",
        "a.b.c.d",
        f"{part(b'{')}.{part({})}.{part(b'x')}",
        f"{part(b'[' * 5000)}.{part({})}.{part(b'x')}",
        f"{part({'alg': 'RS256'})}.{part({})}.====",
        f"{part({'alg': 'RS256'})}.a+/b.{part(b'x')}",
        f"{part({'alg': 'RS256'})}.ü.{part(b'x')}",
        f"{part({'alg': 'RS256'})}.\udcff.{part(b'x')}",
    ],
)
def test_what_is_no_token_is_told_so(text: str) -> None:
    with pytest.raises(MalformedTokenError, match="not a JSON Web Token"):
        read_token(text)


@pytest.mark.parametrize("header", [{"kid": 1}, {"kid": None}, {"crit": ["b64"], "b64": False}])
def test_headers_that_would_need_more_of_the_standard_are_refused(header: dict[str, Any]) -> None:
    with pytest.raises(MalformedTokenError, match="header"):
        read_token(f"{part({'alg': 'RS256', **header})}.{part({})}.{part(b'x')}")


def test_only_keys_for_the_two_algorithms_are_taken_from_a_set() -> None:
    entries = [
        jwk(RSA, "rsa"),
        jwk(EC, "ec"),
        {**jwk(rsa_key("other"), "for-encryption"), "use": "enc"},
        jwk(generate_private_key(SECP384R1()), "larger-curve"),
        {"kty": "oct", "k": part(b"secret"), "kid": "symmetric"},
        {"kty": "quantum", "kid": "unheard-of"},
        {"kty": "RSA", "kid": "torn", "n": "!", "e": "AQAB"},
        {"kty": "RSA", "kid": "half"},
        "not an entry",
    ]
    assert set(public_keys({"keys": entries})) == {"rsa", "ec"}


@pytest.mark.parametrize("document", [{}, {"keys": None}, {"keys": []}, {"keys": [{"kty": "oct", "k": "AAAA"}]}])
def test_a_set_without_usable_key_is_an_error(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no key for RS256 or ES256"):
        public_keys(document)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([RSA, EC]), st.data())
def test_no_mutation_is_taken_that_pyjwt_refuses(key: Any, data: st.DataObject) -> None:
    good = sign(claims(), key)
    at = data.draw(st.integers(0, len(good) - 1))
    put = data.draw(st.text("ABCDwxyz0189-_+/=. é", max_size=3))
    mutated = good[:at] + put + good[at + data.draw(st.integers(0, 3)) :]
    try:
        ours = verifying(key).has_signed(read_token(mutated))
    except MalformedTokenError:
        return
    if ours:
        jwt.decode(
            mutated, key.public_key(), algorithms=["RS256", "ES256"],
            options={"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False},
        )  # fmt: skip

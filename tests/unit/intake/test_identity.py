"""Whose token it is: every claim that can be wrong is, once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from jwt.api_jws import encode
from tests.unit.intake.cluster import NOW, OTHER_POD, POD, Clock, Keys, claims, ec_key, rsa_key, sign

from kubeprobe.intake.identity import LEEWAY_SECONDS, TokenVerifier, UnknownTokenError
from kubeprobe.intake.keys import PAUSE_SECONDS, KeyRing


@pytest.fixture
async def clock() -> Clock:
    return Clock()


@pytest.fixture
async def source() -> Keys:
    return Keys()


@pytest.fixture
async def verifier(source: Keys, clock: Clock) -> AsyncIterator[TokenVerifier]:
    ring = KeyRing(source, clock)
    yield TokenVerifier(ring, clock.now)
    await ring.close()


async def test_the_pod_is_the_one_that_the_token_is_bound_to(verifier: TokenVerifier) -> None:
    assert await verifier.identify(sign(claims(POD))) == POD
    assert await verifier.identify(sign(claims(OTHER_POD), ec_key("ec-1"), "ec-1")) == OTHER_POD


async def test_an_audience_may_be_one_text_or_one_of_several(verifier: TokenVerifier) -> None:
    assert await verifier.identify(sign(claims(aud="kubeprobe"))) == POD
    assert await verifier.identify(sign(claims(aud=["vault", "kubeprobe"]))) == POD


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"aud": ["https://kubernetes.default.svc"]}, "not for the audience kubeprobe"),
        ({"aud": "kubeprobe2"}, "not for the audience kubeprobe"),
        ({"aud": []}, "not for the audience kubeprobe"),
        ({"aud": None}, "no valid claim aud"),
        ({"aud": 1}, "no valid claim aud"),
        ({"iss": "https://another.cluster"}, "not from this cluster's issuer"),
        ({"iss": None}, "no valid claim iss"),
        ({"exp": None}, "no valid claim exp"),
        ({"exp": "soon"}, "no valid claim exp"),
        ({"nbf": "late"}, "no valid claim nbf"),
        ({"kubernetes.io": None}, "not bound to a pod"),
        ({"kubernetes.io": {"namespace": "probes", "serviceaccount": {"name": "default"}}}, "not bound to a pod"),
        ({"kubernetes.io": {"namespace": "probes", "pod": {"name": "a"}}}, "not bound to a pod"),
        ({"kubernetes.io": {"namespace": "probes", "pod": {"name": "a", "uid": ""}}}, "not bound to a pod"),
        ({"kubernetes.io": {"pod": {"name": "a", "uid": "b"}}}, "not bound to a pod"),
    ],
)
async def test_a_token_that_is_not_for_us_is_told_why(
    verifier: TokenVerifier, changed: dict[str, Any], told: str
) -> None:
    with pytest.raises(UnknownTokenError, match=told) as refused:
        await verifier.identify(sign(claims(**changed)))
    assert "KUBEPROBE_TOKEN_FILE" in str(refused.value)


async def test_a_payload_that_is_no_object_is_refused(verifier: TokenVerifier) -> None:
    with pytest.raises(UnknownTokenError, match="no valid claim JSON"):
        await verifier.identify(encode(b"[1", rsa_key("rsa-1"), "RS256", headers={"kid": "rsa-1"}))


async def test_a_token_ends_when_it_says_and_a_little_later(verifier: TokenVerifier, clock: Clock) -> None:
    token = sign(claims())
    clock.seconds = 3600 + LEEWAY_SECONDS - 0.1
    assert await verifier.identify(token) == POD
    clock.seconds = 3600 + LEEWAY_SECONDS
    with pytest.raises(UnknownTokenError, match="expired"):
        await verifier.identify(token)


async def test_a_token_begins_when_it_says_and_a_little_earlier(verifier: TokenVerifier) -> None:
    now = int(NOW.timestamp())
    assert await verifier.identify(sign(claims(nbf=None))) == POD
    assert await verifier.identify(sign(claims(nbf=now + LEEWAY_SECONDS))) == POD
    with pytest.raises(UnknownTokenError, match="not valid yet"):
        await verifier.identify(sign(claims(nbf=now + LEEWAY_SECONDS + 1)))


async def test_a_forged_signature_is_refused(verifier: TokenVerifier) -> None:
    with pytest.raises(UnknownTokenError, match="signature is not the cluster's"):
        await verifier.identify(sign(claims(), rsa_key("forger"), "rsa-1"))
    with pytest.raises(UnknownTokenError, match="signature is not the cluster's"):
        await verifier.identify(sign(claims(), ec_key("forger"), "rsa-1"))
    with pytest.raises(UnknownTokenError, match="key that is not the cluster's"):
        await verifier.identify(sign(claims(), rsa_key("forger"), "forger"))


async def test_a_cluster_that_changes_its_issuer_is_asked_again(
    verifier: TokenVerifier, source: Keys, clock: Clock
) -> None:
    assert await verifier.identify(sign(claims())) == POD
    source.issued_by = "https://new.issuer"
    moved = sign(claims(iss="https://new.issuer"))
    with pytest.raises(UnknownTokenError, match="issuer"):
        await verifier.identify(moved)
    clock.seconds = PAUSE_SECONDS
    assert await verifier.identify(moved) == POD
    with pytest.raises(UnknownTokenError, match="issuer"):
        await verifier.identify(sign(claims()))

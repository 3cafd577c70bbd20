"""A cluster's token issuer with real keys, and the operator's side of the intake's port, for the tests of this room.

Tokens are made by PyJWT, which the intake does not verify with: two readings of the same standard have to agree.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from kubeprobe.intake.port import Answer, Check, PodIdentity, SamplesAnswer
from probe_sdk.samples import Samples
from probe_sdk.wire import Report

ISSUER = "https://kubernetes.default.svc.cluster.local"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
POD = PodIdentity("probes", "etcd-main-1772366400", "0b3f7a52-6f0e-4a51-9d6c-9f2a54d9f001")
OTHER_POD = PodIdentity("probes", "dns-main-1772366400", "7c1d2e63-1f0e-4a51-9d6c-9f2a54d9f002")

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey


@cache
def rsa_key(name: str) -> RSAPrivateKey:
    """One key per name: making them is slow."""
    assert name
    return generate_rsa(65537, 2048)


@cache
def ec_key(name: str) -> EllipticCurvePrivateKey:
    assert name
    return generate_private_key(SECP256R1())


def claims(who: PodIdentity = POD, **changed: Any) -> dict[str, Any]:
    """What Kubernetes says in a pod's projected token; a change to None leaves a claim out."""
    issued = int(NOW.timestamp())
    said: dict[str, Any] = {
        "aud": ["kubeprobe"],
        "exp": issued + 3600,
        "iat": issued,
        "iss": ISSUER,
        "jti": "5f0c9be5-5a6f-4d63-b83f-1f3d7a0b2e11",
        "kubernetes.io": {
            "namespace": who.namespace,
            "node": {"name": "node-1", "uid": "f4a8d3a0-66f1-4a53-8f2e-000000000001"},
            "pod": {"name": who.pod, "uid": who.pod_uid},
            "serviceaccount": {"name": "default", "uid": "f4a8d3a0-66f1-4a53-8f2e-000000000002"},
        },
        "nbf": issued,
        "sub": f"system:serviceaccount:{who.namespace}:default",
    }
    return {name: value for name, value in (said | changed).items() if value is not None}


def sign(said: Mapping[str, Any], key: PrivateKey | None = None, key_id: str = "rsa-1", **header: Any) -> str:
    key = key or rsa_key("rsa-1")
    algorithm = "RS256" if isinstance(key, RSAPrivateKey) else "ES256"
    return jwt.encode(dict(said), key, algorithm, headers={"kid": key_id, **header})


def jwk(key: PrivateKey, key_id: str) -> dict[str, Any]:
    public = key.public_key()
    entry = RSAAlgorithm.to_jwk(public) if isinstance(key, RSAPrivateKey) else ECAlgorithm.to_jwk(public)  # type: ignore[arg-type]
    return {**json.loads(entry), "use": "sig", "kid": key_id}


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)


class Keys:
    """The API server's key documents; counts how often it is asked, can be unreachable, and can be held up."""

    def __init__(self) -> None:
        self.entries = [jwk(rsa_key("rsa-1"), "rsa-1"), jwk(ec_key("ec-1"), "ec-1")]
        self.issued_by = ISSUER
        self.error: Exception | None = None
        self.asked = 0
        self.free = asyncio.Event()
        self.free.set()

    async def jwks(self) -> Mapping[str, Any]:
        return {"keys": self.entries}

    async def issuer(self) -> str:
        self.asked += 1
        await self.free.wait()
        if self.error is not None:
            raise self.error
        return self.issued_by


class Reports:
    """Takes down what the intake hands on; answers as it is told, when it is told."""

    def __init__(self) -> None:
        self.seen: list[tuple[PodIdentity, Report, datetime]] = []
        self.answer: Answer | Exception = Answer.DURABLE
        self.entered = asyncio.Event()
        self.free = asyncio.Event()
        self.free.set()

    async def accept(self, who: PodIdentity, report: Report, received_at: datetime) -> Answer:
        self.seen.append((who, report, received_at))
        self.entered.set()
        await self.free.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class SampleTaker:
    """Takes down the samples that the intake hands on; answers as it is told."""

    def __init__(self) -> None:
        self.seen: list[tuple[PodIdentity, Samples, datetime]] = []
        self.answer: SamplesAnswer | Exception = SamplesAnswer.COUNTED

    async def accept(self, who: PodIdentity, samples: Samples, received_at: datetime) -> SamplesAnswer:
        self.seen.append((who, samples, received_at))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass
class Health:
    """Health as a test wants it."""

    alive: tuple[Check, ...] = (Check("queue", True, "nothing waits"),)
    is_ready: tuple[Check, ...] = field(default=(Check("views", True, "all objects were seen"),))

    def live(self) -> tuple[Check, ...]:
        return self.alive

    def ready(self) -> tuple[Check, ...]:
        return self.is_ready

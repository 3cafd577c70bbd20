"""Whose report it is: the projected token's signature, checked here against the cluster's keys.

A token is bound to its pod by the API server, so one pod cannot report for another. Checking it locally costs
microseconds where a TokenReview costs a request; a one-shot pod never shows its token twice, so nothing is cached.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

import jwt

from kubeprobe.intake.port import KeySource, PodIdentity
from kubeprobe.kube.port import ApiError
from probe_sdk.wire import AUDIENCE

logger = logging.getLogger("kubeprobe.intake")

ALGORITHMS = ("RS256", "ES256")
"""What clusters sign with. Never a symmetric one: the public key would then be the secret."""
LEEWAY_SECONDS = 5
REFRESH_SECONDS = 10.0
"""The least time between two looks at the cluster's keys, whatever tokens come in."""


class UnknownTokenError(Exception):
    """The token is not one of this cluster's for this operator; the text says why and is safe to answer with."""


class KeysUnavailableError(Exception):
    """The cluster's keys could not be read yet, so no token can be judged."""


class TokenVerifier:
    """Reads a pod's identity from its token.

    Args:
        source: where the cluster's keys come from.
        clock: seconds that only go forward, such as `time.monotonic`.
    """

    def __init__(self, source: KeySource, clock: Callable[[], float]) -> None:
        self._source = source
        self._clock = clock
        self._keys: dict[str, Any] = {}
        self._issuer = ""
        self._looked_at: float | None = None
        self._lock = asyncio.Lock()

    async def identify(self, token: str) -> PodIdentity:
        """The pod that the token was issued to.

        Raises:
            UnknownTokenError: the token is not good.
            KeysUnavailableError: it cannot be judged now.
        """
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise UnknownTokenError("the token is not a JSON Web Token") from error
        if header.get("alg") not in ALGORITHMS:
            raise UnknownTokenError(f"the token is not signed with one of {', '.join(ALGORITHMS)}")
        key = await self._key(str(header.get("kid", "")))
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=AUDIENCE,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise UnknownTokenError("the token has expired") from error
        except jwt.InvalidTokenError as error:
            raise UnknownTokenError(f"the token is not valid here: {error}") from error
        return _pod(claims)

    async def _key(self, key_id: str) -> Any:
        if key_id not in self._keys:
            await self._refresh()
        if not self._keys:
            raise KeysUnavailableError
        try:
            return self._keys[key_id]
        except KeyError as error:
            raise UnknownTokenError("the token is signed with a key that is not the cluster's") from error

    async def _refresh(self) -> None:
        async with self._lock:
            now = self._clock()
            if self._looked_at is not None and now - self._looked_at < REFRESH_SECONDS:
                return
            self._looked_at = now
            try:
                issuer, document = await self._source.issuer(), await self._source.jwks()
            except ApiError as error:
                self._looked_at = None if not self._keys else now
                logger.warning("the cluster's token keys cannot be read: %s", error)
                return
            self._issuer, self._keys = issuer, _keys(document)


def _keys(document: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key.key_id): key.key for key in jwt.PyJWKSet.from_dict(dict(document)).keys}


def _pod(claims: Mapping[str, Any]) -> PodIdentity:
    bound = claims.get("kubernetes.io")
    pod = bound.get("pod") if isinstance(bound, dict) else None
    if not isinstance(bound, dict) or not isinstance(pod, dict):
        raise UnknownTokenError("the token is not bound to a pod; use the one that kubeprobe projects into the probe")
    try:
        return PodIdentity(namespace=str(bound["namespace"]), pod=str(pod["name"]), pod_uid=str(pod["uid"]))
    except KeyError as error:
        raise UnknownTokenError(f"the token does not say its pod's {error}") from error

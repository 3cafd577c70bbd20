"""Whose report it is: the projected token, checked here against the cluster's keys.

A token is bound to its pod by the API server, so one pod cannot report for another. Checking it locally costs
microseconds where a TokenReview costs a request; a one-shot pod never shows its token twice, so nothing is cached.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kubeprobe.intake.jws import MalformedTokenError, read_token
from kubeprobe.intake.keys import KeyRing
from kubeprobe.intake.port import PodIdentity
from probe_sdk.wire import AUDIENCE, ENV_TOKEN_FILE

LEEWAY_SECONDS = 5.0
"""How far the clocks of this process and of the API server may be apart."""
THE_TOKEN = f"send the token in the file that {ENV_TOKEN_FILE} names"


class UnknownTokenError(Exception):
    """The token is not one of this cluster's for this operator; the text says why and is safe to answer with."""


class _Claims(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Object(_Claims):
    name: str = Field(min_length=1)
    uid: str = Field(min_length=1)


class _Bound(_Claims):
    namespace: str = Field(min_length=1)
    pod: _Object


class _PodToken(_Claims):
    """The claims that matter (kubernetes.io: pod and namespace are there when the token is bound to a pod)."""

    iss: str
    aud: str | tuple[str, ...]
    exp: float = Field(allow_inf_nan=False)
    nbf: float = Field(default=0, allow_inf_nan=False)
    bound: _Bound = Field(alias="kubernetes.io")

    def is_for(self, audience: str) -> bool:
        return audience == self.aud if isinstance(self.aud, str) else audience in self.aud


class TokenVerifier:
    """Reads a pod's identity from its token.

    Args:
        keys: the cluster's keys.
        now: the time that tokens are valid at.
    """

    def __init__(self, keys: KeyRing, now: Callable[[], datetime]) -> None:
        self._keys = keys
        self._now = now

    async def identify(self, token: str) -> PodIdentity:
        """The pod that the token was issued to.

        Raises:
            UnknownTokenError: the token is not good.
            KeysUnavailableError: it cannot be judged now.
        """
        claims = _claims(await self._signed_payload(token))
        if not claims.is_for(AUDIENCE):
            raise UnknownTokenError(f"the token is not for the audience {AUDIENCE}: {THE_TOKEN}")
        if claims.iss != self._keys.issuer:
            await self._keys.look_again()
        if claims.iss != self._keys.issuer:
            raise UnknownTokenError(f"the token is not from this cluster's issuer: {THE_TOKEN}")
        now = self._now().timestamp()
        if now >= claims.exp + LEEWAY_SECONDS:
            raise UnknownTokenError("the token has expired: read it anew, the kubelet renews the file")
        if now < claims.nbf - LEEWAY_SECONDS:
            raise UnknownTokenError("the token is not valid yet: check the clocks of the nodes")
        return PodIdentity(claims.bound.namespace, claims.bound.pod.name, claims.bound.pod.uid)

    async def _signed_payload(self, text: str) -> bytes:
        try:
            token = read_token(text)
        except MalformedTokenError as error:
            raise UnknownTokenError(f"{error}: {THE_TOKEN}") from error
        key = await self._keys.find(token.key_id)
        if key is None:
            raise UnknownTokenError(f"the token is signed with a key that is not the cluster's: {THE_TOKEN}")
        if not key.has_signed(token):
            raise UnknownTokenError(f"the token's signature is not the cluster's: {THE_TOKEN}")
        return token.payload


def _claims(payload: bytes) -> _PodToken:
    try:
        return _PodToken.model_validate_json(payload)
    except ValidationError as error:
        where: tuple[Any, ...] = error.errors(include_url=False, include_input=False)[0]["loc"]
        if where[:1] == ("kubernetes.io",):
            raise UnknownTokenError(f"the token is not bound to a pod: {THE_TOKEN}") from error
        named = ".".join(map(str, where)) or "JSON"
        raise UnknownTokenError(f"the token has no valid claim {named}: {THE_TOKEN}") from error

"""Whether somebody may ask a gate, by the cluster's own users and rules: a token that it knows, and a right to it.

Answers of the cluster are kept for a short time and outlive it for some minutes, so that asking gates costs the API
server little and goes on while it is away. Tokens are known here by their hash only.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from http import HTTPStatus

from kubeprobe.intake import refusal
from kubeprobe.intake.gates.memo import Keeping, Memo
from kubeprobe.intake.gates.port import Reviews
from kubeprobe.intake.gates.throttle import Rate, Throttle
from kubeprobe.intake.refusal import RefusalError
from kubeprobe.kube.port import ApiError
from kubeprobe.kube.reviews import Caller

KNOWN_SECONDS = 60.0
UNKNOWN_SECONDS = 10.0
ALLOWED_SECONDS = 30.0
DENIED_SECONDS = 5.0
STALE_SECONDS = 300.0
"""How long who was let in is let in while the API server does not answer."""
ASKED_BY_EACH = Rate(5.0, 20.0)
ASKED_IN_ALL = Rate(20.0, 60.0)
"""How often strangers have the API server asked; tokens that nobody has heard of cost nothing to make."""
MAX_TOKEN_BYTES = 16 * 1024
HOW = "send 'Authorization: Bearer' with a token of this cluster, or Basic with the token as password"
CHALLENGE = 'Bearer realm="kubeprobe", Basic realm="kubeprobe"'


class Access:
    """Lets callers in.

    Args:
        reviews: the cluster.
        clock: seconds that only go forward.
    """

    def __init__(self, reviews: Reviews, clock: Callable[[], float]) -> None:
        self._reviews = reviews
        self._asks = Throttle(ASKED_BY_EACH, ASKED_IN_ALL, 0.0, clock)
        self._callers: Memo[bytes, Caller | None] = Memo(
            lambda caller: Keeping(UNKNOWN_SECONDS) if caller is None else Keeping(KNOWN_SECONDS, STALE_SECONDS), clock
        )
        self._rights: Memo[tuple[bytes, str, str], bool] = Memo(
            lambda allowed: Keeping(ALLOWED_SECONDS, STALE_SECONDS) if allowed else Keeping(DENIED_SECONDS), clock
        )

    async def admit(self, authorization: str, client: str, verb: str, gate: str) -> str:
        """The name of somebody who may do this with a gate; with all gates when none is named.

        Raises:
            RefusalError: who it is is not known, or not allowed it, or that cannot be told now.
        """
        token = _token(authorization)
        key = hashlib.sha256(token.encode()).digest()
        try:
            caller = await self._caller(key, token, client)
            allowed = await self._allowed(key, caller, client, verb, gate)
        except ApiError as error:
            raise refusal.later("who may ask cannot be found out now, the API server does not tell") from error
        if not allowed:
            named = f"changegate {gate}" if gate else "changegates"
            raise RefusalError(HTTPStatus.FORBIDDEN, f"{caller.name} may not {verb} {named}: see docs/gate-http.md")
        return caller.name

    async def close(self) -> None:
        """End what is being asked."""
        await self._callers.close()
        await self._rights.close()

    async def _caller(self, key: bytes, token: str, client: str) -> Caller:
        caller = await self._callers.get(key, lambda: self._reviews.who(token), lambda: self._may_ask(client))
        if caller is None:
            raise _unauthorized(f"the token is not known to the cluster: {HOW}")
        return caller

    async def _allowed(self, key: bytes, caller: Caller, client: str, verb: str, gate: str) -> bool:
        right = (key, verb, gate)
        return await self._rights.get(
            right, lambda: self._reviews.may(caller, verb, gate), lambda: self._may_ask(client)
        )

    def _may_ask(self, client: str) -> None:
        """Whether a stranger is worth a question to the cluster, or raise `RefusalError`."""
        if self._asks.admit(client) is None:
            raise refusal.too_often(1)


def _token(authorization: str) -> str:
    """The token; as a password too, since some release tools can be given nothing but an address."""
    scheme, _, shown = authorization.partition(" ")
    token = shown.strip()
    if scheme.lower() == "basic":
        try:
            token = base64.b64decode(token, validate=True).decode().partition(":")[2]
        except ValueError:  # no base64, or nothing that is text
            token = ""
    elif scheme.lower() != "bearer":
        token = ""
    # What is no ASCII is no token, and may be no text either: a header has whatever bytes somebody sends.
    if not token or not token.isascii() or len(token) > MAX_TOKEN_BYTES:
        raise _unauthorized(HOW)
    return token


def _unauthorized(why: str) -> RefusalError:
    return RefusalError(HTTPStatus.UNAUTHORIZED, why, {"WWW-Authenticate": CHALLENGE})

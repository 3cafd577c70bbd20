"""The cluster's token keys as this process knows them: looked up rarely, kept when the API server does not answer.

Anyone may send a token that names an unheard-of key, so how often that makes us ask is bounded, one question at a time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from kubeprobe.intake.jws import VerificationKey, public_keys
from kubeprobe.intake.port import KeySource
from kubeprobe.kube.port import ApiError

logger = logging.getLogger("kubeprobe.intake")

PAUSE_SECONDS = 10.0
"""The least time between two looks at the cluster's keys, whatever tokens come in."""
RETRY_SECONDS = 1.0
"""The same after a look that failed."""
FRESH_SECONDS = 3600.0
"""How long keys are taken as they are: what the API server's own Cache-Control says of them."""
LOOK_SECONDS = 5.0
"""How long a look may take."""


class KeysUnavailableError(Exception):
    """Whether the key is the cluster's cannot be found out now."""


@dataclass(frozen=True, slots=True)
class ClusterKeySet:
    """What the cluster says of its tokens."""

    issuer: str = ""
    keys: dict[str, VerificationKey] = field(default_factory=dict)


class KeyRing:
    """The keys that the cluster signs service account tokens with.

    Args:
        source: where they come from.
        clock: seconds that only go forward, such as `time.monotonic`.
    """

    def __init__(self, source: KeySource, clock: Callable[[], float]) -> None:
        self._source = source
        self._clock = clock
        self._known = ClusterKeySet()
        self._fresh_until = clock()
        self._ask_after = clock()
        self._failed = False
        self._looking: asyncio.Task[None] | None = None

    @property
    def issuer(self) -> str:
        """The issuer of the cluster's tokens, as of the last look."""
        return self._known.issuer

    async def find(self, key_id: str) -> VerificationKey | None:
        """The key of this id; None when the cluster has none.

        Raises:
            KeysUnavailableError: the key is not known here, and the API server does not answer.
        """
        key = self._known.keys.get(key_id)
        if key is not None:
            if self._clock() >= self._fresh_until:
                self._look()
            return key
        await self.look_again()
        key = self._known.keys.get(key_id)
        if key is None and (self._failed or self._looking is not None):
            raise KeysUnavailableError
        return key

    async def look_again(self) -> None:
        """Ask the cluster anew, unless that was done just now; returns when the answer is there or is not to come."""
        self._look()
        if self._looking is not None:
            await asyncio.wait({self._looking})

    async def close(self) -> None:
        """End a look that is under way."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking})

    def _look(self) -> None:
        if self._looking is None and self._clock() >= self._ask_after:
            self._looking = asyncio.create_task(self._ask())

    async def _ask(self) -> None:
        pause = RETRY_SECONDS
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                issuer, document = await self._source.issuer(), await self._source.jwks()
            self._known = ClusterKeySet(issuer, public_keys(document))
            self._fresh_until = self._clock() + FRESH_SECONDS
            self._failed, pause = False, PAUSE_SECONDS
        except (ApiError, TimeoutError, LookupError, TypeError, ValueError) as error:
            if not self._failed:
                why = str(error) or f"no answer within {LOOK_SECONDS:g}s"
                logger.warning("the cluster's token keys cannot be read, will try again: %s", why)
            self._failed = True
        finally:
            self._ask_after = self._clock() + pause
            self._looking = None

"""Runs for changes that the API server does not take: a quota or a webhook can refuse a config's runs for ever, and
its Changes are not to wait for that.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from kubeprobe.control.view import Key
from kubeprobe.plan.change_runs import Skipped

REFUSED = timedelta(minutes=5)
"""How long a run is asked for that the API server does not take."""
PAUSE = timedelta(minutes=1)
"""How long it is not asked for then, so that its Changes end without it; those that come later try anew."""


class Refusals:
    """What was refused, by config: since when, and in which words."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._since: dict[Key, tuple[datetime, str]] = {}

    def add(self, config: Key, words: str) -> datetime:
        """Take in that a run was refused; when it is given up, if all others are refused until then."""
        known = self._since.get(config)
        if known is None or self._now() >= known[0] + REFUSED + PAUSE:
            known = (self._now(), words)
            self._since[config] = known
        return known[0] + REFUSED

    def given_up(self, config: Key) -> Skipped | None:
        """Why nobody waits for a config's runs now; None where somebody does."""
        if config not in self._since:
            return None
        since, words = self._since[config]
        until = since + REFUSED + PAUSE
        return Skipped("RunRefused", words, until) if since + REFUSED <= self._now() < until else None

    def again_at(self, config: Key) -> datetime | None:
        """When a run that was given up is tried again; None where none was."""
        found = self.given_up(config)
        return found.until if found is not None else None

    def forget(self, config: Key) -> None:
        """A run was taken, or the config is gone."""
        self._since.pop(config, None)

    def clear(self) -> None:
        """Forget all."""
        self._since.clear()

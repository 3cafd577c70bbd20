"""Runs that the API server does not take: a quota or a webhook can refuse a config's runs for ever.

They are tried again more and more seldom, whatever has their config looked at meanwhile: each try is a write, for which
others wait. And Changes are not to wait for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from kubeprobe.control.view import Key
from kubeprobe.plan.backoff import backoff_seconds
from kubeprobe.plan.change_runs import Skipped

REFUSED = timedelta(minutes=5)
"""How long Changes wait for a run that the API server does not take."""
PAUSE = timedelta(minutes=1)
"""How long it is not asked for then, so that its Changes end without it; those that come later try anew."""
FIRST_REST = timedelta(seconds=1)
LONGEST_REST = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class _Refused:
    """What a config's runs met, without one that was taken between."""

    since: datetime
    words: str
    """Of the first refusal, in which Changes tell of all."""
    last_words: str
    last_at: datetime
    count: int = 1

    @property
    def again_at(self) -> datetime:
        """When the next one may be tried: twice as long after each refusal."""
        rest_seconds = backoff_seconds(self.count, FIRST_REST.total_seconds(), LONGEST_REST.total_seconds())
        return self.last_at + timedelta(seconds=rest_seconds)

    def is_over(self, now: datetime) -> bool:
        """Whether what comes now counts anew."""
        return now >= self.since + REFUSED + PAUSE


class Refusals:
    """What was refused, by config: since when, in which words, and when it may be tried again."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._refused: dict[Key, _Refused] = {}

    def add(self, config: Key, words: str) -> bool:
        """Take in that a run was refused; whether that is something new, which its user is to be told."""
        now, known = self._now(), self._refused.get(config)
        self._forget_old(now)
        if known is None or known.is_over(now):
            self._refused[config] = _Refused(now, words, words, now)
            return True
        self._refused[config] = _Refused(known.since, known.words, words, now, known.count + 1)
        return words != known.last_words

    def rests_until(self, config: Key) -> datetime | None:
        """Until when a config's run is not tried again; None where it may be."""
        known, now = self._refused.get(config), self._now()
        # One that was refused later than now was so before the clock was set back.
        return known.again_at if known is not None and known.last_at <= now < known.again_at else None

    def has(self, config: Key) -> bool:
        """Whether a config's last run was refused."""
        return config in self._refused

    def namespaces(self) -> set[str]:
        """Where a run was refused just now: a quota, or a webhook that is away, refuses the others there as well."""
        now = self._now()
        return {key[0] for key, one in self._refused.items() if one.last_at <= now < one.last_at + FIRST_REST}

    def given_up(self, config: Key) -> Skipped | None:
        """Why nobody waits for a config's runs now; None where somebody does."""
        given_up_at, now = self.given_up_at(config), self._now()
        if given_up_at is None or not given_up_at <= now < given_up_at + PAUSE:
            return None
        return Skipped("RunRefused", self._refused[config].words, given_up_at + PAUSE)

    def given_up_at(self, config: Key) -> datetime | None:
        """When nobody waits for a config's run any more, if all are refused until then; None where none was."""
        return self._refused[config].since + REFUSED if config in self._refused else None

    def again_at(self, config: Key) -> datetime | None:
        """When a run that rests, or was given up, is tried again; None where there is none."""
        found = self.given_up(config)
        return found.until if found is not None else self.rests_until(config)

    def forget(self, config: Key) -> None:
        """A run was taken, or the config is gone."""
        self._refused.pop(config, None)

    def clear(self) -> None:
        """Forget all."""
        self._refused.clear()

    def _forget_old(self, now: datetime) -> None:
        """Of a config that is gone, or whose run nobody wants any more, nobody tells."""
        self._refused = {key: one for key, one in self._refused.items() if now < one.last_at + REFUSED + PAUSE}

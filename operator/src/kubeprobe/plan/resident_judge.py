"""What the probers of one config come to together: how many of how many targets fail, and which verdict that is.

On each node one prober speaks, or one for all: while a Deployment is rolled there are two, and the one that can tell of
more targets is believed. A prober that has not told of all its targets yet can say that something fails, and no more.
Whoever has just begun to listen waits for those that were there before.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kubeprobe.api import FailingResidentTarget, ResidentSource, ResultResident, Verdict
from kubeprobe.plan import record
from kubeprobe.plan.resident_word import Spot, Voice, Word
from kubeprobe.plan.resident_words import words

SHORTEST_SILENCE_SECONDS = 30.0
SILENT_INTERVALS = 3
MOST_NAMED = 50
NAMED_BYTES = 2800


@dataclass(frozen=True, slots=True)
class Terms:
    """What a config makes of its targets.

    Args:
        share: the part of the targets whose failure turns the verdict; None where a single one does.
        noise: what makes a target fail, where one failed probe does not.
    """

    interval_seconds: float
    share: float | None = None
    each_node: bool = False
    noise: str = ""

    @property
    def silence_seconds(self) -> float:
        """After so long without a word nothing is believed any more."""
        return max(SHORTEST_SILENCE_SECONDS, SILENT_INTERVALS * self.interval_seconds)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the probers come to.

    Args:
        verdict: None when those that were heard cannot tell: what was known stands.
        since: since when it has been this verdict, by the probers' clocks; None when none says.
        silent_at: when the first of them would be silent for too long.
    """

    verdict: Verdict | None
    reason: str
    message: str
    since: datetime | None
    resident: ResultResident
    silent_at: datetime


@dataclass(frozen=True, slots=True)
class _Sum:
    words: tuple[tuple[str, Word], ...]
    """Who speaks, by node."""
    silent: int
    unheard: int
    """The targets of those that are silent."""
    awaited: bool
    """One that was there before anybody listened has not told of all its targets yet, and is not overdue."""

    def total(self, verdict: Verdict) -> int:
        if verdict is Verdict.PASSED:
            return sum(word.passed for _, word in self.words)
        if verdict is Verdict.FAILED:
            return sum(word.failed for _, word in self.words)
        return sum(word.unknown for _, word in self.words) + self.unheard

    def spots(self) -> list[tuple[str, Spot]]:
        return [(node, spot) for node, word in self.words for spot in word.spots]


def judge(voices: Iterable[Voice], terms: Terms, listening_since: datetime, now: datetime) -> Judgement | None:
    """What the probers come to; None when none of them was heard lately.

    Args:
        voices: the config's probers, one for each of its pods.
        terms: what the config makes of them.
        listening_since: since when this process could have heard them.
        now: the time.
    """
    summed = _summed(voices, terms, listening_since, now)
    if not summed.words:
        return None
    verdict, named = _verdict(summed, terms), _named(summed.spots())
    failing, flapping = (
        [one for one in named if one[1].verdict is Verdict.FAILED],
        [one for one in named if one[1].turns],
    )
    resident = _resident(summed, terms, failing, len(flapping))
    reason, message = words(verdict, resident, terms.noise, failing, flapping)
    heard_at = min(word.heard_at for _, word in summed.words)
    return Judgement(
        verdict=verdict,
        reason=reason,
        message=message,
        since=_since(verdict, summed, terms, failing),
        resident=resident,
        silent_at=heard_at + timedelta(seconds=terms.silence_seconds),
    )


def speakers(voices: Iterable[Voice], terms: Terms, now: datetime) -> dict[str, Voice]:
    """Who is believed, by node, and for all nodes under the empty name where there is one prober for all."""
    found = {node: _speaker(group, terms, now) for node, group in _groups(voices, terms)}
    return {node: voice for node, voice in found.items() if voice is not None}


def _groups(voices: Iterable[Voice], terms: Terms) -> list[tuple[str, list[Voice]]]:
    groups: dict[str, list[Voice]] = defaultdict(list)
    for voice in voices:
        groups[voice.node if terms.each_node else ""].append(voice)
    return sorted(groups.items())


def _summed(voices: Iterable[Voice], terms: Terms, listening_since: datetime, now: datetime) -> _Sum:
    heard: list[tuple[str, Word]] = []
    silent, unheard, awaited = 0, 0, False
    for node, group in _groups(voices, terms):
        speaker, overdue = _speaker(group, terms, now), _overdue(group, terms, listening_since, now)
        word = speaker.word if speaker is not None else None
        if word is not None:
            heard.append((node, word))
        elif overdue:
            silent += 1
            unheard += max((one.word.targets for one in group if one.word), default=1)
        if (word is None or not word.whole) and not overdue:
            awaited = awaited or min(one.created_at for one in group) < listening_since
    if any(word.whole for _, word in heard):
        # One that has just started on some node keeps the others from nothing.
        heard = [(node, word) for node, word in heard if word.whole or word.failed]
    return _Sum(tuple(heard), silent, unheard, awaited)


def _speaker(group: Sequence[Voice], terms: Terms, now: datetime) -> Voice | None:
    alive = [(one, one.word) for one in group if one.word and one.heard_within(terms.silence_seconds, now)]
    alive.sort(key=lambda one: one[0].created_at, reverse=True)
    return min(alive, key=lambda one: (not one[1].whole, one[1].unknown), default=(None, None))[0]


def _overdue(group: Sequence[Voice], terms: Terms, listening_since: datetime, now: datetime) -> bool:
    could_speak = max(listening_since, min(one.created_at for one in group))
    return now - could_speak >= timedelta(seconds=terms.silence_seconds)


def _verdict(summed: _Sum, terms: Terms) -> Verdict | None:
    passed, failed, unknown = (summed.total(one) for one in (Verdict.PASSED, Verdict.FAILED, Verdict.UNKNOWN))
    if summed.awaited and (terms.share is not None or not failed):
        return None  # what it tells may be just what is known: a new leader must not turn the verdict there and back
    if failed and failed >= _enough(passed + failed + unknown, terms):
        return Verdict.FAILED
    if not any(word.whole for _, word in summed.words):
        return None
    return Verdict.PASSED if passed >= max(unknown, 1) else Verdict.UNKNOWN


def _enough(targets: int, terms: Terms) -> int:
    """How many targets that fail are enough; a hair less than a whole number is rounding."""
    return 1 if terms.share is None else max(math.ceil(targets * terms.share - 1e-9), 1)


def _since(verdict: Verdict | None, summed: _Sum, terms: Terms, failing: Sequence[tuple[str, Spot]]) -> datetime | None:
    if verdict is Verdict.FAILED:
        targets = sum(word.targets for _, word in summed.words) + summed.unheard
        which = min(_enough(targets, terms), len(failing)) - 1
        return failing[which][1].since if failing else None
    return max((word.newest for _, word in summed.words if word.newest is not None), default=None)


def _named(spots: Iterable[tuple[str, Spot]]) -> list[tuple[str, Spot]]:
    """The one that began first may be what broke the others."""
    return sorted(spots, key=lambda one: (one[1].since, one[1].target, one[0]))


def _resident(summed: _Sum, terms: Terms, failing: Sequence[tuple[str, Spot]], flapping: int) -> ResultResident:
    counts = {one: summed.total(one) for one in Verdict}
    speaking = [word for _, word in summed.words]
    by_log = any(word.source is ResidentSource.KUBELET for word in speaking)
    named = _bounded(failing)
    return ResultResident(
        targets=sum(counts.values()),
        passed=counts[Verdict.PASSED],
        failed=counts[Verdict.FAILED],
        unknown=counts[Verdict.UNKNOWN],
        flapping=flapping,
        probers=len(speaking),
        silent=summed.silent,
        served_ratio=round(min(word.served_ratio for word in speaking), 4),
        interval_seconds=terms.interval_seconds,
        source=ResidentSource.KUBELET if by_log else ResidentSource.INTAKE,
        failing=named,
        more=counts[Verdict.FAILED] - len(named),
    )


def _bounded(failing: Sequence[tuple[str, Spot]]) -> tuple[FailingResidentTarget, ...]:
    """As many by name as there is room for, and as much of their messages as is left then, the same for each."""
    bare, room = [], NAMED_BYTES
    for node, spot in failing[:MOST_NAMED]:
        one = FailingResidentTarget(target=spot.target, node=node, since=spot.since)
        room -= record.json_size(one.model_dump(mode="json"))
        if room < 0:
            break
        bare.append(one)
    each = max(room, 0) // max(len(bare), 1)
    told = zip(bare, failing, strict=False)
    return tuple(one.model_copy(update={"message": record.within(spot.message, each)}) for one, (_, spot) in told)

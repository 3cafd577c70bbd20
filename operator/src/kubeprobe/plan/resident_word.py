"""What one resident prober says now, whichever way it came: how many targets are how, and which of them are not well.

The messages bring every target, the log's line only counts and the worst. Whoever judges does not need to know which it
was, but says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError

from kubeprobe.api import ResidentSource, Verdict
from kubeprobe.plan.samples import SILENT_SECONDS, Prober
from probe_sdk.samples import LOG_MARK, LogLine

FLAPPING_TURNS = 5.0
"""More turns in a minute are not told one by one."""
CLOCK_SKEW_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Spot:
    """A target that is worth its name: it fails, cannot be told, or flaps."""

    target: str
    verdict: Verdict
    since: datetime
    message: str = ""
    turns: int = 0
    """About how often it turned in the last minute, if that is often."""


@dataclass(frozen=True, slots=True)
class Word:
    """The newest word of one prober."""

    heard_at: datetime
    source: ResidentSource
    epoch: str
    sequence: int
    interval_seconds: float
    served_ratio: float
    whole: bool
    """Whether it is about all its targets; if not, those that were not told yet are among the unknown ones."""
    passed: int
    failed: int
    unknown: int
    spots: tuple[Spot, ...] = ()
    newest: datetime | None = None
    """When the target that turned last turned."""

    @property
    def targets(self) -> int:
        """How many targets the prober has."""
        return self.passed + self.failed + self.unknown


@dataclass(frozen=True, slots=True)
class Voice:
    """One prober's pod, and what it says.

    Args:
        node: the node that it is on.
        word: None while nothing was heard.
    """

    pod: str
    uid: str
    node: str
    created_at: datetime
    word: Word | None = None

    def heard_within(self, seconds: float, now: datetime) -> bool:
        """Whether its word is not older than this."""
        return self.word is not None and now - self.word.heard_at < timedelta(seconds=seconds)


def of_prober(prober: Prober, now: datetime) -> Word:
    """The word that messages came to."""
    known = prober.targets.values()
    verdicts = [Verdict(one.sample.verdict) for one in known]
    unknown = verdicts.count(Verdict.UNKNOWN) + max(prober.of - len(verdicts), 0)
    spots = (
        Spot(one.sample.target, verdict, one.sample.since, one.sample.message, _turns(one.unrest_at(now)))
        for one, verdict in zip(known, verdicts, strict=True)
    )
    return Word(
        heard_at=prober.heard_at,
        source=ResidentSource.INTAKE,
        epoch=prober.epoch,
        sequence=prober.sequence,
        interval_seconds=prober.interval_seconds,
        served_ratio=prober.served_ratio,
        whole=prober.whole,
        passed=verdicts.count(Verdict.PASSED),
        failed=verdicts.count(Verdict.FAILED),
        unknown=unknown,
        spots=tuple(one for one in spots if one.verdict is not Verdict.PASSED or one.turns),
        newest=max((one.sample.since for one in known), default=None),
    )


def of_log(line: LogLine, read_at: datetime, before: Word | None) -> Word | None:
    """The word in a line of the prober's log; None when it is no news, and so no sign of life.

    Args:
        line: the last line there is.
        read_at: when it was read.
        before: what the prober said before.
    """
    if before is None and abs(read_at - line.sent_at) > timedelta(seconds=SILENT_SECONDS + CLOCK_SKEW_SECONDS):
        return None
    if before is not None and line.epoch == before.epoch and line.sequence <= before.sequence:
        return None
    if before is not None and line.epoch < before.epoch and read_at - before.heard_at < _SILENCE:
        return None
    spots = tuple(Spot(one.target, Verdict(one.verdict), one.since, one.message) for one in line.not_passed)
    return Word(
        heard_at=read_at,
        source=ResidentSource.KUBELET,
        epoch=line.epoch,
        sequence=line.sequence,
        interval_seconds=line.interval_seconds,
        served_ratio=line.served_ratio,
        whole=True,
        passed=line.targets - line.targets_failed - line.targets_unknown,
        failed=line.targets_failed,
        unknown=line.targets_unknown,
        spots=spots,
        newest=max((one.since for one in spots), default=None),
    )


def read_log(lines: Iterable[str]) -> LogLine | None:
    """The last of a log's lines that is one of ours and can be read."""
    for line in reversed([one for one in lines if one.startswith(LOG_MARK)]):
        try:
            return LogLine.model_validate_json(line.removeprefix(LOG_MARK))
        except ValidationError:
            continue
    return None


def verdicts(prober: Prober, word: Word) -> dict[str, Verdict]:
    """How each target that messages told of is by a word that may have come another way, and later."""
    if word.source is ResidentSource.INTAKE:
        return {name: Verdict(one.sample.verdict) for name, one in prober.targets.items()}
    all_named = len(word.spots) == word.failed + word.unknown
    others = Verdict.PASSED if all_named else Verdict.UNKNOWN
    named = {spot.target: spot.verdict for spot in word.spots}
    return {name: named.get(name, others) for name in prober.targets}


def newer(one: Word | None, other: Word | None) -> Word | None:
    """The word that was heard later."""
    if one is None or other is None:
        return one or other
    return one if one.heard_at >= other.heard_at else other


_SILENCE = timedelta(seconds=SILENT_SECONDS)


def _turns(unrest: float) -> int:
    return round(unrest) if unrest > FLAPPING_TURNS else 0

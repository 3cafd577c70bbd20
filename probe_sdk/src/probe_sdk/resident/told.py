"""From accounts to what is sent and what is logged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from probe_sdk.resident.account import Account, Verdict
from probe_sdk.samples import LOGGED_FAILING, MAX_SAMPLES_BYTES, LoggedTarget, LogLine, Samples, TargetSample

TARGETS_PER_MESSAGE = 250
BYTES_PER_MESSAGE = MAX_SAMPLES_BYTES - 8 * 1024
"""Of the targets alone: some 500 bytes each where names and messages are short, and a few KiB where they are not."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a prober kept up.

    Args:
        served_ratio: the share of the slots since the last summary that were served.
        withheld_seconds: how long it was held up in all.
    """

    interval_seconds: float
    served_ratio: float
    withheld_seconds: float


class Epoch:
    """One life of a prober's process: its name, its clocks, and the numbers of its messages.

    Args:
        now: the time by which people read it.
        clock: the monotonic clock that accounts are kept by.
    """

    def __init__(self, name: str, now: Callable[[], datetime], clock: Callable[[], float]) -> None:
        self.name = name
        self._now = now
        self._clock = clock
        self.started_at = now()
        self._sequence = 0
        self._round = 0

    def time_of(self, at: float) -> datetime:
        """A moment of the monotonic clock, as people read it."""
        return (self._now() - timedelta(seconds=self._clock() - at)).astimezone(UTC)

    def turned(self, accounts: Iterable[Account], of: int, pace: Pace) -> Iterator[Samples]:
        """What turned, of so many targets, in as many messages as it takes: all may have turned at once."""
        for part in _parts(self._sample(account) for account in accounts):
            yield self._message(part, of, pace, round_=0, complete=False)

    def round(self, accounts: Iterable[Account], pace: Pace) -> Iterator[Samples]:
        """All targets, in as many messages as it takes."""
        parts = [*_parts(self._sample(account) for account in accounts)] or [()]
        of = sum(len(part) for part in parts)
        self._round += 1
        for number, part in enumerate(parts, 1):
            yield self._message(part, of, pace, self._round, complete=number == len(parts))

    def _message(
        self, targets: tuple[TargetSample, ...], of: int, pace: Pace, round_: int, *, complete: bool
    ) -> Samples:
        self._sequence += 1
        return Samples(
            epoch=self.name,
            sequence=self._sequence,
            sent_at=self._now(),
            started_at=self.started_at,
            complete=complete,
            round=round_,
            of=of,
            interval_seconds=pace.interval_seconds,
            served_ratio=pace.served_ratio,
            withheld_seconds=pace.withheld_seconds,
            targets=targets,
        )

    def _sample(self, account: Account) -> TargetSample:
        # Counts are read while the prober's thread goes on: what has to hold between two is read in that order.
        missed = account.missed
        return TargetSample(
            target=account.target,
            verdict=account.verdict.value,
            since=self.time_of(account.since),
            message="" if account.verdict is Verdict.PASSED else account.message,
            passed=account.passed,
            failed=account.failed,
            unknown=account.unknown,
            missed=missed,
            turns=account.turns,
            seconds=account.seconds_sum,
            buckets={index: count for index, count in enumerate(account.buckets) if count},
            classes=dict(account.classes),
            life=account.life,
        )


def _parts(samples: Iterable[TargetSample]) -> Iterator[tuple[TargetSample, ...]]:
    """As many together as one message takes."""
    part: list[TargetSample] = []
    size = 0
    for sample in samples:
        length = len(sample.model_dump_json(exclude_defaults=True).encode()) + 1
        if part and (size + length > BYTES_PER_MESSAGE or len(part) == TARGETS_PER_MESSAGE):
            yield tuple(part)
            part, size = [], 0
        part.append(sample)
        size += length
    if part:
        yield tuple(part)


def log_line(samples: Samples, accounts: Iterable[Account], time_of: Callable[[float], datetime]) -> str:
    """A message in short, for the log that is read when no message arrives: counts, and which targets are not well.

    Args:
        time_of: a moment of the accounts' clock, as people read it.
    """
    everything = [(account, account.verdict) for account in accounts]
    failed = [one for one, verdict in everything if verdict is Verdict.FAILED]
    unknown = [one for one, verdict in everything if verdict is Verdict.UNKNOWN]
    named = [*((one, Verdict.FAILED) for one in failed), *((one, Verdict.UNKNOWN) for one in unknown)][:LOGGED_FAILING]
    return LogLine(
        epoch=samples.epoch,
        sequence=samples.sequence,
        sent_at=samples.sent_at,
        round=samples.round,
        interval_seconds=samples.interval_seconds,
        served_ratio=samples.served_ratio,
        targets=len(everything),
        targets_failed=len(failed),
        targets_unknown=len(unknown),
        passed=sum(one.passed for one, _ in everything),
        failed=sum(one.failed for one, _ in everything),
        unknown=sum(one.unknown for one, _ in everything),
        not_passed=tuple(
            LoggedTarget(target=one.target, verdict=verdict.value, since=time_of(one.since), message=one.message)
            for one, verdict in named
        ),
        more=len(failed) + len(unknown) - len(named),
    ).text()

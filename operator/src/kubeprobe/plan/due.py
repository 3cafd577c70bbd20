"""Which run of a config is due: one for each slot, at its time or not at all.

A slot that comes while another run is going waits for its end, replaces it or goes beside it, as the config says. The
newest slot alone is ever served; what went by while nobody was there to serve it is counted in the run that comes next,
and never made up for. A run that did not pass is tried again for the same slot before it counts.
"""

from __future__ import annotations

import string
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from kubeprobe.api import (
    API_VERSION,
    Concurrency,
    Missed,
    MissedReason,
    Phase,
    ProbeConfig,
    ProbeRun,
    Source,
    Stage,
    Trigger,
    TriggerKind,
    Verdict,
)
from kubeprobe.api.run_trigger import TRIED_AGAIN
from kubeprobe.plan.maintenance import Stretch, maintenance, pauses
from kubeprobe.plan.run import belonging
from kubeprobe.plan.schedule import Rhythm

WENT_BACK_SECONDS = 60.0
MOST_AT_ONCE = 10
"""Runs of one config that go beside each other at most, where the config allows that."""
DIGITS = string.digits + string.ascii_lowercase
NODE_STAGES = frozenset({Stage.NOT_ACKNOWLEDGED, Stage.NO_SANDBOX, Stage.NO_IMAGE, Stage.NOT_STARTED})
"""Where a pod stops that a node could not start."""


@dataclass(frozen=True, slots=True)
class Due:
    """What the schedule asks for now."""

    create: dict[str, Any] | None = None
    replaced: tuple[ProbeRun, ...] = ()
    """Runs that are going and have to make way."""
    next_slot: datetime | None = None
    wake_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Clockwork:
    """A config's slots, and what is known of those that came already."""

    config: ProbeConfig
    rhythm: Rhythm
    runs: Sequence[ProbeRun]
    """The config's runs, whatever started them."""
    last_slot: datetime | None
    """The newest slot that is known to have had its run, from the ProbeResult."""
    since: datetime
    """Since when these slots are followed: earlier ones were not missed."""


def due(work: Clockwork, now: datetime) -> Due:
    """Decide what is due."""
    spec = work.config.spec
    found, windows = work.rhythm.slots(now), maintenance(spec.maintenance, now)
    wake_at = _soonest(found.next, windows.changes_at)
    nothing = Due(next_slot=found.next, wake_at=wake_at)
    if found.due is None or windows.pauses:
        return nothing
    scheduled = [run for run in work.runs if run.spec.trigger.kind is TriggerKind.SCHEDULE]
    served = _newest_served(work, scheduled, now)
    if served is not None and served >= whole(found.due):
        return _again(work, scheduled, served, nothing, now)
    if _too_late(work, found.due, now):
        return nothing
    going = [run for run in scheduled if _going(run)]
    concurrency = Concurrency.FORBID if spec.targets is not None else spec.concurrency
    if going and (concurrency is Concurrency.FORBID or len(going) >= MOST_AT_ONCE):
        return nothing
    replaced = tuple(going) if concurrency is Concurrency.REPLACE else ()
    missed = _missed(work, scheduled, served, found.due)
    create = new_run(work.config, found.due, missed=missed, node=suspect_node(_begun(scheduled, now)))
    return Due(create, replaced, found.next, wake_at)


def run_name(config_name: str, slot: datetime, attempt: int = 1) -> str:
    """The name of an attempt at a slot: the same whoever computes it, so that creating it twice is harmless."""
    seconds = int(slot.timestamp())
    return f"{config_name}-{seconds}" if attempt == 1 else f"{config_name}-{_base36(seconds)}-{attempt}"


def new_run(
    config: ProbeConfig, slot: datetime, *, attempt: int = 1, missed: Missed | None = None, node: str | None = None
) -> dict[str, Any]:
    """The manifest of an attempt at a slot."""
    name = run_name(config.metadata.name, slot, attempt)
    text = whole(slot).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    trigger: dict[str, Any] = {"kind": TriggerKind.SCHEDULE.value, "slot": text}
    if attempt > 1:
        trigger["attempt"] = attempt
    if missed is not None:
        trigger["missed"] = missed.model_dump(by_alias=True, mode="json")
    return {
        "apiVersion": API_VERSION,
        "kind": "ProbeRun",
        "metadata": {"name": name, "namespace": config.metadata.namespace, **belonging(config, name)},
        "spec": {
            "configRef": {"name": config.metadata.name},
            "trigger": trigger,
            **({"node": node} if node else {}),
        },
    }


def counts(
    run: ProbeRun, config: ProbeConfig, runs: Sequence[ProbeRun], now: datetime, asking: Collection[str] = ()
) -> bool:
    """Whether a completed run is the last word on what it is for: not one that is tried again.

    Args:
        run: the run.
        config: what it belongs to.
        runs: all runs of the config.
        now: the time.
        asking: the Changes that have the config run; see `may_again`.
    """
    trigger = run.spec.trigger
    if trigger.kind not in TRIED_AGAIN or run.status.verdict is Verdict.PASSED:
        return True
    if any(_is_later_attempt(other, run) for other in runs):
        return False
    if not may_again(run, config, asking):
        return True
    if trigger.slot is None:
        return False
    return any(other.spec.trigger.slot > trigger.slot for other in _begun(runs, now) if other.spec.trigger.slot)


def _is_later_attempt(other: ProbeRun, run: ProbeRun) -> bool:
    """Whether a run is another attempt at the same as this one, and a later one."""
    theirs, mine = other.spec.trigger, run.spec.trigger
    return _aim(theirs) == _aim(mine) and (theirs.attempt or 1) > (mine.attempt or 1)


def _aim(trigger: Trigger) -> tuple[object, ...]:
    return (trigger.slot, trigger.change_id, trigger.during, trigger.part)


def is_replaced(run: ProbeRun, config: ProbeConfig, runs: Sequence[ProbeRun], now: datetime) -> bool:
    """Whether a run has to make way for a later slot's."""
    if config.spec.concurrency is not Concurrency.REPLACE or run.spec.trigger.slot is None:
        return False
    slots = (other.spec.trigger.slot for other in _begun(runs, now))
    return any(slot is not None and slot > run.spec.trigger.slot for slot in slots)


def suspect_node(scheduled: Sequence[ProbeRun]) -> str | None:
    """The node that could not start the newest run's pod: the next one is to run there, and not where all is well.

    A run elsewhere would say that all is well and hide the node's failure until chance leads a pod there again.
    """
    newest = max(scheduled, key=_place, default=None)
    if newest is None or newest.status.verdict is not Verdict.FAILED:
        return None
    stopped = newest.status.source is Source.TIMEOUT and newest.status.stage in NODE_STAGES
    return newest.status.node or None if stopped else None


def _begun(runs: Iterable[ProbeRun], now: datetime) -> list[ProbeRun]:
    """The runs of slots that have come; those ahead are by hand, or of a clock that ran ahead, and prove nothing."""
    return [run for run in runs if _has_come(run, now)]


def _has_come(run: ProbeRun, now: datetime) -> bool:
    """Whether a run's slot has come: by this clock, or by the API server's when it created the run.

    The second is for a clock that went back a little, which would come to the same slots again. One that went back a
    lot must not wait for so long.
    """
    slot = run.spec.trigger.slot
    created = run.metadata.creation_timestamp + timedelta(seconds=1)  # written in whole seconds, rounded down
    until = max(now, min(created, now + timedelta(seconds=WENT_BACK_SECONDS)))
    return slot is not None and slot <= until


def whole(slot: datetime) -> datetime:
    """Slots are written with milliseconds, which must not make one look older than itself."""
    return slot - timedelta(microseconds=slot.microsecond % 1000)


def _newest_served(work: Clockwork, scheduled: Sequence[ProbeRun], now: datetime) -> datetime | None:
    """The newest slot that had its run; what lies ahead was written by hand or by a clock that ran ahead."""
    last = work.last_slot if work.last_slot is not None and work.last_slot <= now else None
    had = (last, *(run.spec.trigger.slot for run in _begun(scheduled, now)))
    return max((slot for slot in had if slot is not None), default=None)


def _again(work: Clockwork, scheduled: Sequence[ProbeRun], slot: datetime, nothing: Due, now: datetime) -> Due:
    """The next attempt at a slot whose run did not pass."""
    newest = max((run for run in scheduled if run.spec.trigger.slot == slot), key=_place, default=None)
    if (
        newest is None
        or _going(newest)
        or newest.status.verdict is Verdict.PASSED
        or not may_again(newest, work.config)
    ):
        return nothing
    delay = timedelta(seconds=work.config.spec.retries.delay.seconds)
    at = (newest.status.finished_at or newest.metadata.creation_timestamp) + delay
    if now < at:
        return Due(next_slot=nothing.next_slot, wake_at=_soonest(at, nothing.wake_at))
    attempt = (newest.spec.trigger.attempt or 1) + 1
    # What was missed before the slot is told by whichever attempt counts.
    missed, node = newest.spec.trigger.missed, suspect_node(_begun(scheduled, now))
    create = new_run(work.config, slot, attempt=attempt, missed=missed, node=node)
    return Due(create, (), nothing.next_slot, nothing.wake_at)


def may_again(run: ProbeRun, config: ProbeConfig, asking: Collection[str] = ()) -> bool:
    """Whether a slot's attempt, or a change's, has another one after it, if it does not pass.

    Args:
        run: the attempt.
        config: what it belongs to.
        asking: the Changes that have the config run, none where it does not run for any: who waits for an attempt that
            nobody asks for waits for ever.
    """
    if run.spec.trigger.kind not in TRIED_AGAIN:
        return False
    if run.spec.trigger.kind is TriggerKind.CHANGE and changes_of(run).isdisjoint(asking):
        return False
    return (run.spec.trigger.attempt or 1) <= config.spec.retries.limit


def changes_of(run: ProbeRun) -> frozenset[str]:
    """The changes that a run is for."""
    trigger = run.spec.trigger
    own = {trigger.change_id} if trigger.change_id else set()
    return frozenset(own | {one.change_id for one in trigger.covers})


def _too_late(work: Clockwork, slot: datetime, now: datetime) -> bool:
    limit = work.rhythm.schedule.starting_deadline
    return limit is not None and now > slot + timedelta(seconds=limit.seconds)


def _going(run: ProbeRun) -> bool:
    return run.status.phase is not Phase.COMPLETED and run.metadata.deletion_timestamp is None


def _missed(work: Clockwork, scheduled: Sequence[ProbeRun], served: datetime | None, slot: datetime) -> Missed | None:
    """The slots between the newest one that had its run and this one."""
    begin = max(served + timedelta(milliseconds=1), work.since) if served is not None else work.since
    paused = pauses(work.config.spec.maintenance, begin, slot)
    count = _count(work.rhythm, begin, slot) - sum(_count(work.rhythm, one.start, one.end) for one in paused)
    if count <= 0:
        return None
    first = _first(work.rhythm, begin, paused)
    busy = any(run.spec.trigger.slot == served and _end(run) > first for run in scheduled)
    return Missed(count=count, since=first, reason=MissedReason.BUSY if busy else MissedReason.LATE)


def _first(rhythm: Rhythm, begin: datetime, paused: Sequence[Stretch]) -> datetime:
    """The first slot from a time on that lies in no pause."""
    first = rhythm.slots(begin - timedelta(microseconds=1)).next or begin
    for pause in paused:
        if pause.start <= first < pause.end:
            first = rhythm.slots(pause.end - timedelta(microseconds=1)).next or first
    return first


def _count(rhythm: Rhythm, start: datetime, end: datetime) -> int:
    """The slots in between; of a cadence that changes, those that would have come at its slowest in any case."""
    bounds = rhythm.schedule.adaptive
    if bounds is None:
        return rhythm.count(start, end)
    slowest = replace(rhythm, schedule=rhythm.schedule.model_copy(update={"every": bounds.slowest}))
    return max(slowest.count(start, end) - 1, 0)


def _end(run: ProbeRun) -> datetime:
    return run.status.finished_at or run.metadata.creation_timestamp


def _place(run: ProbeRun) -> tuple[datetime, int]:
    slot = run.spec.trigger.slot
    assert slot is not None
    return slot, run.spec.trigger.attempt or 1


def _base36(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, len(DIGITS))
        text = DIGITS[digit] + text
    return text or "0"


def _soonest(*times: datetime | None) -> datetime | None:
    return min((time for time in times if time is not None), default=None)

"""What to do about one ProbeConfig: say whether it can work, start the run that is due, let old runs go."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kubeprobe.api import (
    Condition,
    Phase,
    ProbeConfig,
    ProbeConfigStatus,
    ProbeResultStatus,
    ProbeRun,
    ProbeTemplate,
    Schedule,
    SlotsSince,
    Verdict,
    set_condition,
)
from kubeprobe.plan.chain import is_for_any
from kubeprobe.plan.due import Clockwork, Due, due
from kubeprobe.plan.pace import paced
from kubeprobe.plan.resolve import Mistake, of_config
from kubeprobe.plan.run import belongs
from kubeprobe.plan.schedule import SKEW_SECONDS, Rhythm
from kubeprobe.plan.sweep import is_wave, spare_waves


@dataclass(frozen=True, slots=True)
class ConfigSeen:
    """All that the decision about a config looks at."""

    config: ProbeConfig
    template: ProbeTemplate | None
    namespace_labels: Mapping[str, str] | None
    runs: Sequence[ProbeRun]
    answer: ProbeResultStatus | None
    """What is known of the target: the ProbeResult, as written."""
    changes: Collection[str] = ()
    """The Changes that are not over: their runs tell what has had its run."""
    counted: Collection[str] = ()
    """The runs that gates go by, by name."""
    unheard: Mistake | None = None
    """What keeps its triggers from being heard; its schedule is none the worse for it."""


@dataclass(frozen=True, slots=True)
class ConfigPlan:
    """What to do about a config now."""

    status: ProbeConfigStatus | None
    """The status to write; None when it stands already."""
    mistake: Mistake | None
    due: Due
    surplus: tuple[ProbeRun, ...]
    """Runs beyond the history's limits."""
    wake_at: datetime | None


def plan_config(seen: ConfigSeen, now: datetime) -> ConfigPlan:
    """Decide about one config."""
    config = seen.config
    work = of_config(config, seen.template, seen.namespace_labels)
    mistake = work if isinstance(work, Mistake) else None
    mine = [run for run in seen.runs if belongs(run, config)]
    runs = [run for run in mine if not is_wave(run)]
    kept = frozenset(seen.counted)
    spent = [run for run in runs if run.metadata.name not in kept and not is_for_any(run, seen.changes)]
    cadence = None if mistake else followed(config)
    slots_since = _slots_since(config, cadence, now)
    what = _due(seen, runs, cadence, slots_since, now)
    expires_at = _expires_at(config, spent, now)
    return ConfigPlan(
        status=_status(config, mistake or seen.unheard, slots_since, now),
        mistake=mistake or seen.unheard,
        due=what,
        surplus=(*surplus(config, spent, now), *spare_waves(mine)),
        wake_at=min((time for time in (what.wake_at, expires_at) if time is not None), default=None),
    )


def followed(config: ProbeConfig) -> Schedule | None:
    """The schedule that a config follows; None where no slot of it is to be served."""
    spec = config.spec
    return None if spec.suspend or config.metadata.deletion_timestamp is not None else spec.schedule


def surplus(config: ProbeConfig, runs: Iterable[ProbeRun], now: datetime) -> tuple[ProbeRun, ...]:
    """The completed runs that the history has no room or no time for, oldest first; never the newest run.

    The newest one stays whatever the limits say: it tells a restarted operator that its slot has been served.
    """
    done = _completed(runs, now)
    passed = [run for run in done if run.status.verdict is Verdict.PASSED]
    others = [run for run in done if run.status.verdict is not Verdict.PASSED]
    history = config.spec.history
    beyond = [*_older(passed, history.passed), *_older(others, history.failed)]
    names = {run.metadata.name for run in beyond}
    beyond += [run for run in done if run.metadata.name not in names and _expired(config, run, now)]
    return tuple(sorted((run for run in beyond if run is not done[-1]), key=_finished))


def _completed(runs: Iterable[ProbeRun], now: datetime) -> list[ProbeRun]:
    """In the order of their ends; first, and so the first to go, what a clock that ran ahead dated later than now."""
    over = (run for run in runs if run.status.phase is Phase.COMPLETED and run.metadata.deletion_timestamp is None)
    horizon = now + timedelta(seconds=SKEW_SECONDS)
    return sorted(over, key=lambda run: (_finished(run)[0] <= horizon, _finished(run)))


def _expired(config: ProbeConfig, run: ProbeRun, now: datetime) -> bool:
    ttl = config.spec.history.ttl
    return ttl is not None and _finished(run)[0] + timedelta(seconds=ttl.seconds) <= now


def _expires_at(config: ProbeConfig, runs: Iterable[ProbeRun], now: datetime) -> datetime | None:
    """When the next run, the newest apart, has been kept for long enough; those that have are surplus already."""
    ttl = config.spec.history.ttl
    if ttl is None:
        return None
    ends = (_finished(run)[0] + timedelta(seconds=ttl.seconds) for run in _completed(runs, now)[:-1])
    return min((end for end in ends if end > now), default=None)


def _older(runs: list[ProbeRun], keep: int) -> list[ProbeRun]:
    return runs[: max(len(runs) - keep, 0)]


def _finished(run: ProbeRun) -> tuple[datetime, str]:
    return (run.status.finished_at or run.metadata.creation_timestamp, run.metadata.name)


def _due(
    seen: ConfigSeen, runs: Sequence[ProbeRun], cadence: Schedule | None, slots_since: SlotsSince, now: datetime
) -> Due:
    if cadence is None:
        return Due()
    meta, last_run = seen.config.metadata, seen.answer.last_run if seen.answer else None
    work = Clockwork(
        config=seen.config,
        rhythm=Rhythm(paced(cadence, seen.answer), meta.creation_timestamp, meta.uid),
        runs=runs,
        last_slot=last_run.slot if last_run else None,
        since=slots_since.since,
    )
    return due(work, now)


def _slots_since(config: ProbeConfig, cadence: Schedule | None, now: datetime) -> SlotsSince:
    text, before = _line(cadence), config.status.slots
    if before is not None and before.cadence == text:
        return before
    return SlotsSince(cadence=text, since=now if before is not None else config.metadata.creation_timestamp)


def _line(cadence: Schedule | None) -> str:
    if cadence is None:
        return ""
    said = cadence.model_dump(by_alias=True, exclude_none=True, mode="json", exclude={"starting_deadline", "adaptive"})
    return ", ".join(f"{name} {value}" for name, value in said.items())


def _status(
    config: ProbeConfig, mistake: Mistake | None, slots_since: SlotsSince, now: datetime
) -> ProbeConfigStatus | None:
    ready = Condition(
        type="Ready",
        status="False" if mistake else "True",
        reason=mistake.reason if mistake else "Accepted",
        message=mistake.message if mistake else "",
        observed_generation=config.metadata.generation,
        last_transition_time=now,
    )
    status = ProbeConfigStatus(
        observed_generation=config.metadata.generation,
        slots=slots_since,
        conditions=set_condition(config.status.conditions, ready, now),
    )
    return None if status == config.status else status

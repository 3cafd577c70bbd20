"""What to do about one ProbeConfig: say whether it can work, start the run that is due, let old runs go.

One run at a time: a slot that comes while the run before it is still going waits for its end. Slots that went by
meanwhile, or while no operator was there, are not made up for: the newest one is enough to know how things are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from kubeprobe.api import (
    API_VERSION,
    Condition,
    Phase,
    ProbeConfig,
    ProbeRun,
    ProbeTemplate,
    TriggerKind,
    Verdict,
    set_condition,
)
from kubeprobe.plan.resolve import Mistake, of_config
from kubeprobe.plan.run import belonging, belongs
from kubeprobe.plan.schedule import slots
from kubeprobe.plan.sweep import is_wave, spare_waves


@dataclass(frozen=True, slots=True)
class ConfigSeen:
    """All that the decision about a config looks at."""

    config: ProbeConfig
    template: ProbeTemplate | None
    namespace_labels: Mapping[str, str] | None
    runs: Sequence[ProbeRun]
    last_slot: datetime | None
    """The newest slot that is known to have had its run, from the ProbeResult."""


@dataclass(frozen=True, slots=True)
class ConfigPlan:
    """What to do about a config now."""

    conditions: tuple[Condition, ...] | None
    """The status conditions to write; None when they stand already."""
    mistake: Mistake | None
    create: dict[str, Any] | None
    surplus: tuple[ProbeRun, ...]
    """Runs beyond the history limits."""
    next_slot: datetime | None
    wake_at: datetime | None


def plan_config(seen: ConfigSeen, now: datetime) -> ConfigPlan:
    """Decide about one config."""
    config = seen.config
    work = of_config(config, seen.template, seen.namespace_labels)
    mistake = work if isinstance(work, Mistake) else None
    mine = [run for run in seen.runs if belongs(run, config)]
    runs = [run for run in mine if not is_wave(run)]
    create, next_slot = (None, None) if mistake else _due(seen, runs, now)
    return ConfigPlan(
        conditions=_conditions(config, mistake, now),
        mistake=mistake,
        create=create,
        surplus=(*surplus(config, runs), *spare_waves(mine)),
        next_slot=next_slot,
        wake_at=next_slot,
    )


def run_name(config_name: str, slot: datetime) -> str:
    """The name of a slot's run: the same whoever computes it, so that creating it twice is harmless."""
    return f"{config_name}-{int(slot.timestamp())}"


def surplus(config: ProbeConfig, runs: Iterable[ProbeRun]) -> tuple[ProbeRun, ...]:
    """The completed runs that the history limits leave no room for, oldest first; never the newest run.

    The newest one stays whatever the limits say: it tells a restarted operator that its slot has been served.
    """
    done = sorted(
        (run for run in runs if run.status.phase is Phase.COMPLETED and run.metadata.deletion_timestamp is None),
        key=_finished,
    )
    passed = [run for run in done if run.status.verdict is Verdict.PASSED]
    others = [run for run in done if run.status.verdict is not Verdict.PASSED]
    history = config.spec.history
    beyond = [*_older(passed, history.passed), *_older(others, history.failed)]
    return tuple(sorted((run for run in beyond if run is not done[-1]), key=_finished))


def _older(runs: list[ProbeRun], keep: int) -> list[ProbeRun]:
    return runs[: max(len(runs) - keep, 0)]


def _finished(run: ProbeRun) -> tuple[datetime, str]:
    return (run.status.finished_at or run.metadata.creation_timestamp, run.metadata.name)


def _due(seen: ConfigSeen, runs: Sequence[ProbeRun], now: datetime) -> tuple[dict[str, Any] | None, datetime | None]:
    config = seen.config
    if config.spec.schedule is None or config.metadata.deletion_timestamp is not None:
        return None, None
    found = slots(config.spec.schedule, config.metadata.creation_timestamp, config.metadata.uid, now)
    if found.due is None or _served(seen.last_slot, runs, found.due, now) or _busy(runs):
        return None, found.next
    return new_run(config, found.due), found.next


def _served(last_slot: datetime | None, runs: Iterable[ProbeRun], slot: datetime, now: datetime) -> bool:
    """Whether the slot or a later one had its run; what lies ahead was written by hand or by a clock that ran ahead."""
    had = (last_slot, *(run.spec.trigger.slot for run in runs))
    return any(one is not None and _whole(slot) <= one <= now for one in had)


def _busy(runs: Iterable[ProbeRun]) -> bool:
    return any(
        run.status.phase is not Phase.COMPLETED
        and run.metadata.deletion_timestamp is None
        and run.spec.trigger.kind is TriggerKind.SCHEDULE
        for run in runs
    )


def _whole(slot: datetime) -> datetime:
    """Slots are written with milliseconds, which must not make one look older than itself."""
    return slot - timedelta(microseconds=slot.microsecond % 1000)


def new_run(config: ProbeConfig, slot: datetime) -> dict[str, Any]:
    """The manifest of the run of one slot."""
    name = run_name(config.metadata.name, slot)
    text = _whole(slot).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "apiVersion": API_VERSION,
        "kind": "ProbeRun",
        "metadata": {"name": name, "namespace": config.metadata.namespace, **belonging(config, name)},
        "spec": {
            "configRef": {"name": config.metadata.name},
            "trigger": {"kind": TriggerKind.SCHEDULE.value, "slot": text},
        },
    }


def _conditions(config: ProbeConfig, mistake: Mistake | None, now: datetime) -> tuple[Condition, ...] | None:
    ready = Condition(
        type="Ready",
        status="False" if mistake else "True",
        reason=mistake.reason if mistake else "Accepted",
        message=mistake.message if mistake else "",
        observed_generation=config.metadata.generation,
        last_transition_time=now,
    )
    conditions = set_condition(config.status.conditions, ready, now)
    return None if conditions == config.status.conditions else conditions

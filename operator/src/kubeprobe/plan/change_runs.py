"""Which run of a config changes ask for now: one at a time, each for all that has come due until then.

Of many changes that come while a run is going, one rerun is for all. On nodes, runs follow the rollout: as many nodes
in one as became ready since the last one began.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from kubeprobe.api import (
    API_VERSION,
    Covered,
    During,
    Mode,
    Phase,
    ProbeConfig,
    ProbeRun,
    RunTarget,
    Trigger,
    TriggerKind,
)
from kubeprobe.plan.batch import PREFIX
from kubeprobe.plan.chain import Chain, Step, attempt_of, chains_of
from kubeprobe.plan.demand import Demand, Followed, follow
from kubeprobe.plan.maintenance import maintenance
from kubeprobe.plan.nodes import cut
from kubeprobe.plan.resolve import Mistake
from kubeprobe.plan.run import belonging, belongs
from kubeprobe.plan.sweep import is_wave

LABEL_CHANGE = "kubeprobe.io/change"
NAME_LENGTH = 63
HASH_LENGTH = 8
MOST_COVERED = 50
LETTERS = {During.STARTED: "s", During.PROGRESSING: "p", During.FINISHED: "f"}
ORDER = tuple(During)
WAITED_FOR = frozenset({TriggerKind.CHANGE, TriggerKind.GATE})


@dataclass(frozen=True, slots=True)
class ChangeRuns:
    """What changes ask of a config now."""

    followed: tuple[Followed, ...]
    create: dict[str, Any] | None = None
    wake_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """Why a config does not run for changes."""

    reason: str
    message: str
    until: datetime | None = None
    """When to ask again, where that ends by itself."""


def plan_change_runs(
    config: ProbeConfig, demands: Iterable[Demand], runs: Iterable[ProbeRun], skipped: Skipped | None, now: datetime
) -> ChangeRuns:
    """Decide about the runs of one config for all changes that are not over.

    Args:
        config: the config.
        demands: what each of these changes asks.
        runs: all runs of the config.
        skipped: why it does not run, if it does not.
        now: the time.
    """
    mine = [run for run in runs if belongs(run, config) and not is_wave(run)]
    asked = sorted(demands, key=lambda one: one.name)
    chains = chains_of(config, mine, [one.name for one in asked] if skipped is None else ())
    followed = tuple(follow(one, chains, now) for one in asked)
    wake_at = _soonest(one.wake_at for one in followed)
    if skipped is not None or is_busy(config, mine):
        return ChangeRuns(followed, None, wake_at)
    again = _again(followed)
    if again is not None:
        ended = again.newest.status.finished_at or again.newest.metadata.creation_timestamp
        at = ended + timedelta(seconds=config.spec.retries.delay.seconds)
        if now >= at:
            return ChangeRuns(followed, _attempt(config, again), wake_at)
        wake_at = _soonest((wake_at, at))
    return ChangeRuns(followed, _next(config, followed), wake_at)


def skips(config: ProbeConfig | None, mistake: Mistake | None, now: datetime) -> Skipped | None:
    """Why a config does not run for changes; None where it does.

    Args:
        config: the config; None when there is none.
        mistake: what keeps its runs from working.
        now: the time.
    """
    if config is None or config.metadata.deletion_timestamp is not None:
        return Skipped("ConfigGone", "there is no such ProbeConfig any more")
    if config.spec.suspend:
        return Skipped("Suspended", "spec.suspend of the ProbeConfig is true")
    if mistake is not None:
        return Skipped(mistake.reason, mistake.message)
    windows = maintenance(config.spec.maintenance, now)
    if windows.pauses and config.spec.mode is not Mode.RESIDENT:  # a prober goes on
        return Skipped("Maintenance", "a maintenance window is open in which no runs begin", windows.changes_at)
    return None


def run_name(config: str, change: str, what: str, attempt: int = 1) -> str:
    """The name of a run for a change, or of a gate's for none: the same whoever computes it, and short as a label's is.

    Args:
        config: the config's name.
        change: the Change's; empty for none.
        what: which of its runs this is.
        attempt: which attempt at it.
    """
    tail = f"-{what}" if attempt == 1 else f"-{what}-{attempt}"
    name = f"{config}-{change.removeprefix(PREFIX)}{tail}" if change else f"{config}{tail}"
    if len(name) <= NAME_LENGTH:
        return name
    tail = f"-{hashlib.sha256(f'{config}/{change}'.encode()).hexdigest()[:HASH_LENGTH]}{tail}"
    return config[: NAME_LENGTH - len(tail)].rstrip("-.") + tail


def gate_run(config: ProbeConfig, change: str, node: str, at: datetime) -> dict[str, Any]:
    """The manifest of a run that gates ask for: the same for all of them that ask for it at the same time.

    Args:
        config: what is to run.
        change: the Change that it is for; empty for none.
        node: the node that it is to run on; empty for any.
        at: when it was asked for.
    """
    where: dict[str, Any] = _on((node,), config) if node else {}
    place = f"-{hashlib.sha256(node.encode()).hexdigest()[:HASH_LENGTH]}" if node else ""
    name = run_name(config.metadata.name, change, f"g{int(at.timestamp()):x}{place}")
    return _manifest(config, name, Trigger(kind=TriggerKind.GATE, change_id=change or None), where)


def is_busy(config: ProbeConfig, runs: Iterable[ProbeRun]) -> bool:
    """Whether a run is under way that another one is not to be beside: one for a change or a gate, or any sweep.

    Args:
        config: the config.
        runs: its runs, waves not among them.
    """
    going = [one.spec.trigger.kind for one in runs if one.status.phase is not Phase.COMPLETED]
    return bool(going) and (config.spec.targets is not None or not WAITED_FOR.isdisjoint(going))


def _again(followed: Iterable[Followed]) -> Chain | None:
    """The first of the runs that are to be tried again."""
    return next((chain for one in followed for chain in one.chains if chain.again), None)


def _next(config: ProbeConfig, followed: Sequence[Followed]) -> dict[str, Any] | None:
    """The run that is to begin now: one for all that is due anywhere, else one on nodes, of the oldest change first."""
    due = [step for one in followed for step in one.steps]
    if due:
        own = max(due, key=lambda step: (step.change, ORDER.index(step.during)))
        return _anywhere(config, own, [step for step in due if step != own][:MOST_COVERED])
    pinned = next((one for one in followed if one.nodes), None)
    return _on_nodes(config, pinned) if pinned is not None else None


def _anywhere(config: ProbeConfig, own: Step, others: Sequence[Step]) -> dict[str, Any]:
    covers = tuple(Covered(change_id=one.change, during=one.during, part=one.part) for one in others)
    part = own.part or None
    trigger = Trigger(kind=TriggerKind.CHANGE, change_id=own.change, during=own.during, part=part, covers=covers)
    return _manifest(config, run_name(config.metadata.name, own.change, _what(trigger)), trigger, {})


def _on_nodes(config: ProbeConfig, followed: Followed) -> dict[str, Any]:
    change, nodes = followed.demand.name, cut(followed.nodes)[0]
    part = max(((one.trigger.part or 0) + 1 for one in followed.chains if one.nodes), default=0)
    trigger = Trigger(kind=TriggerKind.CHANGE, change_id=change, part=part)
    return _manifest(config, run_name(config.metadata.name, change, f"n{part}"), trigger, _on(nodes, config))


def _on(nodes: tuple[str, ...], config: ProbeConfig) -> dict[str, Any]:
    """What pins a run to nodes. One alone has a plain run, which tells more: its error in full, and its steps."""
    if len(nodes) == 1 and config.spec.targets is None:
        return {"node": nodes[0]}
    return {"target": RunTarget(nodes=nodes).model_dump(by_alias=True, exclude_defaults=True, mode="json")}


def _attempt(config: ProbeConfig, chain: Chain) -> dict[str, Any]:
    """The next attempt of a run that did not pass."""
    spec, attempt = chain.newest.spec, attempt_of(chain.newest) + 1
    what = f"n{spec.trigger.part or 0}" if chain.nodes else _what(spec.trigger)
    name = run_name(config.metadata.name, spec.trigger.change_id or "", what, attempt)
    where = spec.model_dump(by_alias=True, exclude_defaults=True, mode="json", include={"node", "target"})
    return _manifest(config, name, spec.trigger.model_copy(update={"attempt": attempt}), where)


def _what(trigger: Trigger) -> str:
    return LETTERS[trigger.during or During.FINISHED] + (str(trigger.part) if trigger.part else "")


def _manifest(config: ProbeConfig, name: str, trigger: Trigger, where: Mapping[str, Any]) -> dict[str, Any]:
    belong = belonging(config, name)
    belong["labels"] |= {LABEL_CHANGE: trigger.change_id} if trigger.change_id else {}
    return {
        "apiVersion": API_VERSION,
        "kind": "ProbeRun",
        "metadata": {"name": name, "namespace": config.metadata.namespace, **belong},
        "spec": {
            "configRef": {"name": config.metadata.name},
            "trigger": trigger.model_dump(by_alias=True, exclude_defaults=True, mode="json"),
            **where,
        },
    }


def _soonest(times: Iterable[datetime | None]) -> datetime | None:
    return min((time for time in times if time is not None), default=None)

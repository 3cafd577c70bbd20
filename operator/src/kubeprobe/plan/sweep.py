"""What to do about a sweep's run: cut its nodes into waves, one after the other, and say what they came to.

A sweep is a run like any other: it is due, asked for, missed, counted and let go by the same rules. Instead of a pod it
has waves, each a ProbeRun over at most fifty nodes. The waves themselves are the record of how far the sweep is: who
comes after a crash sees which nodes have had their turn.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from kubeprobe.api import (
    API_VERSION,
    EachNode,
    Phase,
    ProbeConfig,
    ProbeRun,
    ProbeRunStatus,
    ProbeTemplate,
    RunTarget,
    RunTargets,
    Source,
    Verdict,
)
from kubeprobe.plan import record
from kubeprobe.plan.nodes import Node, chosen, cut
from kubeprobe.plan.outcome import Outcome
from kubeprobe.plan.outcome import cut as cut_message
from kubeprobe.plan.pod import owner
from kubeprobe.plan.resolve import Mistake, of_run
from kubeprobe.plan.run import Adopt, WriteStatus, adoption, complete
from probe_sdk.wire import LABEL_CONFIG, LABEL_RUN

NAME_LENGTH = 63
HASH_LENGTH = 8
UNSEEN_SECONDS = 60.0
"""How long a sweep waits for the listing of the nodes before it says that there is none."""
KEPT_WAVES = 10
"""Waves that are kept of the newest sweep, for the pods and words of the nodes that did not pass."""


@dataclass(frozen=True, slots=True)
class SweepSeen:
    """All that the decision about a sweep looks at."""

    run: ProbeRun
    config: ProbeConfig
    template: ProbeTemplate | None
    namespace_labels: dict[str, str] | None
    waves: Sequence[ProbeRun]
    """The sweep's waves that there are."""
    nodes: Sequence[Node] | None
    """All nodes; None while they are not known."""
    last: str
    """The node that the sweep before ended with."""


@dataclass(frozen=True, slots=True)
class CreateWave:
    """Begin the next wave."""

    manifest: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """What to do about a sweep now."""

    actions: tuple[Adopt | WriteStatus | CreateWave, ...] = ()
    wake_at: datetime | None = None


def is_wave(run: ProbeRun) -> bool:
    """Whether a run is a part of a sweep, and not to be counted by itself."""
    return run.spec.target is not None and bool(run.spec.target.sweep)


def is_sweep(run: ProbeRun, config: ProbeConfig | None) -> bool:
    """Whether a run is one that has waves instead of a pod."""
    return run.spec.target is None and config is not None and config.spec.targets is not None


def waves_of(run: ProbeRun, runs: Iterable[ProbeRun]) -> tuple[ProbeRun, ...]:
    """The waves of a sweep, in order."""
    mine = [one for one in runs if any(owner.uid == run.metadata.uid for owner in one.metadata.owner_references)]
    return tuple(sorted((one for one in mine if is_wave(one)), key=lambda one: _target(one).wave))


def wave_name(sweep: str, wave: int) -> str:
    """The name of a wave: the same whoever computes it, and no longer than a label's value may be."""
    name = f"{sweep}-{wave}"
    if len(name) <= NAME_LENGTH:
        return name
    tail = f"-{hashlib.sha256(sweep.encode()).hexdigest()[:HASH_LENGTH]}-{wave}"
    return sweep[: NAME_LENGTH - len(tail)].rstrip("-.") + tail


def plan_sweep(seen: SweepSeen, now: datetime) -> SweepPlan:
    """Decide about one sweep."""
    run = seen.run
    if run.metadata.deletion_timestamp is not None or run.status.phase is Phase.COMPLETED:
        return SweepPlan()
    plan = _advance(seen, now)
    return SweepPlan((*adoption(run, seen.config), *plan.actions), plan.wake_at)


def _advance(seen: SweepSeen, now: datetime) -> SweepPlan:
    if any(wave.status.phase is not Phase.COMPLETED for wave in seen.waves):
        return _mark_running(seen, now)
    work = of_run(seen.run, seen.config, seen.template, seen.namespace_labels)
    if isinstance(work, Mistake):
        return _end(seen, Outcome(Verdict.UNKNOWN, work.reason, cut_message(work.message), Source.DELIVERY), now)
    if seen.nodes is None:
        return _wait_for_nodes(seen, now)
    spec = _each_node(seen.config)
    covered = [name for wave in seen.waves for name in _target(wave).nodes]
    after = _target(seen.waves[0]).after if seen.waves else seen.last if spec.sample is not None else ""
    left = chosen(spec, seen.nodes, seen.run.metadata.creation_timestamp, after, set(covered), len(covered))
    if left:
        return SweepPlan((CreateWave(_new_wave(seen, left, after)),))
    return _end(seen, _outcome(seen) if seen.waves else _no_nodes(spec), now)


def _mark_running(seen: SweepSeen, now: datetime) -> SweepPlan:
    if seen.run.status.phase is Phase.RUNNING:
        return SweepPlan()
    return SweepPlan((WriteStatus(ProbeRunStatus(phase=Phase.RUNNING, started_at=now)),))


def _wait_for_nodes(seen: SweepSeen, now: datetime) -> SweepPlan:
    since = seen.run.metadata.creation_timestamp
    until = since + timedelta(seconds=UNSEEN_SECONDS)
    if since <= now < until:
        return SweepPlan(wake_at=min(now + timedelta(seconds=1), until))
    unseen = Outcome(
        Verdict.UNKNOWN,
        "NodesUnseen",
        "the operator could not list the cluster's nodes; look at its log, and at the permission to list and watch "
        "nodes in its ClusterRole",
        Source.DELIVERY,
    )
    return _end(seen, unseen, now)


def _no_nodes(spec: EachNode) -> Outcome:
    selector = json.dumps(spec.selector.model_dump(by_alias=True, mode="json", exclude_defaults=True))
    return Outcome(
        Verdict.UNKNOWN,
        "NoNodes",
        cut_message(
            f"spec.targets.eachNode.selector {selector} selects no node; compare it with 'kubectl get nodes "
            "--show-labels'"
        ),
        Source.TARGETS,
    )


def _outcome(seen: SweepSeen) -> Outcome:
    verdict, total = record.overall(_counts(seen.waves))
    reason, message = record.summary(verdict, total, list(_named(seen.waves, verdict)))
    return Outcome(verdict, reason, message, Source.TARGETS)


def _named(waves: Iterable[ProbeRun], verdict: Verdict) -> Iterable[str]:
    for wave in waves:
        target = _target(wave)
        for index, one in sorted(record.read(wave.status.targets, len(target.nodes)).items()):
            if one.verdict is verdict:
                yield f"{target.nodes[index]} ({one.reason})"


def _counts(waves: Iterable[ProbeRun]) -> list[RunTargets]:
    return [wave.status.targets for wave in waves if wave.status.targets is not None]


def _end(seen: SweepSeen, outcome: Outcome, now: datetime) -> SweepPlan:
    _, total = record.overall(_counts(seen.waves))
    last = _target(seen.waves[-1]).nodes[-1] if seen.waves else ""
    status = complete(seen.run, None, outcome, now)
    return SweepPlan((WriteStatus(status.model_copy(update={"targets": total.model_copy(update={"last": last})})),))


def _new_wave(seen: SweepSeen, left: Sequence[str], after: str) -> dict[str, Any]:
    run, number = seen.run, _target(seen.waves[-1]).wave + 1 if seen.waves else 0
    waves = cut(left)
    name = wave_name(run.metadata.name, number)
    target = RunTarget(sweep=run.metadata.name, wave=number, waves=number + len(waves), after=after, nodes=waves[0])
    return {
        "apiVersion": API_VERSION,
        "kind": "ProbeRun",
        "metadata": {
            "name": name,
            "namespace": run.metadata.namespace,
            "labels": {LABEL_RUN: name, LABEL_CONFIG: seen.config.metadata.name},
            "ownerReferences": [owner(run)],
        },
        "spec": {
            "configRef": {"name": seen.config.metadata.name},
            "trigger": run.spec.trigger.model_dump(by_alias=True, exclude_none=True, mode="json"),
            "target": target.model_dump(by_alias=True, exclude_defaults=True, mode="json"),
        },
    }


def name_taken(seen: SweepSeen, name: str, now: datetime) -> SweepPlan:
    """What to do when a wave's name is another run's: one that is left of a deleted sweep goes by itself, in time."""
    until = seen.run.metadata.creation_timestamp + timedelta(seconds=UNSEEN_SECONDS)
    if now < until:
        return SweepPlan(wake_at=min(now + timedelta(seconds=1), until))
    taken = Outcome(
        Verdict.UNKNOWN,
        "WaveNameTaken",
        f"ProbeRun {name!r} exists already and is no wave of this sweep; delete it, or give the sweep another name",
        Source.DELIVERY,
    )
    return _end(seen, taken, now)


def spare_waves(runs: Sequence[ProbeRun]) -> tuple[ProbeRun, ...]:
    """The waves of a config's runs that nobody needs any more.

    While a sweep is under way its waves tell which nodes had their turn. Afterwards only the newest sweep's that did
    not pass are kept, a few of them: each holds the pods of its failed nodes.
    """
    over = [one for one in runs if one.status.phase is Phase.COMPLETED]
    sweeps = [one for one in runs if not is_wave(one)]
    going = {one.metadata.name for one in sweeps if one.status.phase is not Phase.COMPLETED}
    done = [one for one in sweeps if one.status.targets is not None and one.spec.target is None]
    newest = max(done, key=_finished).metadata.name if done else ""
    waves = [one for one in over if is_wave(one) and _target(one).sweep not in going]
    kept = [one for one in waves if _target(one).sweep == newest and one.status.verdict is not Verdict.PASSED]
    named = {one.metadata.name for one in sorted(kept, key=_worth)[:KEPT_WAVES]}
    return tuple(one for one in waves if one.metadata.name not in named and one.metadata.deletion_timestamp is None)


def last_node(runs: Iterable[ProbeRun], counted: str) -> str:
    """The node that the newest sweep ended with, by its run or else by the ProbeResult."""
    ended = [one for one in runs if not is_wave(one) and one.status.targets is not None and one.status.targets.last]
    if not ended:
        return counted
    newest = max(ended, key=_finished).status.targets
    assert newest is not None
    return newest.last


def _finished(run: ProbeRun) -> tuple[datetime, str]:
    return (run.status.finished_at or run.metadata.creation_timestamp, run.metadata.name)


def _worth(run: ProbeRun) -> tuple[bool, int]:
    return (run.status.verdict is not Verdict.FAILED, _target(run).wave)


def _each_node(config: ProbeConfig) -> EachNode:
    assert config.spec.targets is not None
    return config.spec.targets.each_node


def _target(run: ProbeRun) -> RunTarget:
    assert run.spec.target is not None
    return run.spec.target

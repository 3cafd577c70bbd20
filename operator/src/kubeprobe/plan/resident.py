"""What to do about the prober of one config in mode Resident: what it is to be, and whether there is one."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubeprobe.api import Condition, Mode, ProbeConfig, ProbeTemplate, set_condition
from kubeprobe.plan.found import TOO_MANY_TARGETS, Surroundings, Targets, find_targets, workload_name
from kubeprobe.plan.outcome import cut
from kubeprobe.plan.owned import DIGEST, Owned, OwnedKind, covers, digest
from kubeprobe.plan.pod import Site
from kubeprobe.plan.prober import FILE, build_config_map, build_workload
from kubeprobe.plan.resident_rate import RATE_KEPT, said_of_rate
from kubeprobe.plan.resolve import Mistake, Work, of_config

AVAILABLE = "Available"
TARGETS_FOUND = "TargetsFound"
NOTHING: Mapping[str, None] = {TARGETS_FOUND: None, RATE_KEPT: None}
"""What is said of targets and rate where there is no prober."""
COUNT_TOLERANCE = 0.1
MOST_BYTES = 900 * 1024
"""What of a ConfigMap's mebibyte the targets may take."""
REVOKED = frozenset({"TemplateNotFound", "TemplateNotAllowed", "ModeNotAllowed"})
"""Mistakes by which a config may have no prober; with any other one, the prober that there is goes on as it is."""


@dataclass(frozen=True, slots=True)
class ResidentSeen:
    """All that the decision about a prober looks at."""

    config: ProbeConfig
    template: ProbeTemplate | None
    namespace_labels: Mapping[str, str] | None
    around: Surroundings | None
    """What targets are found among; None while that is not known."""
    owned: Collection[Owned]
    """What is labelled as this config's."""
    settled: Mapping[str, int]
    """By uid, the generation that the operator's own last write came to."""
    served_share: float | None
    """Of the slots that are due, those that its worst prober serves; None while that is not known."""


@dataclass(frozen=True, slots=True)
class ResidentPlan:
    """What to do about a prober now."""

    apply: tuple[tuple[OwnedKind, dict[str, Any]], ...] = ()
    """What is to be as given, in this order."""
    delete: tuple[Owned, ...] = ()
    conditions: tuple[Condition, ...] | None = None
    """The config's conditions to write; None when they stand already."""
    mistake: Mistake | None = None
    """What its user should hear of, if the conditions are written."""


def plan_resident(seen: ResidentSeen, site: Site, now: datetime) -> ResidentPlan:
    """Decide about one config's prober."""
    config = seen.config
    if config.metadata.deletion_timestamp is not None:
        return ResidentPlan()
    mine = [one for one in seen.owned if config.metadata.uid in one.owner_uids]
    if config.spec.mode is not Mode.RESIDENT:
        return ResidentPlan(delete=tuple(mine), conditions=_told(config, {AVAILABLE: None, **NOTHING}, now))
    if config.spec.suspend:
        paused = Mistake("Suspended", "spec.suspend is true, so there is no prober; set it to false to have it again")
        return ResidentPlan(delete=tuple(mine), conditions=_told(config, {AVAILABLE: paused, **NOTHING}, now))
    work = of_config(config, seen.template, seen.namespace_labels)
    if isinstance(work, Mistake):
        return _mistaken(seen, work, mine, now)
    if seen.around is None:
        waiting = Mistake(
            "Discovering",
            "spec.resident.targets.discover: what there is has not been listed yet, so the targets stay as they are; "
            "if that lasts, the operator's log says what the API server has against it",
        )
        return ResidentPlan(conditions=_told(config, {TARGETS_FOUND: waiting}, now))
    return _kept(seen, seen.around, work, mine, site, now)


def refused(config: ProbeConfig, kind: OwnedKind, why: str, now: datetime) -> tuple[Condition, ...] | None:
    """The conditions when the API server did not take a part of the prober."""
    words = f"{kind} {workload_name(config.metadata.name)} was not taken by the API server: {why}"
    return _told(config, {AVAILABLE: Mistake("Refused", cut(words))}, now)


def name_taken(config: ProbeConfig, kind: OwnedKind, now: datetime) -> tuple[Condition, ...] | None:
    """The conditions when an object of the prober's name is somebody else's."""
    words = (
        f"{kind} {workload_name(config.metadata.name)} is there and not this config's: rename or delete it, or give "
        "the ProbeConfig another name"
    )
    return _told(config, {AVAILABLE: Mistake("NameTaken", words)}, now)


def _mistaken(seen: ResidentSeen, mistake: Mistake, mine: Collection[Owned], now: datetime) -> ResidentPlan:
    """What a user got wrong leaves the prober that there is as it was; what was revoked does not."""
    config, stays = seen.config, mistake.reason not in REVOKED and bool(mine)
    if stays:
        said = {AVAILABLE: _standing(mine), **said_of_rate(config, seen.served_share)}
        return ResidentPlan(conditions=_told(config, said, now))
    none = Mistake("NotReady", "there is no prober: the condition Ready says what to change")
    return ResidentPlan(delete=tuple(mine), conditions=_told(config, {AVAILABLE: none, **NOTHING}, now))


def _kept(
    seen: ResidentSeen, around: Surroundings, work: Work, mine: Collection[Owned], site: Site, now: datetime
) -> ResidentPlan:
    config = seen.config
    found = find_targets(config, work.template, around)
    targets = build_config_map(config, work, found.targets)
    said: dict[str, Mistake | str | None] = {
        TARGETS_FOUND: _as_told(config, found.mistake) or TARGETS_FOUND,
        AVAILABLE: _standing(mine),
        **said_of_rate(config, seen.served_share),
    }
    if len(targets["data"][FILE].encode()) > MOST_BYTES:
        said[TARGETS_FOUND] = _too_large(found)
        return ResidentPlan(conditions=_told(config, said, now), mistake=_news(config, said))
    workload = build_workload(config, work, site)
    kind = OwnedKind(workload["kind"])
    wanted = ((OwnedKind.CONFIG_MAP, targets), (kind, workload))
    here = {one.kind: one for one in mine}
    return ResidentPlan(
        apply=tuple((kind, body) for kind, body in wanted if not _in_place(body, here.get(kind), seen.settled)),
        delete=tuple(one for one in mine if one.kind not in (OwnedKind.CONFIG_MAP, kind)),
        conditions=_told(config, said, now),
        mistake=_news(config, said),
    )


def _in_place(wanted: Mapping[str, Any], there: Owned | None, settled: Mapping[str, int]) -> bool:
    """Whether an object is as it should be.

    What our own last write came to is right, in whatever words the API server has put it; before the first one it is
    right if all that is wanted is in it.
    """
    if there is None:
        return False
    if there.kind is OwnedKind.CONFIG_MAP:
        return there.digest == digest(wanted["data"])
    if there.digest != wanted["metadata"]["annotations"][DIGEST]:
        return False
    if there.uid in settled:
        return settled[there.uid] == there.generation
    return covers(wanted["spec"], there.spec)


def _standing(mine: Collection[Owned]) -> Mistake | str:
    """Whether the prober runs, as its controller says."""
    workload = next((one for one in mine if one.kind is not OwnedKind.CONFIG_MAP), None)
    if workload is None or not workload.available:
        if workload is not None and workload.complaint:
            return Mistake("ProberUnavailable", cut(f"{workload.kind} {workload.name}: {workload.complaint}"))
        return Mistake(
            "ProberStarting", "no pod of the prober is ready yet: 'kubectl get pods' shows what it waits for"
        )
    if workload.kind is OwnedKind.DAEMON_SET and workload.available < workload.wanted:
        words = f"DaemonSet {workload.name}: some of its pods are not ready: 'kubectl get pods' shows on which nodes"
        return Mistake("ProberUnavailable", words)
    return "ProberRunning"


def _too_large(found: Targets) -> Mistake:
    return Mistake(
        "TargetsTooLarge",
        f"spec.resident.targets: {len(found.targets)} targets with their parameters take more than the {MOST_BYTES} "
        "bytes that a ConfigMap holds, so none of the change is taken in: move what they share to spec.params, or "
        "share the targets among several ProbeConfigs",
    )


def _as_told(config: ProbeConfig, mistake: Mistake | None) -> Mistake | None:
    """A mistake in the words that it was told in, if only how many targets are too many is a little off by now.

    In a cluster where pods come and go that changes all the time.
    """
    before = next((one for one in config.status.conditions if one.type == TARGETS_FOUND), None)
    if mistake is None or before is None or before.observed_generation != config.metadata.generation:
        return mistake
    if (before.reason, mistake.reason) != (TOO_MANY_TARGETS, TOO_MANY_TARGETS):
        return mistake
    told, now = (next(map(int, re.findall("[0-9]+", words)), 0) for words in (before.message, mistake.message))
    return Mistake(mistake.reason, before.message) if abs(now - told) <= told * COUNT_TOLERANCE else mistake


def _news(config: ProbeConfig, said: Mapping[str, Mistake | str | None]) -> Mistake | None:
    """The first thing that is wrong with what was asked for and does not stand in the conditions yet."""
    before = {one.reason for one in config.status.conditions}
    asked = (what for type_ in (TARGETS_FOUND, RATE_KEPT) if isinstance(what := said.get(type_), Mistake))
    return next((what for what in asked if what.reason not in before), None)


def _told(config: ProbeConfig, said: Mapping[str, Mistake | str | None], now: datetime) -> tuple[Condition, ...] | None:
    """The config's conditions with these brought up to date; None if they stand already.

    Args:
        said: by type: what is wrong, the reason of what is well, or None for no such condition.
    """
    before = conditions = config.status.conditions
    for type_, what in said.items():
        if what is None:
            conditions = tuple(one for one in conditions if one.type != type_)
            continue
        wrong = isinstance(what, Mistake)
        new = Condition(
            type=type_,
            status="False" if wrong else "True",
            reason=what.reason if isinstance(what, Mistake) else what,
            message=what.message if isinstance(what, Mistake) else "",
            observed_generation=config.metadata.generation,
            last_transition_time=now,
        )
        conditions = set_condition(conditions, new, now)
    return None if conditions == before else conditions

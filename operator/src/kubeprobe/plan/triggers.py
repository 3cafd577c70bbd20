"""Which configs a change concerns, by their triggers, and what each of them is to do about it.

That is decided once, when the batch is closed, and stands in the Change: what somebody edits afterwards changes
nothing about who runs for it. Which of its objects a config waits for, or follows to nodes, its triggers tell again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kubeprobe.api import (
    MOST_CONFIGS,
    AnnouncedTrigger,
    ChangeProbe,
    ChangeSource,
    ChangeTrigger,
    ChangeType,
    Duration,
    During,
    LabelSelector,
    NodeFact,
    NodeTrigger,
    ObjectTrigger,
    ProbeConfig,
    RolloutTrigger,
    Severity,
)
from kubeprobe.plan.batch import Batch, Wait
from kubeprobe.plan.changed import Changed
from kubeprobe.plan.fingerprint import Tracked, source_of
from kubeprobe.plan.resolve import Mistake
from kubeprobe.plan.selector import matches

SEVERITIES = tuple(Severity)
"""The most severe first."""
AT_ONCE = Duration("1s")
"""How quiet it has to be after an announcement: whoever announces says that it is complete."""
Namespaces = Mapping[str, Mapping[str, str]]
"""The labels of all namespaces."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a trigger looks at of something that changed."""

    source: ChangeSource
    kind: str
    namespace: str
    labels: Mapping[str, str]
    type: ChangeType | None = None
    """None where it is not looked at any more: whether a config runs was decided."""
    parts: tuple[str, ...] = ()
    gates: Collection[str] = field(default=())
    """The gates at which it was announced."""


def subject_of(changed: Changed, source: ChangeSource, gates: Collection[str] = ()) -> Subject:
    """What a trigger looks at of a change.

    Args:
        changed: what changed.
        source: where it was seen.
        gates: the gate at which it was announced, if it was.
    """
    key = changed.key
    return Subject(source, key.kind, key.namespace, changed.labels, changed.type, changed.parts, gates)


def object_of(tracked: Tracked) -> Subject:
    """What a trigger looks at of an object whose change was told already."""
    key = tracked.key
    return Subject(source_of(key.kind), key.kind, key.namespace, tracked.labels)


def concerned(config: ProbeConfig, subject: Subject, namespaces: Namespaces) -> tuple[ChangeTrigger, ...]:
    """The triggers of a config that something concerns."""
    return tuple(one for one in config.spec.triggers if _concerns(one, config, subject, namespaces))


def wait_of(triggers: Iterable[ChangeTrigger]) -> Wait | None:
    """How long triggers want to wait for more; None where there are none."""
    waits = [Wait(_quiet(one).seconds) for one in triggers]
    return min(waits, key=lambda one: one.quiet_seconds, default=None)


def probes_of(
    configs: Iterable[ProbeConfig], batch: Batch, namespaces: Namespaces, gates: Collection[str] = ()
) -> tuple[ChangeProbe, ...]:
    """The configs that a batch concerns, and what each of them is to do about it.

    Args:
        configs: all configs.
        batch: the batch, which is due.
        namespaces: the labels of all namespaces.
        gates: the gate at which it was announced, if it was.
    """
    subjects = [subject_of(one, batch.source, gates) for one in batch.changes.values()]
    found = []
    for config in sorted((one for one in configs if one.spec.triggers), key=worth):
        mine = [
            one
            for one in config.spec.triggers
            if any(_concerns(one, config, subject, namespaces) for subject in subjects)
        ]
        if mine and config.metadata.deletion_timestamp is None:
            found.append(_probe(config, mine))
    return tuple(found)


def bounded(probes: Sequence[ChangeProbe]) -> tuple[tuple[ChangeProbe, ...], int]:
    """As many configs as a Change names, the most severe ones, and how many are left out."""
    return tuple(probes[:MOST_CONFIGS]), max(len(probes) - MOST_CONFIGS, 0)


def wanted_kinds(config: ProbeConfig) -> frozenset[str]:
    """The kinds that have to be followed for a config."""
    if config.spec.suspend or config.metadata.deletion_timestamp is not None:
        return frozenset()
    found: set[str] = set()
    for one in config.spec.triggers:
        found |= {"Node"} if one.node is not None else set()
        found |= set(one.rollout.kinds) if one.rollout is not None else set()
        found |= {kind.value for kind in one.object.kinds} if one.object is not None else set()
    return frozenset(found)


def not_followed(config: ProbeConfig, followed: Collection[str]) -> Mistake | None:
    """What keeps a config's triggers from being heard; None where nothing does.

    Args:
        config: the config.
        followed: the kinds that the operator may follow.
    """
    missing = sorted(wanted_kinds(config) - set(followed))
    if not missing:
        return None
    return Mistake(
        "KindNotFollowed",
        f"spec.triggers: the operator does not follow {', '.join(missing)}; ask the platform team to add it to the "
        "chart's value changes.kinds (or changes.secretNamespaces, for Secrets), or leave it out",
    )


def _concerns(trigger: ChangeTrigger, config: ProbeConfig, subject: Subject, namespaces: Namespaces) -> bool:
    own, source = config.metadata.namespace, subject.source
    if source is ChangeSource.ROLLOUT:
        return trigger.rollout is not None and _rollout(trigger.rollout, own, subject, namespaces)
    if source is ChangeSource.NODE:
        return trigger.node is not None and _node(trigger.node, subject)
    if source is ChangeSource.OBJECT:
        return trigger.object is not None and _object(trigger.object, own, subject, namespaces)
    return trigger.announced is not None and _announced(trigger.announced, subject)


def _rollout(trigger: RolloutTrigger, own: str, subject: Subject, namespaces: Namespaces) -> bool:
    inside = _inside(trigger.namespace_selector, own, subject.namespace, namespaces)
    return subject.kind in trigger.kinds and inside and matches(trigger.selector, subject.labels)


def _node(trigger: NodeTrigger, subject: Subject) -> bool:
    if not matches(trigger.selector, subject.labels) or subject.type is ChangeType.DELETED:
        return False
    if subject.type is ChangeType.ADDED:
        return NodeFact.ADDED in trigger.facts
    return not subject.parts or not set(subject.parts).isdisjoint(one.value for one in trigger.facts)


def _object(trigger: ObjectTrigger, own: str, subject: Subject, namespaces: Namespaces) -> bool:
    inside = not subject.namespace or _inside(trigger.namespace_selector, own, subject.namespace, namespaces)
    return subject.kind in trigger.kinds and inside and matches(trigger.selector, subject.labels)


def _announced(trigger: AnnouncedTrigger, subject: Subject) -> bool:
    return not trigger.gates or not set(trigger.gates).isdisjoint(subject.gates)


def _inside(selector: LabelSelector | None, own: str, namespace: str, namespaces: Namespaces) -> bool:
    return namespace == own if selector is None else matches(selector, namespaces.get(namespace, {}))


def _probe(config: ProbeConfig, triggers: Sequence[ChangeTrigger]) -> ChangeProbe:
    """What several triggers come to: whatever one of them asks for, as soon as the first and as long as the last."""
    during: set[During] = set()
    for one in triggers:
        if not is_pinned(one):
            during |= set(one.rollout.during if one.rollout is not None else ()) or {During.FINISHED}
    rollouts = [one.rollout for one in triggers if one.rollout is not None]
    probe = ChangeProbe(
        namespace=config.metadata.namespace,
        name=config.metadata.name,
        during=tuple(one for one in During if one in during),
        pin_to_nodes=any(is_pinned(one) for one in triggers),
        quiet=min((_quiet(one) for one in triggers), key=lambda one: one.milliseconds),
    )
    if not rollouts:
        return probe
    longest = max((one.timeout for one in rollouts), key=lambda one: one.milliseconds)
    return probe.model_copy(update={"timeout": longest})


def is_pinned(trigger: ChangeTrigger) -> bool:
    """Whether a trigger asks for runs on the nodes that a change comes to."""
    by_rollout = trigger.rollout is not None and trigger.rollout.pin_to_nodes
    return by_rollout or (trigger.node is not None and trigger.node.pin_to_nodes)


def _quiet(trigger: ChangeTrigger) -> Duration:
    part = trigger.rollout or trigger.node or trigger.object
    return part.quiet if part is not None else AT_ONCE


def worth(config: ProbeConfig) -> tuple[int, str, str]:
    """What configs are put in order by, the most severe first."""
    meta = config.metadata
    return SEVERITIES.index(config.spec.severity), meta.namespace, meta.name

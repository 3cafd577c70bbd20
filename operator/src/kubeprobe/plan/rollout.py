"""How far a rollout is, by the rules of `kubectl rollout status`."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kubeprobe.api import WorkloadKind
from kubeprobe.plan.fingerprint import Body, ObjectKey, fingerprint

HASH_LABELS = frozenset({"pod-template-hash", "rollouts-pod-template-hash"})
BUILT_IN = frozenset(kind.value for kind in WorkloadKind)
PATCH_WORD = "$patch"
"""What a ControllerRevision adds to the template that it keeps."""
DEADLINE = "ProgressDeadlineExceeded"


class RolloutState(enum.Enum):
    """How far a rollout is."""

    UNSEEN = "unseen"
    """Its controller has not seen the change."""
    PROGRESSING = "progressing"
    PAUSED = "paused"
    BY_HAND = "by hand"
    """OnDelete: pods are replaced when somebody deletes them."""
    FINISHED = "finished"
    FAILED = "failed"
    """It exceeded its own deadline."""
    SUPERSEDED = "superseded"
    """The template is another one by now, be it a newer one or the old one again."""
    GONE = "gone"


OVER = frozenset({RolloutState.FINISHED, RolloutState.FAILED, RolloutState.SUPERSEDED, RolloutState.GONE})
"""States that nothing more is waited for in."""
DROPPED = frozenset({RolloutState.SUPERSEDED, RolloutState.GONE})
"""States in which there is nothing of the change left to probe."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """One object's part in a change, and how far it is; what is not rolled out is Finished as it changes."""

    key: ObjectKey
    state: RolloutState
    message: str = ""

    @property
    def over(self) -> bool:
        """Whether nothing more is waited for."""
        return self.state in OVER


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload as far as its rollout needs it."""

    key: ObjectKey
    uid: str
    resource_version: int
    generation: int
    observed: int
    template: str
    """The fingerprint of its pod template."""
    wanted: int
    total: int
    updated: int
    ready: int
    available: int
    partition: int
    paused: bool
    by_hand: bool
    settled: bool
    """Whether a StatefulSet's current revision is its newest; True for all others."""
    failed: str
    """Why it is said to have failed; empty if it is not."""


def read_workload(kind: str, body: Body) -> Workload:
    """The reading of a workload as the API server tells it."""
    meta, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    strategy, generation = spec.get("updateStrategy") or {}, int(meta.get("generation") or 0)
    daemon_set, stateful_set = kind == "DaemonSet", kind == "StatefulSet"
    updated = _count(status, "updatedNumberScheduled" if daemon_set else "updatedReplicas")
    return Workload(
        key=ObjectKey(kind, meta.get("namespace") or "", meta["name"]),
        uid=meta["uid"],
        resource_version=int(meta["resourceVersion"]),
        generation=generation,
        observed=_observed(kind, status, generation),
        template=template_mark(spec.get("template") or {}),
        wanted=_wanted(kind, spec, status),
        total=_count(status, "replicas") if _tells_old_pods(kind, status) else updated,
        updated=updated,
        ready=_count(status, "numberReady" if daemon_set else "readyReplicas"),
        available=_count(status, "numberAvailable" if daemon_set else "availableReplicas"),
        partition=int((strategy.get("rollingUpdate") or {}).get("partition") or 0) if stateful_set else 0,
        paused=bool(spec.get("paused")),
        by_hand=strategy.get("type") == "OnDelete",
        settled=not stateful_set or status.get("currentRevision") == status.get("updateRevision"),
        failed=_failed(status.get("conditions") or ()),
    )


def _observed(kind: str, status: Mapping[str, Any], generation: int) -> int:
    """Other kinds than Kubernetes' own may keep no such number, or write it as they like."""
    told = str(status.get("observedGeneration") or (0 if kind in BUILT_IN else ""))
    return int(told) if told.isdecimal() else generation


def _wanted(kind: str, spec: Mapping[str, Any], status: Mapping[str, Any]) -> int:
    """How many new pods there should be; of a kind that does not count them nothing can be waited for."""
    if kind == "DaemonSet":
        return _count(status, "desiredNumberScheduled")
    if kind not in BUILT_IN and "updatedReplicas" not in status:
        return 0
    replicas = spec.get("replicas")
    return 1 if replicas is None else int(replicas)


def _tells_old_pods(kind: str, status: Mapping[str, Any]) -> bool:
    """Whether old pods are those that are not counted as new; where none ever are, all would be old for ever.

    A kind that leaves out a count of 0 counts as Deployments do, available pods among them; one that does neither has
    only numbers that say nothing of old and new.
    """
    if kind in BUILT_IN:
        return kind == "Deployment"
    return "updatedReplicas" in status or "availableReplicas" in status


def progress(workload: Workload | None, key: ObjectKey, fingerprint_wanted: str, fingerprint_now: str) -> Rollout:
    """How far the rollout of one version of a workload is.

    Args:
        workload: the workload as it is; None when it is gone.
        key: which one it is.
        fingerprint_wanted: the fingerprint that it had when it changed.
        fingerprint_now: the one that it has.
    """
    if workload is None:
        return Rollout(key, RolloutState.GONE, f"{key} is gone")
    if fingerprint_wanted != fingerprint_now:
        return Rollout(key, RolloutState.SUPERSEDED, f"{key} was changed again")
    if workload.observed < workload.generation:
        return Rollout(key, RolloutState.UNSEEN, f"{key}: its controller has not seen the change")
    if workload.failed:
        return Rollout(key, RolloutState.FAILED, f"{key}: {workload.failed}")
    missing = _missing(workload)
    if not missing:
        return Rollout(key, RolloutState.FINISHED)
    if workload.paused:
        return Rollout(key, RolloutState.PAUSED, f"{key} is paused: {missing}")
    if workload.by_hand:
        return Rollout(key, RolloutState.BY_HAND, f"{key} replaces pods that somebody deletes (OnDelete): {missing}")
    return Rollout(key, RolloutState.PROGRESSING, f"{key}: {missing}")


def in_place(one: Workload) -> bool:
    """Whether all of a workload is its newest version, however its pods come and go meanwhile."""
    return one.observed >= one.generation and not one.failed and not _replacing(one)


def _missing(one: Workload) -> str:
    """What is missing until the rollout is finished; nothing where nothing is."""
    if replacing := _replacing(one):
        return replacing
    if one.key.kind == "StatefulSet":
        if one.ready < one.wanted:
            return f"{one.ready} of {one.wanted} pods are ready"
        unsettled = not one.settled and not one.partition and not one.by_hand
        return "its newest revision is not its current one" if unsettled else ""
    enough = one.wanted if one.key.kind == "DaemonSet" else one.updated
    return f"{one.available} of {enough} new pods are available" if one.available < enough else ""


def _replacing(one: Workload) -> str:
    wanted = max(one.wanted - one.partition, 0)
    if one.updated < wanted:
        return f"{one.updated} of {wanted} new pods have been created"
    return f"{one.total - one.updated} old pods are still there" if one.total > one.updated else ""


def template_mark(template: Mapping[str, Any]) -> str:
    """The fingerprint of a pod template, without what controllers add to it to tell their pods apart."""
    meta = template.get("metadata") or {}
    labels = {name: value for name, value in (meta.get("labels") or {}).items() if name not in HASH_LABELS}
    bare = {name: value for name, value in template.items() if name != PATCH_WORD}
    return fingerprint({**bare, "metadata": {**meta, "labels": labels}})


def _count(status: Mapping[str, Any], name: str) -> int:
    return int(status.get(name) or 0)


def _failed(conditions: Iterable[Mapping[str, Any]]) -> str:
    for one in conditions:
        if one.get("type") == "Progressing" and one.get("reason") == DEADLINE:
            return str(one.get("message") or "it exceeded its progress deadline")
    return ""

"""On which nodes the new pods of a rollout became ready.

Which pods are new is told by what the controllers themselves go by: of a Deployment (and whatever has ReplicaSets), the
ReplicaSet with the same pod template; of a DaemonSet or StatefulSet, the newest ControllerRevision. Neither is in the
workload's status, and before its controller has seen the change there are none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from kubeprobe.plan.fingerprint import Body
from kubeprobe.plan.rollout import Rollout, RolloutState, Workload, template_mark

REVISION_LABEL = "controller-revision-hash"


@dataclass(frozen=True, slots=True)
class Revision:
    """A ReplicaSet or a ControllerRevision: one version of a workload's pods."""

    owner_uid: str
    uid: str
    name_hash: str
    """What its pods have in their label, where that tells them."""
    number: int
    template: str


@dataclass(frozen=True, slots=True)
class WorkloadPod:
    """A pod as far as it tells where a rollout has come to."""

    owner_uid: str
    revision: str
    node: str
    ready_since: datetime | None
    """None while it is not ready, or when it is going."""


def read_revision(kind: str, body: Body) -> Revision:
    """The reading of a ReplicaSet or a ControllerRevision as the API server tells it."""
    meta = body["metadata"]
    owned = kind == "ControllerRevision"
    spec = ((body.get("data") if owned else body) or {}).get("spec") or {}
    return Revision(
        owner_uid=_owner(body),
        uid=meta["uid"],
        name_hash=str((meta.get("labels") or {}).get(REVISION_LABEL) or "") if owned else "",
        number=int(body.get("revision") or 0) if owned else 0,
        template=template_mark(spec.get("template") or {}),
    )


def read_workload_pod(body: Body) -> WorkloadPod:
    """The reading of a pod as the API server tells it."""
    meta, status = body["metadata"], body.get("status") or {}
    ready: Mapping[str, Any] = next((one for one in status.get("conditions") or () if one.get("type") == "Ready"), {})
    is_ready = ready.get("status") == "True" and not meta.get("deletionTimestamp")
    since = ready.get("lastTransitionTime") or meta.get("creationTimestamp")
    return WorkloadPod(
        owner_uid=_owner(body),
        revision=str((meta.get("labels") or {}).get(REVISION_LABEL) or ""),
        node=str((body.get("spec") or {}).get("nodeName") or ""),
        ready_since=datetime.fromisoformat(since) if is_ready and since else None,
    )


@dataclass(frozen=True, slots=True)
class NewPods:
    """The pods of a workload's newest version that are ready."""

    ready: int
    nodes: Mapping[str, datetime]
    """Where they are, and since when, by the newest of each node."""


def new_pods(workload: Workload, revisions: Iterable[Revision], pods: Iterable[WorkloadPod]) -> NewPods:
    """The pods of a workload's newest version that are ready; none before its controller has seen that version.

    Args:
        workload: the workload.
        revisions: the ReplicaSets or ControllerRevisions that there are, those of others among them.
        pods: the pods that there are, those of others among them.
    """
    if workload.observed < workload.generation:
        return NewPods(0, {})
    mine = [one for one in revisions if one.owner_uid == workload.uid]
    newest = max((one for one in mine if one.name_hash), key=lambda one: one.number, default=None)
    sets = {one.uid for one in mine if not one.name_hash and one.template == workload.template}
    ready = 0
    nodes: dict[str, datetime] = {}
    for pod in pods:
        by_revision = newest is not None and (pod.owner_uid, pod.revision) == (workload.uid, newest.name_hash)
        if pod.ready_since is not None and (by_revision or pod.owner_uid in sets):
            ready += 1
            nodes[pod.node] = max(pod.ready_since, nodes.get(pod.node, pod.ready_since))
    return NewPods(ready, nodes)


def confirmed(rollout: Rollout, workload: Workload, pods: NewPods) -> Rollout:
    """The rollout, not finished before the last of its pods is seen: workloads and pods come by two watches."""
    if rollout.state is RolloutState.FINISHED and pods.ready < min(workload.updated, workload.available):
        return replace(rollout, state=RolloutState.PROGRESSING, message=f"{rollout.key}: not all new pods are seen")
    return rollout


def _owner(body: Body) -> str:
    owners = body["metadata"].get("ownerReferences") or ()
    return next((str(one["uid"]) for one in owners if one.get("controller")), "")

"""The pods of workloads, and the revisions that tell which of them are new: for configs that follow them to nodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from kubeprobe.control.reading import with_care
from kubeprobe.control.view import Key, View
from kubeprobe.kube.port import CONTROLLER_REVISIONS, PODS, REPLICA_SETS, Object, Resource
from kubeprobe.kube.reflector import Feed, Held
from kubeprobe.plan.fingerprint import is_own
from kubeprobe.plan.rollout import Workload
from kubeprobe.plan.rollout_pods import (
    NewPods,
    Revision,
    WorkloadPod,
    new_pods,
    read_revision,
    read_workload_pod,
)

T = TypeVar("T", Revision, WorkloadPod)
OWNER, UID = "owner", "uid"


@dataclass(frozen=True, slots=True)
class _Seen(Generic[T]):
    """Something that belongs to a workload, or to a revision of it."""

    held: Held
    value: T


class _OwnedSink(Generic[T]):
    """`kubeprobe.kube.reflector.Sink` of one kind, by owner; `tell` hears the owner's uid when something is new."""

    def __init__(self, read: Callable[[Object], T], tell: Callable[[str], None]) -> None:
        self._read: Callable[[Object], T] = read
        self._tell = tell
        self._view: View[_Seen[T]] = View(lambda one: one.held, _groups)

    def observe(self, body: Object) -> None:
        """See `kubeprobe.kube.reflector.Sink`."""
        meta = body["metadata"]
        with with_care():
            value = self._read(body)
        key = (meta.get("namespace") or "", meta["name"])
        if not value.owner_uid or is_own(body):
            self.forget(key, meta["uid"])  # its owner may have released it
            return
        before = self._view.get(key)
        new = _Seen(Held(key, meta["uid"], int(meta["resourceVersion"])), value)
        if self._view.put(new) and (before is None or before.value != value):
            self._tell(value.owner_uid)

    def forget(self, key: Key, uid: str) -> None:
        """See `kubeprobe.kube.reflector.Sink`."""
        before = self._view.get(key)
        self._view.drop(key, uid)
        if before is not None and before.held.uid == uid:
            self._tell(before.value.owner_uid)

    def of(self, owner_uid: str) -> tuple[T, ...]:
        """What belongs to an owner."""
        return tuple(one.value for one in self._view.group((OWNER, owner_uid)))

    def owner_of(self, uid: str) -> str | None:
        """Whose the object of a uid is; None where there is no such object."""
        return next((one.value.owner_uid for one in self._view.group((UID, uid))), None)


def _groups(one: _Seen[Revision] | _Seen[WorkloadPod]) -> tuple[Key, ...]:
    return (OWNER, one.value.owner_uid), (UID, one.held.uid)


class RolloutPods:
    """Pods and revisions, by the workloads that they belong to.

    Args:
        moved: hears the uid of a workload of which a pod or a revision came, went, or became another.
    """

    def __init__(self, moved: Callable[[str], None]) -> None:
        self._moved = moved
        self.clear()

    def clear(self) -> None:
        """Forget all: nobody wants to know it."""
        self._pods: _OwnedSink[WorkloadPod] = _OwnedSink(read_workload_pod, self._pod_moved)
        self._sets: _OwnedSink[Revision] = _OwnedSink(lambda body: read_revision("ReplicaSet", body), self._moved)
        self._revisions: _OwnedSink[Revision] = _OwnedSink(
            lambda body: read_revision("ControllerRevision", body), self._moved
        )

    def feeds(self) -> tuple[Feed, ...]:
        """What is watched for it."""
        sinks: tuple[tuple[Resource, _OwnedSink[Revision] | _OwnedSink[WorkloadPod]], ...] = (
            (REPLICA_SETS, self._sets),
            (CONTROLLER_REVISIONS, self._revisions),
            (PODS, self._pods),
        )
        return tuple(Feed(resource, sink) for resource, sink in sinks)

    def new_pods(self, workload: Workload) -> NewPods:
        """The pods of a workload's newest version that are ready."""
        revisions = (*self._sets.of(workload.uid), *self._revisions.of(workload.uid))
        owners = (workload.uid, *(one.uid for one in revisions))
        return new_pods(workload, revisions, (pod for owner in owners for pod in self._pods.of(owner)))

    def _pod_moved(self, owner_uid: str) -> None:
        self._moved(self._sets.owner_of(owner_uid) or owner_uid)

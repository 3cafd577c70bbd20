"""The Lease object that says who leads, read and written over the API port."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from kubeprobe.kube.port import LEASES, Api, ApiError, Object
from kubeprobe.plan.election import LeaseRecord

LEASE_NAME = "kubeprobe-operator"


@dataclass(frozen=True, slots=True)
class LeaseStore:
    """One Lease. Every method raises `ApiError`; a write that somebody else was faster than is a conflict.

    Args:
        namespace: where it is.
        now: the time that is written for people to read.
    """

    api: Api
    namespace: str
    now: Callable[[], datetime]

    async def read(self) -> LeaseRecord:
        """The lease as it stands; an empty record when it is not there."""
        try:
            return _record(await self.api.get(LEASES, self.namespace, LEASE_NAME))
        except ApiError as error:
            if error.not_found:
                return LeaseRecord()
            raise

    async def hold(self, before: LeaseRecord, identity: str, lease_seconds: float) -> LeaseRecord:
        """Take or renew the lease if it still is as it was."""
        stamp = _micro_time(self.now())
        spec: Object = {"renewTime": stamp, "leaseDurationSeconds": max(round(lease_seconds), 1)}
        if before.holder != identity:
            transitions = before.transitions + 1 if before.version else 0
            spec |= {"holderIdentity": identity, "acquireTime": stamp, "leaseTransitions": transitions}
        if before.version:
            return await self._patch(before, spec)
        meta = {"name": LEASE_NAME, "namespace": self.namespace}
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}
        return _record(await self.api.create(LEASES, self.namespace, body))

    async def release(self, before: LeaseRecord) -> LeaseRecord:
        """Let it go, so that the next one need not wait."""
        return await self._patch(before, {"holderIdentity": "", "renewTime": _micro_time(self.now())})

    async def _patch(self, before: LeaseRecord, spec: Object) -> LeaseRecord:
        body = {"metadata": {"resourceVersion": before.version}, "spec": spec}
        return _record(await self.api.merge_patch(LEASES, self.namespace, LEASE_NAME, body))


def _record(body: Object) -> LeaseRecord:
    spec = body.get("spec") or {}
    return LeaseRecord(
        holder=spec.get("holderIdentity") or "",
        version=body["metadata"]["resourceVersion"],
        lease_seconds=float(spec.get("leaseDurationSeconds") or 0),
        transitions=int(spec.get("leaseTransitions") or 0),
    )


def _micro_time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

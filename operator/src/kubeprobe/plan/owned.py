"""What belongs to resident probers in the cluster, as far as a decision needs it, and whether it is as it should be."""

from __future__ import annotations

import enum
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from kubeprobe.api.resident import LABEL_NAME
from probe_sdk.resident.spec import SPEC_FILE, Spec
from probe_sdk.wire import LABEL_CONFIG

LABEL_LENGTH = 253
DIGEST = "kubeprobe.io/digest"
"""Annotation with the digest of the spec that was asked for: what was in it and is not any more is noticed by it."""


class OwnedKind(enum.StrEnum):
    """The kinds that a prober is made of."""

    CONFIG_MAP = "ConfigMap"
    DEPLOYMENT = "Deployment"
    DAEMON_SET = "DaemonSet"


@dataclass(frozen=True, slots=True)
class Owned:
    """One object of a prober."""

    kind: OwnedKind
    namespace: str
    name: str
    uid: str
    resource_version: int
    generation: int
    config: str
    """The ProbeConfig that its label names."""
    owner_uids: tuple[str, ...]
    digest: str
    """Of a ConfigMap's data; of a workload, of the spec that was last asked for."""
    spec: Mapping[str, Any]
    wanted: int
    """Pods that there should be, as its controller says."""
    available: int
    complaint: str
    """What its controller says is wrong."""
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Of a ConfigMap: the labels of the targets in it, by the targets' names."""


def read_owned(kind: OwnedKind, body: Mapping[str, Any]) -> Owned:
    """The reading of an object as the API server tells it."""
    meta, status = body["metadata"], body.get("status") or {}
    data = kind is OwnedKind.CONFIG_MAP
    daemon_set = kind is OwnedKind.DAEMON_SET
    return Owned(
        kind=kind,
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        resource_version=int(meta["resourceVersion"]),
        generation=int(meta.get("generation") or 0),
        config=(meta.get("labels") or {}).get(LABEL_CONFIG, ""),
        owner_uids=tuple(one["uid"] for one in meta.get("ownerReferences") or ()),
        digest=digest(body.get("data") or {}) if data else (meta.get("annotations") or {}).get(DIGEST, ""),
        spec={} if data else body.get("spec") or {},
        wanted=int((status.get("desiredNumberScheduled") if daemon_set else status.get("replicas")) or 0),
        available=int(status.get("numberAvailable" if daemon_set else "availableReplicas") or 0),
        complaint=_complaint(status.get("conditions") or ()),
        labels=_target_labels((body.get("data") or {}).get(SPEC_FILE, "")) if data else {},
    )


def _target_labels(file: str) -> dict[str, dict[str, str]]:
    """What the prober's file says of labels; one that was edited by hand says nothing until it is put right."""
    try:
        targets = Spec.model_validate_json(file).targets
    except ValidationError:
        return {}
    return {one.name: dict(filter(_is_label, one.labels.items())) for one in targets if one.labels}


def _is_label(pair: tuple[str, str]) -> bool:
    """Whether it can be a metric's label: one that cannot would cost the whole page."""
    return re.fullmatch(LABEL_NAME, pair[0], re.ASCII) is not None and len(pair[1]) <= LABEL_LENGTH


def digest(value: Any) -> str:
    """A short name for just this value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def covers(wanted: Any, there: Any) -> bool:
    """Whether all that is wanted is there, whatever the API server has added to it."""
    if isinstance(wanted, Mapping):
        return isinstance(there, Mapping) and all(covers(part, there.get(name)) for name, part in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(there, list)
            and len(wanted) == len(there)
            and all(covers(one, other) for one, other in zip(wanted, there, strict=True))
        )
    return bool(wanted == there)


def _complaint(conditions: Any) -> str:
    """A Deployment says in its conditions that pods are refused, or that it makes no progress."""
    for wrong, status in (("ReplicaFailure", "True"), ("Progressing", "False")):
        for one in conditions:
            if one.get("type") == wrong and one.get("status") == status:
                return str(one.get("message") or one.get("reason") or wrong)
    return ""

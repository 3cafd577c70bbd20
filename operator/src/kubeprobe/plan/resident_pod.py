"""What is seen of a resident prober's pod: a small frozen reading of it, since there is one on every node, perhaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubeprobe.api import Mode, ProbeConfig
from kubeprobe.plan.found import LABEL_RESIDENT
from kubeprobe.plan.pod_view import CONTAINER
from probe_sdk.wire import LABEL_CONFIG


@dataclass(frozen=True, slots=True)
class ResidentPod:
    """A resident prober's pod."""

    namespace: str
    name: str
    uid: str
    resource_version: int
    config: str
    """The ProbeConfig that it belongs to; empty when it is no resident prober's."""
    created_at: datetime
    node: str = ""
    running: bool = False
    """Its container runs, so that there is a log to read."""

    @property
    def key(self) -> tuple[str, str]:
        """Its config's namespace and name."""
        return (self.namespace, self.config)

    def belongs(self, config: ProbeConfig | None) -> bool:
        """Whether it probes for this config, and not for one of the same name before it."""
        if config is None or config.spec.mode is not Mode.RESIDENT or not self.config:
            return False
        return (config.metadata.namespace, config.metadata.name) == self.key and (
            self.created_at >= config.metadata.creation_timestamp
        )


def read_resident_pod(body: Mapping[str, Any]) -> ResidentPod:
    """The view of a pod as the API server tells it."""
    meta, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    labels = meta.get("labels") or {}
    states = {one["name"]: one.get("state") or {} for one in status.get("containerStatuses") or ()}
    return ResidentPod(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        resource_version=int(meta["resourceVersion"]),
        config=labels.get(LABEL_CONFIG, "") if LABEL_RESIDENT in labels else "",
        created_at=datetime.fromisoformat(meta["creationTimestamp"]),
        node=spec.get("nodeName") or "",
        running="running" in states.get(CONTAINER, {}),
    )

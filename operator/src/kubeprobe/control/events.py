"""Kubernetes Events on the user's objects, for transitions only: who looks with `kubectl describe` finds the story."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from kubeprobe.api import API_VERSION, ProbeConfig, ProbeRun, ProbeTemplate
from kubeprobe.kube.port import EVENTS, Api, ApiError

logger = logging.getLogger("kubeprobe.events")
NOTE_BYTES = 1000


class Recorder:
    """Writes Events. One that cannot be written is logged and no more: it is a courtesy, never a decision's ground."""

    def __init__(self, api: Api, now: Callable[[], datetime], host: str) -> None:
        self._api = api
        self._now = now
        self._host = host

    async def record(
        self, about: ProbeConfig | ProbeRun | ProbeTemplate, reason: str, message: str, *, warning: bool
    ) -> None:
        """One Event about an object."""
        meta = about.metadata
        namespace = meta.namespace or "default"
        now = self._now().astimezone(UTC)
        tail = hashlib.sha256(f"{meta.uid}{reason}{now.isoformat()}".encode()).hexdigest()[:16]
        stamp = now.isoformat(timespec="seconds").replace("+00:00", "Z")
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{meta.name}.{tail}", "namespace": namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": type(about).__name__,
                "name": meta.name,
                "namespace": meta.namespace,
                "uid": meta.uid,
            },
            "type": "Warning" if warning else "Normal",
            "reason": reason,
            "message": message.encode()[:NOTE_BYTES].decode(errors="ignore"),
            "source": {"component": "kubeprobe", "host": self._host},
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
        }
        try:
            await self._api.create(EVENTS, namespace, body)
        except ApiError as error:
            logger.warning("event %s about %s/%s was not written: %s", reason, meta.namespace, meta.name, error)

"""Kubernetes Events on the user's objects, for transitions only: who looks with `kubectl describe` finds the story."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client import Counter

from kubeprobe.api import API_VERSION, Change, ChangeGate, ProbeConfig, ProbeRun, ProbeTemplate
from kubeprobe.control.writer import Writer
from kubeprobe.kube.port import EVENTS, ApiError, Object
from kubeprobe.plan.budget import Priority

logger = logging.getLogger("kubeprobe.events")
NOTE_BYTES = 1000
NAME_LENGTH = 253
WAITING = 200
"""Events that may wait to be written; beyond that the oldest is dropped."""


@dataclass(frozen=True, slots=True)
class About:
    """The object that an Event is about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str


class Recorder:
    """Writes Events, beside everything else: they are a courtesy, never a decision's ground, and hold nothing up."""

    def __init__(self, writer: Writer, now: Callable[[], datetime], host: str, dropped: Counter) -> None:
        self._writer = writer
        self._now = now
        self._host = host
        self._dropped = dropped
        self._waiting: deque[Object] = deque()
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Write what was recorded, for ever; what cannot be written is logged and no more."""
        while True:
            await self._wake.wait()
            while self._waiting:
                await self._write(self._waiting.popleft())
            self._wake.clear()

    async def _write(self, body: Object) -> None:
        about = body["involvedObject"]
        try:
            await self._writer.create(Priority.HISTORY, EVENTS, body["metadata"]["namespace"], body)
        except ApiError as error:
            where = f"{about['namespace']}/{about['name']}"
            logger.warning("event %s about %s was not written: %s", body["reason"], where, error)

    def record(
        self,
        about: ProbeConfig | ProbeRun | ProbeTemplate | Change | ChangeGate,
        reason: str,
        message: str,
        *,
        warning: bool,
    ) -> None:
        """Have an Event about an object of ours written as soon as there is nothing more urgent."""
        meta = about.metadata
        which = About(API_VERSION, type(about).__name__, meta.namespace, meta.name, meta.uid)
        self.record_about(which, reason, message, warning=warning)

    def record_about(self, about: About, reason: str, message: str, *, warning: bool) -> None:
        """Have an Event about any object written as soon as there is nothing more urgent."""
        namespace = about.namespace or "default"
        now = self._now().astimezone(UTC)
        tail = "." + hashlib.sha256(f"{about.uid}{reason}{now.isoformat()}".encode()).hexdigest()[:16]
        stamp = now.isoformat(timespec="seconds").replace("+00:00", "Z")
        body: Object = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": about.name[: NAME_LENGTH - len(tail)].rstrip("-.") + tail, "namespace": namespace},
            "involvedObject": {
                "apiVersion": about.api_version,
                "kind": about.kind,
                "name": about.name,
                "namespace": about.namespace,
                "uid": about.uid,
            },
            "type": "Warning" if warning else "Normal",
            "reason": reason,
            "message": message.encode()[:NOTE_BYTES].decode(errors="ignore"),
            "source": {"component": "kubeprobe", "host": self._host},
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
        }
        if len(self._waiting) >= WAITING:
            self._waiting.popleft()
            self._dropped.inc()
        self._waiting.append(body)
        self._wake.set()

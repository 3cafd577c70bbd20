"""What was seen from outside, through the API alone: runs, pods, and who wrote what while who had the lease."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
IDENTITY = re.compile(r"^kubeprobe/\S+ \((?P<identity>[^)]+)\)")


@dataclass
class Run:
    """One ProbeRun over its life."""

    uid: str
    name: str
    namespace: str
    config: str
    slot: datetime | None
    attempt: int
    missed: int
    verdicts: list[str] = field(default_factory=list)
    """Every verdict that it was seen with once it was Completed, repetitions left out."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    gone_at: float | None = None
    """When it was first not there any more, by the watcher's clock."""


@dataclass(frozen=True)
class Write:
    """A request of a replica that changed something, as the API server logged it."""

    at: datetime
    identity: str
    lease: bool
    what: str


@dataclass
class Record:
    """All that was seen; `look` adds to it."""

    runs: dict[str, Run] = field(default_factory=dict)
    orphans: dict[tuple[str, str, str], float] = field(default_factory=dict)
    """Pods whose run is gone, by namespace, name and run, and since when they are seen without it."""
    longest_orphan_seconds: float = 0.0

    def look(self, runs: list[dict[str, Any]], pods: list[dict[str, Any]], now: float) -> None:
        """Take in everything that is there now."""
        present = set()
        for body in runs:
            run = self.runs.setdefault(body["metadata"]["uid"], read_run(body))
            present.add(run.uid)
            status = body.get("status", {})
            if status.get("phase") == "Completed" and run.verdicts[-1:] != [status["verdict"]]:
                run.verdicts.append(status["verdict"])
                run.attributes = status.get("attributes") or {}
        for run in self.runs.values():
            if run.uid not in present and run.gone_at is None:
                run.gone_at = now
        self._orphans(pods, {body["metadata"]["name"] for body in runs}, now)

    def _orphans(self, pods: list[dict[str, Any]], names: set[str], now: float) -> None:
        seen = {}
        for pod in pods:
            meta = pod["metadata"]
            run = meta["labels"]["kubeprobe.io/run"]
            if run not in names:
                key = (meta["namespace"], meta["name"], run)
                seen[key] = self.orphans.get(key, now)
                self.longest_orphan_seconds = max(self.longest_orphan_seconds, now - seen[key])
        self.orphans = seen


def read_run(body: Mapping[str, Any]) -> Run:
    """A run as it is first seen."""
    meta, spec = body["metadata"], body["spec"]
    trigger = spec.get("trigger", {})
    return Run(
        uid=meta["uid"],
        name=meta["name"],
        namespace=meta["namespace"],
        config=spec.get("configRef", {}).get("name", ""),
        slot=datetime.fromisoformat(trigger["slot"]) if "slot" in trigger else None,
        attempt=trigger.get("attempt", 1),
        missed=trigger.get("missed", {}).get("count", 0),
    )


def writes(log: Path, since: datetime) -> Iterator[Write]:
    """The replicas' successful writes in the API server's audit log and its rotated parts, as they were finished."""
    for part in sorted(log.parent.glob(f"{log.stem}*{log.suffix}")):
        for line in part.read_text().splitlines():
            if '"userAgent":"kubeprobe/' not in line or '"stage":"ResponseComplete"' not in line:
                continue
            found = read_write(json.loads(line))
            if found is not None and found.at >= since:
                yield found


def read_write(event: Mapping[str, Any]) -> Write | None:
    """A replica's write; None for reads, for what was refused, and for the label that a replica takes off itself."""
    who = IDENTITY.match(event.get("userAgent", ""))
    reference = event.get("objectRef") or {}
    refused = event.get("responseStatus", {}).get("code", 500) >= 300
    badge = (event["verb"], reference.get("resource")) == ("patch", "pods")
    if who is None or event["verb"] not in WRITES or refused or badge:
        return None
    lease = reference.get("resource") == "leases"
    # A lease counts from when it is written, another write from when it was sent.
    at = datetime.fromisoformat(event["stageTimestamp" if lease else "requestReceivedTimestamp"])
    what = f"{event['verb']} {reference.get('resource')} {reference.get('namespace')}/{reference.get('name')}"
    return Write(at, who["identity"], lease, what)

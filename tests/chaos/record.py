"""What was seen from outside, through the API alone: the runs over their lives, and the pods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


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
    ahead: bool = False
    """Whether its slot had not come when it was first seen: a clock ran ahead."""
    verdicts: list[str] = field(default_factory=list)
    """Every verdict that it was seen with once it was Completed, repetitions left out."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    gone_at: float | None = None
    """When it was first not there any more, by the watcher's clock."""


@dataclass
class Record:
    """All that was seen; `look` adds to it."""

    runs: dict[str, Run] = field(default_factory=dict)
    orphans: dict[tuple[str, str, str], float] = field(default_factory=dict)
    """Pods whose run is gone, by namespace, name and run, and since when they are seen without it."""
    longest_orphan_seconds: float = 0.0

    def look(self, runs: list[dict[str, Any]], pods: list[dict[str, Any]], now: float, wall: datetime) -> None:
        """Take in everything that is there now, by the watcher's clock that only goes forward, and by the wall's."""
        present = set()
        for body in runs:
            run = self.runs.setdefault(body["metadata"]["uid"], read_run(body, wall))
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


def read_run(body: Mapping[str, Any], wall: datetime) -> Run:
    """A run as it is first seen."""
    meta, spec = body["metadata"], body["spec"]
    trigger = spec.get("trigger", {})
    slot = datetime.fromisoformat(trigger["slot"]) if "slot" in trigger else None
    return Run(
        uid=meta["uid"],
        name=meta["name"],
        namespace=meta["namespace"],
        config=spec.get("configRef", {}).get("name", ""),
        slot=slot,
        ahead=slot is not None and slot > wall,
        attempt=trigger.get("attempt", 1),
        missed=trigger.get("missed", {}).get("count", 0),
    )

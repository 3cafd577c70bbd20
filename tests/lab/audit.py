"""Who of the operator's replicas wrote what, as the API server's audit log has it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
REPLICA = re.compile(r"^kubeprobe/\S+ \((?P<identity>[^)]+)\)")
EVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Write:
    """A request of a replica that changes something.

    Args:
        at: when the API server had it.
        done_at: when it was answered.
        resource: with the subresource, such as `proberuns/status`.
        code: the HTTP status that it was answered with.
    """

    at: datetime
    done_at: datetime
    identity: str
    verb: str
    resource: str
    namespace: str
    name: str
    code: int

    @property
    def refused(self) -> bool:
        """Whether nothing came of it."""
        return self.code >= HTTPStatus.MULTIPLE_CHOICES

    @property
    def lease(self) -> bool:
        """Whether it takes, keeps or gives back the leadership."""
        return self.resource == "leases"

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S.%f}: {self.identity}: {self.verb} {self.resource} {self.namespace}/{self.name}"


def writes(log: Path, since: datetime = EVER) -> list[Write]:
    """The replicas' answered writes, in the order of their coming; the log's rotated parts count."""
    return sorted((write for write in _all(log) if write.at >= since), key=lambda write: write.at)


def _all(log: Path) -> Iterator[Write]:
    for part in sorted(log.parent.glob(f"{log.stem}*{log.suffix}")):
        with part.open() as lines:
            for line in lines:
                if '"userAgent":"kubeprobe/' in line and '"stage":"ResponseComplete"' in line:
                    found = read_write(json.loads(line))
                    if found is not None:
                        yield found


def read_write(event: Mapping[str, Any]) -> Write | None:
    """A replica's write; None for reads and for the requests of anybody else."""
    who = REPLICA.match(event.get("userAgent", ""))
    if who is None or event["verb"] not in WRITES:
        return None
    about = event.get("objectRef") or {}
    return Write(
        at=datetime.fromisoformat(event["requestReceivedTimestamp"]),
        done_at=datetime.fromisoformat(event["stageTimestamp"]),
        identity=who["identity"],
        verb=event["verb"],
        resource="/".join(part for part in (about.get("resource"), about.get("subresource")) if part),
        namespace=about.get("namespace", ""),
        name=about.get("name", ""),
        code=event.get("responseStatus", {}).get("code", 0),
    )

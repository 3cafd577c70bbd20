"""What a testbed was brought up as, kept beside it so that every later call knows."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from testbed.providers import ProviderKind


@dataclass(frozen=True)
class Record:
    """Where a testbed comes from, its size, and where its nodes pull images."""

    provider: ProviderKind
    nodes: int
    registry: str
    reason: str

    @classmethod
    def read(cls, path: Path) -> Record | None:
        """The record, or None where nothing was brought up."""
        try:
            data = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        return cls(**{**data, "provider": ProviderKind(data["provider"])})

    def write(self, path: Path) -> None:
        """Keep it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1))

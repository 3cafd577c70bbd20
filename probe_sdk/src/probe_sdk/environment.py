"""What the operator told this process about its run: the pod's environment, read once into one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from probe_sdk import wire

PAGE_PORT: Final = 9090


@dataclass(frozen=True, slots=True)
class Environment:
    """The run that this process executes. Outside a cluster everything is empty."""

    url: str = ""
    token_file: str = ""
    run: str = ""
    run_uid: str = ""
    config: str = ""
    namespace: str = ""
    deadline: datetime | None = None
    params: str = ""
    resident: str = ""
    """Folder with the resident prober's file; empty for a probe that runs once."""
    page_port: int = PAGE_PORT

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Environment:
        """Read the KUBEPROBE_ variables; a deadline or a port that is none raises ValueError."""
        return cls(
            url=variables.get(wire.ENV_URL, ""),
            token_file=variables.get(wire.ENV_TOKEN_FILE, ""),
            run=variables.get(wire.ENV_RUN, ""),
            run_uid=variables.get(wire.ENV_RUN_UID, ""),
            config=variables.get(wire.ENV_CONFIG, ""),
            namespace=variables.get(wire.ENV_NAMESPACE, ""),
            deadline=_moment(variables.get(wire.ENV_DEADLINE, "")),
            params=variables.get(wire.ENV_PARAMS, ""),
            resident=variables.get(wire.ENV_RESIDENT, ""),
            page_port=_port(variables.get(wire.ENV_PAGE_PORT, "")),
        )


def _port(text: str) -> int:
    if text and not (text.isascii() and text.isdigit() and int(text) < 1 << 16):
        raise ValueError(f"{wire.ENV_PAGE_PORT} is {text!r}: set a port such as {PAGE_PORT}")
    return int(text or PAGE_PORT)


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError(f"{wire.ENV_DEADLINE} is {text!r}: set a time such as 2026-01-31T12:00:00Z (RFC 3339)")
    return moment

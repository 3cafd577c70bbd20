"""A gate as its JSON: the fields that release tools read, always all of them and always of the same types.

Argo Rollouts takes an `open` that is no boolean for an error, and JSONPath fails at what is null or missing.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from kubeprobe.api import ChangeGate, GatePhase, GateReason, GateVerdict
from kubeprobe.api.base import Time
from kubeprobe.intake.gates.port import GateWord
from kubeprobe.plan.gate_change import told_until


class GateBodyChange(BaseModel):
    """The newest change that a gate verifies, or has verified."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(description="Name of the Change; empty for none.")
    count: int = Field(description="How many objects it changed.")


class GateBody(BaseModel):
    """What a gate says."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="Name of the ChangeGate.")
    open: bool = Field(description="Whether changes may pass.")
    phase: GatePhase = Field(description="The same as a word: Open or Closed.")
    verdict: GateVerdict = Field(description="What the probes say: Pending, Passed, Failed or Inconclusive.")
    reason: GateReason = Field(description="Why it is open or closed.")
    message: str = Field(description="Why, as one line for people.")
    since: Time = Field(description="Since when it has been open, or closed.")
    closure_id: str = Field(
        serialization_alias="closureID", description="Names this closure; empty while the gate is open."
    )
    change: GateBodyChange = Field(description="The newest change that the gate verifies, or has verified.")


def word_of(gate: ChangeGate) -> GateWord:
    """What a gate says."""
    status, change = gate.status, gate.status.change
    body: dict[str, Any] = {
        "name": gate.metadata.name,
        "open": status.phase is GatePhase.OPEN,
        "phase": status.phase,
        "verdict": status.verdict,
        "reason": status.reason,
        "message": status.message,
        "since": f"{status.since or gate.metadata.creation_timestamp:%Y-%m-%dT%H:%M:%SZ}",
        "closureID": status.closure_id,
        "change": {"id": change.id if change else "", "count": change.count if change else 0},
    }
    return GateWord(
        name=gate.metadata.name,
        open=status.phase is GatePhase.OPEN,
        settled=status.verdict is not GateVerdict.PENDING,
        told_until=told_until(status),
        body=to_json(body),
        before=to_json({**body, "verdict": GateVerdict.PENDING}),
    )

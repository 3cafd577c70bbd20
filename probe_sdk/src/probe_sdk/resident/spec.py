"""What a resident prober is to do: a file that the operator mounts, so that the prober goes on without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Self

from pydantic import Field, ValidationError, model_validator

from probe_sdk.failure import ProbeFailure
from probe_sdk.params import Duration, Model
from probe_sdk.resident.account import Denoise
from probe_sdk.resident.rota import Limits
from probe_sdk.samples import MAX_TARGETS, TargetName

SPEC_FILE: Final = "resident.json"
SHORTEST_INTERVAL_SECONDS: Final = 0.01
USUAL_TIMEOUT_SECONDS: Final = 1.0
LONGEST_USUAL_TIMEOUT_SECONDS: Final = 10.0


class Target(Model):
    """One thing to probe."""

    name: TargetName = Field(description="What it is called in verdicts and metrics.")
    params: dict[str, Any] = Field({}, description="Parameters that are its own, over those of all targets.")
    labels: dict[str, str] = Field({}, max_length=10, description="Labels of its metrics.")


class Spec(Model):
    """What to probe, how often, and what turns a verdict."""

    interval: Duration = Field(description="From one slot of a target to its next; 10ms or more.")
    timeout: Duration | None = Field(
        None, description="How long one probe may take; the interval if absent, but 1s to 10s."
    )
    per_target: int = Field(1, ge=1, le=100, description="Probes of one target under way at a time.")
    failures: int = Field(1, ge=1, le=1000, description="Failures in a row that turn a target's verdict to Failed.")
    successes: int = Field(1, ge=1, le=1000, description="Successes in a row that turn it to Passed.")
    window: int = Field(0, ge=0, le=1000, description="Probes whose share of failures counts, instead; 0 for none.")
    ratio: float = Field(0.5, gt=0, le=1, description="With a window: the share of failures that turns it to Failed.")
    params: dict[str, Any] = Field({}, description="Parameters of all targets.")
    targets: tuple[Target, ...] = Field((), max_length=MAX_TARGETS, description="What to probe.")

    @model_validator(mode="after")
    def _make_sense(self) -> Self:
        if self.interval < SHORTEST_INTERVAL_SECONDS:
            raise ValueError(f"interval is {self.interval}: the shortest is 10ms")
        names = [target.name for target in self.targets]
        twice = next((name for name in names if names.count(name) > 1), None) if len({*names}) < len(names) else None
        if twice is not None:
            raise ValueError(f"two targets are called {twice}: give each a name of its own")
        return self

    @property
    def timeout_seconds(self) -> float:
        """How long one probe may take."""
        if self.timeout is not None:
            return float(self.timeout)
        return min(max(float(self.interval), USUAL_TIMEOUT_SECONDS), LONGEST_USUAL_TIMEOUT_SECONDS)

    @property
    def limits(self) -> Limits:
        """What may be under way."""
        return Limits(self.timeout_seconds, per_target=self.per_target)

    @property
    def denoise(self) -> Denoise:
        """What turns a verdict."""
        return Denoise(self.failures, self.successes, self.window, self.ratio)


def read_spec(text: str, source: str) -> Spec:
    """Read a prober's file. Raises ProbeFailure with a sentence for each thing that is wrong."""
    try:
        return Spec.model_validate_json(text)
    except ValidationError as error:
        found = (f"{source}: {'.'.join(map(str, each['loc'])) or 'it'}: {each['msg']}" for each in error.errors())
        raise ProbeFailure(*found) from None


class SpecFile:
    """The mounted file, looked at again for targets that come and go."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / SPEC_FILE
        self._text = ""

    def read(self) -> Spec:
        """What it says now. Raises ProbeFailure when it cannot be read."""
        try:
            self._text = self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ProbeFailure(f"{self._path}: {error}") from error
        return read_spec(self._text, str(self._path))

    def changed(self) -> Spec | None:
        """What it says, if that is something else than before. Raises ProbeFailure, once, for what cannot be read."""
        try:
            text = self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):  # a kubelet that is about to change it: what it said holds
            return None
        if text == self._text:
            return None
        self._text = text
        return read_spec(text, str(self._path))

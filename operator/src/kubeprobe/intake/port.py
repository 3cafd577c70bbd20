"""What the intake needs of the rest of the operator, so that neither knows how the other is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

from probe_sdk.samples import Samples
from probe_sdk.wire import Report


@dataclass(frozen=True, slots=True)
class PodIdentity:
    """Whose token came with a request: the pod that the cluster bound it to."""

    namespace: str
    pod: str
    pod_uid: str


class Told(Protocol):
    """What a sender is answered."""

    @property
    def status(self) -> int:
        """The HTTP status code."""
        ...

    @property
    def text(self) -> str:
        """What became of what it sent."""
        ...


class Answer(Enum):
    """What became of a report, as HTTP status and text."""

    DURABLE = (200, "the report is recorded")
    UNKNOWN_POD = (403, "the token's pod is not a probe of this operator, or is gone: only pods of a ProbeRun report")
    CONFLICT = (409, "another report came first and stands: a run has one, start a new run for another")
    LATE = (410, "the run is over, or its deadline has passed: report sooner, or raise the timeout of the probe")
    UNAVAILABLE = (503, "the report could not be recorded now: send it again")

    @property
    def status(self) -> int:
        """The HTTP status code."""
        return self.value[0]

    @property
    def text(self) -> str:
        """What the sender is told."""
        return self.value[1]


class SamplesAnswer(Enum):
    """What became of samples, as HTTP status and text."""

    COUNTED = (200, "the samples are counted")
    KNOWN = (200, "nothing is new in the samples: they came before, or newer ones did")
    UNKNOWN_POD = (403, "the token's pod is not a resident prober of a ProbeConfig with mode Resident, or is gone")
    BACKWARDS = (
        409,
        "counts are lower than they were in the same epoch: begin a new epoch with new counts",
    )
    DEAD = (410, "the epoch is over: the pod has sent samples of a later one")
    FULL = (503, "the operator keeps as many targets as it can: probe fewer, or send it again later")
    UNAVAILABLE = (503, "the samples cannot be taken now: send them again")

    @property
    def status(self) -> int:
        """The HTTP status code."""
        return self.value[0]

    @property
    def text(self) -> str:
        """What the sender is told."""
        return self.value[1]


class SampleTaker(Protocol):
    """Where samples go."""

    async def accept(self, who: PodIdentity, samples: Samples, received_at: datetime) -> SamplesAnswer:
        """Count samples, in memory: the next ones hold all that these do. What it raises is told as UNAVAILABLE."""
        ...


class Reports(Protocol):
    """Where reports go."""

    async def accept(self, who: PodIdentity, report: Report, received_at: datetime) -> Answer:
        """Record a report; DURABLE only once the run's status is written. What it raises is told as UNAVAILABLE."""
        ...


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that health depends on."""

    name: str
    ok: bool
    detail: str


class Health(Protocol):
    """Whether the operator does its work."""

    def live(self) -> tuple[Check, ...]:
        """What a restart would mend."""
        ...

    def ready(self) -> tuple[Check, ...]:
        """Whether this replica can do its part."""
        ...


class KeySource(Protocol):
    """Where the keys that tokens are checked against come from. Every method raises `ApiError`."""

    async def jwks(self) -> Mapping[str, Any]:
        """The cluster's JSON Web Key Set."""
        ...

    async def issuer(self) -> str:
        """The issuer of the cluster's tokens."""
        ...

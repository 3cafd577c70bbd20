"""What a resident prober tells the operator: counts since its process began, so that a lost message costs nothing.

A message has an epoch, which is one life of one process, and a sequence within it. Whoever keeps the newest sequence of
each target and takes differences has counted every probe once, in whatever order and however often messages come.
It goes by `POST /v1/samples`, and in short as a line of the pod's log, which is read when no message arrives.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

SAMPLES_PATH: Final = "/v1/samples"
MAX_SAMPLES_BYTES: Final = 256 * 1024
MAX_TARGETS: Final = 1000
"""Targets of one prober, and of one message."""
MAX_TARGET_NAME: Final = 253
MAX_MESSAGE: Final = 512
MAX_CLASSES: Final = 17
MAX_CLASS: Final = 63
MAX_BUCKETS: Final = 64
MAX_COUNT: Final = 2**53
"""More is not exact in every reader of JSON."""
LOG_MARK: Final = "kubeprobe-samples "
"""What the log's line begins with."""
LOGGED_FAILING: Final = 20

Count = Annotated[int, Field(ge=0, le=MAX_COUNT, strict=True)]
Number = Annotated[int, Field(ge=1, le=MAX_COUNT, strict=True)]
Verdict = Literal["Passed", "Failed", "Unknown"]
TargetName = Annotated[str, Field(min_length=1, max_length=MAX_TARGET_NAME)]


class _WireModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TargetSample(_WireModel):
    """One target, as one prober has it."""

    target: TargetName = Field(description="Name of the target.")
    verdict: Verdict = Field(description="How it is, after noise.")
    since: AwareDatetime = Field(description="Since when the verdict has been this one.")
    message: str = Field("", max_length=MAX_MESSAGE, description="Why; empty when Passed.")
    passed: Count = Field(description="Probes that passed.")
    failed: Count = Field(description="Probes that failed.")
    unknown: Count = Field(description="Slots that say nothing about the target.")
    missed: Count = Field(description="Of these, not served at all.")
    turns: Count = Field(description="How often the verdict turned.")
    seconds: float = Field(ge=0, allow_inf_nan=False, description="How long the passed probes took in all, in seconds.")
    buckets: dict[Annotated[int, Field(ge=0, lt=MAX_BUCKETS)], Count] = Field(
        {},
        max_length=MAX_BUCKETS,
        description="Passed probes by how long they took: the index of the histogram's bucket.",
    )
    classes: dict[Annotated[str, Field(max_length=MAX_CLASS)], Count] = Field(
        {}, max_length=MAX_CLASSES, description="Slots that did not pass, by the class of the reason."
    )
    life: Count = Field(
        0, description="Higher once the target was none for a while and came back: then all its counts began anew."
    )

    @model_validator(mode="after")
    def _missed_are_unknown(self) -> Self:
        if self.missed > self.unknown:
            raise ValueError(f"target {self.target!r}: missed must not exceed unknown")
        return self


class Samples(_WireModel):
    """What a prober knows of some or all of its targets."""

    epoch: str = Field(min_length=1, max_length=63, description="One life of the prober's process; sorts by age.")
    sequence: Number = Field(description="Counts the messages of an epoch.")
    sent_at: AwareDatetime = Field(description="When it was put together, by the prober's clock.")
    started_at: AwareDatetime = Field(description="When the epoch began, by the prober's clock.")
    complete: bool = Field(description="Whether this ends a round in which all targets were told.")
    round: Count = Field(0, description="Which round of all targets it belongs to; 0 for a turn told by itself.")
    of: Count = Field(description="How many targets the prober has in all.")
    interval_seconds: float = Field(gt=0, allow_inf_nan=False, description="From one slot of a target to its next.")
    served_ratio: float = Field(
        ge=0,
        le=1,
        description="Share of the slots since the last round that were served, those of failing targets apart: what "
        "such a target holds up itself is no lack of the prober's. Over the interval it is the rate that was achieved.",
    )
    withheld_seconds: float = Field(ge=0, allow_inf_nan=False, description="How long the prober was held up in all.")
    targets: tuple[TargetSample, ...] = Field(max_length=MAX_TARGETS, description="The targets.")


class _LogModel(BaseModel):
    # A prober may be of another version than whoever reads its log, and what that one does not know it passes over.
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, alias_generator=to_camel)


class LoggedTarget(_LogModel):
    """One target that is not well."""

    target: TargetName
    verdict: Verdict
    since: AwareDatetime
    message: str = Field(max_length=MAX_MESSAGE)


class LogLine(_LogModel):
    """A message in short: counts over all targets, and by name only those that are not well, the failed ones first."""

    epoch: str = Field(min_length=1, max_length=63)
    sequence: Number
    sent_at: AwareDatetime
    round: Count
    interval_seconds: float = Field(gt=0, allow_inf_nan=False)
    served_ratio: float = Field(ge=0, le=1)
    targets: Count
    targets_failed: Count
    targets_unknown: Count
    passed: Count
    failed: Count
    unknown: Count
    not_passed: tuple[LoggedTarget, ...] = Field(max_length=LOGGED_FAILING)
    more: Count

    @model_validator(mode="after")
    def _no_more_than_there_are(self) -> Self:
        if self.targets_failed + self.targets_unknown > self.targets:
            raise ValueError(
                f"{self.targets_failed} failed and {self.targets_unknown} unknown of {self.targets} targets"
            )
        return self

    def text(self) -> str:
        """The line of the log."""
        return LOG_MARK + self.model_dump_json(by_alias=True)

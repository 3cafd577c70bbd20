"""The wire between a probe and the operator: what a report is, how large it may be, and the names both sides use.

The operator imports this module as it is, so that there is one definition of a report and no second opinion about it.
It needs pydantic and nothing else. A side that receives refuses what is over the bounds (`Report` validates);
the side that sends cuts to them first (`Report.bounded`), because half an explanation is better than none.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Final, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import to_json

AUDIENCE: Final = "kubeprobe"
REPORT_PATH: Final = "/v1/report"
TERMINATION_LOG: Final = "/dev/termination-log"

MAX_BODY_BYTES: Final = 64 * 1024
TERMINATION_MESSAGE_BYTES: Final = 4096
MAX_ERRORS: Final = 20
MAX_ERROR_BYTES: Final = 1024
MAX_STEPS: Final = 50
MAX_STEP_NAME: Final = 63
MAX_ATTRIBUTES: Final = 20
MAX_ATTRIBUTE_KEY: Final = 63
MAX_ATTRIBUTE_VALUE: Final = 256

ENV_URL: Final = "KUBEPROBE_URL"
ENV_TOKEN_FILE: Final = "KUBEPROBE_TOKEN_FILE"  # noqa: S105 - the name of a variable, not a secret
ENV_RUN: Final = "KUBEPROBE_RUN"
ENV_RUN_UID: Final = "KUBEPROBE_RUN_UID"
ENV_CONFIG: Final = "KUBEPROBE_CONFIG"
ENV_NAMESPACE: Final = "KUBEPROBE_NAMESPACE"
ENV_DEADLINE: Final = "KUBEPROBE_DEADLINE"
ENV_PARAMS: Final = "KUBEPROBE_PARAMS"
ENV_NODE: Final = "KUBEPROBE_NODE"
ENV_POD: Final = "KUBEPROBE_POD"
ENV_RESIDENT: Final = "KUBEPROBE_RESIDENT"
"""Folder with the file that makes a probe a resident one."""
ENV_PAGE_PORT: Final = "KUBEPROBE_PAGE_PORT"

API_VERSION: Final = "kubeprobe.io/v1alpha1"
KIND_RUN: Final = "ProbeRun"
LABEL_RUN: Final = "kubeprobe.io/run"
LABEL_CONFIG: Final = "kubeprobe.io/config"
LABEL_MANAGED: Final = "app.kubernetes.io/managed-by"
MANAGED_BY: Final = "kubeprobe"

UNEXPLAINED_FAILURE: Final = "the probe reported failure without saying why"
T = TypeVar("T")
_ELLIPSIS: Final = "…"
_WORTH_CUTTING_BYTES: Final = 80


def utf8_size(text: str) -> int:
    """How many bytes a text takes as UTF-8."""
    return len(text.encode("utf-8", "replace"))


def cut(text: str, limit: int, size: Callable[[str], int] = utf8_size) -> str:
    """Shorten a text to a size, on a character, with an ellipsis where something is missing."""
    if size(text) <= limit:
        return text
    head = text[:limit]
    room = limit - size(_ELLIPSIS)
    length = bisect_right(range(len(head) + 1), room, key=lambda end: size(head[:end])) - 1
    return head[: max(length, 0)] + _ELLIPSIS


def _within_error_bytes(error: str) -> str:
    if utf8_size(error) > MAX_ERROR_BYTES:
        raise ValueError(f"an error may take {MAX_ERROR_BYTES} bytes as UTF-8, this one takes {utf8_size(error)}")
    return error


Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]
Count = Annotated[int, Field(ge=0, strict=True)]
ErrorText = Annotated[str, Field(max_length=MAX_ERROR_BYTES), AfterValidator(_within_error_bytes)]
AttributeKey = Annotated[str, Field(min_length=1, max_length=MAX_ATTRIBUTE_KEY)]
AttributeValue = Annotated[str, Field(max_length=MAX_ATTRIBUTE_VALUE)]


class _WireModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StepSeconds(_WireModel):
    """How long the executions of one step took."""

    p50: Seconds = Field(description="Median duration in seconds.")
    p99: Seconds = Field(description="99th percentile of the duration in seconds.")
    max: Seconds = Field(description="Longest duration in seconds.")


class Step(_WireModel):
    """One named operation of a probe, over all the times that it was executed in this run."""

    name: str = Field(min_length=1, max_length=MAX_STEP_NAME, description="What the step does, such as put or gone.")
    count: Count = Field(description="How often it was executed.")
    ok: Count = Field(description="How often it succeeded.")
    seconds: StepSeconds = Field(description="How long it took.")

    @model_validator(mode="after")
    def _no_more_ok_than_tried(self) -> Self:
        if self.ok > self.count:
            raise ValueError(f"step {self.name!r} succeeded {self.ok} times of {self.count}: ok must not exceed count")
        return self


class Report(_WireModel):
    """How one run of a probe went, in the words of the probe."""

    ok: bool = Field(strict=True, description="Whether what was probed works.")
    errors: tuple[ErrorText, ...] = Field(
        default=(),
        validate_default=True,
        max_length=MAX_ERRORS,
        description="What is broken; each at most 1 KiB. Empty when ok is true.",
    )
    steps: tuple[Step, ...] = Field(default=(), max_length=MAX_STEPS, description="The timed operations of the run.")
    attributes: dict[AttributeKey, AttributeValue] = Field(
        default={}, max_length=MAX_ATTRIBUTES, description="Facts about the run worth keeping, such as the node it met."
    )

    @field_validator("errors", mode="after")
    @classmethod
    def _errors_agree_with_ok(cls, errors: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        said = tuple(error for error in errors if error.strip())
        ok = info.data.get("ok")
        if ok and said:
            raise ValueError("a report with ok true carries no errors: send ok false, or leave the errors out")
        return said if said or ok is not False else (UNEXPLAINED_FAILURE,)

    @classmethod
    def bounded(
        cls,
        *,
        ok: bool,
        errors: Iterable[object] = (),
        steps: Iterable[Step] = (),
        attributes: Mapping[str, object] | None = None,
    ) -> Self:
        """Make a report from whatever a probe has to say, cut to the bounds instead of refused."""
        return cls(
            ok=ok,
            errors=_bounded_errors(errors),
            steps=tuple(steps)[:MAX_STEPS],
            attributes=_bounded_attributes(attributes or {}),
        )

    def body(self) -> bytes:
        """Return the body of the POST: compact JSON within the intake's limit."""
        return self._json_within(MAX_BODY_BYTES)

    def termination_message(self) -> str:
        """Return the same JSON on one line, cut to what the kubelet keeps of a termination message, and still valid."""
        return self._json_within(TERMINATION_MESSAGE_BYTES).decode()

    def _json_within(self, limit: int) -> bytes:
        """Give up attributes first, then steps, then errors: the first error is what somebody has to read."""
        whole = to_json(self)
        if len(whole) <= limit:
            return whole
        room = limit - len(to_json(self.model_copy(update={"errors": (), "steps": (), "attributes": {}})))
        errors, room = _errors_within(self.errors, room)
        steps, room = _prefix_within(self.steps, room, _json_size)
        attributes, _ = _prefix_within(tuple(self.attributes.items()), room, lambda item: _json_size(dict([item])) - 2)
        return to_json(self.model_copy(update={"errors": errors, "steps": steps, "attributes": dict(attributes)}))


def parse_termination_message(text: str) -> Report | None:
    """Read a report out of a pod's termination message; None when it is something else, such as the log's tail."""
    try:
        return Report.model_validate_json(text.strip())
    except ValidationError:
        return None


def clean(value: object) -> str:
    """Return a value as text that every JSON reader takes: lone surrogates are replaced."""
    return str(value).encode("utf-8", "replace").decode()


def _bounded_errors(errors: Iterable[object]) -> tuple[str, ...]:
    said = [cut(text, MAX_ERROR_BYTES) for text in map(clean, errors) if text.strip()]
    if len(said) <= MAX_ERRORS:
        return tuple(said)
    return (*said[: MAX_ERRORS - 1], f"… and {len(said) - MAX_ERRORS + 1} more errors")


def _bounded_attributes(attributes: Mapping[str, object]) -> dict[str, str]:
    named = {cut(clean(key), MAX_ATTRIBUTE_KEY, len): value for key, value in attributes.items() if key}
    return {key: cut(clean(value), MAX_ATTRIBUTE_VALUE, len) for key, value in list(named.items())[:MAX_ATTRIBUTES]}


def _json_size(value: object) -> int:
    return len(to_json(value))


def _prefix_within(items: tuple[T, ...], room: int, size: Callable[[T], int]) -> tuple[tuple[T, ...], int]:
    """Return the first items whose JSON fits, a comma each, and the room that is left."""
    for index, item in enumerate(items):
        if size(item) + 1 > room:
            return items[:index], room
        room -= size(item) + 1
    return items, room


def _errors_within(errors: tuple[str, ...], room: int) -> tuple[tuple[str, ...], int]:
    kept, left = _prefix_within(errors, room, _json_size)
    if len(kept) < len(errors) and left >= _WORTH_CUTTING_BYTES:
        last = cut(errors[len(kept)], left - 1, _json_size)
        return (*kept, last), left - _json_size(last) - 1
    return kept, left

"""From an exception to the sentences of a report."""

from __future__ import annotations

from probe_sdk.steps import step_of


class ProbeFailure(Exception):  # noqa: N818 - a finding about the target, not an error of the probe
    """Raise it with one or more precise texts: each is reported as it stands."""

    def __init__(self, *errors: str) -> None:
        super().__init__(*errors)
        self.errors = tuple(str(error) for error in errors)

    def __str__(self) -> str:
        return "; ".join(self.errors)


def errors_of(error: BaseException) -> tuple[str, ...]:
    """Return what to report for an exception; a group is reported by its members."""
    if isinstance(error, ProbeFailure):
        return error.errors
    if isinstance(error, BaseExceptionGroup):
        return tuple(text for member in error.exceptions for text in errors_of(member))
    return (_described(error),)


def is_finding(error: BaseException) -> bool:
    """Whether an exception says all there is to say, so that its traceback helps nobody."""
    return isinstance(error, ProbeFailure) and error.__cause__ is None


def _described(error: BaseException) -> str:
    name, message, step = type(error).__name__, str(error), step_of(error)
    text = f"{name}: {message}" if message else name
    return f"{step}: {text}" if step else text

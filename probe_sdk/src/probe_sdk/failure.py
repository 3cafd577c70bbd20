"""From an exception to the sentences of a report."""

from __future__ import annotations

import errno
from typing import Final

from probe_sdk.steps import step_of

FINDING: Final = "Finding"
OWN_LACKS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
"""What the system refuses to a process that has used up its files, its memory or its ports."""


class ProbeFailure(Exception):  # noqa: N818 - a finding about the target, not an error of the probe
    """Raise it with one or more precise texts: each is reported as it stands.

    Args:
        reason: a word for this kind of failure, by which a resident prober counts them.
        waited_seconds: how long it was waited for in vain, where the finding is one of time. A resident prober that
            was itself held up meanwhile does not blame its target then.
    """

    def __init__(self, *errors: str, reason: str = FINDING, waited_seconds: float = 0.0) -> None:
        super().__init__(*errors)
        self.errors = tuple(str(error) for error in errors)
        self.reason = reason
        self.waited_seconds = waited_seconds

    def __str__(self) -> str:
        return "; ".join(self.errors)


class Inconclusive(ProbeFailure):
    """Raise it when the probe itself lacks what it needs: a run fails by it, but it says nothing about a target."""


def says_nothing(error: BaseException) -> bool:
    """Whether an exception is about the prober itself, and no word about what it probes."""
    return isinstance(error, Inconclusive) or (isinstance(error, OSError) and error.errno in OWN_LACKS)


def of_time(error: BaseException) -> bool:
    """Whether an exception came of a time-out, of whichever library."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, TimeoutError):
        cause = cause.__cause__ or cause.__context__
    return cause is not None


def reason_of(error: BaseException) -> str:
    """A word for an exception's kind."""
    return error.reason if isinstance(error, ProbeFailure) else type(error).__name__


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

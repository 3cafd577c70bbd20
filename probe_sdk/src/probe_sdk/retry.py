"""Retrying that knows when to stop: tenacity, ended by the run's deadline.

tenacity is imported when something is retried: it brings asyncio with it, which a plain check need not pay for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, Final, TypeVar

from probe_sdk.clock import remaining_seconds

if TYPE_CHECKING:
    from tenacity import AttemptManager, RetryCallState

WITHOUT_DEADLINE_SECONDS: Final = 60.0
"""How long to retry when nobody set a deadline: what a template allows by default."""

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class DeadlineRetrying:
    """tenacity's Retrying and AsyncRetrying in one: iterate over it, also with `async for`, or decorate with it."""

    options: Mapping[str, Any]

    def __iter__(self) -> Iterator[AttemptManager]:
        from tenacity import Retrying

        return iter(Retrying(**self._completed()))

    def __aiter__(self) -> AsyncIterator[AttemptManager]:
        from tenacity import AsyncRetrying

        return aiter(AsyncRetrying(**self._completed()))

    def __call__(self, function: F) -> F:
        """Decorate a function, or a coroutine function."""
        from tenacity import retry

        decorated: F = retry(**self._completed())(function)
        return decorated

    def _completed(self) -> dict[str, Any]:
        from tenacity import wait_exponential_jitter

        own_stop = self.options.get("stop", stop_at_deadline)
        defaults = {"wait": wait_exponential_jitter(initial=0.1, max=2.0, jitter=0.1), "reraise": True}
        return {**defaults, **self.options, "stop": lambda state: stop_at_deadline(state) or own_stop(state)}


def stop_at_deadline(state: RetryCallState) -> bool:
    """Stop when the next try would begin after the check has to be over."""
    left = remaining_seconds()
    if left == inf:
        left = WITHOUT_DEADLINE_SECONDS - (state.seconds_since_start or 0.0)
    return state.upcoming_sleep >= left


def retrying(**options: Any) -> DeadlineRetrying:
    """Retry until the deadline's reserve begins, then raise the last error.

    Takes tenacity's options. Unless told otherwise it waits 0.1 s and twice as long each time, up to 2 s.

        for attempt in retrying(retry=retry_if_exception_type(OSError)):
            with attempt:
                connect()
    """
    return DeadlineRetrying(options)

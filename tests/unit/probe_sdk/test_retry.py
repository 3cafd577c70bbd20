"""Retrying ends with the run."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from tenacity import retry_if_exception_type, stop_after_attempt, wait_fixed

from probe_sdk import remaining_seconds, retry, retrying

pytestmark = pytest.mark.usefixtures("no_environment")


def failing(times: int) -> Callable[[], int]:
    tries: list[int] = []

    def attempt() -> int:
        tries.append(1)
        if len(tries) <= times:
            raise OSError(f"try {len(tries)}")
        return len(tries)

    return attempt


def in_seconds(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def test_a_loop_retries_until_it_succeeds() -> None:
    attempt, result = failing(2), 0
    for trying in retrying(wait=wait_fixed(0)):
        with trying:
            result = attempt()
    assert result == 3


async def test_an_async_loop_retries_too() -> None:
    attempt, result = failing(2), 0
    async for trying in retrying(wait=wait_fixed(0)):
        with trying:
            result = attempt()
    assert result == 3


def test_it_decorates_functions() -> None:
    assert retrying(wait=wait_fixed(0))(failing(1))() == 2


async def test_it_decorates_coroutine_functions() -> None:
    attempt = failing(1)

    @retrying(wait=wait_fixed(0))
    async def check() -> int:
        return attempt()

    assert await check() == 2


def test_it_ends_at_the_reserve_and_raises_the_last_error(no_environment: Callable[..., None]) -> None:
    no_environment(DEADLINE=in_seconds(1.5))
    with pytest.raises(OSError, match="try "):
        retrying(wait=wait_fixed(0.05))(failing(10_000))()
    assert remaining_seconds() < 0.05
    assert remaining_seconds(reserve=0) > 0.2


def test_it_does_not_wait_when_the_next_try_would_be_too_late(no_environment: Callable[..., None]) -> None:
    no_environment(DEADLINE=in_seconds(20))
    with pytest.raises(OSError, match="try 1"):
        retrying(wait=wait_fixed(60))(failing(5))()


def test_a_probe_s_own_stop_holds_as_well(no_environment: Callable[..., None]) -> None:
    with pytest.raises(OSError, match="try 2"):
        retrying(stop=stop_after_attempt(2), wait=wait_fixed(0))(failing(5))()


def test_without_a_deadline_it_still_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "WITHOUT_DEADLINE_SECONDS", 0.1)
    with pytest.raises(OSError, match="try "):
        retrying(wait=wait_fixed(0.04))(failing(10_000))()


def test_other_exceptions_are_not_retried() -> None:
    attempt = failing(3)
    with pytest.raises(OSError, match="try 1"):
        retrying(retry=retry_if_exception_type(KeyError), wait=wait_fixed(0))(attempt)()

from __future__ import annotations

import asyncio

import pytest

from kubeprobe.kube.patience import when_reachable
from kubeprobe.kube.port import ApiError

AWAY = ApiError(0, "Unreachable", "the API server did not answer")


class Asked:
    def __init__(self, *answers: ApiError | str) -> None:
        self.answers = list(answers)
        self.began = asyncio.Event()

    async def __call__(self) -> str:
        self.began.set()
        answer = self.answers.pop(0)
        if isinstance(answer, ApiError):
            raise answer
        return answer


async def test_an_api_server_that_is_away_is_asked_again() -> None:
    assert await when_reachable(Asked(AWAY, "here"), asyncio.Event()) == "here"


async def test_a_refusal_is_told_at_once() -> None:
    asked = Asked(ApiError(403, "Forbidden", "no"), "here")
    with pytest.raises(ApiError, match="no"):
        await when_reachable(asked, asyncio.Event())
    assert asked.answers == ["here"]


async def test_whoever_is_to_end_does_not_wait() -> None:
    stop = asyncio.Event()
    asked = Asked(*[AWAY] * 100)
    waiting = asyncio.create_task(when_reachable(asked, stop))
    await asked.began.wait()
    stop.set()
    assert await waiting is None
    assert len(asked.answers) == 99

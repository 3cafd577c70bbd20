"""When the cluster is asked for its keys, and what holds when it does not answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from tests.unit.intake.cluster import ISSUER, Clock, Keys, claims, jwk, rsa_key, sign
from tests.unit.intake.conftest import until

from kubeprobe.intake import keys as room
from kubeprobe.intake.jws import read_token
from kubeprobe.intake.keys import FRESH_SECONDS, PAUSE_SECONDS, RETRY_SECONDS, KeyRing, KeysUnavailableError
from kubeprobe.kube.port import ApiError

UNREACHABLE = ApiError(0, "Unreachable", "the API server at https://10.0.0.1 did not answer")


@pytest.fixture
async def clock() -> Clock:
    return Clock()


@pytest.fixture
async def source() -> Keys:
    return Keys()


@pytest.fixture
async def ring(source: Keys, clock: Clock) -> AsyncIterator[KeyRing]:
    made = KeyRing(source, clock)
    yield made
    await made.close()


async def test_the_first_token_makes_it_ask_and_the_next_ones_do_not(ring: KeyRing, source: Keys) -> None:
    assert ring.issuer == ""
    for key_id in ("rsa-1", "ec-1", "rsa-1"):
        assert await ring.find(key_id) is not None
    assert (source.asked, ring.issuer) == (1, ISSUER)


async def test_many_at_once_ask_once(ring: KeyRing, source: Keys) -> None:
    found = await asyncio.gather(*(ring.find("rsa-1") for _ in range(50)))
    assert source.asked == 1
    assert all(found)


async def test_unheard_of_keys_make_it_ask_rarely(ring: KeyRing, source: Keys, clock: Clock) -> None:
    for number in range(100):
        assert await ring.find(f"made-up-{number}") is None
    assert source.asked == 1
    clock.seconds = PAUSE_SECONDS
    assert await ring.find("made-up") is None
    assert source.asked == 2


async def test_a_new_key_is_found_and_the_old_one_forgotten(ring: KeyRing, source: Keys, clock: Clock) -> None:
    assert await ring.find("rsa-1")
    source.entries = [jwk(rsa_key("rsa-2"), "rsa-2")]
    clock.seconds = PAUSE_SECONDS
    new = await ring.find("rsa-2")
    assert new is not None
    assert new.has_signed(read_token(sign(claims(), rsa_key("rsa-2"))))
    assert await ring.find("rsa-1") is None


async def test_known_keys_hold_while_the_server_is_away(ring: KeyRing, source: Keys, clock: Clock) -> None:
    assert await ring.find("rsa-1")
    source.error = UNREACHABLE
    clock.seconds = PAUSE_SECONDS
    with pytest.raises(KeysUnavailableError):
        await ring.find("rsa-2")
    assert await ring.find("rsa-1")


async def test_without_any_key_nothing_is_judged_until_the_server_is_back(
    ring: KeyRing, source: Keys, clock: Clock
) -> None:
    source.error = UNREACHABLE
    for _ in range(20):
        with pytest.raises(KeysUnavailableError):
            await ring.find("rsa-1")
    assert source.asked == 1
    source.error = None
    clock.seconds = RETRY_SECONDS
    assert await ring.find("rsa-1")


async def test_old_keys_are_looked_up_anew_behind_the_senders_backs(ring: KeyRing, source: Keys, clock: Clock) -> None:
    assert await ring.find("rsa-1")
    clock.seconds = FRESH_SECONDS
    source.free.clear()
    source.entries = [jwk(rsa_key("rsa-2"), "rsa-2")]
    assert await ring.find("rsa-1")
    source.free.set()
    await ring.look_again()
    assert await ring.find("rsa-1") is None


async def test_a_server_that_hangs_is_not_waited_for_long(
    ring: KeyRing, source: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "LOOK_SECONDS", 0.01)
    source.free.clear()
    with pytest.raises(KeysUnavailableError):
        await ring.find("rsa-1")


@pytest.mark.parametrize("entries", [[], [{"kty": "oct", "k": "AAAA", "kid": "rsa-1"}]])
async def test_a_useless_answer_is_no_answer(
    ring: KeyRing, source: Keys, clock: Clock, entries: list[dict[str, str]]
) -> None:
    assert await ring.find("rsa-1")
    source.entries = entries
    clock.seconds = PAUSE_SECONDS
    await ring.look_again()
    assert await ring.find("rsa-1")


async def test_an_outage_is_told_once(
    ring: KeyRing, source: Keys, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    source.error = UNREACHABLE
    with caplog.at_level(logging.WARNING):
        for second in range(5):
            clock.seconds = second * RETRY_SECONDS
            await ring.look_again()
    assert source.asked == 5
    assert len(caplog.messages) == 1
    assert "did not answer" in caplog.text


async def test_closing_ends_a_look_that_is_under_way(ring: KeyRing, source: Keys) -> None:
    source.free.clear()
    waiting = asyncio.create_task(ring.look_again())
    await until(lambda: source.asked)
    await ring.close()
    await waiting
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

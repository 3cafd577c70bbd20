"""What counts as having been held up."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from kubeprobe.control.lag import Gauges, LagMonitor

START = datetime(2026, 3, 1, tzinfo=UTC)


class World:
    """Two clocks and two ages; each step of the script says how both clocks move while the monitor sleeps."""

    def __init__(self, *steps: tuple[float, float]) -> None:
        self.steps = list(steps)
        self.mono, self.wall = 0.0, START
        self.queue_age = self.watch_age = 0.0
        self.moves = 0
        gauges = Gauges(lambda: self.queue_age, lambda: self.watch_age)
        self.monitor = LagMonitor(lambda: self.mono, lambda: self.wall, gauges, self.moved, self.sleep)

    def moved(self) -> None:
        self.moves += 1

    async def sleep(self, _: float) -> None:
        if not self.steps:
            raise asyncio.CancelledError
        passed, wall = self.steps.pop(0)
        self.mono += passed
        self.wall += timedelta(seconds=wall)

    async def play(self) -> None:
        with pytest.raises(asyncio.CancelledError):
            await self.monitor.run()


async def test_a_loop_that_turns_in_time_was_not_held_up() -> None:
    world = World((0.5, 0.5), (0.6, 0.6), (2.4, 2.4))
    await world.play()
    assert not world.monitor.held_up_since(START)
    assert world.monitor.loop_lag_seconds == pytest.approx(1.9)
    assert world.moves == 0


async def test_a_frozen_process_knows_it_afterwards() -> None:
    world = World((0.5, 0.5), (20.5, 20.5), (0.5, 0.5))
    await world.play()
    assert world.monitor.held_up_since(START)
    assert world.monitor.held_up_since(START + timedelta(seconds=21))
    assert not world.monitor.held_up_since(START + timedelta(seconds=21.1))
    assert world.moves == 0


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
async def test_a_clock_that_moves_by_itself_has_everything_planned_anew(jump: float) -> None:
    world = World((0.5, 0.5), (0.5, 0.5 + jump), (0.5, 0.5))
    await world.play()
    assert world.moves == 1
    assert world.monitor.held_up_since(START + timedelta(seconds=min(jump, 0)))


@pytest.mark.parametrize(("queue", "watch", "held"), [(4.9, 99, False), (5.1, 0, True), (0, 101, True)])
async def test_waiting_keys_and_deaf_watches_count(queue: float, watch: float, held: bool) -> None:
    world = World((0.5, 0.5))
    world.queue_age, world.watch_age = queue, watch
    await world.play()
    assert world.monitor.held_up_since(START) is held

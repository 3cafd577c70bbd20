"""Room is scarce while the CPU is, and no scarcer than it has to be while targets are what is waited for."""

from __future__ import annotations

from probe_sdk.resident.room import LOOK_SECONDS, Room


class Thread:
    """One that is as busy as it is told to be."""

    def __init__(self, least: int = 16, most: int = 100) -> None:
        self.now = self.used = 0.0
        self.room = Room(least, most, lambda: self.used, self.now)

    def goes_on(self, share: float, *, wanted: bool = True, seconds: float = LOOK_SECONDS * 1.1) -> int:
        if wanted:
            self.room.wanted()
        self.now += seconds
        self.used += share * seconds
        self.room.look(self.now)
        return self.room.size


def test_room_that_is_wanted_grows_while_the_thread_has_time_to_spare() -> None:
    thread = Thread()
    assert [thread.goes_on(0.5) for _ in range(4)] == [32, 64, 100, 100]


def test_room_that_nobody_wants_stays() -> None:
    thread = Thread()
    assert [thread.goes_on(0.1, wanted=False) for _ in range(3)] == [16, 16, 16]
    assert thread.goes_on(0.1) == 32


def test_a_busy_thread_has_as_little_as_ever_at_once() -> None:
    thread = Thread()
    for _ in range(3):
        thread.goes_on(0.5)
    assert thread.goes_on(0.8) == 100
    assert thread.goes_on(0.97) == 16
    assert thread.goes_on(0.97) == 16


def test_it_looks_now_and_then_only() -> None:
    thread = Thread()
    assert thread.goes_on(0.5, seconds=LOOK_SECONDS / 2) == 16
    assert thread.goes_on(0.5, seconds=LOOK_SECONDS / 2) == 32

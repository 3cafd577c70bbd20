"""How often somebody may ask: held back first, refused then, and nobody at another's cost."""

from __future__ import annotations

import pytest
from tests.unit.intake.cluster import Clock

from kubeprobe.intake.gates import throttle as room
from kubeprobe.intake.gates.throttle import Rate, Throttle

FREE = Rate(1e6, 1e6)


def test_a_burst_passes_and_what_follows_is_held_back_ever_longer() -> None:
    throttle = Throttle(Rate(10.0, 3.0), FREE, 0.25, Clock())
    assert [throttle.admit("a") for _ in range(6)] == pytest.approx([0, 0, 0, 0.1, 0.2, None])


def test_what_is_refused_does_not_count() -> None:
    clock = Clock()
    throttle = Throttle(Rate(10.0, 1.0), FREE, 0.0, clock)
    assert [throttle.admit("a") for _ in range(100)] == [0.0] + [None] * 99
    clock.seconds += 0.1
    assert throttle.admit("a") == 0.0


def test_a_steady_client_is_never_held_back() -> None:
    clock = Clock()
    throttle = Throttle(Rate(10.0, 1.0), FREE, 0.0, clock)
    for _ in range(1000):
        assert throttle.admit("a") == 0.0
        clock.seconds += 0.1001


def test_one_client_costs_another_nothing_until_all_are_too_many() -> None:
    throttle = Throttle(Rate(10.0, 2.0), Rate(100.0, 4.0), 0.0, Clock())
    assert [throttle.admit("a") for _ in range(3)] == [0.0, 0.0, None]
    assert [throttle.admit("b") for _ in range(2)] == [0.0, 0.0]
    assert throttle.admit("c") is None


def test_clients_that_have_been_quiet_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_CLIENTS", 2)
    clock = Clock()
    throttle = Throttle(Rate(1.0, 1.0), FREE, 0.0, clock)
    assert (throttle.admit("a"), throttle.admit("b")) == (0.0, 0.0)
    # There is no room: strangers share what one may.
    assert (throttle.admit("c"), throttle.admit("d")) == (0.0, None)
    clock.seconds += 1.0
    assert (throttle.admit("c"), throttle.admit("d")) == (0.0, 0.0)

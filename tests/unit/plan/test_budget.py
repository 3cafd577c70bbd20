"""The bucket's promises: never more than it was given, the urgent first, and a rate that gives way and comes back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprobe.plan.budget import (
    AGED_SECONDS,
    BASELINE_SECONDS,
    ENOUGH_WRITES,
    HOLD_SECONDS,
    LONGEST_PAUSE_SECONDS,
    RECOVERY_SHARE_PER_SECOND,
    RUNS_PER_AGED,
    SLOW_SECONDS,
    WINDOW_SECONDS,
    WINDOW_WRITES,
    Bucket,
    Limits,
    Priority,
    Throttle,
    Turn,
    Written,
    advance,
    full,
    give_back,
    next_turn,
    observe,
    take,
    wait_seconds,
)

V, R, H = Priority.VERDICT, Priority.RUN, Priority.HISTORY
USUAL = Limits(writes_per_second=20, burst=40)
SLIP = 1e-6


def drained(limits: Limits = USUAL) -> Bucket:
    return replace(full(limits, 0.0), tokens=0.0)


def taken(bucket: Bucket, priority: Priority, now: float = 0.0) -> int:
    """How many tokens a priority can have at once."""
    count = 0
    while (after := take(bucket, priority, now)) is not None:
        bucket, count = after, count + 1
    return count


# Tokens


@pytest.mark.parametrize(("priority", "tokens"), [(V, 40), (R, 30), (H, 20)])
def test_a_priority_leaves_a_reserve_to_those_above_it(priority: Priority, tokens: int) -> None:
    assert taken(full(USUAL, 0.0), priority) == tokens


@pytest.mark.parametrize("priority", Priority)
def test_the_smallest_budget_still_lets_everybody_through(priority: Priority) -> None:
    assert taken(full(Limits(1, 1), 0.0), priority) == 1


def test_tokens_come_at_the_rate_and_stop_at_the_burst() -> None:
    assert advance(drained(), 0.5).tokens == 10
    assert advance(drained(), 99).tokens == 40


def test_a_clock_that_stands_or_goes_back_gives_nothing() -> None:
    assert advance(drained(), 0.0) == drained()
    assert advance(drained(), -5.0) == drained()


def test_an_unused_token_comes_back_and_never_makes_more_than_the_burst() -> None:
    bucket = take(full(USUAL, 0.0), V, 0.0)
    assert bucket is not None
    assert give_back(bucket, 0.0).tokens == 40
    assert give_back(full(USUAL, 0.0), 0.0).tokens == 40


@given(st.sampled_from(Priority), st.floats(0, 40), st.floats(0, 30))
def test_who_waits_as_long_as_told_has_a_token(priority: Priority, tokens: float, pause: float) -> None:
    bucket = replace(drained(), tokens=tokens, paused_until=pause)
    wait = wait_seconds(bucket, priority, 0.0)
    assert (take(bucket, priority, 0.0) is not None) == (wait == 0)
    assert take(bucket, priority, wait + SLIP) is not None


# The line


def test_the_most_urgent_goes_first() -> None:
    assert [one.rank for one in Priority] == [0, 1, 2]
    assert next_turn({}, 0.0, RUNS_PER_AGED) is None
    assert next_turn({H: 0.0}, 1.0, RUNS_PER_AGED) == Turn(H, H)
    assert next_turn({H: 0.0, R: 0.5}, 1.0, RUNS_PER_AGED) == Turn(R, R)
    assert next_turn({H: 0.0, R: 0.5, V: 1.0}, 1.0, RUNS_PER_AGED) == Turn(V, V)


def test_history_that_waited_for_long_takes_turns_with_runs_but_never_with_a_verdict() -> None:
    waiting = {H: 0.0, R: 0.0}
    assert next_turn(waiting, AGED_SECONDS - 0.1, RUNS_PER_AGED) == Turn(R, R)
    assert next_turn(waiting, AGED_SECONDS, RUNS_PER_AGED) == Turn(H, R)
    assert next_turn(waiting, AGED_SECONDS, RUNS_PER_AGED - 1) == Turn(R, R)
    assert next_turn({**waiting, V: 9.0}, AGED_SECONDS, RUNS_PER_AGED) == Turn(V, V)


def test_history_that_waited_for_long_leaves_runs_their_reserve_while_none_is_due() -> None:
    assert next_turn({H: 0.0}, AGED_SECONDS, 0) == Turn(H, H)


@given(st.dictionaries(st.sampled_from(Priority), st.floats(0, 100)), st.floats(100, 200), st.integers(0, 9))
def test_nobody_is_behind_a_lower_one_that_did_not_wait_for_ages(
    waiting: dict[Priority, float], now: float, runs_in_a_row: int
) -> None:
    turn = next_turn(waiting, now, runs_in_a_row)
    assert (turn is None) == (not waiting)
    if turn is not None:
        aged = now - waiting[turn.line] >= AGED_SECONDS and runs_in_a_row >= RUNS_PER_AGED
        assert aged or turn.line.rank == min(one.rank for one in waiting)


# Giving way


def throttled(bucket: Bucket, now: float, after: float | None = None) -> tuple[Bucket, Throttle | None]:
    return observe(bucket, Written(0.01, throttled=True, retry_after_seconds=after), now)


def test_a_429_halves_the_rate_and_pauses_all_but_verdicts() -> None:
    bucket, why = throttled(full(USUAL, 0.0), 0.0, after=7.0)
    assert (bucket.rate, why) == (10, Throttle.TOO_MANY_REQUESTS)
    assert take(bucket, R, 6.9) is None
    assert take(bucket, H, 6.9) is None
    assert take(bucket, V, 0.0) is not None
    assert wait_seconds(bucket, R, 2.0) == 5.0
    assert take(bucket, R, 7.0) is not None


def test_a_429_without_words_pauses_for_a_second_and_none_for_more_than_a_minute() -> None:
    assert throttled(full(USUAL, 0.0), 0.0)[0].paused_until == 1.0
    assert throttled(full(USUAL, 0.0), 0.0, after=-3)[0].paused_until == 0.0
    assert throttled(full(USUAL, 0.0), 0.0, after=9999)[0].paused_until == LONGEST_PAUSE_SECONDS


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    bucket, _ = throttled(full(USUAL, 0.0), 0.0, after=9)
    assert throttled(bucket, 1.0, after=1)[0].paused_until == 9.0


def test_refusals_of_one_overload_cut_once() -> None:
    bucket, _ = throttled(full(USUAL, 0.0), 0.0)
    again, why = throttled(bucket, 0.5)
    assert (again.rate, why) == (10, None)
    third, why = throttled(again, 1.0)
    assert (third.rate, why) == (5, Throttle.TOO_MANY_REQUESTS)


def wrote(bucket: Bucket, count: int, seconds: float, start: float, every: float = 0.05) -> tuple[Bucket, int]:
    """Writes one after another, and how often they cut the rate."""
    cuts = 0
    for number in range(count):
        bucket, why = observe(bucket, Written(seconds), start + number * every)
        cuts += why is Throttle.LATENCY
    return bucket, cuts


def test_slow_writes_cut_the_rate_and_are_then_forgotten() -> None:
    bucket, cuts = wrote(full(USUAL, 0.0), ENOUGH_WRITES, SLOW_SECONDS * 1.5, 0.0)
    assert (bucket.rate, cuts) == (14, 1)
    assert (bucket.latencies, bucket.p99_seconds) == ((), 0)


def test_few_slow_writes_say_nothing() -> None:
    assert wrote(full(USUAL, 0.0), ENOUGH_WRITES - 1, 5.0, 0.0)[1] == 0


def test_fast_writes_cut_nothing_even_when_they_take_many_times_the_usual() -> None:
    bucket, _ = wrote(full(USUAL, 0.0), 100, 0.002, 0.0)
    assert wrote(bucket, 100, SLOW_SECONDS, 10.0)[1] == 0


def test_one_slow_write_in_a_hundred_is_not_a_slow_server() -> None:
    bucket, _ = wrote(full(USUAL, 0.0), WINDOW_WRITES - 1, 0.01, 0.0)
    assert observe(bucket, Written(5.0), 5.0)[1] is None


def test_slowness_cuts_again_only_after_a_rest() -> None:
    bucket, cuts = wrote(full(USUAL, 0.0), 1000, 2.0, 0.0, every=0.01)
    assert cuts == 2
    assert bucket.rate < 14


def test_old_writes_and_more_than_a_hundred_are_forgotten() -> None:
    bucket, _ = wrote(full(USUAL, 0.0), 200, 0.01, 0.0, every=0.01)
    assert len(bucket.latencies) == WINDOW_WRITES
    bucket, _ = wrote(bucket, 1, 0.01, 2.0 + WINDOW_SECONDS)
    assert len(bucket.latencies) == 1


def test_what_is_slow_for_good_becomes_the_usual() -> None:
    bucket, _ = wrote(full(USUAL, 0.0), int(2 * BASELINE_SECONDS), 2.0, 0.0, every=1.0)
    assert bucket.usual_seconds > 2.0 / 3
    bucket, cuts = wrote(bucket, 60, 2.0, 3 * BASELINE_SECONDS, every=1.0)
    assert (cuts, bucket.rate) == (0, 20)


def test_the_rate_rests_after_a_cut_and_then_comes_back_by_small_steps() -> None:
    bucket, _ = throttled(full(USUAL, 0.0), 0.0)
    assert advance(bucket, HOLD_SECONDS).rate == 10
    assert advance(bucket, HOLD_SECONDS + 1).rate == 11
    assert advance(advance(bucket, HOLD_SECONDS + 1), HOLD_SECONDS + 2).rate == 12
    assert advance(bucket, HOLD_SECONDS + 99).rate == 20


# Whatever happens


@dataclass
class World:
    """A budget, a clock, and all writes that were allowed."""

    bucket: Bucket
    now: float = 0.0
    at: list[float] = field(default_factory=list)

    def check(self) -> None:
        limits = self.bucket.limits
        assert 0 <= self.bucket.tokens <= limits.burst
        assert self.bucket.slowest <= self.bucket.rate <= limits.writes_per_second
        assert self.bucket.slowest > 0


LIMITS = st.builds(Limits, st.floats(0.5, 500), st.integers(1, 200))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.floats(0, 30)),
        st.tuples(st.just("take"), st.sampled_from(Priority)),
        st.tuples(st.just("unused"), st.sampled_from(Priority)),
        st.tuples(st.just("write"), st.builds(Written, st.floats(0, 60), st.booleans(), st.none() | st.floats(0, 90))),
    ),
    max_size=200,
)


def lived(limits: Limits, steps: list[tuple[str, Any]]) -> World:
    world = World(full(limits, 0.0))
    for what, value in steps:
        if what == "pass":
            world.now += value
        elif what == "write":
            world.bucket, _ = observe(world.bucket, value, world.now)
        elif (after := take(world.bucket, value, world.now)) is not None:
            used = what == "take"
            world.bucket = after if used else give_back(after, world.now)
            world.at += [world.now] * used
        world.check()
    return world


@given(LIMITS, STEPS)
def test_no_window_has_more_writes_than_burst_and_rate_allow(limits: Limits, steps: list[tuple[str, Any]]) -> None:
    at = lived(limits, steps).at
    for first, start in enumerate(at):
        for last in range(first, len(at)):
            allowed = limits.burst + limits.writes_per_second * (at[last] - start)
            assert last - first + 1 <= allowed + SLIP


@given(LIMITS, STEPS)
def test_it_always_recovers(limits: Limits, steps: list[tuple[str, Any]]) -> None:
    world = lived(limits, steps)
    enough = max(LONGEST_PAUSE_SECONDS, HOLD_SECONDS + 1 / RECOVERY_SHARE_PER_SECOND) + SLIP
    later = advance(world.bucket, world.now + enough)
    assert later.rate == limits.writes_per_second
    assert all(wait_seconds(later, one, later.at + limits.burst / later.rate) == 0 for one in Priority)

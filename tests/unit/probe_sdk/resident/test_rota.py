"""What begins when, what is bounded, and which ends say something about the target."""

from __future__ import annotations

from collections import Counter, deque

import pytest

from probe_sdk.resident.account import Account, Denoise, Verdict
from probe_sdk.resident.room import LOOK_SECONDS
from probe_sdk.resident.rota import BUSY, LATE, STARVED, TIMEOUT, YOUNG_SECONDS, Attempt, Limits, Rota
from probe_sdk.resident.slots import Slots
from probe_sdk.resident.starvation import Starvation


class Bench:
    """A rota with a kernel that withholds what it is told to."""

    def __init__(
        self, interval: float = 1.0, denoise: Denoise | None = None, *, spread: bool = False, **limits: float
    ) -> None:
        self.withheld = 0.0
        self.turned: list[tuple[str, Verdict]] = []
        slots = Slots(interval, 0.0, spread=spread)
        bounds = Limits(**{"timeout_seconds": 0.5, **limits})  # type: ignore[arg-type]
        starvation = Starvation(lambda: self.withheld, 0.0, worked_seconds=lambda: 0.0)
        self.rota = Rota(slots, bounds, denoise or Denoise(), starvation, self._turned)

    def _turned(self, account: Account) -> None:
        self.turned.append((account.target, account.verdict))

    def begin(self, now: float) -> list[Attempt]:
        return list(self.rota.begin(now))


def names(attempts: list[Attempt]) -> str:
    return "".join(attempt.account.target for attempt in attempts)


def test_what_is_due_begins_and_its_end_counts() -> None:
    bench = Bench()
    bench.rota.add("a", 0.0)
    (attempt,) = bench.begin(0.1)
    assert bench.begin(0.2) == []
    assert bench.rota.next_at() == 1.0
    bench.rota.passed(attempt, 0.3, 0.2)
    bench.rota.release(attempt)
    assert bench.turned == [("a", Verdict.PASSED)]
    (attempt,) = bench.begin(1.0)
    bench.rota.failed(attempt, 1.1, "Connect", "refused")
    assert bench.turned[1:] == [("a", Verdict.FAILED)]


def test_no_more_young_probes_than_allowed_and_the_others_wait_their_turn() -> None:
    bench = Bench(young=2)
    for name in "abc":
        bench.rota.add(name, 0.0)
    first = bench.begin(0.0)
    assert names(first) == "ab"
    assert bench.rota.next_at() == LOOK_SECONDS < YOUNG_SECONDS
    bench.rota.release(first[0])
    assert names(bench.begin(0.01)) == "c"


def test_a_probe_that_waits_for_its_target_makes_room() -> None:
    bench = Bench(young=1)
    for name in "ab":
        bench.rota.add(name, 0.0)
    assert names(bench.begin(0.0)) == "a"
    assert names(bench.begin(YOUNG_SECONDS)) == "b"


def test_no_more_under_way_in_all_than_allowed() -> None:
    bench = Bench(in_all=1)
    for name in "ab":
        bench.rota.add(name, 0.0)
    (attempt,) = bench.begin(0.0)
    assert bench.begin(0.4) == []
    assert bench.rota.next_at() == 1.0
    bench.rota.release(attempt)
    assert names(bench.begin(0.4)) == "b"


def test_slots_that_find_no_room_for_a_whole_interval_are_unknown() -> None:
    """What hangs for ever, such as threads, must not leave the others with the verdict that they had."""
    bench = Bench(in_all=1)
    for name in "ab":
        bench.rota.add(name, 0.0)
    (attempt,) = bench.begin(0.0)
    for second in range(1, 12):
        assert bench.begin(second + 0.1) == []
    other = bench.rota.accounts["b" if attempt.account.target == "a" else "a"]
    assert (other.unknown, other.missed, other.failed) == (12, 12, 0)
    assert other.classes == {LATE: 12}


def test_a_probe_that_cannot_be_ended_fails_its_target_again_each_time_that_its_time_is_over() -> None:
    bench = Bench(denoise=Denoise(failures=3))
    bench.rota.add("a", 0.0)
    (attempt,) = bench.begin(0.0)
    account = bench.rota.accounts["a"]
    account.pass_(0.0, 0.1)
    bench.rota.timed_out(attempt, 0.5, "no end")
    for tenth in range(10, 31):
        assert bench.begin(tenth / 10) == []
    assert (account.verdict, account.message) == (Verdict.FAILED, "no end")
    assert account.classes == {TIMEOUT: 4}
    bench.rota.release(attempt)
    (attempt,) = bench.begin(4.0)
    assert bench.begin(5.0) == []
    assert account.classes == {TIMEOUT: 4, BUSY: 1}


def test_a_prober_that_is_held_up_later_does_not_blame_a_probe_that_cannot_be_ended() -> None:
    bench = Bench()
    bench.rota.add("a", 0.0)
    (attempt,) = bench.begin(0.0)
    bench.rota.timed_out(attempt, 0.5, "no end")
    bench.withheld += 0.9
    assert bench.begin(1.0) == []
    assert bench.rota.accounts["a"].classes == {TIMEOUT: 1, STARVED: 1}


@pytest.mark.parametrize("spread", [True, False])
def test_under_overload_each_target_has_the_same_share(spread: bool) -> None:
    """Twenty probes can be done in an interval, of fifty that are due."""
    bench = Bench(interval=0.01, spread=spread)
    targets = [f"t{number}" for number in range(50)]
    for name in targets:
        bench.rota.add(name, 0.0)
    done = Counter[str]()
    for turn in range(7000):
        now = turn * 0.0005
        for attempt in bench.rota.begin(now):
            done[attempt.account.target] += 1
            bench.rota.passed(attempt, now, 0.0005)
            bench.rota.release(attempt)
            break
    assert min(done.values()) == pytest.approx(140, rel=0.03)
    assert max(done.values()) == pytest.approx(140, rel=0.03)
    assert all(bench.rota.accounts[name].failed == 0 for name in targets)
    missed = sum(one.classes.get(LATE, 0) for one in bench.rota.accounts.values())
    assert missed == pytest.approx(350 * 50 - 7000, rel=0.02)


def test_targets_that_are_far_away_are_probed_at_their_rate() -> None:
    """A thousand a second at fifty milliseconds' distance are no load, though fifty are under way all the time."""
    bench = Bench(interval=1.0, spread=True)
    for number in range(1000):
        bench.rota.add(str(number), 0.0)
    under_way: deque[Attempt] = deque()
    for millisecond in range(5000):
        now = millisecond / 1000
        while under_way and under_way[0].started + 0.05 <= now:
            attempt = under_way.popleft()
            bench.rota.passed(attempt, now, 0.05)
            bench.rota.release(attempt)
        under_way.extend(bench.begin(now))
    accounts = bench.rota.accounts.values()
    assert sum(one.missed for one in accounts) == 0
    assert sum(one.passed for one in accounts) == pytest.approx(4950, abs=60)


def test_a_long_wait_is_judged_by_all_that_was_withheld_in_it() -> None:
    bench = Bench(timeout_seconds=60.0, interval=0.002)
    for name in "ab":
        bench.rota.add(name, 0.0)
    attempt = next(one for one in bench.begin(0.0) if one.account.target == "a")
    bench.withheld = 30.0
    for look in range(1, 20000):
        bench.begin(look * 0.003)
    bench.rota.timed_out(attempt, 60.0, "no answer")
    assert STARVED in bench.rota.accounts["a"].classes


def test_slots_that_passed_are_unknown_as_the_probers_own_lateness() -> None:
    bench = Bench()
    bench.rota.add("a", 0.0)
    assert len(bench.begin(3.5)) == 1
    account = bench.rota.accounts["a"]
    assert (account.unknown, account.missed, account.failed, account.classes) == (3, 3, 0, {LATE: 3})


def test_a_target_whose_probe_still_goes_has_no_second_one() -> None:
    bench = Bench()
    bench.rota.add("a", 0.0)
    assert len(bench.begin(0.0)) == 1
    assert bench.begin(1.0) == []
    assert bench.rota.accounts["a"].classes == {BUSY: 1}


def test_a_timeout_is_the_targets_failure_when_the_prober_was_at_work() -> None:
    bench = Bench()
    bench.rota.add("a", 0.0)
    (attempt,) = bench.begin(0.0)
    bench.withheld = 0.05
    bench.rota.timed_out(attempt, 0.5, "no answer")
    assert bench.rota.accounts["a"].classes == {TIMEOUT: 1}


@pytest.mark.parametrize(("ended", "class_"), [(0.0097, STARVED), (0.0111, TIMEOUT)])
def test_of_a_timeout_of_milliseconds_the_target_has_all_of_it(ended: float, class_: str) -> None:
    bench = Bench(interval=0.01, timeout_seconds=0.009)
    bench.rota.add("a", 0.0)
    (attempt,) = bench.begin(0.0)
    bench.withheld = 0.001
    bench.rota.timed_out(attempt, ended, "no answer")
    assert bench.rota.accounts["a"].classes == {class_: 1}


@pytest.mark.parametrize("kernel", [True, False])
def test_a_timeout_says_nothing_when_the_prober_was_held_up(kernel: bool) -> None:
    bench = Bench()
    bench.rota.add("a", 0.0)
    (attempt,) = bench.begin(0.0)
    if kernel:
        bench.withheld = 0.2
    else:
        bench.rota.held_up(0.2)
    bench.rota.timed_out(attempt, 0.5, "no answer")
    account = bench.rota.accounts["a"]
    assert (account.failed, account.unknown, account.classes) == (0, 1, {STARVED: 1})


def test_what_the_prober_lacks_is_no_failure_of_the_target() -> None:
    bench = Bench()
    bench.rota.add("a", 0.0)
    (attempt,) = bench.begin(0.0)
    bench.rota.unanswerable(attempt, 0.1, "CAFile", "no such file")
    assert (bench.rota.accounts["a"].failed, bench.rota.accounts["a"].unknown) == (0, 1)


def test_a_target_that_is_gone_is_not_heard_any_more_and_none_other_is_disturbed() -> None:
    bench = Bench()
    for name in "ab":
        bench.rota.add(name, 0.0)
    first, second = bench.begin(0.0)
    bench.rota.remove("a")
    bench.rota.add("a", 0.1)
    for attempt in (first, second):
        bench.rota.failed(attempt, 0.2, "Connect", "refused")
        bench.rota.release(attempt)
    assert bench.turned == [("b", Verdict.FAILED)]
    assert bench.rota.accounts["a"].total == 0
    assert sorted(names(bench.begin(1.0))) == ["a", "b"]


def test_a_target_that_comes_back_is_told_from_what_it_was_before() -> None:
    bench = Bench()
    bench.rota.add("a", 0.0)
    bench.rota.add("b", 0.0)
    first = bench.rota.accounts["a"].life
    bench.rota.remove("none")
    bench.rota.remove("a")
    bench.rota.add("a", 1.0)
    bench.rota.add("b", 1.0)
    assert bench.rota.accounts["a"].life > first
    assert bench.rota.accounts["b"].life == first

"""What begins when, what is bounded, and which ends say something about the target."""

from __future__ import annotations

import pytest

from probe_sdk.resident.account import Account, Denoise, Verdict
from probe_sdk.resident.rota import BUSY, LATE, STARVED, TIMEOUT, YOUNG_SECONDS, Attempt, Limits, Rota
from probe_sdk.resident.slots import Slots
from probe_sdk.resident.starvation import Starvation


class Bench:
    """A rota with a kernel that withholds what it is told to."""

    def __init__(self, interval: float = 1.0, **limits: float) -> None:
        self.withheld = 0.0
        self.turned: list[tuple[str, Verdict]] = []
        slots = Slots(interval, 0.0, spread=False)
        bounds = Limits(**{"timeout_seconds": 0.5, **limits})  # type: ignore[arg-type]
        self.rota = Rota(slots, bounds, Denoise(), Starvation(lambda: self.withheld, 0.0), self._turned)

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
    assert bench.rota.next_at() == YOUNG_SECONDS
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
    assert bench.rota.next_at() is None
    bench.rota.release(attempt)
    assert names(bench.begin(0.4)) == "b"


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

"""Runs that the API server does not take are asked for during some minutes, then not, then again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from kubeprobe.control.refusals import PAUSE, REFUSED, Refusals

START = datetime(2026, 3, 1, tzinfo=UTC)
CONFIG = ("shop", "cart")


class Bench:
    def __init__(self) -> None:
        self.now = START
        self.refusals = Refusals(lambda: self.now)

    def given_up_after(self, passed: timedelta) -> bool:
        self.now = START + passed
        return self.refusals.given_up(CONFIG) is not None


def test_what_is_refused_for_long_is_given_up_for_a_while_and_then_tried_again() -> None:
    bench = Bench()
    assert bench.refusals.add(CONFIG, "exceeded quota") == START + REFUSED
    second = timedelta(seconds=1)
    moments = (timedelta(0), REFUSED - second, REFUSED, REFUSED + PAUSE - second, REFUSED + PAUSE)
    assert [bench.given_up_after(passed) for passed in moments] == [False, False, True, True, False]
    assert bench.refusals.add(CONFIG, "exceeded quota") == bench.now + REFUSED


def test_it_is_told_in_the_words_of_the_first_refusal_and_when_it_is_tried_again() -> None:
    bench = Bench()
    bench.refusals.add(CONFIG, "exceeded quota")
    assert bench.refusals.again_at(CONFIG) is None
    bench.now += REFUSED / 2
    assert bench.refusals.add(CONFIG, "something else") == START + REFUSED
    bench.now = START + REFUSED
    skipped = bench.refusals.given_up(CONFIG)
    assert skipped is not None
    assert (skipped.reason, skipped.message) == ("RunRefused", "exceeded quota")
    assert bench.refusals.again_at(CONFIG) == START + REFUSED + PAUSE


def test_a_config_whose_run_was_taken_is_forgotten() -> None:
    bench = Bench()
    bench.refusals.add(CONFIG, "exceeded quota")
    bench.refusals.forget(CONFIG)
    bench.refusals.forget(("never", "there"))
    assert not bench.given_up_after(REFUSED)
    bench.refusals.add(CONFIG, "exceeded quota")
    bench.refusals.clear()
    assert not bench.given_up_after(2 * REFUSED)

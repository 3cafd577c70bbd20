"""Runs that the API server does not take are tried more and more seldom; during some minutes, then not, then again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kubeprobe.control.refusals import FIRST_REST, LONGEST_REST, PAUSE, REFUSED, Refusals

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
    bench.refusals.add(CONFIG, "exceeded quota")
    assert bench.refusals.given_up_at(CONFIG) == START + REFUSED
    second = timedelta(seconds=1)
    moments = (timedelta(0), REFUSED - second, REFUSED, REFUSED + PAUSE - second, REFUSED + PAUSE)
    assert [bench.given_up_after(passed) for passed in moments] == [False, False, True, True, False]
    bench.refusals.add(CONFIG, "exceeded quota")
    assert bench.refusals.given_up_at(CONFIG) == bench.now + REFUSED


def test_it_is_told_in_the_words_of_the_first_refusal_and_when_it_is_tried_again() -> None:
    bench = Bench()
    bench.refusals.add(CONFIG, "exceeded quota")
    bench.now += REFUSED / 2
    assert bench.refusals.again_at(CONFIG) is None
    bench.refusals.add(CONFIG, "something else")
    assert bench.refusals.given_up_at(CONFIG) == START + REFUSED
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
    assert bench.refusals.given_up_at(CONFIG) is None
    bench.refusals.add(CONFIG, "exceeded quota")
    bench.refusals.clear()
    assert not bench.given_up_after(2 * REFUSED)


def test_one_that_is_refused_again_rests_twice_as_long() -> None:
    bench, rests = Bench(), []
    assert bench.refusals.rests_until(CONFIG) is None
    for _ in range(7):
        bench.refusals.add(CONFIG, "exceeded quota")
        until = bench.refusals.again_at(CONFIG)
        assert until is not None
        assert bench.refusals.rests_until(CONFIG) == until
        rests.append((until - bench.now).total_seconds())
        bench.now = until
        assert bench.refusals.rests_until(CONFIG) is None
    assert rests == [1, 2, 4, 8, 16, LONGEST_REST.total_seconds(), LONGEST_REST.total_seconds()]


def test_a_clock_that_is_set_back_keeps_none_at_rest() -> None:
    bench = Bench()
    bench.refusals.add(CONFIG, "exceeded quota")
    bench.now -= timedelta(hours=1)
    assert bench.refusals.rests_until(CONFIG) is None
    assert bench.refusals.namespaces() == set()


@pytest.mark.parametrize(
    ("passed", "words", "news"),
    [
        (timedelta(seconds=1), "exceeded quota", False),
        (timedelta(seconds=1), "something else", True),
        (REFUSED + PAUSE, "exceeded quota", True),
    ],
)
def test_only_what_is_new_is_to_be_told(passed: timedelta, words: str, news: bool) -> None:
    bench = Bench()
    assert bench.refusals.add(CONFIG, "exceeded quota")
    bench.now += passed
    assert bench.refusals.add(CONFIG, words) is news
    assert not bench.refusals.add(CONFIG, words)


def test_a_namespace_in_which_one_was_refused_rests_for_a_moment() -> None:
    bench = Bench()
    bench.refusals.add(CONFIG, "exceeded quota")
    assert bench.refusals.namespaces() == {"shop"}
    bench.now += FIRST_REST
    assert bench.refusals.namespaces() == set()
    assert bench.refusals.has(CONFIG)


def test_of_what_was_refused_long_ago_nothing_is_kept() -> None:
    bench = Bench()
    bench.refusals.add(CONFIG, "exceeded quota")
    bench.now += REFUSED + PAUSE
    bench.refusals.add(("shop", "other"), "exceeded quota")
    assert not bench.refusals.has(CONFIG)

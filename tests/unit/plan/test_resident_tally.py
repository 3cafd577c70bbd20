"""Every probe is in the windows once, also when the operator that counted the ones before is not there any more."""

from __future__ import annotations

import pytest
from tests.unit.plan.builders import at
from tests.unit.plan.residents import prober, sample
from tests.unit.plan.test_samples import samples

from kubeprobe.plan.resident_tally import MOST_COUNTED, Counted, Tally, decode, encode, first, of_gains, of_prober
from kubeprobe.plan.samples import merge
from kubeprobe.plan.window import decode as windows

ALL = Tally(15, 2, 3, {3: 10, 4: 5})
PROBER = prober(sample("a", passed=10, unknown=3, buckets={3: 10}), sample("b", passed=5, failed=2, buckets={4: 5}))


def test_a_message_brings_what_is_new_in_it() -> None:
    merged = merge(None, samples(1, sample("a", passed=10, buckets={3: 10}), sample("b", failed=2)), at(0))
    assert of_gains(merged.gains) == Tally(10, 2, 0, {3: 10})
    assert of_gains(()) == Tally()


def test_all_that_a_prober_told_is_the_sum_of_its_targets() -> None:
    assert of_prober(PROBER) == ALL
    assert of_prober(PROBER) + Tally(1, 1, 1, {4: 1, 9: 1}) == Tally(16, 3, 4, {3: 10, 4: 6, 9: 1})


def test_a_prober_that_nobody_counted_counts_whole() -> None:
    assert first(PROBER, "u1", {}) == ALL
    assert first(PROBER, "u1", {"u2": Counted("1", 9, 9, 9)}) == ALL


def test_of_one_that_was_counted_only_the_rest_counts() -> None:
    assert first(PROBER, "u1", {"u1": Counted("1", 14, 2, 0)}) == Tally(1, 0, 3)
    assert first(PROBER, "u1", {"u1": Counted("1", 99, 0, 0)}) == Tally(0, 2, 3)


def test_a_life_that_began_since_counts_whole() -> None:
    assert first(PROBER, "u1", {"u1": Counted("0", 14, 2, 0)}) == ALL


def test_one_of_too_many_to_remember_counts_from_when_it_is_heard() -> None:
    crowd = {f"u{number}": Counted("1", 1, 0, 0) for number in range(MOST_COUNTED)}
    assert first(PROBER, "another", crowd) == Tally()
    assert first(PROBER, "u0", crowd) == Tally(14, 2, 3)


def test_how_far_probers_are_counted_survives_a_restart() -> None:
    text = encode((), {"u1": PROBER}, {"u1"})
    assert text == ("u1 1 15,2,3",)
    assert first(PROBER, "u1", decode(text)) == Tally()


def test_of_a_pod_that_was_not_heard_yet_the_former_word_stands_and_of_one_that_is_gone_none() -> None:
    before = ("u1 1 1,1,1", "u2 1 2,2,2", "u3 1 3,3,3")
    assert encode(before, {"u1": PROBER}, {"u1", "u2"}) == ("u1 1 15,2,3", "u2 1 2,2,2")


def test_no_more_are_remembered_than_there_is_room_for() -> None:
    crowd = {f"u{number:02}": PROBER for number in range(MOST_COUNTED + 1)}
    assert len(encode((), crowd, set(crowd))) == MOST_COUNTED


@pytest.mark.parametrize("text", ["", "u1", "u1 1", "u1 1 1,2", "u1 1 1,2,-3", "u1 1 1,2,x", "u1 1 1,2,3,4", "a b c d"])
def test_what_is_not_ours_is_passed_over(text: str) -> None:
    assert decode([text, "u2 1 1,2,3"]) == {"u2": Counted("1", 1, 2, 3)}


def test_probes_go_into_the_windows_with_how_long_they_took() -> None:
    hour, day = Tally(98, 1, 1, {15: 97, 20: 1, 29: 0}).into(windows(()), at(0))
    summary = hour.until(at(1)).summary()
    assert (summary.runs, summary.passed, summary.failed, summary.unknown) == (100, 98, 1, 1)
    assert summary.p50_seconds == pytest.approx(0.08, rel=0.05)
    assert day.until(at(1)).summary().passed == 98
    longest = Tally(1, 0, 0, {29: 1}).into(windows(()), at(0))[0].until(at(1)).summary()
    assert longest.p50_seconds == pytest.approx(31.6, rel=0.05)


def test_nothing_new_leaves_the_windows_alone() -> None:
    assert Tally().into(windows(()), at(0)) == windows(())

"""Every probe is counted once, whatever is lost, repeated, late or restarted."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.plan.builders import CREATED

from kubeprobe.plan.samples import SILENT_SECONDS, Gain, Merge, Prober, Taken, merge
from probe_sdk.samples import Samples, TargetSample

ZERO: dict[str, Any] = {"passed": 0, "failed": 0, "unknown": 0, "missed": 0, "turns": 0, "seconds": 0.0}


def sample(target: str = "a", **counts: Any) -> TargetSample:
    return TargetSample(**{"target": target, "verdict": "Passed", "since": CREATED, **ZERO, **counts})


def samples(sequence: int, *targets: TargetSample, epoch: str = "1", **rest: Any) -> Samples:
    usual = {"sent_at": CREATED, "started_at": CREATED, "complete": False, "of": len(targets), "interval_seconds": 1.0}
    served = {"served_ratio": 1.0, "withheld_seconds": 0.0}
    return Samples(epoch=epoch, sequence=sequence, targets=targets, **{**usual, **served, **rest})


def heard(*messages: Samples, prober: Prober | None = None) -> list[Merge]:
    merges = []
    for number, message in enumerate(messages):
        merges.append(merge(prober, message, CREATED + timedelta(seconds=number)))
        prober = merges[-1].prober
    return merges


def totals(merges: list[Merge]) -> tuple[int, int, int]:
    gains: list[Gain] = [gain for one in merges for gain in one.gains]
    return sum(one.passed for one in gains), sum(one.failed for one in gains), sum(one.unknown for one in gains)


def test_what_is_new_is_the_difference_to_the_word_before() -> None:
    first, second = heard(
        samples(1, sample(passed=10, seconds=1.0, buckets={3: 10})),
        samples(2, sample(passed=25, failed=1, turns=1, seconds=2.5, buckets={3: 10, 4: 15})),
    )
    (gain,) = second.gains
    assert (gain.passed, gain.failed, gain.turns, gain.seconds, gain.buckets) == (15, 1, 1, 1.5, {4: 15})
    assert gain.before == first.gains[0].sample
    assert first.gains[0].before is None


def test_a_message_that_came_before_or_was_overtaken_is_known() -> None:
    merges = heard(samples(2, sample(passed=10)), samples(2, sample(passed=10)), samples(1, sample(passed=5)))
    assert [one.taken for one in merges] == [Taken.COUNTED, Taken.KNOWN, Taken.KNOWN]
    assert totals(merges) == (10, 0, 0)


def test_what_came_before_is_no_sign_of_life() -> None:
    first, again, older, empty = heard(samples(2, sample()), samples(2, sample()), samples(1, sample()), samples(3))
    assert [one.prober.heard_at for one in (first, again, older)] == [CREATED] * 3
    assert (empty.taken, empty.prober.heard_at) == (Taken.KNOWN, CREATED + timedelta(seconds=3))


def test_targets_are_overtaken_each_by_itself() -> None:
    merges = heard(samples(2, sample("a", passed=10)), samples(1, sample("a", passed=5), sample("b", passed=5)))
    assert merges[1].taken is Taken.COUNTED
    assert [gain.target for gain in merges[1].gains] == ["b"]


def test_a_restarted_prober_begins_at_nothing_and_its_former_life_is_dead() -> None:
    merges = heard(
        samples(7, sample(passed=100), epoch="1"),
        samples(1, sample(passed=3), epoch="2"),
        samples(8, sample(passed=101), epoch="1"),
    )
    assert [one.taken for one in merges] == [Taken.COUNTED, Taken.COUNTED, Taken.DEAD]
    assert totals(merges) == (103, 0, 0)
    assert (merges[-1].prober.epoch, merges[-1].prober.restarts) == ("2", 1)


@pytest.mark.parametrize("count", ["passed", "failed", "unknown", "missed", "turns"])
def test_counts_that_go_backwards_are_not_believed(count: str) -> None:
    first, second = (sample("a", **{"unknown": 10, count: value}) for value in (10, 9))
    merges = heard(samples(1, first), samples(2, second))
    assert merges[1].taken is Taken.BACKWARDS
    assert merges[1].prober == merges[0].prober


def test_a_target_that_was_none_for_a_while_begins_its_counts_anew() -> None:
    """And nobody need have heard that it was gone."""
    merges = heard(
        samples(1, sample(passed=100, seconds=50.0, turns=9)),
        samples(2, sample(passed=3, seconds=1.0, turns=1, life=1)),
        samples(3, sample(passed=5, seconds=2.0, turns=1, life=1)),
        samples(4, sample(passed=200, turns=9)),
    )
    assert [one.taken for one in merges] == [Taken.COUNTED] * 3 + [Taken.BACKWARDS]
    assert totals(merges) == (105, 0, 0)
    (again,) = merges[1].gains
    assert (again.before, again.turns, again.seconds) == (None, 1, 1.0)


def test_what_a_whole_round_does_not_name_is_no_target_any_more() -> None:
    merges = heard(
        samples(1, sample("a"), sample("b"), round=1, complete=True),
        samples(2, sample("a"), round=2, of=2),
        samples(3, sample("c"), round=2, of=2, complete=True),
    )
    assert [one.gone for one in merges] == [(), (), ("b",)]
    assert set(merges[-1].prober.targets) == {"a", "c"}


def test_a_round_of_which_a_part_was_lost_takes_nothing_away() -> None:
    merges = heard(
        samples(1, sample("a"), sample("b"), sample("c"), round=1, complete=True),
        samples(3, sample("c"), round=2, of=3, complete=True),
    )
    assert merges[-1].gone == ()
    assert set(merges[-1].prober.targets) == {"a", "b", "c"}


def test_a_late_part_of_an_older_round_and_a_turn_take_nothing_away() -> None:
    merges = heard(
        samples(2, sample("a"), sample("b"), round=2, complete=True),
        samples(1, sample("a"), round=1, complete=True),
        samples(3, sample("a"), of=2),
    )
    assert set(merges[-1].prober.targets) == {"a", "b"}
    assert merges[-1].prober.round == 2


def test_a_message_that_comes_later_than_another_does_not_turn_the_time_back() -> None:
    first = merge(None, samples(1, sample()), CREATED + timedelta(seconds=9))
    second = merge(first.prober, samples(2, sample()), CREATED)
    assert second.prober.heard_at == CREATED + timedelta(seconds=9)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=20),
    st.randoms(use_true_random=False),
    st.data(),
)
def test_in_whatever_order_and_however_often_what_is_counted_is_the_newest_word(
    steps: list[tuple[int, int, int]], dice: random.Random, data: st.DataObject
) -> None:
    counts, messages = [0, 0, 0], []
    for sequence, step in enumerate(steps, 1):
        counts = [before + more for before, more in zip(counts, step, strict=True)]
        messages.append(samples(sequence, sample(passed=counts[0], failed=counts[1], unknown=counts[2])))
    arriving = data.draw(st.lists(st.sampled_from(messages), min_size=1, max_size=40))
    dice.shuffle(arriving)
    merges = heard(*arriving)
    newest = max(arriving, key=lambda one: one.sequence).targets[0]
    assert totals(merges) == (newest.passed, newest.failed, newest.unknown)
    assert all(isinstance(one.prober.heard_at, datetime) for one in merges)


def test_a_prober_is_whole_once_all_its_targets_were_told() -> None:
    turns = heard(samples(1, sample("a"), of=2), samples(2, sample("b"), of=2))
    assert [one.prober.whole for one in turns] == [False, True]
    round_ = heard(samples(1, sample("a"), of=2, round=1), samples(2, sample("b"), of=2, round=1, complete=True))
    assert [one.prober.whole for one in round_] == [False, True]
    assert heard(samples(1))[0].prober.whole


def test_a_new_life_is_not_whole_because_the_one_before_was() -> None:
    merges = heard(samples(1, sample("a"), sample("b")), samples(1, sample("a"), epoch="2", of=2))
    assert [one.prober.whole for one in merges] == [True, False]


def test_how_it_keeps_up_is_what_the_newest_message_says() -> None:
    (*_, last) = heard(
        samples(1, sample("a"), sample("b")),
        samples(3, sample("a"), served_ratio=0.5, of=2),
        samples(2, sample("b"), of=9),
    )
    assert (last.prober.sequence, last.prober.of, last.prober.served_ratio) == (3, 2, 0.5)


def test_a_process_whose_nodes_clock_was_put_back_is_heard_once_the_one_before_is_silent() -> None:
    first = merge(None, samples(5, sample(passed=9), epoch="2"), CREATED).prober
    early = merge(first, samples(1, sample(passed=1), epoch="1"), CREATED + timedelta(seconds=SILENT_SECONDS - 1))
    assert early.taken is Taken.DEAD
    late = merge(first, samples(1, sample(passed=1), epoch="1"), CREATED + timedelta(seconds=SILENT_SECONDS))
    assert (late.taken, late.prober.epoch, late.prober.restarts, totals([late])) == (Taken.COUNTED, "1", 1, (1, 0, 0))


def test_unrest_is_about_the_turns_of_the_last_minute() -> None:
    hour = CREATED + timedelta(hours=1)
    (calm,) = merge(None, samples(1, sample(turns=60)), hour).prober.targets.values()
    assert calm.unrest == pytest.approx(1)
    (young,) = merge(None, samples(1, sample(turns=7)), CREATED + timedelta(seconds=5)).prober.targets.values()
    assert young.unrest == 7
    (known,) = heard(samples(1, sample(turns=7)), samples(2, sample(turns=27)))[-1].prober.targets.values()
    assert known.unrest == pytest.approx(27, rel=0.05)
    assert known.unrest_at(known.heard_at + timedelta(seconds=300)) < 1


def test_how_long_probes_took_lately_is_the_mean_of_the_newest_that_passed() -> None:
    first, second, third = heard(
        samples(1, sample(passed=0)),
        samples(2, sample(passed=2, seconds=0.5)),
        samples(3, sample(passed=2, failed=1, seconds=0.5)),
    )
    assert first.prober.targets["a"].lately_seconds is None
    assert second.prober.targets["a"].lately_seconds == 0.25
    assert third.prober.targets["a"].lately_seconds == 0.25

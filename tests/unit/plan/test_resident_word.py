"""The same word, whether it came in messages or was read from the log."""

from __future__ import annotations

import pytest
from tests.unit.plan.builders import at
from tests.unit.plan.residents import line, prober, sample, word

from kubeprobe.api import ResidentSource, Verdict
from kubeprobe.plan.resident_word import newer, of_log, of_prober, read_log, verdicts
from kubeprobe.plan.samples import SILENT_SECONDS


def test_messages_say_how_many_targets_are_how_and_name_those_that_are_not_well() -> None:
    told = of_prober(
        prober(
            sample("a", since=at(1)),
            sample("b", verdict="Failed", message="refused", since=at(3)),
            sample("c", verdict="Unknown", message="late", since=at(2)),
            heard=9,
        ),
        at(9),
    )
    assert (told.passed, told.failed, told.unknown, told.targets) == (1, 1, 1, 3)
    assert [(one.target, one.verdict, one.message) for one in told.spots] == [
        ("b", Verdict.FAILED, "refused"),
        ("c", Verdict.UNKNOWN, "late"),
    ]
    assert (told.heard_at, told.newest, told.whole, told.source) == (at(9), at(3), True, ResidentSource.INTAKE)


def test_targets_that_were_not_told_yet_are_unknown() -> None:
    told = of_prober(prober(sample("a"), of=3, complete=False), at(0))
    assert (told.passed, told.unknown, told.whole) == (1, 2, False)


def test_a_target_that_turns_all_the_time_is_named_though_it_passes() -> None:
    restless = prober(sample("a", turns=9), sample("b", turns=5))
    assert [(one.target, one.turns) for one in of_prober(restless, at(0)).spots] == [("a", 9)]
    assert of_prober(restless, at(600)).spots == ()


def test_a_prober_without_targets_has_nothing_to_say() -> None:
    told = of_prober(prober(), at(0))
    assert (told.targets, told.whole, told.newest) == (0, True, None)


def test_the_log_says_the_same_in_short() -> None:
    told = of_log(line("b", unknown=["c"], targets=5), at(1), None)
    assert told is not None
    assert (told.passed, told.failed, told.unknown, told.source) == (3, 1, 1, ResidentSource.KUBELET)
    assert [one.target for one in told.spots] == ["b", "c"]
    assert (told.heard_at, told.whole) == (at(1), True)


@pytest.mark.parametrize(
    ("epoch", "sequence", "read", "news"),
    [
        ("2", 7, 1, False),  # the same line again
        ("2", 6, 1, False),  # a line that messages have overtaken
        ("2", 8, 1, True),
        ("3", 1, 1, True),  # a new life
        ("1", 9, 1, False),  # a life that is over
        ("1", 9, SILENT_SECONDS, True),  # unless its node's clock was put back
    ],
)
def test_a_line_is_a_sign_of_life_only_when_it_is_new(epoch: str, sequence: int, read: float, news: bool) -> None:
    before = word(1, epoch="2", sequence=7)
    assert (of_log(line(epoch=epoch, sequence=sequence), at(read), before) is not None) == news


@pytest.mark.parametrize(("age", "news"), [(0, True), (25, True), (26, False), (-26, False)])
def test_a_first_line_is_one_only_when_it_is_not_old(age: float, news: bool) -> None:
    assert (of_log(line(sent=at(100 - age)), at(100), None) is not None) == news


def test_the_last_readable_line_of_the_log_counts() -> None:
    first, last = line(sequence=1), line(sequence=2)
    log = [first.text(), "samples not delivered: refused", last.text(), "kubeprobe-samples {", "print"]
    assert read_log(log) == last
    assert read_log(["print"]) is None
    assert read_log([]) is None


def test_what_was_heard_last_counts() -> None:
    early, late = word(1, heard=1), word(1, heard=2)
    assert newer(early, late) is newer(late, early) is late
    assert newer(None, late) is newer(late, None) is late
    assert newer(None, None) is None


def test_each_target_is_as_the_word_says() -> None:
    known = prober(sample("a"), sample("b", verdict="Failed"))
    assert verdicts(known, of_prober(known, at(0))) == {"a": Verdict.PASSED, "b": Verdict.FAILED}
    read = of_log(line("a", targets=2, sequence=2), at(1), of_prober(known, at(0)))
    assert read is not None
    assert verdicts(known, read) == {"a": Verdict.FAILED, "b": Verdict.PASSED}
    crowded = of_log(line("a", targets=9, sequence=2, targets_failed=5, more=4), at(1), None)
    assert crowded is not None
    assert verdicts(known, crowded) == {"a": Verdict.FAILED, "b": Verdict.UNKNOWN}

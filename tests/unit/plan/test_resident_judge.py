"""How many of how many targets fail, and which verdict that is."""

from __future__ import annotations

import json

import pytest
from tests.unit.plan.builders import at
from tests.unit.plan.residents import spot, voice, word

from kubeprobe.api import ResidentSource, Verdict
from kubeprobe.plan.resident_judge import MOST_NAMED, Judgement, Terms, judge, speakers
from kubeprobe.plan.resident_word import Voice, Word
from kubeprobe.plan.resident_words import MESSAGE_BYTES

ANY = Terms(1.0)
EACH_NODE = Terms(1.0, each_node=True)
LISTENING = at(-1000)


def judged(*voices: Voice, terms: Terms = ANY, now: float = 1) -> Judgement:
    found = judge(voices, terms, LISTENING, at(now))
    assert found is not None
    return found


def of_word(said: Word, terms: Terms = ANY) -> Judgement:
    return judged(voice(told=said), terms=terms)


FAILING = (spot("a", message="connection refused"), spot("b", since=1))


@pytest.mark.parametrize(
    ("share", "passed", "failed", "unknown", "verdict"),
    [
        (None, 50, 0, 0, Verdict.PASSED),
        (None, 49, 1, 0, Verdict.FAILED),
        (None, 25, 0, 25, Verdict.PASSED),
        (None, 24, 0, 26, Verdict.UNKNOWN),
        (None, 0, 1, 49, Verdict.FAILED),
        (None, 0, 0, 0, Verdict.UNKNOWN),
        (1.0, 0, 3, 0, Verdict.FAILED),
        (1.0, 1, 9, 0, Verdict.PASSED),
        (1.0, 0, 9, 1, Verdict.UNKNOWN),
        (1.0, 0, 0, 0, Verdict.UNKNOWN),
        (0.3, 7, 3, 0, Verdict.FAILED),
        (0.3, 8, 2, 0, Verdict.PASSED),
        (0.1, 27, 3, 0, Verdict.FAILED),
        (0.1, 29, 2, 0, Verdict.PASSED),
        (0.001, 10, 0, 0, Verdict.PASSED),
    ],
)
def test_the_verdict_follows_from_how_many_fail(
    share: float | None, passed: int, failed: int, unknown: int, verdict: Verdict
) -> None:
    said = word(passed, *(spot(f"t{number}") for number in range(failed)), unknown=unknown)
    found = of_word(said, Terms(1.0, share))
    assert found.verdict is verdict
    assert (found.resident.targets, found.resident.failed) == (passed + failed + unknown, failed)


def test_the_words_are_how_many_of_how_many_and_which() -> None:
    found = of_word(word(48, *FAILING))
    assert (found.reason, found.message) == (
        "TargetsFailed",
        "2 of 50 targets fail: a (connection refused), b (refused)",
    )
    assert of_word(word(2, spot("a", message=""))).message == "1 of 3 targets fails: a"
    assert of_word(word(3)).message == ""
    assert of_word(word(3)).reason == "Passed"


def test_what_took_the_noise_out_is_told() -> None:
    found = of_word(word(1, spot("a")), Terms(1.0, noise=" (3 probes in a row each)"))
    assert found.message == "1 of 2 targets fails (3 probes in a row each): a (refused)"


def test_more_than_three_are_counted() -> None:
    found = of_word(word(0, *(spot(f"t{number}", since=number, message="") for number in range(5))))
    assert found.message == "5 of 5 targets fail: t0, t1, t2 and 2 more"


def test_targets_that_fail_are_told_though_the_config_has_not_failed() -> None:
    found = of_word(word(8, *FAILING), Terms(1.0, share=0.5))
    assert (found.verdict, found.reason) == (Verdict.PASSED, "Passed")
    assert found.message.startswith("2 of 10 targets fail: a")


def test_a_flapping_target_is_told_as_such() -> None:
    failing = of_word(word(1, spot("a", turns=97)))
    assert failing.message == "1 of 2 targets fails: a (refused; turned 97 times in the last minute)"
    passing = of_word(word(2, spot("a", "Passed", message="", turns=97)))
    assert (passing.verdict, passing.resident.flapping) == (Verdict.PASSED, 1)
    assert passing.message == "1 of 2 targets flaps: a (turned 97 times in the last minute)"
    two = of_word(word(2, spot("a", "Passed", message="", turns=9), spot("b", "Passed", message="", turns=9)))
    assert two.message.startswith("2 of 2 targets flap: a")


def test_what_cannot_be_told_is_said() -> None:
    assert (of_word(word(1, unknown=3)).reason, of_word(word(1, unknown=3)).message) == (
        "TargetsUnknown",
        "3 of 4 targets cannot be told",
    )
    assert of_word(word(0)).reason == "NoTargets"
    assert "spec.resident.targets" in of_word(word(0)).message


def test_which_way_it_came_is_said() -> None:
    found = of_word(word(1, spot("a"), source="Kubelet"))
    assert found.resident.source is ResidentSource.KUBELET
    assert found.message.endswith("; this is from a prober's log, since nothing arrives from it")
    assert of_word(word(1, source="Kubelet")).message == ""


def test_since_when_is_when_enough_targets_failed_or_the_last_one_turned() -> None:
    failing = (spot("c", since=3), spot("a", since=1), spot("b", since=2))
    assert of_word(word(1, *failing)).since == at(1)
    assert of_word(word(1, *failing), Terms(1.0, share=0.5)).since == at(2)
    assert of_word(word(2, newest=at(5))).since == at(5)
    assert of_word(word(2)).since is None
    assert of_word(word(0, spot("a", since=4), failed=2), Terms(1.0, share=1.0)).since == at(4)
    assert of_word(word(0, failed=2)).since is None


def test_failing_targets_are_named_the_first_before_the_others_within_bounds() -> None:
    many = [spot(f"target-{number:03}", since=100 - number, message="x" * 500) for number in range(80)]
    resident = of_word(word(0, *many)).resident
    assert resident.failing[0].target == "target-079"
    assert len(resident.failing) + resident.more == 80
    assert len(resident.failing) <= MOST_NAMED
    assert len(json.dumps(resident.model_dump(by_alias=True, mode="json"))) < 4000
    long = of_word(word(0, *(spot("n" * 250 + str(number), message="y" * 500) for number in range(40))))
    assert 0 < len(long.resident.failing) < 40
    assert len(long.message.encode()) <= MESSAGE_BYTES


def test_a_few_have_room_for_their_reasons() -> None:
    (one,) = of_word(word(0, spot("a", since=7, message="connection refused"))).resident.failing
    assert (one.target, one.node, one.since, one.message) == ("a", "", at(7), "connection refused")


def test_a_prober_that_has_not_told_all_can_only_say_that_something_fails() -> None:
    partial = word(5, unknown=1, whole=False)
    assert of_word(partial).verdict is None
    assert of_word(word(5, spot("a"), unknown=1, whole=False)).verdict is Verdict.FAILED
    assert of_word(word(5, spot("a"), unknown=1, whole=False), Terms(1.0, share=0.9)).verdict is None


def test_of_two_probers_in_a_roll_the_one_that_can_tell_more_is_believed() -> None:
    old, new = voice("old", word(3), created=0), voice("new", word(0, unknown=3), created=9)
    assert judged(old, new).resident.passed == 3
    ready = voice("new", word(2, spot("a")), created=9)
    assert judged(ready, old).resident.failed == 1
    assert judged(old, voice("new", word(9, whole=False), created=9)).resident.passed == 3
    assert judged(old, voice("new", None, created=9)).resident.probers == 1


def test_who_was_not_heard_for_long_is_not_believed() -> None:
    assert judge([voice(told=word(3))], Terms(1.0), LISTENING, at(30)) is None
    assert judge([voice(told=word(3))], Terms(20.0), LISTENING, at(59)) is not None
    assert judge([], Terms(1.0), LISTENING, at(0)) is None
    assert judged(voice(told=word(3)), now=5).silent_at == at(30)


def test_each_node_has_its_own_targets() -> None:
    found = judged(
        voice("p1", word(2), "n1"), voice("p2", word(1, spot("a")), "n2"), voice("p3", word(2), "n3"), terms=EACH_NODE
    )
    assert (found.resident.targets, found.resident.passed, found.resident.probers) == (6, 5, 3)
    assert found.message == "1 of 6 targets fails: a from n2 (refused)"
    assert [(one.target, one.node) for one in found.resident.failing] == [("a", "n2")]


def test_a_silent_node_is_unknown_and_counted() -> None:
    heard = voice("p1", word(2, heard=100), "n1")
    gone, never = voice("p2", word(2), "n2"), voice("p3", None, "n3")
    found = judged(heard, gone, never, terms=EACH_NODE, now=100)
    assert (found.resident.silent, found.resident.unknown, found.verdict) == (2, 3, Verdict.UNKNOWN)
    assert found.message == "3 of 5 targets cannot be told, and 2 probers are silent"
    starting = voice("p3", None, "n3", created=99)
    assert judged(heard, starting, terms=EACH_NODE, now=100).resident.silent == 0


def test_a_node_that_has_just_started_keeps_the_others_from_nothing() -> None:
    whole, starting = voice("p1", word(2), "n1"), voice("p2", word(1, unknown=9, whole=False), "n2")
    found = judged(whole, starting, terms=EACH_NODE)
    assert (found.verdict, found.resident.targets) == (Verdict.PASSED, 2)
    failing = voice("p2", word(1, spot("a"), whole=False), "n2")
    assert judged(whole, failing, terms=EACH_NODE).verdict is Verdict.FAILED


def test_who_listens_since_a_moment_ago_calls_nobody_silent() -> None:
    found = judge([voice("p1", word(2), "n1"), voice("p2", None, "n2")], EACH_NODE, at(0), at(29))
    assert found is not None
    assert found.resident.silent == 0


@pytest.mark.parametrize("second", [None, word(1, heard=101, unknown=1, whole=False)])
def test_who_listens_since_a_moment_ago_waits_for_those_that_were_there_before(second: Word | None) -> None:
    first, late = voice("p1", word(2, heard=101), "n1"), voice("p2", second, "n2")
    at_first = judge([first, late], EACH_NODE, at(100), at(102))
    assert at_first is not None
    assert at_first.verdict is None
    failing = voice("p1", word(1, spot("a"), heard=101), "n1")
    assert (red := judge([failing, late], EACH_NODE, at(100), at(102))) is not None
    assert red.verdict is Verdict.FAILED
    share = judge([failing, late], Terms(1.0, share=0.5, each_node=True), at(100), at(102))
    assert share is not None
    assert share.verdict is None
    told = judge([first, voice("p2", word(2, heard=103), "n2")], EACH_NODE, at(100), at(103))
    assert told is not None
    assert told.verdict is Verdict.PASSED
    overdue = judge([first, late], EACH_NODE, at(100), at(130))
    assert overdue is not None
    assert overdue.verdict is Verdict.PASSED


def test_the_worst_share_of_served_slots_is_told() -> None:
    found = judged(
        voice("p1", word(1), "n1"), voice("p2", word(1, served_ratio=0.512345), "n2"), terms=EACH_NODE
    ).resident
    assert (found.served_ratio, found.interval_seconds) == (0.5123, 1.0)


def test_the_speakers_are_known_by_node() -> None:
    one, two = voice("p1", word(1), "n1"), voice("p2", None, "n2")
    assert speakers([one, two], EACH_NODE, at(1)) == {"n1": one}
    assert speakers([one, two], Terms(1.0), at(1)) == {"": one}

"""A config's runs for changes, and what they are for."""

from __future__ import annotations

from tests.unit.plan.builders import at, run
from tests.unit.plan.changes import FIRST, SECOND, triggered
from tests.unit.plan.test_demand import DONE, FINISHED, GOING, MAIN, PROGRESSING, demand, followed, for_change, on, told

from kubeprobe.api import Phase, Verdict
from kubeprobe.plan.chain import attempt_of, by_change, chains_of, is_for_any, nodes_of

RETRIED = triggered({"rollout": {}}, retries={"limit": 1})


def test_a_run_that_did_not_pass_is_open_until_its_last_attempt() -> None:
    one = demand(DONE)
    first = for_change(ended=20, verdict="Failed")
    assert followed(one, first).over
    waiting = followed(one, first, config=RETRIED)
    assert (waiting.over, waiting.steps, waiting.chains[0].again) == (False, (), True)
    second = for_change(attempt=2, seconds=25)
    going = followed(one, second, first, config=RETRIED)
    assert (going.over, [attempt_of(one) for one in going.chains[0].runs]) == (False, [1, 2])
    assert going.chains[0].going
    for verdict in Verdict:
        ended = for_change(attempt=2, seconds=25, ended=30, verdict=verdict.value)
        found = followed(one, first, ended, config=RETRIED)
        assert (found.over, found.chains[0].verdict) == (True, verdict)
    assert followed(one, for_change(ended=20), config=RETRIED).over


def test_chains_are_in_the_order_in_which_they_began() -> None:
    runs = [for_change(seconds=30), on("a", seconds=20), for_change("Started", seconds=10), on("a", seconds=40, part=1)]
    chains = chains_of(MAIN, [*runs, run("by-hand")], ())
    assert [one.runs[0].metadata.creation_timestamp for one in chains] == [at(10), at(20), at(30), at(40)]
    assert [one.nodes for one in chains] == [(), ("a",), (), ("a",)]
    assert nodes_of(on("a", "b")) == ("a", "b")


def test_a_run_of_another_change_may_be_for_this_one_too() -> None:
    covering = for_change(name=SECOND, covers=[{"changeID": FIRST, "during": "Finished"}], ended=20)
    assert told(followed(demand(DONE), covering)) == ([], True, None)
    other = for_change(name=SECOND, covers=[{"changeID": FIRST, "during": "Started"}], ended=20)
    assert told(followed(demand(DONE), other)) == ([(FINISHED, 0)], False, None)
    assert is_for_any(covering, [FIRST])
    assert is_for_any(covering, [SECOND])
    assert not is_for_any(run("by-hand"), [FIRST])


def test_a_later_part_is_for_the_earlier_ones() -> None:
    one = demand(GOING, during=["Progressing"])
    assert told(followed(one, for_change("Progressing", part=2, ended=50), seconds=45))[0] == []
    assert told(followed(one, for_change("Progressing", ended=50), seconds=45))[0] == [(PROGRESSING, 2)]


def test_runs_are_found_by_each_change_that_they_are_for() -> None:
    both = for_change(ended=20, covers=[{"changeID": SECOND, "during": "Finished"}])
    alone = run("g1", trigger={"kind": "Gate"})
    asked = run("g2", trigger={"kind": "Gate", "changeID": SECOND})
    wave = run("w", target={"sweep": "x", "nodes": ["a"]}, trigger={"kind": "Change", "changeID": FIRST})
    found = by_change(MAIN, [both, alone, asked, wave, run("by-hand"), run("slot", slot=at(0))], ())
    assert found == {FIRST: (both,), SECOND: (asked, both), "": (alone,)}


def test_of_attempts_the_newest_is_found_and_not_over_while_there_is_one_to_come() -> None:
    first = for_change(ended=20, verdict="Failed")
    (waiting,) = by_change(RETRIED, [first], [FIRST])[FIRST]
    assert (waiting.metadata.name, waiting.status.phase) == (first.metadata.name, Phase.PENDING)
    second = for_change(ended=30, attempt=2, seconds=25, verdict="Failed")
    assert by_change(RETRIED, [first, second], [FIRST]) == {FIRST: (second,)}


def test_a_run_that_no_change_asks_for_any_more_is_its_own_last_word() -> None:
    """Its Change is over, or its config does not run now: no other attempt ever comes."""
    first = for_change(ended=20, verdict="Failed", covers=[{"changeID": SECOND, "during": "Finished"}])
    assert by_change(RETRIED, [first], ()) == {FIRST: (first,), SECOND: (first,)}
    assert [one.verdict for one in chains_of(RETRIED, [first], ["chg-9"])] == [Verdict.FAILED]
    assert [one.verdict for one in chains_of(RETRIED, [first], [SECOND])] == [None]

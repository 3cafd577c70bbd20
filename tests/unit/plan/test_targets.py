from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.plan.builders import CREATED, at, config, ended, meta, on_demand, run

from kubeprobe.api import ProbeConfig, ProbeResultStatus, ProbeRun, ResultTargets, RunTargets, Verdict
from kubeprobe.plan.record import NodeOutcome, write
from kubeprobe.plan.result import fold, plan_write
from kubeprobe.plan.standing import pending
from kubeprobe.plan.targets import answer, failed_early, fold_targets, judged


def sweeping(**spec: Any) -> ProbeConfig:
    return config(targets={"eachNode": {}}, **spec)


MAIN = sweeping()


def wave(sweep: str, number: int, nodes: dict[str, str], seconds: float, *, created: float = 0) -> ProbeRun:
    """A completed wave with the outcomes of its nodes as letters."""
    verdicts = {"P": Verdict.PASSED, "F": Verdict.FAILED, "U": Verdict.UNKNOWN}
    outcomes = {n: NodeOutcome(verdicts[letter], "CheckFailed", "no disk") for n, letter in enumerate(nodes.values())}
    targets = write(outcomes, len(nodes)).model_dump(by_alias=True)
    verdict = "Failed" if "F" in nodes.values() else "Passed"
    return run(
        f"{sweep or 'by-hand'}-{number}",
        metadata={"creationTimestamp": at(created).isoformat()},
        target={"sweep": sweep, "wave": number, "nodes": list(nodes)},
        status={"phase": "Completed", "verdict": verdict, "targets": targets, "finishedAt": at(seconds).isoformat()},
    )


def head(name: str, seconds: float, verdict: str = "Passed", **targets: Any) -> ProbeRun:
    return ended(name, at(seconds), verdict, targets={"last": "z", **targets})


def folded(before: ResultTargets | None, *runs: ProbeRun, present: Sequence[str] | None = None) -> ResultTargets:
    found = fold_targets(before, MAIN, runs, present)
    assert found is not None
    return found


def failing(targets: ResultTargets | None) -> list[str]:
    assert targets is not None
    return [one.node for one in targets.failing]


def test_a_node_fails_until_its_own_success() -> None:
    first = wave("main-1", 0, {"a": "F", "b": "F", "c": "P"}, 10)
    one = folded(None, first)
    assert failing(one) == ["a", "b"]
    assert one.failing[0].since == at(10)
    others = wave("main-2", 0, {"c": "P", "b": "U", "d": "P"}, 20, created=15)
    two = folded(one, first, others)
    assert failing(two) == ["a", "b"]
    own = wave("main-3", 0, {"a": "P"}, 30, created=25)
    assert failing(folded(two, first, others, own)) == ["b"]


def test_a_wave_counts_once_even_when_what_cleared_it_is_gone() -> None:
    first, second = wave("main-1", 0, {"a": "F"}, 10), wave("main-2", 0, {"a": "P"}, 20, created=15)
    cleared = folded(None, first, second)
    assert failing(cleared) == []
    assert failing(folded(cleared, first)) == []
    assert [one.sweep for one in cleared.counted] == ["main-1", "main-2"]
    assert [one.sweep for one in folded(cleared, first).counted] == ["main-1"]


def test_a_node_that_fails_again_keeps_its_time_and_comes_to_the_front() -> None:
    one = folded(None, wave("main-1", 0, {"a": "F", "b": "F"}, 10))
    two = folded(one, wave("main-2", 0, {"b": "F"}, 20, created=15))
    assert failing(two) == ["b", "a"]
    assert two.failing[0].since == at(10)


def test_waves_are_counted_in_order_and_not_before_their_end() -> None:
    later = wave("main-1", 1, {"b": "F"}, 20)
    open_ = run("main-1-0", target={"sweep": "main-1", "nodes": ["a"]})
    assert failing(folded(None, open_, later)) == []
    assert failing(folded(None, wave("main-1", 0, {"a": "F"}, 30), later)) == ["b", "a"]


def test_a_node_that_is_gone_leaves() -> None:
    one = folded(None, wave("main-1", 0, {"a": "F", "b": "F"}, 10))
    assert failing(folded(one, present=["b", "c"])) == ["b"]


def test_nodes_that_somebody_asked_for_count_as_well() -> None:
    one = folded(None, wave("main-1", 0, {"a": "F"}, 10))
    assert failing(folded(one, wave("", 0, {"a": "P"}, 20, created=15))) == []


def test_many_failing_nodes_are_named_as_room_allows_and_each_is_cleared_by_itself() -> None:
    names = [f"ip-10-0-{n // 50}-{n}.eu-central-1.compute.internal" for n in range(120)]
    parts = [wave("main-1", n, dict.fromkeys(names[n * 50 : n * 50 + 50], "F"), 10 + n) for n in range(3)]
    one = folded(None, *parts)
    assert len(one.failing) + one.more == 120
    assert 15 < len(one.failing) <= 50
    assert failing(one)[0] == names[100]
    size = len(json.dumps(one.model_dump(mode="json", by_alias=True)))
    assert size < 4000
    gone = folded(one, *parts, present=names[1:])
    assert (len(gone.failing) + gone.more, gone.failing) == (119, one.failing)
    healed = wave("main-2", 0, dict.fromkeys(names[:50], "P"), 60, created=50)
    two = folded(gone, *parts, healed)
    assert len(two.failing) + two.more == 70
    rest = [wave("main-2", n, dict.fromkeys(names[n * 50 : n * 50 + 50], "P"), 60 + n, created=50) for n in (1, 2)]
    three = folded(two, *parts, healed, *rest)
    assert (three.failing, three.more, three.others) == ((), 0, "")


def test_messages_stand_where_there_is_room() -> None:
    few = folded(None, wave("main-1", 0, {"a": "F", "b": "F"}, 10))
    assert [one.message for one in few.failing] == ["no disk", "no disk"]


@pytest.mark.parametrize("text", ["?", "YWJ", "YWJjZA=="])
def test_a_short_form_that_was_edited_is_read_as_far_as_it_makes_sense(text: str) -> None:
    assert folded(ResultTargets(others=text, more=7)).more == (1 if text == "YWJjZA==" else 0)


def test_the_figures_are_those_of_the_newest_sweep() -> None:
    one = folded(None, head("main-1", 10, passed=3), head("main-2", 20, passed=2, failed=1, last="y"))
    assert (one.passed, one.failed, one.last) == (2, 1, "y")
    assert folded(one, head("main-3", 30, unknown=1, last="")).last == "y"
    assert folded(one).passed == 2


def test_a_config_without_sweeps_has_no_targets() -> None:
    assert fold_targets(ResultTargets(passed=3), on_demand(), [], None) is None
    assert answer(None) == ()


def test_a_passed_sweep_does_not_clear_nodes_that_it_did_not_probe() -> None:
    targets = folded(None, wave("main-1", 0, {"a": "F"}, 10))
    found = judged(head("main-2", 20), targets).status
    assert (found.verdict, found.reason) == (Verdict.FAILED, "NodesFailing")
    assert found.message == "1 nodes failed when they were last probed: a (CheckFailed)"
    unknown = head("main-2", 20, "Unknown")
    assert judged(unknown, targets) is unknown
    assert judged(head("main-2", 20), None).status.verdict is Verdict.PASSED
    assert judged(head("main-2", 20), ResultTargets()).status.verdict is Verdict.PASSED


def told(before: ProbeResultStatus, *runs: ProbeRun, of: ProbeConfig = MAIN, seconds: float) -> ProbeResultStatus:
    return fold(before, of, runs, at(seconds), ["a", "b", "c"])


def test_the_answer_fails_with_the_first_failed_node_and_passes_by_its_own_success() -> None:
    failed = wave("main-1", 0, {"a": "F"}, 10)
    early = told(pending(MAIN, CREATED), run("main-1"), failed, seconds=11)
    assert (early.verdict, early.since, early.reason) == (Verdict.FAILED, at(10), "NodesFailed")
    assert "a (CheckFailed)" in early.message
    done = told(early, head("main-1", 12, "Failed"), failed, seconds=13)
    assert (done.verdict, done.since, done.consecutive.failed) == (Verdict.FAILED, at(10), 1)
    rerun = told(done, head("main-2", 22), wave("main-2", 0, {"b": "P"}, 21, created=15), seconds=23)
    assert (rerun.verdict, rerun.reason) == (Verdict.FAILED, "NodesFailing")
    own = told(rerun, head("main-3", 32), wave("main-3", 0, {"a": "P"}, 31, created=25), seconds=33)
    assert (own.verdict, own.since) == (Verdict.PASSED, at(32))


def test_waves_are_no_runs_of_their_own_in_the_answer() -> None:
    waves = [wave("main-1", n, {"c": "P"}, 10 + n) for n in range(5)]
    done = told(pending(MAIN, CREATED), *waves, head("main-1", 20), seconds=21)
    assert ([one.run for one in done.history], done.consecutive.passed) == (["main-1"], 1)


def test_a_failing_node_turns_early_only_where_one_more_failure_is_enough() -> None:
    patient = sweeping(thresholds={"failures": 2})
    runs = (run("main-1"), wave("main-1", 0, {"a": "F"}, 10))
    one = told(pending(patient, CREATED), *runs, of=patient, seconds=11)
    assert one.verdict is Verdict.UNKNOWN
    assert failed_early(one, runs, sweeping(), ()) is not None
    done = told(one, head("main-1", 12, "Failed"), runs[1], of=patient, seconds=13)
    two = told(done, run("main-2"), wave("main-2", 0, {"a": "F"}, 20, created=15), of=patient, seconds=21)
    assert two.verdict is Verdict.FAILED


def test_a_sweep_that_would_be_tried_again_has_not_failed_yet() -> None:
    retried = sweeping(retries={"limit": 1})
    first = run("main-1", slot=at(0))
    one = told(pending(retried, CREATED), first, wave("main-1", 0, {"a": "F"}, 10), of=retried, seconds=11)
    assert one.verdict is Verdict.UNKNOWN
    again = run("main-2", trigger={"kind": "Schedule", "slot": at(0).isoformat(), "attempt": 2})
    two = told(one, again, wave("main-2", 0, {"a": "F"}, 20, created=15), of=retried, seconds=21)
    assert two.verdict is Verdict.FAILED


def test_a_failure_of_before_is_no_failure_of_the_sweep_under_way() -> None:
    done = told(pending(MAIN, CREATED), head("main-1", 12, "Failed"), wave("main-1", 0, {"a": "F"}, 10), seconds=13)
    mended = done.model_copy(update={"verdict": Verdict.PASSED})
    assert failed_early(mended, [run("main-2"), wave("main-1", 0, {"a": "F"}, 10)], MAIN, ()) is None
    assert failed_early(mended.model_copy(update={"targets": None}), [], MAIN, ()) is None


def test_another_failing_node_is_another_answer() -> None:
    one = told(pending(MAIN, CREATED), head("main-1", 12, "Failed"), wave("main-1", 0, {"a": "F"}, 10), seconds=13)
    more = wave("main-2", 0, {"a": "F", "b": "F"}, 20, created=15)
    two = told(one, head("main-1", 12, "Failed"), wave("main-1", 0, {"a": "F"}, 10), more, seconds=21)
    assert plan_write(one, at(13), two, MAIN.metadata.uid, at(21)).write


def test_a_result_at_its_bounds_fits_into_ten_kilobytes() -> None:
    names = [f"{n:063}" for n in range(200)]
    status = pending(MAIN, CREATED)
    for n in range(12):
        sweep, begun = f"{'m' * 52}-{n:010}", n * 300
        parts = [
            wave(sweep, k, dict.fromkeys(names[k * 50 : k * 50 + 50], "F"), begun + k, created=begun) for k in range(4)
        ]
        over = head(sweep, begun + 9, "Failed", failed=200)
        words = over.status.model_copy(update={"message": "x" * 160})
        status = fold(status, MAIN, [*parts, over.model_copy(update={"status": words})], at(begun + 10), names)
    assert len(status.history) == 10
    body = {"metadata": meta("m" * 52), "status": json.loads(status.model_dump_json(by_alias=True, exclude_none=True))}
    assert len(json.dumps(body, separators=(",", ":"))) < 10_000 - 1_000


NODE = st.sampled_from([f"n{number}" for number in range(8)])


@given(st.lists(st.dictionaries(NODE, st.sampled_from("PFU"), min_size=1), max_size=12), st.data())
def test_a_node_fails_exactly_when_its_last_answer_was_a_failure(rounds: list[dict[str, str]], data: Any) -> None:
    targets: ResultTargets | None = None
    waves: list[ProbeRun] = []
    last: dict[str, str] = {}
    for number, outcomes in enumerate(rounds):
        waves.append(wave(f"main-{number}", 0, outcomes, number * 10 + 5, created=number * 10))
        last |= {node: letter for node, letter in outcomes.items() if letter != "U"}
        targets = folded(targets, *waves)
        # What was counted may be let go, all of it or the oldest.
        waves = waves[data.draw(st.integers(0, len(waves))) :]
        assert set(failing(targets)) == {node for node, letter in last.items() if letter == "F"}


def test_times() -> None:
    assert isinstance(folded(None, wave("main-1", 0, {"a": "F"}, 10.5)).failing[0].since, datetime)
    assert folded(None, wave("main-1", 0, {"a": "F"}, 10.5)).failing[0].since == at(10)
    assert RunTargets().outcomes == ""

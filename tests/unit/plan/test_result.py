from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.plan.builders import at, config, ended, owned_by, run, template, written

from kubeprobe.api import Consecutive, ProbeConfig, ProbeResultStatus, ProbeRun, ProbeRunSpec, Verdict
from kubeprobe.plan.budget import Priority
from kubeprobe.plan.resolve import Mistake, of_config
from kubeprobe.plan.result import (
    HEARTBEAT_SECONDS,
    HISTORY,
    RHYTHM_SECONDS,
    fold,
    fresh_until,
    plan_write,
)
from kubeprobe.plan.schedule import SKEW_SECONDS
from kubeprobe.plan.standing import pending

MAIN = config(severity="Critical")
NEW = pending(MAIN, at(0))
UID = "uid-main"
P, F, U = Verdict.PASSED, Verdict.FAILED, Verdict.UNKNOWN


def folded(
    runs: Sequence[ProbeRun],
    before: ProbeResultStatus = NEW,
    *,
    one: ProbeConfig = MAIN,
    now: datetime | None = None,
) -> ProbeResultStatus:
    return fold(before, one, runs, now or at(1800))


def series(*verdicts: Verdict, start: int = 0) -> list[ProbeRun]:
    """Runs that ended ten seconds apart."""
    return [ended(f"r{start + number}", at((start + number + 1) * 10), one) for number, one in enumerate(verdicts)]


def healthy(status: ProbeResultStatus) -> str:
    (condition,) = status.conditions
    assert condition.type == "Healthy"
    return condition.status


# Before the first run


def test_a_new_object_is_unknown_and_nothing_to_be_alarmed_about() -> None:
    assert (NEW.verdict, NEW.reason, NEW.since, NEW.severity) == (U, "Pending", at(0), "Critical")
    assert healthy(NEW) == "Unknown"
    assert folded([]).model_copy(update={"digests": (), "window": (), "observed_generation": None}) == NEW


# Counting


def test_a_run_becomes_the_answer() -> None:
    status = folded([ended("r", at(10), "Failed", reason="CheckFailed", message="no leader", node="node-1")])
    assert (status.verdict, status.reason, status.message, status.since) == (F, "CheckFailed", "no leader", at(10))
    assert healthy(status) == "False"
    assert status.consecutive == Consecutive(failed=1)
    (outcome,) = status.history
    assert (outcome.run, outcome.at, outcome.duration_seconds, outcome.node) == ("r", at(10), 1.5, "node-1")
    assert status.last_run is not None
    assert (status.last_run.name, status.last_run.finished_at, status.last_run.slot) == ("r", at(10), None)
    assert status.observed_generation == 1
    assert [(one.period, one.runs, one.failed, one.success_ratio) for one in status.window] == [
        ("1h", 1, 1, 0),
        ("24h", 1, 1, 0),
    ]


def test_the_last_slot_outlives_a_manual_run() -> None:
    status = folded([ended("a", at(10), slot=at(0)), ended("b", at(20))])
    assert status.last_run is not None
    assert (status.last_run.name, status.last_run.slot) == ("b", at(0))


@pytest.mark.parametrize(
    "of",
    [run(), run(status={"phase": "Running"}), run(status={"phase": "Completed", "verdict": "Failed"})],
    ids=["pending", "running", "completed by hand, never"],
)
def test_only_runs_that_ended_count(of: ProbeRun) -> None:
    assert folded([of]) == folded([])


def test_a_run_of_an_earlier_config_of_the_same_name_does_not_count() -> None:
    before = config(metadata={"uid": "uid-before"})
    assert folded([ended("r", at(10), F, metadata=owned_by(before))]) == folded([])
    assert folded([ended("r", at(10), F, metadata=owned_by(MAIN))]).verdict is F


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({"phase": "Completed", "finishedAt": at(10).isoformat()}, "Unknown"),
        ({"phase": "Completed", "finishedAt": at(10).isoformat(), "verdict": "Failed"}, "Failed"),
        (
            {"phase": "Completed", "finishedAt": at(10).isoformat(), "reason": "x" * 999, "message": "é" * 9999},
            "x" * 128,
        ),
    ],
)
def test_a_run_completed_by_hand_stops_nobody(status: dict[str, Any], reason: str) -> None:
    found = folded([run(status=status)])
    assert found.reason == reason
    assert len(found.message.encode()) <= 1024
    assert written(found) == found


def test_the_history_is_the_newest_and_bounded() -> None:
    status = folded(series(*[P] * 15))
    assert [one.run for one in status.history] == [f"r{number}" for number in range(14, 4, -1)]
    assert status.consecutive.passed == 15


# Thresholds


@pytest.mark.parametrize(
    ("verdicts", "expected", "since"),
    [
        ([P], U, 0),
        ([P, P], P, 20),
        ([P, P, F, F], P, 20),
        ([P, P, F, F, F], F, 50),
        ([P, P, F, F, P, F, F], P, 20),
        ([P, P, F, U, F, U, F], F, 70),
        ([P, U, P], P, 30),
        ([P, P, U, U], P, 20),
        ([P, P, U, U, U], U, 50),
        ([P, P, U, U, F, U], P, 20),
        ([F, F, F, P, F, P, F], F, 30),
        ([F, F, F, P, P], P, 50),
        ([F, F, F, F], F, 30),
    ],
)
def test_the_verdict_turns_by_its_thresholds_alone(verdicts: list[Verdict], expected: Verdict, since: int) -> None:
    one = config(thresholds={"failures": 3, "successes": 2})
    status = folded(series(*verdicts), one=one)
    assert (status.verdict, status.since) == (expected, at(since))
    assert healthy(status) == {P: "True", F: "False", U: "Unknown"}[expected]


def test_the_words_follow_while_the_verdict_stands() -> None:
    first = ended("a", at(10), F, message="no leader")
    status = folded([first, ended("b", at(20), F, message="disk full")])
    assert (status.since, status.message) == (at(10), "disk full")


verdicts = st.lists(st.sampled_from(Verdict), max_size=30)
thresholds = st.fixed_dictionaries({"failures": st.integers(1, 4), "successes": st.integers(1, 4)})


def naive(outcomes: Sequence[Verdict], needed: dict[str, int]) -> Verdict:
    """The verdict as one would count it on paper."""
    verdict = U
    for end in range(1, len(outcomes) + 1):
        last = outcomes[end - 1]
        told = [one for one in outcomes[:end] if one is not U or last is U]
        streak = 0
        for one in reversed(told):
            if one is not last:
                break
            streak += 1
        if streak >= needed["successes" if last is P else "failures"]:
            verdict = last
    return verdict


@given(verdicts, thresholds)
def test_verdict_and_streaks_are_those_of_a_count_on_paper(outcomes: list[Verdict], needed: dict[str, int]) -> None:
    status = folded(series(*outcomes), one=config(thresholds=needed))
    assert status.verdict is naive(outcomes, needed)
    judged = [one for one in outcomes if one is not U]
    assert status.consecutive.passed == len(judged) - max(
        (i + 1 for i, one in enumerate(judged) if one is F), default=0
    )
    assert status.consecutive.failed == len(judged) - max(
        (i + 1 for i, one in enumerate(judged) if one is P), default=0
    )


@given(verdicts, thresholds)
def test_unknown_never_breaks_a_streak(outcomes: list[Verdict], needed: dict[str, int]) -> None:
    runs = series(*outcomes)
    one = config(thresholds=needed)
    known = folded([each for each in runs if each.status.verdict is not U], one=one)
    whole = folded(runs, one=one)
    assert (whole.consecutive.passed, whole.consecutive.failed) == (known.consecutive.passed, known.consecutive.failed)


# Once and only once


@given(verdicts, thresholds, st.lists(st.integers(0, 30), max_size=5), st.integers(0, 20))
def test_any_split_gives_the_same_answer(
    outcomes: list[Verdict], needed: dict[str, int], cuts: list[int], kept: int
) -> None:
    """Runs pile up, old ones are let go, the status goes through the API server: nothing is lost, nothing twice."""
    one, runs, now = config(thresholds=needed), series(*outcomes), at(1800)
    status, counted = pending(one, at(0)), 0
    for end in [*sorted(cut for cut in cuts if cut < len(runs)), len(runs)]:
        there = runs[max(counted - kept, 0) : end]
        status = written(fold(status, one, random.Random(end).sample(there, len(there)), now))
        counted = end
    assert status == fold(pending(one, at(0)), one, runs, now)
    assert status.window[1].runs == len(runs)


@given(verdicts)
def test_folding_again_changes_nothing(outcomes: list[Verdict]) -> None:
    status = folded(series(*outcomes))
    assert folded(series(*outcomes), status) == status
    assert folded([], status) == status


@given(verdicts, st.integers(0, 28))
def test_a_run_whose_end_is_seen_late_counts_all_the_same(outcomes: list[Verdict], late: int) -> None:
    """Two runs end together, and the later one is written first."""
    runs = series(*outcomes)
    if len(runs) < late + 2:
        return
    status = folded([*runs[:late], runs[late + 1]])
    status = folded([*runs[: late + 2]], status)
    status = folded(runs, status)
    assert status.window[1].runs == len(runs)
    assert [one.run for one in status.history] == [one.metadata.name for one in runs[::-1][:HISTORY]]


def test_a_new_run_of_an_old_name_counts() -> None:
    status = folded([ended("again", at(10))])
    assert folded([ended("again", at(20), F)], status).verdict is F


def test_without_its_history_the_last_run_is_the_mark() -> None:
    runs = series(P, F)
    status = folded(runs).model_copy(update={"history": ()})
    assert folded(runs, status).window[0].runs == 2
    assert folded([*runs, *series(P, start=2)], status).window[0].runs == 3


# Clocks


def test_runs_from_a_clock_that_ran_ahead_do_not_hold_back_the_answer() -> None:
    ahead = [ended("before", at(10)), ended("ahead", at(8 * 3600), F)]
    status = folded(ahead, now=at(8 * 3600))
    assert status.verdict is F
    runs = [*ahead]
    for number in range(20):
        now = at(60 + number * 10)
        runs.append(ended(f"r{number}", now))
        status = written(folded(runs, status, now=now))
        assert (status.verdict, status.history[0].run) == (P, f"r{number}")
    assert (status.window[0].passed, status.window[1].passed) == (20, 21)
    assert (status.window[0].failed, status.window[1].failed) == (0, 0)


def test_what_was_counted_before_the_clock_ran_ahead_is_not_counted_again() -> None:
    kept = [ended(f"old-{number}", at(number), F) for number in range(3)]
    ahead = [ended(f"ahead-{number}", at(8 * 3600 + number)) for number in range(HISTORY)]
    status = written(folded([*kept, *ahead], now=at(8 * 3600 + HISTORY)))
    assert (status.verdict, {one.run for one in status.history}) == (P, {one.metadata.name for one in ahead})
    found = folded([*kept, *ahead, ended("new", at(100))], status, now=at(100))
    assert (found.verdict, found.consecutive.passed, found.history[0].run) == (P, HISTORY + 1, "new")


@pytest.mark.parametrize(("ahead", "counts"), [(0, True), (SKEW_SECONDS, True), (SKEW_SECONDS + 1, False)])
def test_a_little_ahead_is_not_ahead(ahead: float, counts: bool) -> None:
    assert (folded([ended("r", at(100 + ahead))], now=at(100)).verdict is P) is counts


def test_old_outcomes_leave_the_windows_while_nothing_runs() -> None:
    status = folded(series(P, F), now=at(30))
    assert [one.runs for one in status.window] == [2, 2]
    assert [one.runs for one in folded([], status, now=at(7200)).window] == [0, 2]
    assert [one.runs for one in folded([], status, now=at(90_000 + 3600)).window] == [0, 0]


@pytest.mark.parametrize("digests", [("1h|1:-5,0,0:", "24h|x"), ("spoilt",), ()])
def test_spoilt_digests_are_counted_anew(digests: tuple[str, ...]) -> None:
    status = folded(series(P)).model_copy(update={"digests": digests})
    found = folded(series(P, F), status)
    assert [one.runs for one in found.window] == [1, 1]


# Writing


def test_the_first_answer_is_written() -> None:
    plan = plan_write(None, None, NEW, UID, at(0))
    assert (plan.write, plan.turned, plan.wake_at, plan.status) == (True, False, None, NEW)


def test_what_stands_is_not_written() -> None:
    plan = plan_write(NEW, at(0), NEW, UID, at(9999))
    assert (plan.write, plan.turned, plan.wake_at) == (False, False, None)


@pytest.mark.parametrize(
    ("change", "turned"),
    [
        ({"verdict": F}, True),
        ({"reason": "Other"}, False),
        ({"message": "other words"}, False),
        ({"severity": "Info"}, False),
    ],
)
def test_another_answer_is_written_at_once(change: dict[str, Any], turned: bool) -> None:
    plan = plan_write(NEW, at(0), NEW.model_copy(update=change), UID, at(0))
    assert (plan.write, plan.turned) == (True, turned)


@pytest.mark.parametrize(
    ("before", "after", "another"),
    [
        ("not within 8.6s: 3 of 4 pods", "not within 9s: 2 of 4 pods", False),
        ("pod probe-x7k2p is gone", "pod probe-b6c4d is gone", False),
        ("pod probe-xkcdq is gone", "pod probe-bnmrt is gone", False),
        ("pod probe-front is gone", "pod probe-backs is gone", True),
        ("the scheduler is late", "the kubelet is late", True),
    ],
)
def test_numbers_and_generated_names_make_no_other_answer(before: str, after: str, another: bool) -> None:
    stands, now = (NEW.model_copy(update={"message": text}) for text in (before, after))
    assert plan_write(stands, at(0), now, UID, at(0)).write is another


def test_a_turned_verdict_is_more_urgent_than_a_heartbeat() -> None:
    turned = NEW.model_copy(update={"verdict": F})
    assert plan_write(NEW, at(0), turned, UID, at(0)).priority is Priority.VERDICT
    assert plan_write(NEW, at(0), NEW.model_copy(update={"reason": "Other"}), UID, at(0)).priority is Priority.HISTORY


def test_a_first_answer_that_is_known_is_a_turned_one_and_one_deleted_by_hand_is_not() -> None:
    known = NEW.model_copy(update={"verdict": F})
    assert plan_write(None, None, known, UID, at(0)).turned
    assert not plan_write(None, at(0), known, UID, at(9)).turned


# Heartbeats

STANDING = folded(series(F)).model_copy(update={"message": "failed after 3.25 of 10 s"})
COUNTED = folded(series(F, F), STANDING).model_copy(update={"message": "failed after 4 of 10 s"})
UIDS = st.uuids().map(str)


def beat(uid: str, written_at: datetime | None, now: datetime) -> datetime:
    plan = plan_write(STANDING, written_at, COUNTED, uid, now)
    assert (plan.write, plan.turned) == (plan.wake_at is None, False)
    return plan.wake_at or now


def test_that_an_answer_still_stands_is_written_at_its_beat() -> None:
    assert COUNTED != STANDING
    due = beat(UID, at(0), at(1))
    assert HEARTBEAT_SECONDS <= (due - at(0)).total_seconds() < HEARTBEAT_SECONDS + RHYTHM_SECONDS
    assert not plan_write(STANDING, at(0), COUNTED, UID, due - timedelta(seconds=1)).write
    assert plan_write(STANDING, at(0), COUNTED, UID, due).write


@given(UIDS, st.floats(0, 1e6), st.lists(st.floats(0, RHYTHM_SECONDS - HEARTBEAT_SECONDS - 0.01), min_size=3))
def test_heartbeats_keep_their_rhythm_however_late_each_is_written(uid: str, start: float, late: list[float]) -> None:
    written_at = due = beat(uid, at(start), at(start))
    for one in late:
        written_at = due + timedelta(seconds=one)
        following = beat(uid, written_at, written_at)
        assert (following - due).total_seconds() == RHYTHM_SECONDS
        assert (following - written_at).total_seconds() >= HEARTBEAT_SECONDS
        due = following


@given(UIDS, st.floats(0, 1e6))
def test_a_restart_does_not_change_the_rhythm(uid: str, start: float) -> None:
    due = beat(uid, at(start), at(start))
    assert beat(uid, None, due + timedelta(seconds=1)) == due + timedelta(seconds=RHYTHM_SECONDS)
    assert beat(uid, None, due - timedelta(seconds=1)) == due


def test_a_thousand_answers_written_together_do_not_come_due_together() -> None:
    dues = sorted(beat(f"uid-{number}", at(0), at(0)) for number in range(1000))
    most = max(sum(low <= due < low + timedelta(seconds=10) for due in dues) for low in dues)
    assert most < 2 * 1000 * 10 / RHYTHM_SECONDS


# Age


def test_an_answer_says_until_when_it_may_be_believed() -> None:
    work = of_config(MAIN, template(timeout="30s"), {})
    assert fresh_until(work, MAIN.spec.schedule, at(0)) == at(HEARTBEAT_SECONDS + 2 * RHYTHM_SECONDS + 2 * 60 + 30)
    assert fresh_until(work, None, at(0)) is None
    assert fresh_until(Mistake("InvalidParams", "x"), MAIN.spec.schedule, at(0)) is None


# Attempts and missed slots


def test_a_run_that_is_tried_again_does_not_count() -> None:
    retried = config(retries={"limit": 1})
    first = ended("r1", at(10), "Failed", slot=at(0))
    assert folded([first], one=retried).verdict is U
    assert folded([first], one=MAIN).verdict is F
    spec = first.spec.model_copy(update={"trigger": first.spec.trigger.model_copy(update={"attempt": 2})})
    second = ended("r2", at(20), "Failed", slot=at(0)).model_copy(update={"spec": spec})
    status = folded([first, second], one=retried)
    assert (status.verdict, status.consecutive.failed, len(status.history)) == (F, 1, 1)


def test_missed_slots_add_up() -> None:
    def after(name: str, count: int, seconds: float) -> ProbeRun:
        missed = {"count": count, "since": at(0).isoformat(), "reason": "Busy"}
        slot = at(seconds - 1).isoformat()
        of = ended(name, at(seconds)).spec.model_dump(by_alias=True, exclude_none=True)
        of["trigger"] = {"kind": "Schedule", "slot": slot, "missed": missed}
        return ended(name, at(seconds)).model_copy(update={"spec": ProbeRunSpec.model_validate(of)})

    status = folded([after("a", 2, 10), after("b", 3, 20), *series(P)])
    assert (status.missed.total, status.missed.last, str(status.missed.reason)) == (5, at(19), "Busy")

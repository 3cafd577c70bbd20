"""What is due when another run goes, when a slot was missed, when a run did not pass, when a window is open."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.plan.builders import CREATED, at, config, ended, run

from kubeprobe.api import Missed, MissedReason, ProbeConfig, ProbeRun
from kubeprobe.plan.due import MOST_AT_ONCE, Clockwork, Due, counts, due, is_replaced, may_again, run_name, suspect_node
from kubeprobe.plan.schedule import Rhythm

MAIN = config()


def asked(
    one: ProbeConfig = MAIN,
    runs: Sequence[ProbeRun] = (),
    *,
    seconds: float,
    last_slot: datetime | None = None,
    since: datetime = CREATED,
) -> Due:
    assert one.spec.schedule is not None
    rhythm = Rhythm(one.spec.schedule, CREATED, one.metadata.uid)
    return due(Clockwork(one, rhythm, runs, last_slot, since), at(seconds))


def trigger(found: Due) -> dict[str, Any]:
    assert found.create is not None
    told: dict[str, Any] = found.create["spec"]["trigger"]
    return told


def missed(found: Due) -> tuple[int, str, str] | None:
    told = trigger(found).get("missed")
    return (told["count"], told["since"], told["reason"]) if told else None


GOING = run("main-a", slot=at(0))


# Another run is going


def test_forbid_waits_and_replace_and_allow_do_not() -> None:
    assert asked(MAIN, [GOING], seconds=60).create is None
    replace, allow = config(concurrency="Replace"), config(concurrency="Allow")
    assert asked(replace, [GOING], seconds=60).replaced == (GOING,)
    assert asked(allow, [GOING], seconds=60).replaced == ()
    assert all(asked(one, [GOING], seconds=60).create for one in (replace, allow))


@pytest.mark.parametrize("concurrency", ["Replace", "Allow"])
def test_one_sweep_goes_at_a_time(concurrency: str) -> None:
    one = config(concurrency=concurrency, targets={"eachNode": {}})
    assert asked(one, [GOING], seconds=60).create is None


def test_allow_has_a_bound() -> None:
    allow = config(concurrency="Allow")
    going = [run(f"main-{number}", slot=at(number * 60)) for number in range(MOST_AT_ONCE)]
    assert asked(allow, going[1:], seconds=600).create is not None
    assert asked(allow, going, seconds=600).create is None


def test_only_a_later_slot_replaces_and_only_where_that_is_asked_for() -> None:
    replace = config(concurrency="Replace")
    later, manual = run("main-b", slot=at(60)), run("main-m")
    assert is_replaced(GOING, replace, [GOING, later], at(99_999))
    assert not is_replaced(later, replace, [GOING, later], at(99_999))
    assert not is_replaced(manual, replace, [manual, later], at(99_999))
    assert not is_replaced(GOING, MAIN, [GOING, later], at(99_999))


# Slots that had no run


def test_nobody_was_there() -> None:
    found = asked(runs=[ended("a", at(2), slot=at(0))], seconds=3600)
    assert missed(found) == (59, "2026-03-01T12:01:00Z", "Late")
    assert asked(runs=[ended("a", at(2), slot=at(0))], seconds=60).create is not None
    assert missed(asked(runs=[ended("a", at(2), slot=at(0))], seconds=60)) is None


def test_the_run_before_took_too_long() -> None:
    found = asked(runs=[ended("a", at(200), slot=at(0))], seconds=200)
    assert trigger(found)["slot"] == "2026-03-01T12:03:00.000Z"
    assert missed(found) == (2, "2026-03-01T12:01:00Z", "Busy")


def test_slots_before_the_schedule_was_followed_were_not_missed() -> None:
    runs = [ended("a", at(2), slot=at(0))]
    assert missed(asked(runs=runs, seconds=600, since=at(480))) == (2, "2026-03-01T12:08:00Z", "Late")
    assert missed(asked(runs=runs, seconds=600, since=at(599))) is None


def test_a_slot_that_could_not_start_in_time_is_missed() -> None:
    one = config(schedule={"every": "60s", "startingDeadline": "10s"})
    runs = [ended("a", at(2), slot=at(0))]
    assert asked(one, runs, seconds=70).create is not None
    late = asked(one, runs, seconds=70.1)
    assert (late.create, late.wake_at) == (None, at(120))
    assert missed(asked(one, runs, seconds=120)) == (1, "2026-03-01T12:01:00Z", "Late")


def test_a_cadence_that_changes_misses_what_its_slowest_would_have() -> None:
    one = config(schedule={"every": "60s", "adaptive": {"fastest": "10s", "slowest": "120s"}})
    runs = [ended("a", at(2), slot=at(0))]
    assert missed(asked(one, runs, seconds=180)) is None
    assert missed(asked(one, runs, seconds=600)) == (3, "2026-03-01T12:01:00Z", "Late")


@given(st.lists(st.floats(0.1, 500), min_size=1, max_size=20), st.integers(1, 90))
def test_every_slot_has_one_run_or_is_missed_once(pauses: list[float], every: int) -> None:
    one, now, runs, told = config(schedule={"every": f"{every}s"}), 0.0, list[ProbeRun](), 0
    for pause in pauses:
        now += pause
        found = asked(one, runs, seconds=now)
        if found.create is None:
            continue
        made = ProbeRun.model_validate(found.create)
        told += made.spec.trigger.missed.count if made.spec.trigger.missed else 0
        slot = made.spec.trigger.slot
        assert slot is not None
        runs.append(ended(made.metadata.name, at(now), slot=slot))
    slots = [each.spec.trigger.slot for each in runs]
    assert len(set(slots)) == len(slots)
    newest = max((slot for slot in slots if slot is not None), default=None)
    if newest is not None:
        assert len(runs) + told == (newest - CREATED).total_seconds() // every + 1


# Windows


PAUSED = config(maintenance=[{"cron": "2 12 * * *", "duration": "3m", "runs": "Pause"}])  # from 120 s to 300 s


def test_a_pause_starts_nothing_and_misses_nothing() -> None:
    runs = [ended("a", at(62), slot=at(60))]
    for seconds in (120, 180, 299):
        found = asked(PAUSED, runs, seconds=seconds)
        assert found.create is None
        assert found.wake_at is not None
        assert found.wake_at <= at(300)
    assert missed(asked(PAUSED, runs, seconds=300)) is None
    assert missed(asked(PAUSED, runs, seconds=370)) == (1, "2026-03-01T12:05:00Z", "Late")
    before = [ended("a", at(2), slot=at(0))]
    assert missed(asked(PAUSED, before, seconds=300)) == (1, "2026-03-01T12:01:00Z", "Late")


def test_the_change_of_a_window_is_waited_for() -> None:
    slow = config(schedule={"every": "1h"}, maintenance=[{"cron": "2 12 * * *", "duration": "3m", "runs": "Pause"}])
    assert asked(slow, [GOING], seconds=10).wake_at == at(120)


def test_a_window_in_which_runs_go_on_changes_nothing() -> None:
    goes_on = config(maintenance=[{"cron": "2 12 * * *", "duration": "3m"}])
    assert asked(goes_on, seconds=180).create is not None


# Attempts


RETRIED = config(retries={"limit": 2, "delay": "5s"})


def attempt(number: int, finished: float, verdict: str = "Failed", **more: Any) -> ProbeRun:
    made = ended(f"main-{number}", at(finished), verdict, slot=at(60), **more)
    told = made.spec.trigger.model_copy(update={"attempt": number if number > 1 else None})
    return made.model_copy(update={"spec": made.spec.model_copy(update={"trigger": told})})


@pytest.mark.parametrize("verdict", ["Failed", "Unknown"])
def test_what_did_not_pass_is_tried_again_after_the_delay(verdict: str) -> None:
    first = attempt(1, 62, verdict)
    waiting = asked(RETRIED, [first], seconds=66.9)
    assert (waiting.create, waiting.wake_at) == (None, at(67))
    again = asked(RETRIED, [first], seconds=67)
    assert trigger(again) == {"kind": "Schedule", "slot": "2026-03-01T12:01:00.000Z", "attempt": 2}
    assert again.create is not None
    assert again.create["metadata"]["name"] == run_name("main", at(60), 2)
    assert trigger(asked(RETRIED, [first, attempt(2, 70)], seconds=75))["attempt"] == 3


def test_attempts_end() -> None:
    first, second, third = attempt(1, 62), attempt(2, 70), attempt(3, 80)
    assert asked(RETRIED, [first, second, third], seconds=100).create is None
    assert asked(RETRIED, [first, attempt(2, 70, "Passed")], seconds=100).create is None
    assert asked(RETRIED, [attempt(1, 62, "Passed")], seconds=100).create is None
    assert asked(MAIN, [first], seconds=100).create is None
    assert asked(RETRIED, [run("main-1", slot=at(60))], seconds=100).create is None
    assert asked(RETRIED, [], last_slot=at(60), seconds=100).create is None


@pytest.mark.parametrize(
    ("back_seconds", "created_seconds", "again"),
    [(0, 600.0, False), (59, 600.0, False), (61, 600.0, True), (45, 555.0, True)],
    ids=["now", "a little back", "far back", "a clock that ran ahead when the run was made"],
)
def test_a_clock_that_went_back_a_little_comes_to_no_slot_again(
    back_seconds: float, created_seconds: float, again: bool
) -> None:
    one = config(schedule={"every": "10s"})
    made = {"creationTimestamp": at(created_seconds).isoformat()}
    newest = ended("main-600", at(601), slot=at(600.5), metadata=made)
    found = asked(one, [newest], seconds=601 - back_seconds, last_slot=at(600.5))
    assert (found.create is not None) is again


def test_a_slot_that_lies_ahead_replaces_nothing_and_ends_no_retries() -> None:
    ahead = run("main-2099", slot=at(10**6))
    assert not is_replaced(GOING, config(concurrency="Replace"), [GOING, ahead], at(100))
    first = attempt(1, 62)
    assert not counts(first, RETRIED, [first, ahead], at(100))
    far = ended("main-far", at(70), "Failed", slot=at(10**6), source="Timeout", stage="NotAcknowledged", node="node-2")
    made = asked(MAIN, [far], seconds=121).create
    assert made is not None
    assert "node" not in made["spec"]


def test_what_was_missed_is_told_by_every_attempt_since_only_the_last_counts() -> None:
    first, missed = attempt(1, 62), Missed(count=7, since=at(0), reason=MissedReason.LATE)
    told = first.spec.trigger.model_copy(update={"missed": missed})
    first = first.model_copy(update={"spec": first.spec.model_copy(update={"trigger": told})})
    assert trigger(asked(RETRIED, [first], seconds=70))["missed"]["count"] == 7


def test_the_next_slot_comes_before_another_attempt() -> None:
    found = asked(RETRIED, [attempt(1, 119)], seconds=121)
    assert trigger(found)["slot"] == "2026-03-01T12:02:00.000Z"
    assert "attempt" not in trigger(found)


def test_a_run_counts_when_nothing_follows_it_for_its_slot() -> None:
    first, second, third = attempt(1, 62), attempt(2, 70), attempt(3, 80)
    later = run("main-later", slot=at(120))
    assert not counts(first, RETRIED, [first], at(99_999))
    assert counts(first, MAIN, [first], at(99_999))
    assert counts(third, RETRIED, [first, second, third], at(99_999))
    assert counts(attempt(1, 62, "Passed"), RETRIED, [], at(99_999))
    assert counts(run("main-m"), RETRIED, [], at(99_999))
    assert counts(second, RETRIED, [first, second, later], at(99_999))


def test_an_attempt_that_was_followed_by_another_counts_no_more() -> None:
    first, second = attempt(1, 62), attempt(2, 70, "Passed")
    assert not counts(first, RETRIED, [first, second], at(99_999))


@given(st.integers(0, 4_000_000_000), st.integers(2, 11), st.text("abcdefgh-", min_size=52, max_size=52))
def test_names_fit_into_a_label(seconds: int, number: int, name: str) -> None:
    slot = datetime.fromtimestamp(seconds, CREATED.tzinfo)
    assert len(run_name(name, slot, number)) <= 63
    assert run_name(name, slot, number) != run_name(name, slot)


# The node that could not start a pod


def stopped(stage: str = "NotAcknowledged", verdict: str = "Failed", **more: Any) -> ProbeRun:
    told = {"source": "Timeout", "stage": stage, "node": "node-2", **more}
    return ended("main-a", at(20), verdict, slot=at(0), **told)


def test_the_next_run_goes_to_the_node_that_could_not_start_the_last() -> None:
    found = asked(runs=[stopped()], seconds=60)
    assert found.create is not None
    assert found.create["spec"]["node"] == "node-2"
    retried = asked(RETRIED, [stopped()], seconds=30)
    assert retried.create is not None
    assert retried.create["spec"]["node"] == "node-2"


@pytest.mark.parametrize(
    "last",
    [
        ended("main-a", at(20), "Failed", slot=at(0), source="Report", node="node-2"),
        stopped("NotScheduled", node=""),
        stopped("StartedAndSilent"),
        stopped(verdict="Unknown"),
        ended("main-a", at(20), slot=at(0), node="node-2"),
    ],
    ids=["the check failed", "not scheduled", "it ran there", "unknown", "passed"],
)
def test_other_runs_go_where_they_go(last: ProbeRun) -> None:
    found = asked(runs=[last], seconds=60)
    assert found.create is not None
    assert "node" not in found.create["spec"]


def test_without_runs_no_node_is_suspect() -> None:
    assert suspect_node([]) is None


# Runs for changes


def for_change(number: int, verdict: str = "Failed", **more: Any) -> ProbeRun:
    """An attempt at a run for a change, from the first on."""
    trigger = {"kind": "Change", "changeID": "chg-1", "during": "Finished", **more}
    attempt = {"attempt": number} if number > 1 else {}
    made = run(f"main-f-{number}", trigger={**trigger, **attempt})
    return made.model_copy(update={"status": ended("main", at(number), verdict).status})


ASKING = ("chg-1",)


def test_a_run_for_a_change_counts_when_it_is_not_tried_again() -> None:
    first, second, third = for_change(1), for_change(2), for_change(3)
    assert counts(first, MAIN, [first], at(99), ASKING)
    assert counts(for_change(1, "Passed"), RETRIED, [], at(99), ASKING)
    assert not counts(first, RETRIED, [first, run("slot", slot=at(60))], at(99), ASKING)
    assert not counts(first, MAIN, [first, second], at(99), ASKING)
    assert not counts(second, RETRIED, [first, second], at(99), ASKING)
    assert counts(third, RETRIED, [first, second, third], at(99), ASKING)
    others = [for_change(2, changeID="chg-2"), for_change(2, during="Started"), for_change(2, part=1)]
    assert counts(first, MAIN, [first, *others], at(99), ASKING)
    assert [may_again(one, RETRIED, ASKING) for one in (first, third, run("by-hand"))] == [True, False, False]


@pytest.mark.parametrize("asking", [(), ("chg-2",)])
def test_a_run_for_a_change_that_does_not_ask_for_another_one_counts(asking: tuple[str, ...]) -> None:
    first = for_change(1)
    assert counts(first, RETRIED, [first], at(99), asking)
    assert not counts(
        for_change(1, covers=[{"changeID": "chg-2", "during": "Finished"}]), RETRIED, [], at(99), ["chg-2"]
    )


def test_a_run_for_a_change_takes_no_slots_place() -> None:
    going = run("main-f", trigger={"kind": "Change", "changeID": "chg-1"})
    assert asked(runs=[going], seconds=60).create is not None
    replacing = config(concurrency="Replace")
    assert asked(replacing, [going], seconds=60).replaced == ()
    assert not is_replaced(going, replacing, [run("a", slot=at(60))], at(61))

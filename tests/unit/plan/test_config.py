from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.plan.builders import CREATED, at, config, ended, on_demand, owned_by, run, template

from kubeprobe.api import LastRun, ProbeConfig, ProbeResultStatus, ProbeRun, Verdict
from kubeprobe.plan.config import ConfigPlan, ConfigSeen, followed, plan_config, surplus
from kubeprobe.plan.due import Due, new_run, run_name
from kubeprobe.plan.resolve import Mistake

MAIN = config()
DONE = {"phase": "Completed", "verdict": "Passed"}


def planned(
    one: ProbeConfig = MAIN, runs: Sequence[ProbeRun] = (), *, last_slot: datetime | None = None, seconds: float = 70
) -> ConfigPlan:
    return plan_config(ConfigSeen(one, template(), {}, runs, answered(last_slot)), at(seconds))


def answered(slot: datetime | None) -> ProbeResultStatus | None:
    """An answer that counts the run of a slot."""
    if slot is None:
        return None
    return ProbeResultStatus(last_run=LastRun(name="main-x", slot=slot, finished_at=slot))


def told(one: ProbeConfig, seconds: float = 0) -> ProbeConfig:
    """The config after its condition was written."""
    status = planned(one, seconds=seconds).status
    assert status is not None
    return one.model_copy(update={"status": status})


# The condition


def test_a_config_that_can_work_is_accepted_once() -> None:
    one = told(MAIN)
    (ready,) = one.status.conditions
    assert (ready.type, ready.status, ready.reason, ready.message) == ("Ready", "True", "Accepted", "")
    assert ready.observed_generation == 1
    assert planned(one, seconds=999).status is None


def test_a_mistake_is_told_and_nothing_is_started() -> None:
    plan = plan_config(ConfigSeen(MAIN, None, {}, (), None), at(70))
    assert plan.mistake is not None
    assert plan.mistake.reason == "TemplateNotFound"
    assert plan.status is not None
    ready = plan.status.conditions[0]
    assert (ready.status, ready.message) == ("False", plan.mistake.message)
    assert (plan.due, plan.wake_at) == (Due(), None)


def test_a_mended_config_is_accepted_and_runs() -> None:
    mistaken = plan_config(ConfigSeen(MAIN, None, {}, (), None), at(0)).status
    plan = planned(MAIN.model_copy(update={"status": mistaken}))
    assert plan.status is not None
    ready = plan.status.conditions[0]
    assert (ready.status, ready.last_transition_time) == ("True", at(70))
    assert plan.due.create is not None
    assert "missed" not in plan.due.create["spec"]["trigger"]


# What is due


def test_a_due_slot_gets_a_run_of_its_own_name() -> None:
    plan = planned()
    assert plan.due.create is not None
    meta, spec = plan.due.create["metadata"], plan.due.create["spec"]
    assert meta["name"] == f"main-{int(at(60).timestamp())}"
    assert (meta["namespace"], meta["labels"]["kubeprobe.io/config"]) == ("probes", "main")
    assert meta["ownerReferences"][0]["uid"] == "uid-main"
    assert spec == {
        "configRef": {"name": "main"},
        "trigger": {
            "kind": "Schedule",
            "slot": "2026-03-01T12:01:00.000Z",
            "missed": {"count": 1, "since": "2026-03-01T12:00:00Z", "reason": "Late"},
        },
    }
    assert (plan.due.next_slot, plan.wake_at) == (at(120), at(120))


@pytest.mark.parametrize("seconds", [60, 61.5, 119.999999])
def test_the_run_of_a_slot_is_the_same_whenever_it_is_made(seconds: float) -> None:
    assert planned(seconds=seconds).due.create == planned().due.create


def test_the_first_run_is_due_at_once_and_none_before() -> None:
    assert planned(seconds=0).due.create is not None
    assert planned(seconds=-1).due.create is None
    assert planned(seconds=-1).wake_at == CREATED


def test_slots_that_went_by_are_not_made_up_for() -> None:
    old = ended("main-0", at(1), slot=at(0))
    plan = planned(runs=[old], seconds=3600 + 7)
    assert plan.due.create is not None
    assert plan.due.create["spec"]["trigger"]["slot"] == "2026-03-01T13:00:00.000Z"


RUNS: list[tuple[str, list[ProbeRun], datetime | None, bool]] = [
    ("nothing was served", [], None, True),
    ("an earlier slot was", [ended("a", at(1), slot=at(0))], at(0), True),
    ("this slot was, its run is there", [ended("a", at(61), slot=at(60))], None, False),
    ("this slot was, its run is gone", [], at(60), False),
    ("its run is going", [run("a", slot=at(60))], None, False),
    ("the run before it is still going", [run("a", slot=at(0))], None, False),
    ("the run before it is marked running", [run("a", slot=at(0), status={"phase": "Running"})], None, False),
    (
        "the run before it is being deleted",
        [run("a", slot=at(0), metadata={"deletionTimestamp": CREATED.isoformat()})],
        None,
        True,
    ),
    ("a manual run is going", [run("a")], None, True),
    ("a later slot was served, in this one's time", [], at(65), False),
    ("a slot that lies ahead was written by hand", [], at(86400 * 365), True),
    ("a clock ran ahead", [ended("a", at(7201), slot=at(7200))], None, True),
    ("only an earlier config's run is there", [ended("a", at(61), slot=at(60), metadata=owned_by(MAIN))], None, False),
    (
        "an earlier config of this name had it",
        [run("a", slot=at(60), metadata=owned_by(config(metadata={"uid": "uid-before"})))],
        None,
        True,
    ),
]


@pytest.mark.parametrize(("runs", "last_slot", "due"), [case[1:] for case in RUNS], ids=[case[0] for case in RUNS])
def test_a_slot_has_one_run_and_one_run_goes_at_a_time(
    runs: list[ProbeRun], last_slot: datetime | None, due: bool
) -> None:
    plan = planned(runs=runs, last_slot=last_slot)
    assert (plan.due.create is not None) is due
    assert plan.wake_at == at(120)


def test_a_slot_between_milliseconds_is_known_again() -> None:
    one = config(schedule={"every": "60s", "jitter": "30s"}, metadata={"uid": "uid-spread"})
    created = planned(one, seconds=119).due.create
    assert created is not None
    slot = datetime.fromisoformat(created["spec"]["trigger"]["slot"])
    assert planned(one, [run(slot=slot, status=DONE)], seconds=119).due.create is None
    assert planned(one, last_slot=slot, seconds=119).due.create is None


@pytest.mark.parametrize(
    "one", [on_demand(), config(metadata={"deletionTimestamp": CREATED.isoformat()})], ids=["on demand", "deleted"]
)
def test_what_has_no_schedule_or_is_going_starts_nothing(one: ProbeConfig) -> None:
    plan = planned(one)
    assert (plan.due, plan.wake_at, plan.mistake) == (Due(), None, None)


@given(st.integers(1000, 90_000), st.floats(0, 1e7))
def test_a_run_that_was_made_is_not_made_again(period: int, seconds: float) -> None:
    one = config(schedule={"every": f"{period}ms", "jitter": f"{period // 2}ms"})
    created = planned(one, seconds=seconds).due.create
    if created is None:
        return
    made = ProbeRun.model_validate(created)
    assert planned(one, [made], seconds=seconds).due.create is None
    finished = made.model_copy(update={"status": made.status.model_validate(DONE)})
    assert planned(one, [finished], seconds=seconds).due.create is None
    assert planned(one, last_slot=made.spec.trigger.slot, seconds=seconds).due.create is None
    assert made.spec.trigger.slot is not None
    assert 0 <= (at(seconds) - made.spec.trigger.slot).total_seconds() < period / 1000 + 0.001


@given(st.integers(1000, 5000), st.integers(0, 10**6))
def test_two_slots_never_share_a_name(period: int, number: int) -> None:
    one = config(schedule={"every": f"{period}ms"})
    first = planned(one, seconds=number).wake_at
    assert first is not None
    second = plan_config(ConfigSeen(one, template(), {}, (), None), first).wake_at
    assert second is not None
    assert run_name("main", first) != run_name("main", second)
    assert new_run(one, first)["metadata"]["name"] == run_name("main", first)


def test_triggers_that_cannot_be_heard_are_told_and_the_schedule_goes_on() -> None:
    unheard = Mistake("KindNotFollowed", "ask the platform team")
    plan = plan_config(ConfigSeen(MAIN, template(), {}, (), None, unheard=unheard), at(70))
    assert plan.status is not None
    ready = plan.status.conditions[0]
    assert (ready.status, ready.reason, ready.message) == ("False", "KindNotFollowed", "ask the platform team")
    assert plan.mistake == unheard
    assert plan.due.create is not None
    broken = plan_config(ConfigSeen(MAIN, None, {}, (), None, unheard=unheard), at(70))
    assert broken.mistake is not None
    assert broken.mistake.reason == "TemplateNotFound"


# What is let go


def names(runs: Sequence[ProbeRun]) -> list[str]:
    return [one.metadata.name for one in runs]


def test_the_oldest_go_beyond_the_limits() -> None:
    one = config(history={"passed": 2, "failed": 1})
    verdicts = ["Failed", "Passed", "Unknown", "Passed", "Failed", "Passed"]
    runs = [ended(f"r{number}", at(number), verdict) for number, verdict in enumerate(verdicts)]
    assert names(planned(one, runs[::-1]).surplus) == ["r0", "r1", "r2"]


def test_what_a_gate_counts_stays_beyond_the_limits() -> None:
    one = config(history={"passed": 1, "failed": 1})
    runs = [ended(f"r{number}", at(number), "Failed") for number in range(4)]
    seen = ConfigSeen(one, template(), {}, runs, None, counted={"r0", "r1"})
    assert names(plan_config(seen, at(70)).surplus) == ["r2"]


def test_what_a_clock_that_ran_ahead_dated_is_the_oldest() -> None:
    one = config(history={"passed": 2, "failed": 0})
    runs = [ended("ahead", at(9000)), ended("old", at(1)), ended("new", at(2))]
    assert names(surplus(one, runs, at(200))) == ["ahead"]


def test_what_is_going_or_deleted_already_is_not_let_go() -> None:
    one = config(history={"passed": 0, "failed": 0})
    gone = ended("gone", at(1), metadata={"deletionTimestamp": CREATED.isoformat()})
    assert surplus(one, [gone, run("going")], at(200)) == ()
    assert surplus(one, [], at(200)) == ()


def test_the_newest_stays_although_there_is_no_room() -> None:
    one = config(history={"passed": 0, "failed": 0})
    assert names(surplus(one, [ended("new", at(2), "Failed"), ended("old", at(1))], at(200))) == ["old"]


def test_a_status_written_by_hand_without_times_can_be_let_go() -> None:
    one = config(history={"passed": 0, "failed": 0})
    bare: dict[str, Any] = {"phase": "Completed"}
    assert names(surplus(one, [run("bare", status=bare), ended("new", at(2))], at(200))) == ["bare"]


histories = st.fixed_dictionaries({"passed": st.integers(0, 4), "failed": st.integers(0, 4)})
completed = st.lists(
    st.tuples(st.integers(0, 100), st.sampled_from(Verdict), st.booleans()), max_size=20, unique_by=lambda one: one[0]
)


@given(histories, completed)
def test_what_is_kept_is_within_the_limits_and_the_newest(
    history: dict[str, int], drawn: list[tuple[int, Verdict, bool]]
) -> None:
    one = config(history=history)
    runs = [ended(f"r{number}", at(number), verdict) if over else run(f"r{number}") for number, verdict, over in drawn]
    beyond = surplus(one, runs, at(200))
    over = [each for each in runs if each.status.finished_at is not None]
    kept = [each for each in over if each not in beyond]
    assert len(set(names(beyond))) == len(beyond)
    assert list(beyond) == sorted(beyond, key=lambda each: each.status.finished_at or CREATED)
    if not over:
        assert beyond == ()
        return
    newest = max(over, key=lambda each: each.status.finished_at or CREATED)
    assert newest in kept
    for limit, passing in ((history["passed"], True), (history["failed"], False)):
        alike = [each for each in kept if (each.status.verdict is Verdict.PASSED) is passing and each is not newest]
        own = (newest.status.verdict is Verdict.PASSED) is passing
        assert len(alike) <= max(limit - own, 0)
        let_go = [each for each in beyond if (each.status.verdict is Verdict.PASSED) is passing]
        if let_go:
            assert len(alike) == max(limit - own, 0)
            assert all(str(a.status.finished_at) < str(b.status.finished_at) for a in let_go for b in alike)
    assert surplus(one, kept, at(200)) == ()


def test_what_is_kept_for_long_enough_goes_and_is_waited_for() -> None:
    one = config(history={"ttl": "1h"})
    runs = [ended("old", at(0)), ended("mid", at(600), "Failed"), ended("new", at(1200))]
    assert names(planned(one, runs, last_slot=at(3600), seconds=3599).surplus) == []
    assert planned(one, runs, last_slot=at(3540), seconds=3590).wake_at == at(3600)
    # What is surplus goes when it goes: nothing is to be looked at before the next one expires.
    assert planned(one, runs, last_slot=at(3600), seconds=3601).wake_at == at(3660)
    assert planned(on_demand(history={"ttl": "1h"}), runs, seconds=3601).wake_at == at(4200)
    assert planned(on_demand(history={"ttl": "1h"}), runs, seconds=99_999).wake_at is None
    assert names(surplus(one, runs, at(3600))) == ["old"]
    assert names(surplus(one, runs, at(99_999))) == ["old", "mid"]
    assert planned(on_demand(history={"ttl": "1h"}), runs[:1]).wake_at is None


# Since when slots count


def test_slots_count_from_the_creation_and_from_any_change_of_the_schedule() -> None:
    one = told(MAIN, 5)
    assert one.status.slots is not None
    assert (one.status.slots.cadence, one.status.slots.since) == ("every 60s", CREATED)
    faster = one.model_copy(update={"spec": config(schedule={"every": "10s"}).spec})
    slots = told(faster, 300).status.slots
    assert slots is not None
    assert (slots.cadence, slots.since) == ("every 10s", at(300))


def test_a_suspended_config_starts_nothing_and_misses_nothing() -> None:
    one = told(MAIN, 0)
    suspended = told(one.model_copy(update={"spec": config(suspend=True).spec}), 70)
    assert suspended.status.slots is not None
    assert suspended.status.slots.cadence == ""
    assert planned(suspended, seconds=500).due == Due()
    assert followed(suspended) is None
    resumed = told(suspended.model_copy(update={"spec": MAIN.spec}), 1000)
    create = planned(resumed, [ended("a", at(1), slot=at(0))], seconds=1001).due.create
    assert create is not None
    assert "missed" not in create["spec"]["trigger"]


def test_runs_of_changes_that_are_not_over_are_kept() -> None:
    one = config(history={"passed": 0, "failed": 0, "ttl": "1m"})
    aim = {"kind": "Change", "changeID": "chg-2", "covers": [{"changeID": "chg-1", "during": "Finished"}]}
    runs = [run(f"f{number}", status=ended("x", at(number)).status, trigger=aim) for number in (1, 2)]
    newest = ended("newest", at(3))
    for changes in (("chg-1",), ("chg-2",), ("chg-1", "chg-3")):
        plan = plan_config(ConfigSeen(one, template(), {}, [*runs, newest], None, changes), at(200))
        assert plan.surplus == ()
    plan = plan_config(ConfigSeen(one, template(), {}, [*runs, newest], None, ("chg-3",)), at(200))
    assert names(plan.surplus) == ["f1", "f2"]
    assert names(planned(one, [*runs, newest], seconds=200).surplus) == ["f1", "f2"]

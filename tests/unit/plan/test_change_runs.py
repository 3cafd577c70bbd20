"""Which run of a config changes ask for now, and that a storm of them asks for few."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.plan.builders import at, config, run
from tests.unit.plan.changes import FIRST, SECOND, THIRD, change, created, over, probe, rollout, triggered
from tests.unit.plan.residents import resident
from tests.unit.plan.test_demand import AGAIN, DONE, GOING, demand, for_change, on, pinned

from kubeprobe.api import ChangeProbe, During, ProbeConfig, ProbeRun
from kubeprobe.api.check import check_object
from kubeprobe.plan.batch import change_id
from kubeprobe.plan.chain import Step, chains_of
from kubeprobe.plan.change_runs import ChangeRuns, Skipped, gate_run, plan_change_runs, run_name, skips
from kubeprobe.plan.demand import Demand
from kubeprobe.plan.resolve import Mistake
from kubeprobe.plan.rollout import RolloutState

MAIN = triggered({"rollout": {}})


def planned(
    *demands: Demand,
    runs: Sequence[ProbeRun] = (),
    one: ProbeConfig = MAIN,
    skipped: Skipped | None = None,
    seconds: float = 10,
) -> ChangeRuns:
    return plan_change_runs(one, demands, runs, skipped, at(seconds))


def trigger(found: ChangeRuns) -> dict[str, Any]:
    assert found.create is not None
    asked: dict[str, Any] = found.create["spec"]["trigger"]
    return asked


def test_a_due_change_has_a_run_of_its_own_name() -> None:
    found = planned(demand(DONE))
    assert found.create is not None
    meta = found.create["metadata"]
    assert meta["name"] == f"main-{FIRST.removeprefix('chg-')}-f"
    assert (meta["namespace"], meta["labels"]["kubeprobe.io/change"]) == ("probes", FIRST)
    assert (meta["labels"]["kubeprobe.io/config"], meta["ownerReferences"][0]["uid"]) == ("main", "uid-main")
    assert found.create["spec"] == {
        "configRef": {"name": "main"},
        "trigger": {"kind": "Change", "changeID": FIRST, "during": "Finished"},
    }
    assert check_object(found.create).problems == ()
    assert planned(demand(DONE), seconds=99).create == found.create
    assert planned().create is None


def test_a_change_that_is_not_due_is_waited_for() -> None:
    found = planned(demand(DONE, quiet="30s"), demand(GOING, name=SECOND))
    assert (found.create, found.wake_at) == (None, at(30))


def test_one_run_at_a_time() -> None:
    going = for_change(seconds=10)
    assert planned(demand(DONE), demand(DONE, name=SECOND), runs=[going]).create is None
    other = for_change(name=THIRD, seconds=10)
    assert planned(demand(DONE), runs=[other]).create is None
    for trigger_ in ({"kind": "Gate"}, {"kind": "Gate", "changeID": FIRST}):
        assert planned(demand(DONE), runs=[run("asked", trigger=trigger_)]).create is None
    assert planned(demand(DONE), runs=[run("by-hand"), run("slot", slot=at(0))]).create is not None


def test_one_rerun_is_for_all_that_came_meanwhile() -> None:
    first = for_change(ended=20)
    found = planned(demand(DONE), demand(DONE, name=THIRD), demand(DONE, name=SECOND), runs=[first], seconds=20)
    assert trigger(found) == {
        "kind": "Change",
        "changeID": THIRD,
        "during": "Finished",
        "covers": [{"changeID": SECOND, "during": "Finished"}],
    }
    assert found.create is not None
    assert check_object(found.create).problems == ()
    rerun = over(created(found.create, at(20)), at(25))
    again = planned(demand(DONE), demand(DONE, name=SECOND), demand(DONE, name=THIRD), runs=[first, rerun], seconds=25)
    assert again.create is None
    assert all(one.over for one in again.followed)


def test_moments_of_one_change_that_are_due_together_have_one_run() -> None:
    found = planned(demand(DONE, during=["Started", "Finished"]))
    assert (trigger(found)["during"], trigger(found)["covers"]) == (
        "Finished",
        [{"changeID": FIRST, "during": "Started"}],
    )
    later = planned(demand(GOING, during=["Progressing"]), seconds=50)
    assert (trigger(later)["part"], later.create and later.create["metadata"]["name"][-3:]) == (2, "-p2")
    assert "part" not in trigger(planned(demand(GOING, during=["Progressing"])))


def test_a_run_covers_what_it_has_room_for_and_the_next_the_rest() -> None:
    demands = [demand(DONE, name=change_id("", str(number), at(number))) for number in range(60)]
    found = planned(*demands)
    assert found.create is not None
    first = over(created(found.create, at(10)), at(20))
    assert len(first.spec.trigger.covers) == 50
    rest = planned(*demands, runs=[first], seconds=20)
    assert len(trigger(rest)["covers"]) == 8


# On nodes


def test_one_node_has_a_run_of_its_own_and_several_share_one() -> None:
    one = planned(pinned(GOING, nodes={"a": at(9)}))
    assert one.create is not None
    assert one.create["spec"]["node"] == "a"
    assert trigger(one) == {"kind": "Change", "changeID": FIRST, "part": 0}
    assert one.create["metadata"]["name"].endswith("-n0")
    assert check_object(one.create).problems == ()
    had = on("a", seconds=10, ended=12)
    several = planned(pinned(GOING, nodes={"a": at(9), "c": at(12), "b": at(11)}), runs=[had], seconds=20)
    assert several.create is not None
    assert several.create["spec"]["target"] == {"nodes": ["b", "c"]}
    assert "node" not in several.create["spec"]
    assert (trigger(several)["part"], several.create["metadata"]["name"][-3:]) == (1, "-n1")
    assert check_object(several.create).problems == ()


def test_the_node_of_a_config_that_sweeps_is_a_target() -> None:
    sweeping = triggered({"rollout": {"pinToNodes": True}}, targets={"eachNode": {}})
    found = planned(pinned(GOING, nodes={"a": at(9)}), one=sweeping)
    assert found.create is not None
    assert found.create["spec"]["target"] == {"nodes": ["a"]}


def test_nodes_are_taken_fifty_at_a_time() -> None:
    found = planned(pinned(GOING, nodes={f"n{number:03}": at(5) for number in range(120)}))
    assert found.create is not None
    assert found.create["spec"]["target"]["nodes"] == [f"n{number:03}" for number in range(50)]


def test_the_number_of_a_run_on_nodes_is_never_taken_twice() -> None:
    third = on("a", seconds=5, ended=6, part=2)
    assert trigger(planned(pinned(GOING, nodes={"b": at(9)}), runs=[third]))["part"] == 3


def test_runs_anywhere_go_before_those_on_nodes_and_older_changes_before_newer() -> None:
    nodes = {"a": at(9)}
    both = pinned(DONE, nodes=nodes, during=["Finished"])
    assert trigger(planned(both))["during"] == "Finished"
    on_nodes = planned(both, runs=[for_change(ended=12)], seconds=12)
    assert on_nodes.create is not None
    assert on_nodes.create["spec"]["node"] == "a"
    newer = pinned(GOING, nodes=nodes, name=SECOND)
    assert trigger(planned(newer, pinned(GOING, nodes=nodes)))["changeID"] == FIRST


# What keeps a config from running


def test_a_config_that_is_skipped_runs_nothing_and_is_still_followed() -> None:
    found = planned(demand(DONE), demand(GOING, name=SECOND), skipped=Skipped("Suspended", ""))
    assert (found.create, found.wake_at) == (None, at(1810))
    assert [one.demand.name for one in found.followed] == [FIRST, SECOND]


@pytest.mark.parametrize(
    ("one", "mistake", "reason"),
    [
        (None, None, "ConfigGone"),
        (triggered({"node": {}}, metadata={"deletionTimestamp": at(1).isoformat()}), None, "ConfigGone"),
        (triggered({"node": {}}, suspend=True), None, "Suspended"),
        (MAIN, Mistake("InvalidParams", "wrong"), "InvalidParams"),
        (
            triggered({"node": {}}, maintenance=[{"cron": "0 12 * * *", "duration": "1h", "runs": "Pause"}]),
            None,
            "Maintenance",
        ),
        (triggered({"node": {}}, maintenance=[{"cron": "0 12 * * *", "duration": "1h"}]), None, ""),
        (resident(maintenance=[{"cron": "0 12 * * *", "duration": "1h", "runs": "Pause"}]), None, ""),
        (MAIN, None, ""),
    ],
)
def test_why_a_config_does_not_run(one: ProbeConfig | None, mistake: Mistake | None, reason: str) -> None:
    found = skips(one, mistake, at(60))
    assert (found.reason if found is not None else "") == reason


def test_a_window_that_pauses_ends_by_itself() -> None:
    found = skips(config(maintenance=[{"cron": "0 12 * * *", "duration": "1h", "runs": "Pause"}]), None, at(60))
    assert found is not None
    assert found.until == at(3600)


def test_a_sweep_is_never_beside_another() -> None:
    sweeping = triggered({"rollout": {}}, targets={"eachNode": {}})
    assert planned(demand(DONE), one=sweeping, runs=[run("slot", slot=at(0))]).create is None
    wave = run("slot-0", target={"sweep": "slot", "nodes": ["a"]})
    found = planned(demand(DONE), one=sweeping, runs=[wave])
    assert found.create is not None
    assert "target" not in found.create["spec"]


def test_runs_of_an_earlier_config_of_the_name_do_not_count() -> None:
    other = for_change(ended=12)
    owner = {"apiVersion": "kubeprobe.io/v1alpha1", "kind": "ProbeConfig", "name": "main", "uid": "before"}
    meta = other.metadata.model_copy(update={"owner_references": (owner_of(owner),)})
    assert planned(demand(DONE), runs=[other.model_copy(update={"metadata": meta})]).create is not None


def owner_of(body: dict[str, Any]) -> Any:
    return ProbeRun.model_validate({"metadata": {"ownerReferences": [body]}, "spec": {}}).metadata.owner_references[0]


# Attempts


RETRIED = triggered({"rollout": {}}, retries={"limit": 1, "delay": "5s"})


def test_what_did_not_pass_is_tried_again_after_the_delay() -> None:
    failed = for_change(ended=20, verdict="Failed", covers=[{"changeID": SECOND, "during": "Finished"}])
    waiting = planned(demand(DONE), one=RETRIED, runs=[failed], seconds=24.9)
    assert (waiting.create, waiting.wake_at) == (None, at(25))
    found = planned(demand(DONE), one=RETRIED, runs=[failed], seconds=25)
    assert trigger(found) == {
        "kind": "Change",
        "changeID": FIRST,
        "during": "Finished",
        "attempt": 2,
        "covers": [{"changeID": SECOND, "during": "Finished"}],
    }
    assert found.create is not None
    assert found.create["metadata"]["name"].endswith("-f-2")
    assert check_object(found.create).problems == ()
    second = over(created(found.create, at(25)), at(30), "Failed")
    assert planned(demand(DONE), one=RETRIED, runs=[failed, second], seconds=99).create is None


@pytest.mark.parametrize(
    ("failed", "where", "end"),
    [
        (on("a", ended=20, verdict="Failed"), {"node": "a"}, "-n0-2"),
        (on("a", "b", ended=20, verdict="Failed", part=1), {"target": {"nodes": ["a", "b"]}}, "-n1-2"),
        (for_change("Progressing", part=3, ended=20, verdict="Unknown"), {}, "-p3-2"),
        (for_change(None, ended=20, verdict="Failed"), {}, "-f-2"),
    ],
)
def test_an_attempt_goes_where_the_first_one_went(failed: ProbeRun, where: dict[str, Any], end: str) -> None:
    found = planned(pinned(GOING), one=RETRIED, runs=[failed], seconds=25)
    assert found.create is not None
    spec = found.create["spec"]
    assert {name: spec[name] for name in spec if name in ("node", "target")} == where
    assert found.create["metadata"]["name"].endswith(end)
    assert check_object(found.create).problems == ()


def test_what_is_due_meanwhile_does_not_wait_for_a_next_attempt() -> None:
    failed = for_change(ended=20, verdict="Failed")
    found = planned(demand(DONE), demand(DONE, name=SECOND), one=RETRIED, runs=[failed], seconds=21)
    assert trigger(found)["changeID"] == SECOND
    over_long_ago = planned(demand(DONE, name=SECOND), one=RETRIED, runs=[failed], seconds=99)
    assert trigger(over_long_ago)["changeID"] == SECOND


# What gates ask for


def test_a_run_that_gates_ask_for_is_the_same_for_all_that_ask_at_the_time() -> None:
    one = gate_run(MAIN, FIRST, "", at(5))
    assert one["spec"] == {"configRef": {"name": "main"}, "trigger": {"kind": "Gate", "changeID": FIRST}}
    assert one["metadata"]["labels"]["kubeprobe.io/change"] == FIRST
    assert one == gate_run(MAIN, FIRST, "", at(5.9))
    alone, pinned_ = gate_run(MAIN, "", "", at(5)), gate_run(MAIN, "", "node-1", at(5))
    assert alone["spec"]["trigger"] == {"kind": "Gate"}
    assert "kubeprobe.io/change" not in alone["metadata"]["labels"]
    assert pinned_["spec"]["node"] == "node-1"
    sweeping = triggered(targets={"eachNode": {}})
    assert gate_run(sweeping, "", "node-1", at(5))["spec"]["target"] == {"nodes": ["node-1"]}
    others = [gate_run(MAIN, FIRST, "", at(6)), gate_run(MAIN, SECOND, "", at(5)), gate_run(MAIN, FIRST, "b", at(5))]
    made = [one, alone, pinned_, *others]
    assert len({each["metadata"]["name"] for each in made}) == len(made)
    assert all(check_object(each).problems == () for each in made)


# Names


@pytest.mark.parametrize("name", ["a", "n" * 30, "n" * 52, "n" * 40 + "." * 3 + "n" * 9])
def test_names_are_their_own_and_fit_into_a_label(name: str) -> None:
    ids = [change_id("", str(number), at(number)) for number in range(20)]
    names = [run_name(name, one, what, attempt) for one in (*ids, "") for what in ("f", "n12") for attempt in (1, 2)]
    assert len(set(names)) == len(names)
    assert max(len(one) for one in names) <= 63
    assert all(".-" not in one for one in names)
    assert run_name(f"{name[:-1]}x", ids[0], "f") not in names


# A storm


STORM = st.lists(
    st.tuples(st.floats(0, 20), st.floats(0, 90), st.sampled_from(["Passed", "Failed", "Unknown"])),
    min_size=1,
    max_size=8,
)
MOMENTS = st.sets(st.sampled_from([one.value for one in During]), min_size=1)


@settings(max_examples=150, deadline=None)
@given(
    STORM, st.floats(0.5, 50), st.integers(0, 1), st.sets(st.sampled_from([one.value for one in During]), min_size=1)
)
def test_a_storm_has_one_run_at_a_time_and_each_change_is_served_once(
    storm: list[tuple[float, float, str]], takes: float, retries: int, during: set[str]
) -> None:
    """Changes come, are rolled out after a while, and each run takes its time; who decides remembers nothing."""
    one = triggered({"rollout": {}}, retries={"limit": retries, "delay": "1s"})
    arrivals, now = [], 0.0
    for number, (pause, rolls, verdict) in enumerate(storm):
        now += pause
        arrivals.append((now, now + rolls, change_id("", str(number), at(now)), verdict))
    states = {name: [_demand(name, closed, done, during) for done in (False, True)] for closed, _, name, _ in arrivals}
    runs: list[ProbeRun] = []
    begun: list[tuple[float, frozenset[Step]]] = []
    now, ends = 0.0, 0.0
    while now < 4000:
        demands = [states[name][done <= now] for closed, done, name, _ in arrivals if closed <= now]
        if runs and runs[-1].status.finished_at is None and ends <= now:
            runs[-1] = over(runs[-1], at(ends), storm[len(runs) % len(storm)][2])
        found = plan_change_runs(one, demands, runs, None, at(now))
        if found.create is not None:
            assert found.create == plan_change_runs(one, reversed(demands), reversed(runs), None, at(now)).create
            assert all(each.status.finished_at is not None for each in runs), "two runs at a time"
            made = created(found.create, at(now))
            assert made.metadata.name not in {each.metadata.name for each in runs}
            due = frozenset(step for each in found.followed for step in each.steps)
            if made.spec.trigger.attempt is None:
                begun.append((now, due))
                assert steps_of(made) == due, "one run is for all that is due"
            runs.append(made)
            ends = now + takes
            continue
        coming = [
            when for when in (*(each[0] for each in arrivals), *(each[1] for each in arrivals), ends) if when > now
        ]
        wakes = [(found.wake_at - at(0)).total_seconds()] if found.wake_at is not None else []
        now = min([each for each in (*coming, *wakes) if each > now], default=4000)
    for earlier, later in itertools.pairwise(begun):
        assert later[0] >= earlier[0] + takes
    served = [step for made in runs if made.spec.trigger.attempt is None for step in steps_of(made)]
    assert len(set(served)) == len(served), "a moment of a change was served twice"
    wanted = {(name, each) for _, _, name, _ in arrivals for each in During if each.value in during}
    had = {(step.change, step.during) for step in served}
    assert {each for each in wanted if each[1] is not During.PROGRESSING} <= had <= wanted
    first_attempts = [made for made in runs if made.spec.trigger.attempt is None]
    assert len(first_attempts) <= (12 if "Progressing" in during else 2) * len(arrivals)
    assert all(chain.verdict is not None for chain in chains_of(one, runs, [name for _, _, name, _ in arrivals]))


def _demand(name: str, closed: float, done: bool, during: set[str]) -> Demand:
    wanted = ChangeProbe.model_validate(probe(during=sorted(during), quiet="1s"))
    told = change(name, began=closed, last=closed, closed=closed)
    return Demand(told, wanted, (rollout() if done else rollout(RolloutState.PROGRESSING, "goes on"),))


def steps_of(made: ProbeRun) -> frozenset[Step]:
    asked = made.spec.trigger
    assert asked.change_id is not None
    assert asked.during is not None
    own = Step(asked.change_id, asked.during, asked.part or 0)
    return frozenset({own, *(Step(one.change_id, one.during, one.part) for one in asked.covers)})


def test_five_hundred_changes_while_a_run_is_going_have_one_rerun() -> None:
    """As batches they are a few Changes; here each is one of its own, which is worse than it can get."""
    demands = [demand(DONE, name=change_id("", str(number), at(number / 50))) for number in range(40)]
    first = for_change(name=demands[0].name, seconds=0)
    assert planned(*demands, runs=[first], seconds=10).create is None
    ended = over(first, at(20))
    rerun = planned(*demands, runs=[ended], seconds=20)
    assert rerun.create is not None
    made = over(created(rerun.create, at(20)), at(30))
    assert planned(*demands, runs=[ended, made], seconds=30).create is None


def test_a_rollout_that_is_put_back_in_the_middle_has_no_more_runs() -> None:
    """The change back is another Change, with runs of its own."""
    nodes = {"a": at(11), "b": at(12)}
    first = on("a", seconds=11, ended=15)
    back = replace(pinned(AGAIN, nodes=nodes), rollouts=(AGAIN,))
    found = planned(back, demand(AGAIN), runs=[first], seconds=15)
    assert found.create is None
    assert all(one.over for one in found.followed)


def test_a_schedule_goes_on_beside_it() -> None:
    periodic = config(triggers=[{"rollout": {}}])
    assert planned(demand(DONE), one=periodic, runs=[run("slot", slot=at(0))]).create is not None

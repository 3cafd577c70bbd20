"""What a change asks of a config, and how far the config is with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pytest
from tests.unit.plan.builders import at, run
from tests.unit.plan.changes import (
    CART,
    FIRST,
    SECOND,
    change,
    created,
    named,
    over,
    probe,
    rollout,
    tracked,
    triggered,
    workload,
)

from kubeprobe.api import ChangeProbe, ChangeSource, During, ProbeRun
from kubeprobe.plan.chain import Step, chains_of
from kubeprobe.plan.demand import Demand, Followed, follow, rollouts_of
from kubeprobe.plan.fingerprint import ObjectKey
from kubeprobe.plan.known import packed
from kubeprobe.plan.rollout import Rollout, RolloutState

MAIN = triggered({"rollout": {}})
GOING = rollout(RolloutState.PROGRESSING, "goes on")
DONE = rollout()
AGAIN = rollout(RolloutState.SUPERSEDED, "changed again")
STARTED, PROGRESSING, FINISHED = During


def demand(
    *rollouts: Rollout,
    name: str = FIRST,
    nodes: Mapping[str, datetime] | None = None,
    began: float = 0,
    last: float = 0,
    closed: float = 10,
    **asked: Any,
) -> Demand:
    wanted = ChangeProbe.model_validate(probe(**asked))
    return Demand(change(name, began=began, last=last, closed=closed), wanted, rollouts, nodes or {})


def pinned(*rollouts: Rollout, **more: Any) -> Demand:
    return demand(*rollouts, **{"during": [], "pinToNodes": True, **more})


def for_change(
    during: str | None = "Finished", *, name: str = FIRST, seconds: float = 10, ended: float | None = None, **more: Any
) -> ProbeRun:
    """A run for a change; with an end it has passed unless it says otherwise."""
    verdict, where = more.pop("verdict", "Passed"), more.pop("where", {})
    trigger = {"kind": "Change", "changeID": name, **({"during": during} if during else {}), **more}
    spec = {"configRef": {"name": "main"}, "trigger": trigger, **where}
    made = created({"metadata": {"name": f"main-{name}-{during}-{seconds}"}, "spec": spec}, at(seconds))
    return made if ended is None else over(made, at(ended), verdict)


def on(*nodes: str, seconds: float = 10, ended: float | None = None, **more: Any) -> ProbeRun:
    where = {"node": nodes[0]} if len(nodes) == 1 else {"target": {"nodes": list(nodes)}}
    return for_change(None, seconds=seconds, ended=ended, where=where, **{"part": 0, **more})


def followed(one: Demand, *runs: ProbeRun, seconds: float = 10, config: Any = MAIN, skipped: bool = False) -> Followed:
    return follow(one, chains_of(config, runs, () if skipped else (one.name,)), at(seconds))


def told(found: Followed) -> tuple[list[tuple[During, int]], bool, datetime | None]:
    return [(step.during, step.part) for step in found.steps], found.over, found.wake_at


# When it is quiet


@pytest.mark.parametrize(
    ("times", "quiet", "expected"),
    [
        ({"last": 0, "closed": 10}, "10s", 10),
        ({"last": 8, "closed": 18}, "30s", 38),
        ({"last": 58, "closed": 60}, "30s", 60),
        ({"last": 0, "closed": 10}, "1s", 10),
    ],
)
def test_each_config_waits_for_its_own_quiet_time_and_a_minute_at_most(
    times: dict[str, Any], quiet: str, expected: float
) -> None:
    one = demand(quiet=quiet, **times)
    assert one.quiet_at == at(expected)
    waiting = followed(one, seconds=expected - 0.001)
    assert told(waiting) == ([], False, at(expected))
    assert told(followed(one, seconds=expected)) == ([(FINISHED, 0)], False, None)


# Runs anywhere


UNTIL = at(10 + 1800)
STEPS: list[tuple[str, Demand, float, list[tuple[During, int]], datetime | None]] = [
    ("finished, and it is", demand(DONE), 10, [(FINISHED, 0)], None),
    ("finished, and it is not", demand(DONE, GOING), 10, [], UNTIL),
    ("nothing is rolled out", demand(), 10, [(FINISHED, 0)], None),
    ("it is over without being finished", demand(rollout(RolloutState.FAILED, "x")), 10, [(FINISHED, 0)], None),
    ("it never finishes", demand(GOING), 1810, [(FINISHED, 0)], None),
    ("it is paused", demand(rollout(RolloutState.PAUSED, "x")), 1809, [], UNTIL),
    ("its own timeout", demand(rollout(RolloutState.BY_HAND, "x"), timeout="1m"), 70, [(FINISHED, 0)], None),
    ("it was changed again", demand(AGAIN, rollout(RolloutState.GONE, "gone")), 10, [], None),
    ("some of it was changed again", demand(AGAIN, DONE), 10, [(FINISHED, 0)], None),
    ("started", demand(GOING, during=["Started"]), 10, [(STARTED, 0)], None),
    (
        "started, and finished by now",
        demand(DONE, during=["Started", "Finished"]),
        10,
        [(STARTED, 0), (FINISHED, 0)],
        None,
    ),
    ("while it goes on", demand(GOING, during=["Progressing"]), 10, [(PROGRESSING, 0)], at(20)),
    ("while it goes on, later", demand(GOING, during=["Progressing"]), 45, [(PROGRESSING, 2)], at(80)),
    (
        "while it goes on, the last",
        demand(GOING, during=["Progressing"], timeout="24h"),
        6000,
        [(PROGRESSING, 9)],
        at(86410),
    ),
    ("it does not go on", demand(DONE, during=["Progressing"]), 10, [], None),
    ("nothing is asked for", demand(DONE, during=[]), 10, [], None),
]


@pytest.mark.parametrize(
    ("one", "seconds", "steps", "wake_at"), [row[1:] for row in STEPS], ids=[row[0] for row in STEPS]
)
def test_which_runs_are_due(
    one: Demand, seconds: float, steps: list[tuple[During, int]], wake_at: datetime | None
) -> None:
    found = followed(one, seconds=seconds)
    assert ([(step.during, step.part) for step in found.steps], found.wake_at) == (steps, wake_at)
    assert {step.change for step in found.steps} <= {FIRST}


def test_what_has_a_run_is_not_due_and_over_when_that_is_over() -> None:
    one = demand(DONE)
    assert told(followed(one, for_change())) == ([], False, None)
    assert told(followed(one, for_change(ended=20))) == ([], True, None)
    assert told(followed(one, for_change(None, ended=20))) == ([(FINISHED, 0)], False, None)
    assert told(followed(one, for_change("Started", ended=20))) == ([(FINISHED, 0)], False, None)
    assert told(followed(one, for_change(name=SECOND, ended=20))) == ([(FINISHED, 0)], False, None)
    assert told(followed(one, run("by-hand"))) == ([(FINISHED, 0)], False, None)


def test_what_was_in_place_and_probed_stays_so() -> None:
    """A pod that falls over after the rollout is not waited for: that is what the probe has to tell."""
    assert told(followed(demand(GOING), for_change(ended=20))) == ([], True, None)


def test_what_runs_at_the_start_alone_waits_for_no_rollout() -> None:
    one = demand(GOING, during=["Started"])
    assert told(followed(one, for_change("Started"))) == ([], False, None)
    assert told(followed(one, for_change("Started", ended=20))) == ([], True, None)


# Runs on nodes


def test_nodes_have_their_run_as_the_rollout_comes_to_them() -> None:
    one = pinned(GOING, nodes={"b": at(12), "a": at(14), "c": at(12)})
    assert followed(one, seconds=15).nodes == ("b", "c", "a")
    some = followed(one, on("b", seconds=13), seconds=15)
    assert (some.nodes, some.over, some.wake_at) == (("c", "a"), False, UNTIL)
    assert followed(one, on("b", "c", "a", seconds=15), seconds=16).nodes == ()


def test_of_a_finished_rollout_all_nodes_have_to_be_probed() -> None:
    one = pinned(DONE, nodes={"a": at(12)})
    assert not followed(one, seconds=15).over
    assert not followed(one, on("a", seconds=15), seconds=16).over
    assert followed(one, on("a", seconds=15, ended=18), seconds=18).over
    assert followed(pinned(DONE), seconds=15).over


def test_a_node_that_more_of_the_change_came_to_is_probed_once_more_and_not_again() -> None:
    one = pinned(GOING, nodes={"a": at(20)})
    assert followed(one, on("a", seconds=20, ended=21), seconds=30).nodes == ()
    first = on("a", seconds=15, ended=16)
    assert followed(one, first, seconds=30).nodes == ("a",)
    second = on("a", seconds=25, ended=26, part=1)
    later = pinned(GOING, nodes={"a": at(40)})
    assert followed(later, first, second, seconds=50).nodes == ()


def test_runs_on_nodes_and_anywhere_are_not_each_others() -> None:
    one = pinned(DONE, nodes={"a": at(12)}, during=["Finished"])
    assert followed(one, seconds=15).steps == (Step(FIRST, FINISHED),)
    found = followed(one, for_change("Finished", ended=20), seconds=25)
    assert (found.steps, found.nodes, found.over) == ((), ("a",), False)
    going_on = pinned(GOING, nodes={"a": at(12)}, during=["Progressing"])
    assert followed(going_on, on("a", seconds=13, ended=14), seconds=15).steps == (Step(FIRST, PROGRESSING),)
    assert followed(demand(DONE, nodes={"a": at(1)}), seconds=15).nodes == ()


def test_what_was_changed_again_is_not_followed_to_nodes() -> None:
    one = pinned(AGAIN, nodes={"a": at(12)})
    assert (followed(one, seconds=15).nodes, followed(one, seconds=15).over) == ((), True)
    assert not followed(one, on("a", seconds=13), seconds=15).over


# The workloads behind it


STATUS = {"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}


def states(objects: Sequence[dict[str, Any]], *, wanted: bool = True, **more: Any) -> list[tuple[str, RolloutState]]:
    one = tracked("cart:2")
    workloads = {CART: workload(image="cart:2", status=STATUS)}
    given = change(objects=list(objects), **more)
    found = rollouts_of(given, lambda _: wanted, {CART: one}, workloads)
    return [(each.key.name, each.state) for each in found]


def test_how_far_the_objects_of_a_change_are() -> None:
    mark, other = tracked("cart:2").fingerprint, ObjectKey("Deployment", "shop", "other")
    assert states([named(CART, mark)]) == [("cart", RolloutState.FINISHED)]
    assert states([named(CART, mark)], wanted=False) == []
    assert states([named(CART)]) == [("cart", RolloutState.SUPERSEDED)]
    assert states([named(CART, "")]) == [("cart", RolloutState.SUPERSEDED)]
    assert states([named(other)], wanted=False) == [("other", RolloutState.GONE)]
    assert states([named(other, "", type="Deleted")]) == [("other", RolloutState.FINISHED)]
    both = states([named(other)], others=packed([(CART, mark)]), count=2)
    assert both == [("other", RolloutState.GONE), ("cart", RolloutState.FINISHED)]


def test_what_is_not_rolled_out_is_not_waited_for() -> None:
    assert states([named()], source=ChangeSource.OBJECT) == []

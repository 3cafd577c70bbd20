"""What a change comes to, and that its story is told once."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.builders import at
from tests.unit.plan.changes import CART, FIRST, change, named, probe, rollout, triggered
from tests.unit.plan.test_demand import AGAIN, DONE, GOING, followed, for_change

from kubeprobe.api import (
    Change,
    ChangeGateNote,
    ChangePhase,
    ChangeProbe,
    ChangeStatus,
    ProbeRun,
    ProbeRunSpec,
    ProbeState,
)
from kubeprobe.plan.change import ChangePlan, ChangeSeen, is_over, plan_change, surplus_changes
from kubeprobe.plan.change_probe import ProbeSeen
from kubeprobe.plan.change_runs import Skipped
from kubeprobe.plan.demand import Demand
from kubeprobe.plan.rollout import Rollout, RolloutState

MAIN = triggered({"rollout": {}})
SUSPENDED = Skipped("Suspended", "spec.suspend of the ProbeConfig is true")
UNTIL = at(10 + 1800)


def asked(*names: str, **more: Any) -> Change:
    """The Change of the Deployment cart, with these configs to run."""
    return change(probes=[probe(name) for name in names], **more)


def seen(
    one: Change,
    *runs: ProbeRun,
    rollouts: tuple[Rollout, ...] = (DONE,),
    skipped: Skipped | None = None,
    gates: tuple[ChangeGateNote, ...] = (),
    seconds: float = 10,
) -> ChangeSeen:
    """All its configs have the same runs."""
    probes = [
        ProbeSeen(each, followed(Demand(one, each, rollouts), *runs, seconds=seconds), skipped)
        for each in one.spec.probes
    ]
    return ChangeSeen(one, probes, rollouts, gates)


def planned(one: Change, *runs: ProbeRun, seconds: float = 10, **more: Any) -> ChangePlan:
    return plan_change(seen(one, *runs, seconds=seconds, **more), at(seconds))


def status(plan: ChangePlan) -> ChangeStatus:
    assert plan.status is not None
    return plan.status


def written(one: Change, plan: ChangePlan) -> Change:
    """The Change after its status went through the API server."""
    told = status(plan).model_dump(by_alias=True, exclude_none=True, mode="json")
    return Change.model_validate({**one.model_dump(by_alias=True, mode="json"), "status": told})


def conditions(told: ChangeStatus) -> dict[str, tuple[str, str]]:
    return {one.type: (one.status, one.reason) for one in told.conditions}


def test_from_the_first_look_to_the_end() -> None:
    one = asked("main")
    first = planned(one, rollouts=(GOING,))
    told = status(first)
    assert (told.phase, told.reason, told.message) == (
        ChangePhase.SETTLING,
        "RollingOut",
        "what changed is being rolled out",
    )
    assert (told.since, told.finished_at, first.wake_at) == (at(10), None, UNTIL)
    assert conditions(told) == {"Settled": ("False", "RollingOut"), "Verified": ("Unknown", "RollingOut")}
    one = written(one, first)
    assert planned(one, rollouts=(GOING,), seconds=15).status is None

    run = for_change(seconds=20)
    verifying = planned(one, run, seconds=20)
    told = status(verifying)
    assert (told.phase, told.reason, told.message, told.since) == (
        ChangePhase.VERIFYING,
        "ProbesRunning",
        "1 of 1 probes have runs to come",
        at(20),
    )
    assert conditions(told)["Settled"] == ("True", "RolledOut")
    assert verifying.wake_at is None
    one = written(one, verifying)

    ended = for_change(seconds=20, ended=30)
    told = status(planned(one, ended, seconds=30))
    assert (told.phase, told.reason, told.message) == (ChangePhase.PASSED, "ProbesPassed", "1 of 1 probes passed")
    assert (told.finished_at, told.counts and told.counts.passed) == (at(30), 1)
    assert conditions(told) == {"Settled": ("True", "RolledOut"), "Verified": ("True", "ProbesPassed")}
    assert all(each.observed_generation == 1 for each in told.conditions)
    assert [(line.at, line.reason) for line in told.timeline] == [
        (at(0), "Changed"),
        (at(10), "Closed"),
        (at(20), "ProbeStarted"),
        (at(20), "RolledOut"),
        (at(30), "ProbePassed"),
        (at(30), "ChangePassed"),
    ]
    one = written(one, planned(one, ended, seconds=30))
    assert is_over(one)
    assert planned(one, seconds=9999) == ChangePlan(None)


def test_the_first_failure_fails_it_whatever_is_still_to_come() -> None:
    one = asked("main", "other")
    failed = for_change(ended=20, verdict="Failed", seconds=11)
    found = seen(one, failed, seconds=20)
    waiting = followed(Demand(one, one.spec.probes[1], (DONE,)), seconds=20)
    told = status(
        plan_change(ChangeSeen(one, [found.probes[0], ProbeSeen(one.spec.probes[1], waiting, None)], (DONE,)), at(20))
    )
    assert (told.phase, told.reason, told.finished_at) == (ChangePhase.FAILED, "ProbesFailed", None)
    assert told.message == "1 of 2 probes failed: probes/main (Failed)"
    assert conditions(told)["Verified"] == ("False", "ProbesFailed")
    assert [(each.name, each.state) for each in told.probes] == [
        ("main", ProbeState.FAILED),
        ("other", ProbeState.PENDING),
    ]


def test_a_probe_that_failed_and_has_more_nodes_to_come_keeps_it_open() -> None:
    one = asked("main")
    failed = for_change(ended=20, verdict="Failed", seconds=11)
    demand = Demand(one, ChangeProbe.model_validate(probe(pinToNodes=True)), (DONE,), {"a": at(12)})
    plan = plan_change(
        ChangeSeen(one, [ProbeSeen(demand.probe, followed(demand, failed, seconds=20), None)], (DONE,)), at(20)
    )
    assert (status(plan).phase, status(plan).finished_at) == (ChangePhase.FAILED, None)


SLOW = rollout(RolloutState.FAILED, "Deployment shop/cart: it took too long")
STUCK = rollout(RolloutState.PAUSED, "Deployment shop/cart is paused: 0 of 3 new pods")
ENDS: list[tuple[str, ChangePlan, ChangePhase, str, str]] = [
    (
        "probes that cannot tell",
        planned(asked("main"), for_change(ended=20, verdict="Unknown"), seconds=20),
        ChangePhase.INCONCLUSIVE,
        "ProbesUnknown",
        "1 of 1 probes could not tell: probes/main (Unknown)",
    ),
    (
        "a rollout that failed",
        planned(asked("main"), for_change(ended=20), rollouts=(SLOW,), seconds=20),
        ChangePhase.INCONCLUSIVE,
        "RolloutFailed",
        SLOW.message,
    ),
    (
        "a rollout that never finished",
        planned(asked("main"), for_change(seconds=1810, ended=1820), rollouts=(STUCK,), seconds=1820),
        ChangePhase.INCONCLUSIVE,
        "RolloutTimedOut",
        STUCK.message,
    ),
    (
        "a rollout that failed, and probes too",
        planned(asked("main"), for_change(ended=20, verdict="Failed"), rollouts=(SLOW,), seconds=20),
        ChangePhase.FAILED,
        "ProbesFailed",
        "1 of 1 probes failed: probes/main (Failed)",
    ),
    (
        "changed again before a run began",
        planned(asked("main"), rollouts=(AGAIN,), seconds=20),
        ChangePhase.INCONCLUSIVE,
        "Superseded",
        "changed again",
    ),
    (
        "nobody runs",
        planned(asked("main"), skipped=SUSPENDED, seconds=20),
        ChangePhase.INCONCLUSIVE,
        "NotProbed",
        "no probe ran",
    ),
    (
        "nobody is asked",
        planned(asked(), seconds=20),
        ChangePhase.INCONCLUSIVE,
        "NotProbed",
        "no probe ran",
    ),
]


@pytest.mark.parametrize(
    ("plan", "phase", "reason", "message"), [row[1:] for row in ENDS], ids=[row[0] for row in ENDS]
)
def test_how_it_ends(plan: ChangePlan, phase: ChangePhase, reason: str, message: str) -> None:
    told = status(plan)
    assert (told.phase, told.reason, told.message) == (phase, reason, message)
    assert told.finished_at is not None


def test_before_the_first_run_of_what_is_in_place() -> None:
    told = status(planned(asked("main")))
    assert (told.phase, told.reason, told.message) == (ChangePhase.SETTLING, "Quiet", "")


def test_a_rollout_that_goes_on_after_its_runs_keeps_it_open() -> None:
    one = change(probes=[probe(during=["Started"])])
    told = status(planned(one, for_change("Started", ended=20), rollouts=(GOING,), seconds=20))
    assert (told.phase, told.reason, told.message) == (
        ChangePhase.VERIFYING,
        "RollingOut",
        "what changed is being rolled out",
    )
    assert told.finished_at is None


def test_what_was_in_place_once_stays_so_in_the_story() -> None:
    one = written(asked("main"), planned(asked("main")))
    told = status(planned(one, for_change(), rollouts=(GOING,), seconds=20))
    assert conditions(told)["Settled"] == ("True", "RolledOut")
    assert "RolledOut" not in [line.reason for line in told.timeline[3:]]


def test_many_are_counted_and_the_worst_are_named() -> None:
    one = asked(*(f"p{number:03}" for number in range(60)))
    found = seen(one, for_change(ended=20), seconds=20)
    bad = seen(one, for_change(ended=20, verdict="Failed"), seconds=20)
    told = status(plan_change(ChangeSeen(one, [*found.probes[:56], *bad.probes[56:]], (DONE,)), at(20)))
    assert told.counts is not None
    assert (told.counts.passed, told.counts.failed, told.counts.pending) == (56, 4, 0)
    assert [each.name for each in told.probes][:5] == ["p056", "p057", "p058", "p059", "p000"]
    assert len(told.probes) == 50
    assert told.message.startswith("4 of 60 probes failed: probes/p056 (Failed); probes/p057 (Failed); ")
    assert told.message.endswith("; and 1 more")


def test_a_state_keeps_the_time_at_which_it_was_reached() -> None:
    one = asked("main")
    first = written(one, planned(one, seconds=10))
    told = status(planned(first, for_change(), seconds=20))
    assert told.probes[0].since == at(10)
    assert status(planned(first, for_change(ended=25), seconds=25)).probes[0].since == at(25)


# Gates


def gate(
    phase: str, reason: str, seconds: float | None = None, name: str = "prod", verdict: str = "Passed"
) -> ChangeGateNote:
    since = at(seconds).isoformat() if seconds is not None else None
    told = {"name": name, "phase": phase, "reason": reason, "verdict": verdict, "since": since}
    return ChangeGateNote.model_validate(told)


def noted(
    *gates: ChangeGateNote, rollouts: tuple[Rollout, ...] = (DONE,), asked_: tuple[ProbeRun, ...] = ()
) -> ChangeStatus:
    """The status of a Change that only gates verify."""
    return status(plan_change(ChangeSeen(asked(gates=["prod"]), (), rollouts, gates, asked_), at(20)))


IDLE, CLOSED = gate("Open", "Verifying", verdict="Pending"), gate("Closed", "ProbeFailed", verdict="Failed")
UNSURE = gate("Open", "Inconclusive", name="other", verdict="Inconclusive")
ROLLING = "what changed is being rolled out"
UNKNOWN = ChangePhase.INCONCLUSIVE
GATES: list[tuple[str, ChangeStatus, ChangePhase, str, str, bool]] = [
    ("one does not know", noted(IDLE), ChangePhase.VERIFYING, "GatesVerifying", "waits for gate prod", False),
    ("in the making", noted(IDLE, rollouts=(GOING,)), ChangePhase.SETTLING, "RollingOut", ROLLING, False),
    ("one passed it", noted(gate("Open", "Verified")), ChangePhase.PASSED, "GatesPassed", "gate prod (Verified)", True),
    ("one failed it", noted(CLOSED, UNSURE), ChangePhase.FAILED, "GatesFailed", "gate prod (ProbeFailed)", True),
    ("one failed it early", noted(IDLE, CLOSED), ChangePhase.FAILED, "GatesFailed", "gate prod (ProbeFailed)", False),
    ("one cannot tell", noted(UNSURE), UNKNOWN, "GatesInconclusive", "gate other (Inconclusive)", True),
    (
        "a reason that is missing",
        noted(gate("Open", "")),
        ChangePhase.PASSED,
        "GatesPassed",
        "gate prod (Passed)",
        True,
    ),
    ("it is in nobody's scope any more", noted(), UNKNOWN, "NotProbed", "no probe ran", True),
]


@pytest.mark.parametrize(
    ("told", "phase", "reason", "message", "over"), [row[1:] for row in GATES], ids=[row[0] for row in GATES]
)
def test_what_gates_say_is_said(told: ChangeStatus, phase: ChangePhase, reason: str, message: str, over: bool) -> None:
    assert (told.phase, told.reason, told.message) == (phase, reason, message)
    assert (told.finished_at is not None) is over


def test_what_gates_asked_for_is_told_and_the_gates_say_what_it_means() -> None:
    def one(name: str, seconds: float, **more: Any) -> ProbeRun:
        made = for_change(None, seconds=seconds, where={"configRef": {"name": name}}, **more)
        return made.model_copy(update={"metadata": made.metadata.model_copy(update={"name": f"{name}-{seconds}"})})

    bare = one("a", 9, ended=10).model_copy(update={"spec": ProbeRunSpec()})
    runs = (one("b", 16), one("a", 15, ended=18, verdict="Passed"), one("a", 11, ended=12, verdict="Failed"), bare)
    told = noted(IDLE, asked_=runs)
    assert [(each.name, each.state, each.runs, each.run) for each in told.probes] == [
        ("b", ProbeState.PENDING, 1, "b-16"),
        ("a", ProbeState.PASSED, 2, "a-15"),
    ]
    assert told.counts is not None
    assert (told.counts.passed, told.counts.pending, told.phase) == (1, 1, ChangePhase.VERIFYING)
    main = asked("main")
    found = seen(main, for_change(ended=15), seconds=20)
    own = status(
        plan_change(ChangeSeen(main, found.probes, (DONE,), (), (one("main", 16, ended=17, verdict="Failed"),)), at(20))
    )
    assert [(each.name, each.state) for each in own.probes] == [("main", ProbeState.PASSED)]


def test_what_gates_do_is_told_after_the_end_too() -> None:
    one = asked("main", gates=["prod"])
    closed = planned(
        one, for_change(ended=20, verdict="Failed"), gates=(gate("Closed", "ProbeFailed", 21),), seconds=22
    )
    one = written(one, closed)
    assert is_over(one)
    assert [(line.at, line.reason, line.message) for line in one.status.timeline][-2:] == [
        (at(21), "GateClosed", "prod: ProbeFailed"),
        (at(22), "ChangeFailed", "1 of 1 probes failed: probes/main (Failed)"),
    ]
    assert planned(one, gates=(gate("Closed", "ProbeFailed", 21),), seconds=30).status is None
    assert planned(one, gates=(), seconds=30).status is None
    opened = planned(one, gates=(gate("Open", "Recovered"), gate("Open", "Idle", 5, "other")), seconds=40)
    assert [(each.name, each.phase) for each in status(opened).gates] == [("prod", "Open"), ("other", "Open")]
    assert [(line.at, line.reason) for line in status(opened).timeline][-2:] == [
        (at(40), "GateOpen"),
        (at(5), "GateOpen"),
    ]
    assert status(opened).phase is ChangePhase.FAILED
    many = tuple(gate("Open", "Idle", 1, f"g{number}") for number in range(210))
    assert len(status(planned(one, gates=many, seconds=40)).gates) == 200


# Which are kept


def test_the_newest_hundred_that_are_over_are_kept() -> None:
    over = {"phase": "Passed", "finishedAt": at(1).isoformat()}
    names = [FIRST[:-3] + f"{number:03}" for number in range(104)]
    changes = [change(name, status=over) for name in reversed(names)]
    going = [change("chg-0", objects=[named(CART)])]
    assert [one.metadata.name for one in surplus_changes([*changes, *going])] == names[:4]
    leaving = changes[-1].metadata.model_copy(update={"deletion_timestamp": at(2)})
    changes[-1] = changes[-1].model_copy(update={"metadata": leaving})
    assert [one.metadata.name for one in surplus_changes(changes)] == names[1:4]
    assert surplus_changes(going) == ()

"""What one probe says about a change."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.builders import at
from tests.unit.plan.changes import over, probe, triggered
from tests.unit.plan.test_demand import AGAIN, DONE, GOING, demand, followed, for_change, on, pinned

from kubeprobe.api import ChangeProbe, ChangeProbeStatus, NodeCounts, ProbeRun, ProbeState
from kubeprobe.plan.change_probe import ProbeSeen, asked_status, has_more, probe_status
from kubeprobe.plan.change_runs import Skipped
from kubeprobe.plan.demand import Demand

SUSPENDED = Skipped("Suspended", "it is suspended")
RETRIED = triggered({"rollout": {}}, retries={"limit": 1})


def said(
    one: Demand, *runs: ProbeRun, skipped: Skipped | None = None, config: Any = None, seconds: float = 30
) -> ChangeProbeStatus:
    more = {"config": config} if config is not None else {}
    seen = ProbeSeen(one.probe, followed(one, *runs, seconds=seconds, skipped=skipped is not None, **more), skipped)
    found = probe_status(seen, at(seconds))
    assert (found.state is ProbeState.PENDING) <= has_more(seen)
    return found


CASES: list[tuple[str, ChangeProbeStatus, ProbeState, str, int]] = [
    ("nothing is due", said(demand(GOING)), ProbeState.PENDING, "Waiting", 0),
    ("a run is due", said(demand(DONE)), ProbeState.PENDING, "Waiting", 0),
    ("it runs", said(demand(DONE), for_change()), ProbeState.PENDING, "Running", 1),
    ("it passed", said(demand(DONE), for_change(ended=20)), ProbeState.PASSED, "Passed", 1),
    ("it failed", said(demand(DONE), for_change(ended=20, verdict="Failed")), ProbeState.FAILED, "Failed", 1),
    ("it cannot tell", said(demand(DONE), for_change(ended=20, verdict="Unknown")), ProbeState.UNKNOWN, "Unknown", 1),
    (
        "it will be tried again",
        said(demand(DONE), for_change(ended=20, verdict="Failed"), config=RETRIED),
        ProbeState.PENDING,
        "Running",
        1,
    ),
    (
        "it would have been tried again",
        said(demand(DONE), for_change(ended=20, verdict="Failed"), config=RETRIED, skipped=SUSPENDED),
        ProbeState.FAILED,
        "Failed",
        1,
    ),
    (
        "it passed the second time",
        said(
            demand(DONE),
            for_change(ended=20, verdict="Failed"),
            for_change(ended=25, attempt=2, seconds=21),
            config=RETRIED,
        ),
        ProbeState.PASSED,
        "Passed",
        2,
    ),
    (
        "one that failed outweighs those that came later",
        said(
            pinned(DONE, nodes={}),
            on("a", ended=15, verdict="Failed"),
            on("b", ended=20, verdict="Unknown", part=1),
            on("c", ended=25, part=2),
        ),
        ProbeState.FAILED,
        "Failed",
        3,
    ),
    ("it failed and goes on", said(pinned(GOING), on("a", ended=15, verdict="Failed")), ProbeState.FAILED, "Failed", 1),
    (
        "it cannot tell and goes on",
        said(pinned(GOING), on("a", ended=15, verdict="Unknown")),
        ProbeState.PENDING,
        "Waiting",
        1,
    ),
    ("it is skipped", said(demand(DONE), skipped=SUSPENDED), ProbeState.SKIPPED, "Suspended", 0),
    (
        "it is skipped while it runs",
        said(demand(DONE), for_change(), skipped=SUSPENDED),
        ProbeState.PENDING,
        "Running",
        1,
    ),
    ("it was changed again", said(demand(AGAIN)), ProbeState.SKIPPED, "Superseded", 0),
    ("no pod came anywhere", said(pinned(DONE)), ProbeState.SKIPPED, "NoNewPods", 0),
]


@pytest.mark.parametrize(("told", "state", "reason", "runs"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_what_a_probe_says(told: ChangeProbeStatus, state: ProbeState, reason: str, runs: int) -> None:
    assert (told.state, told.reason, told.runs) == (state, reason, runs)
    assert (told.namespace, told.name, told.since) == ("probes", "main", at(30))


def test_a_config_that_is_gone_is_skipped() -> None:
    seen = ProbeSeen(ChangeProbe.model_validate(probe()), None, Skipped("ConfigGone", "gone"))
    assert not has_more(seen)
    assert (probe_status(seen, at(1)).state, probe_status(seen, at(1)).message) == (ProbeState.SKIPPED, "gone")


def test_the_run_that_is_named_is_the_worst() -> None:
    bad = on("a", ended=15, verdict="Failed")
    told = said(pinned(DONE), bad, on("b", ended=20, part=1))
    assert told.run == bad.metadata.name
    assert said(demand(DONE)).run == ""
    good = for_change(ended=20)
    assert said(demand(DONE), good).run == good.metadata.name


def test_words_are_cut() -> None:
    long = over(for_change(), at(20), "Failed", message="ä" * 300)
    assert len(said(demand(DONE), long).message.encode()) <= 256


def test_nodes_are_counted_by_their_newest_run() -> None:
    assert said(demand(DONE)).nodes is None
    targets = {"outcomes": "PF.", "passed": 1, "failed": 1}
    several = over(on("a", "b", "c", seconds=11), at(15), "Failed", targets=targets)
    again = on("b", seconds=16, ended=20, part=1)
    unsure = on("d", seconds=21, ended=25, part=2, verdict="Unknown")
    going = on("e", seconds=26, part=3)
    assert said(pinned(GOING), several, again, unsure, going).nodes == NodeCounts(passed=2, failed=0, unknown=1)
    assert said(pinned(GOING), several).nodes == NodeCounts(passed=1, failed=1)


def test_what_gates_asked_for_is_what_its_newest_run_says() -> None:
    first = on("a", ended=15, verdict="Failed", seconds=11)
    going, ended = for_change(seconds=20), for_change(seconds=20, ended=25, verdict="Unknown")
    told = asked_status("probes", "main", [first, going], at(30))
    assert (told.state, told.reason, told.runs, told.run) == (ProbeState.PENDING, "Running", 2, going.metadata.name)
    assert asked_status("probes", "main", [first, ended], at(30)).state is ProbeState.UNKNOWN
    assert asked_status("probes", "main", [first], at(30)).reason == "Failed"

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.builders import CREATED, at, config, ended, owned_by, run, template, with_status
from tests.unit.plan.test_nodes import node

from kubeprobe.api import Phase, ProbeConfig, ProbeRun, ProbeRunStatus, RunTargets, Verdict
from kubeprobe.plan.config import ConfigSeen, plan_config
from kubeprobe.plan.nodes import Node, rank
from kubeprobe.plan.run import Adopt, WriteStatus
from kubeprobe.plan.sweep import (
    CreateWave,
    SweepPlan,
    SweepSeen,
    is_sweep,
    is_wave,
    last_node,
    name_taken,
    plan_sweep,
    spare_waves,
    wave_name,
    waves_of,
)


def sweeping(**each_node: Any) -> ProbeConfig:
    return config(targets={"eachNode": each_node})


MAIN = sweeping()
HEAD = run("main-7", slot=CREATED, metadata=owned_by(MAIN))
NODES = [node(f"node-{number:03}", pool="a" if number % 2 else "b") for number in range(120)]
NAMES = sorted((one.name for one in NODES), key=rank)


def seen(head: ProbeRun = HEAD, waves: list[ProbeRun] | None = None, **more: Any) -> SweepSeen:
    known: dict[str, Any] = {"config": MAIN, "template": template(), "namespace_labels": {}, "nodes": NODES, "last": ""}
    return SweepSeen(**{**known, "run": head, "waves": waves or [], **more})


def next_wave(one: SweepSeen) -> ProbeRun:
    (action,) = plan_sweep(one, at(10)).actions
    assert isinstance(action, CreateWave)
    made = action.manifest
    metadata = {**made["metadata"], "uid": f"uid-{made['metadata']['name']}", "resourceVersion": "1"}
    return ProbeRun.model_validate({**made, "metadata": {**metadata, "creationTimestamp": CREATED.isoformat()}})


def over(wave: ProbeRun, letters: str = "", seconds: float = 20) -> ProbeRun:
    assert wave.spec.target is not None
    outcomes = letters.ljust(len(wave.spec.target.nodes), "P")
    targets = RunTargets(
        passed=outcomes.count("P"), failed=outcomes.count("F"), unknown=outcomes.count("U"), outcomes=outcomes
    )
    verdict = Verdict.FAILED if "F" in outcomes else Verdict.UNKNOWN if "P" not in outcomes else Verdict.PASSED
    status = {"phase": "Completed", "verdict": verdict.value, "finishedAt": at(seconds).isoformat()}
    return with_status(wave, ProbeRunStatus.model_validate({**status, "targets": targets.model_dump(by_alias=True)}))


def final(plan: SweepPlan) -> Any:
    (action,) = plan.actions
    assert isinstance(action, WriteStatus)
    return action.status


def test_a_sweep_goes_wave_by_wave_and_ends_with_what_its_nodes_came_to() -> None:
    waves: list[ProbeRun] = []
    for number, (names, letters) in enumerate([(NAMES[:50], ""), (NAMES[50:100], ".F"), (NAMES[100:], "U")]):
        wave = next_wave(seen(waves=waves))
        assert wave.spec.target is not None
        assert wave.metadata.name == f"main-7-{number}"
        assert (wave.spec.target.sweep, wave.spec.target.wave, wave.spec.target.waves) == ("main-7", number, 3)
        assert list(wave.spec.target.nodes) == names
        assert wave.spec.trigger == HEAD.spec.trigger
        assert [one.kind for one in wave.metadata.owner_references] == ["ProbeRun"]
        assert is_wave(wave)
        assert waves_of(HEAD, [*waves, wave, HEAD]) == (*waves, wave)
        assert plan_sweep(seen(head=going(), waves=[*waves, wave]), at(10)) == SweepPlan()
        waves.append(over(wave, letters.replace(".", "P")))
    status = final(plan_sweep(seen(waves=waves), at(30)))
    assert (status.verdict, status.reason) == (Verdict.FAILED, "NodesFailed")
    assert status.message == f"1 of 120 nodes failed: {NAMES[51]} (Failed)"
    assert status.targets == RunTargets(passed=118, failed=1, unknown=1, last=NAMES[-1])


def going() -> ProbeRun:
    return HEAD.model_copy(update={"status": HEAD.status.model_copy(update={"phase": Phase.RUNNING})})


def test_a_sweep_under_way_is_marked_running_once() -> None:
    wave = next_wave(seen())
    assert final(plan_sweep(seen(waves=[wave]), at(10))).phase is Phase.RUNNING
    assert plan_sweep(seen(going(), waves=[wave]), at(10)).actions == ()


def test_nodes_that_come_and_go_between_waves_are_probed_once_or_next_time() -> None:
    first = over(next_wave(seen()))
    changed = [one for one in NODES if one.name not in NAMES[50:60]] + [node("new", created=5)]
    second = next_wave(seen(waves=[first], nodes=changed))
    assert second.spec.target is not None
    assert list(second.spec.target.nodes) == NAMES[60:110]


def test_a_sample_goes_on_where_the_sweep_before_ended_and_keeps_to_it() -> None:
    one = seen(config=sweeping(sample=60), last=NAMES[89])
    first = next_wave(one)
    assert first.spec.target is not None
    assert list(first.spec.target.nodes) == [*NAMES[90:], *NAMES[:20]]
    assert (first.spec.target.after, first.spec.target.waves) == (NAMES[89], 2)
    moved = seen(waves=[over(first)], config=sweeping(sample=60), last="somebody else's")
    second = next_wave(moved)
    assert second.spec.target is not None
    assert list(second.spec.target.nodes) == NAMES[20:30]
    status = final(plan_sweep(seen(waves=[over(first), over(second)], config=sweeping(sample=60)), at(30)))
    assert status.targets == RunTargets(passed=60, last=NAMES[29])


def test_a_selector_that_matches_no_node_is_told() -> None:
    none = sweeping(selector={"matchLabels": {"pool": "c"}})
    status = final(plan_sweep(seen(config=none), at(10)))
    assert (status.verdict, status.reason) == (Verdict.UNKNOWN, "NoNodes")
    assert '{"matchLabels": {"pool": "c"}} selects no node' in status.message


def test_a_mistake_ends_a_sweep() -> None:
    status = final(plan_sweep(seen(template=None), at(10)))
    assert (status.verdict, status.reason) == (Verdict.UNKNOWN, "TemplateNotFound")


def test_a_sweep_waits_for_the_nodes_for_a_minute() -> None:
    assert plan_sweep(seen(nodes=None), at(10)) == SweepPlan(wake_at=at(11))
    assert plan_sweep(seen(nodes=None), at(59.5)) == SweepPlan(wake_at=at(60))
    for now in (at(60), at(-5)):
        assert final(plan_sweep(seen(nodes=None), now)).reason == "NodesUnseen"


def test_a_run_that_somebody_asked_for_is_adopted_and_swept() -> None:
    mine = run("by-hand")
    adopt, create = plan_sweep(seen(mine), at(10)).actions
    assert isinstance(adopt, Adopt)
    assert isinstance(create, CreateWave)
    assert "slot" not in create.manifest["spec"]["trigger"]


def test_a_sweep_that_is_over_or_deleted_is_left_alone() -> None:
    assert plan_sweep(seen(ended("main-7", at(5))), at(10)) == SweepPlan()
    assert plan_sweep(seen(run(metadata={"deletionTimestamp": at(1).isoformat()})), at(10)) == SweepPlan()


def test_a_name_that_is_taken_is_told_after_a_minute() -> None:
    assert name_taken(seen(), "main-7-0", at(10)) == SweepPlan(wake_at=at(11))
    status = final(name_taken(seen(), "main-7-0", at(60)))
    assert status.reason == "WaveNameTaken"
    assert "'main-7-0'" in status.message


@pytest.mark.parametrize("sweep", ["main-1772366400", "n" * 61, "n" * 63, "n" * 50 + "." * 3 + "n" * 10])
def test_the_names_of_waves_are_their_own_and_fit_into_a_label(sweep: str) -> None:
    names = [wave_name(sweep, number) for number in range(120)]
    assert len(set(names)) == 120
    assert max(len(name) for name in names) <= 63
    assert wave_name(f"{sweep[:-1]}x", 0) not in names
    assert all(".-" not in name for name in names)


def test_which_runs_are_sweeps() -> None:
    assert is_sweep(HEAD, MAIN)
    assert not is_sweep(HEAD, config())
    assert not is_sweep(HEAD, None)
    assert not is_sweep(run(target={"nodes": ["a"]}), MAIN)
    assert not is_wave(run(target={"nodes": ["a"]}))


def swept(name: str, seconds: float, letters: list[str]) -> list[ProbeRun]:
    """A completed sweep with its waves of one node each."""
    head = ended(name, at(seconds), targets={"last": f"last-of-{name}"}, metadata={"uid": name})
    waves = [
        over(run(f"{name}-{n}", target={"sweep": name, "wave": n, "nodes": ["a"]}), letter, seconds)
        for n, letter in enumerate(letters)
    ]
    return [head, *waves]


def test_only_the_newest_sweep_keeps_waves_and_of_those_only_what_did_not_pass() -> None:
    runs = [*swept("main-1", 10, ["F", "P"]), *swept("main-2", 20, ["P", "F", "U"])]
    by_hand = over(run("by-hand", target={"nodes": ["a"]}), "F", 99)
    under_way = [run("main-3"), over(run("main-3-0", target={"sweep": "main-3", "nodes": ["a"]}))]
    spare = {one.metadata.name for one in spare_waves([*runs, by_hand, *under_way])}
    assert spare == {"main-1-0", "main-1-1", "main-2-0"}
    assert spare_waves([]) == ()


def test_of_many_failed_waves_ten_are_kept() -> None:
    runs = swept("main-1", 10, ["F"] * 15)
    assert [one.spec.target.wave for one in spare_waves(runs) if one.spec.target] == [10, 11, 12, 13, 14]


def test_waves_that_are_going_or_whose_sweep_is_gone() -> None:
    orphan = over(run("gone-0", target={"sweep": "gone", "nodes": ["a"]}))
    going_ = over(run("x-0", target={"sweep": "x", "nodes": ["a"]}, metadata={"deletionTimestamp": at(1).isoformat()}))
    assert spare_waves([orphan, going_]) == (orphan,)


def test_a_sample_goes_on_after_the_newest_sweep_that_is_known() -> None:
    assert last_node([], "counted") == "counted"
    assert last_node([run("main-9"), *swept("main-1", 10, []), *swept("main-2", 20, [])], "counted") == "last-of-main-2"


def test_waves_are_no_runs_of_the_schedule_and_go_when_they_are_not_needed() -> None:
    runs = [*swept("main-1", 10, ["P", "F"])]
    late = with_status(
        run("main-1-5", target={"sweep": "main-1", "wave": 5, "nodes": ["b"]}, slot=at(60)), runs[0].status
    )
    plan = plan_config(ConfigSeen(MAIN, template(), {}, [*runs, late], None), at(61))
    assert plan.due.create is not None
    assert {one.metadata.name for one in plan.surplus} == {"main-1-0", "main-1-5"}


def test_what_a_sweep_looks_at_is_small() -> None:
    assert Node.__slots__ == ("name", "uid", "resource_version", "labels", "created_at", "deleting")

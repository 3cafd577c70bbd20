from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.plan.builders import at, config, container, on_demand, pod_body, run, template, with_status

from kubeprobe.api import Phase, ProbeConfig, ProbeRun, ProbeRunStatus, Source, Verdict
from kubeprobe.plan.delivery import Attempts, Refusal
from kubeprobe.plan.pod import Site
from kubeprobe.plan.pod_view import PodView, read_pod
from kubeprobe.plan.record import NodeOutcome
from kubeprobe.plan.run import Evidence
from kubeprobe.plan.stage import NodeView
from kubeprobe.plan.wave import (
    NodeSeen,
    WavePlan,
    WaveSeen,
    index_of,
    known,
    mark_of,
    plan_wave,
    pod_name,
    reported,
)
from probe_sdk.wire import Report

SITE = Site("http://10.0.0.1:8080")
PASSED = container(terminated={"exitCode": 0})
FAILED = container(terminated={"exitCode": 1, "message": Report(ok=False, errors=("disk",)).termination_message()})
RUNNING = container(running={})
OK = NodeOutcome(Verdict.PASSED, "Passed", "", "a1b2")


def sweeping(**each_node: Any) -> ProbeConfig:
    return config(targets={"eachNode": each_node})


def wave(count: int = 3, status: ProbeRunStatus | None = None, sweep: str = "main-0", **target: Any) -> ProbeRun:
    nodes = target.pop("nodes", [f"node-{number}" for number in range(count)])
    target = {"nodes": nodes, **({"sweep": sweep} if sweep else {}), **target}
    return run(f"{sweep or 'main'}-0", target=target, status=status)


def pod(of: ProbeRun, index: int, status: dict[str, Any] | None = None, **more: Any) -> PodView:
    body = pod_body(of, status=status, **more)
    body["metadata"].update(name=pod_name(of, index), uid=f"uid-pod-{index}")
    return read_pod(body)


def seen(of: ProbeRun, pods: dict[int, PodView] | None = None, **more: Any) -> WaveSeen:
    nodes = {index: NodeSeen(one) for index, one in (pods or {}).items()}
    return WaveSeen(
        **{"config": sweeping(), "template": template(), "namespace_labels": {}, "nodes": nodes, "run": of, **more}
    )


def planned(one: WaveSeen, now: datetime | None = None) -> WavePlan:
    return plan_wave(one, SITE, now or at(10))


def created(plan: WavePlan) -> list[int]:
    return [index for index, _ in plan.create]


def test_pods_are_started_as_many_as_may_be_together_each_on_its_node() -> None:
    plan = planned(seen(wave(5), config=sweeping(maxConcurrent=2)))
    assert created(plan) == [0, 1]
    manifest = plan.create[1][1]
    assert manifest["metadata"]["name"] == "main-0-0-1"
    assert manifest["metadata"]["labels"]["kubeprobe.io/run"] == "main-0-0"
    assert manifest["metadata"]["ownerReferences"][0]["name"] == "main-0-0"
    terms = manifest["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert terms["nodeSelectorTerms"] == [
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]}
    ]
    tolerated = {one["key"] for one in manifest["spec"]["tolerations"]}
    assert {f"node.kubernetes.io/{taint}" for taint in ("not-ready", "unreachable", "unschedulable")} < tolerated


def test_what_was_begun_takes_a_place_and_what_has_ended_gives_it_back() -> None:
    of = wave(6)
    pods = {0: pod(of, 0, RUNNING), 1: pod(of, 1, PASSED), 2: pod(of, 2, FAILED)}
    nodes = {n: NodeSeen(one) for n, one in pods.items()} | {3: NodeSeen(delivered=False)}
    assert created(planned(seen(of, config=sweeping(maxConcurrent=3), nodes=nodes))) == [3, 4]


def test_a_silent_node_is_unknown_where_the_operator_was_held_up_meanwhile() -> None:
    of = wave(2)
    asked = Evidence((), None)
    silent = {index: NodeSeen(pod(of, index, RUNNING), lagged=index == 0, evidence=asked) for index in range(2)}
    told = planned(seen(of, nodes=silent), at(3600)).status
    assert told is not None
    assert told.targets is not None
    assert [one.reason == "OperatorLagging" for one in told.targets.not_passed] == [True, False]


def test_a_refused_pod_keeps_its_place_and_waits_for_its_next_try() -> None:
    of = wave(3)
    attempts = Attempts(at(9), at(9.5), 2, Refusal(403, "exceeded quota: q"))
    one = seen(of, config=sweeping(maxConcurrent=1), nodes={0: NodeSeen(attempts=attempts)})
    plan = planned(one)
    assert (plan.create, plan.wake_at) == ((), at(11.5))
    assert created(planned(one, at(12))) == [0]
    given_up = planned(one, at(70))
    assert given_up.status is not None
    assert given_up.status.targets is not None
    assert given_up.status.targets.outcomes == "U.."
    assert created(given_up) == [1]


@pytest.mark.parametrize(("ended_", "more"), [(RUNNING, [1]), (PASSED, [1, 2])])
def test_a_pod_that_has_reported_and_goes_on_keeps_its_place_until_its_time_is_over(
    ended_: dict[str, Any], more: list[int]
) -> None:
    of = wave(4)
    one = seen(of, {0: pod(of, 0, ended_)}, config=sweeping(maxConcurrent=2), reported={0: OK})
    assert created(planned(one)) == more
    assert created(planned(one, at(61))) == [1, 2]


def test_a_run_over_nodes_without_a_sweep_in_its_config_has_a_bound_as_well() -> None:
    assert len(planned(seen(wave(20, sweep=""), config=on_demand())).create) == 10


def test_nodes_that_somebody_asked_for_make_a_run_that_belongs_to_its_config() -> None:
    assert planned(seen(wave(20, sweep=""))).adopt is not None
    assert planned(seen(wave(20))).adopt is None


def test_the_outcomes_are_written_and_then_the_passed_pods_go() -> None:
    of = wave(3)
    pods = {0: pod(of, 0, PASSED), 1: pod(of, 1, FAILED), 2: pod(of, 2, RUNNING)}
    plan = planned(seen(of, pods))
    assert plan.delete == ()
    assert plan.status is not None
    assert plan.status.phase is Phase.RUNNING
    assert plan.status.targets is not None
    assert plan.status.targets.outcomes == "PF."
    assert plan.status.targets.not_passed[0].message == "disk"
    later = with_status(of, plan.status)
    after = planned(seen(later, pods))
    assert (after.status, [index for index, _ in after.delete], after.create) == (None, [0], ())


def test_writes_are_a_second_apart_and_the_last_one_waits_for_nothing() -> None:
    of = wave(2)
    pods = {0: pod(of, 0, PASSED), 1: pod(of, 1, RUNNING)}
    paced = planned(seen(of, pods, written_at=at(9.5)))
    assert (paced.status, paced.wake_at) == (None, at(10.5))
    assert planned(seen(of, pods, written_at=at(9.5)), at(10.5)).status is not None
    assert planned(seen(of, pods, written_at=at(99))).status is not None
    over = planned(seen(of, {**pods, 1: pod(of, 1, PASSED)}, written_at=at(9.5)))
    assert over.status is not None
    assert over.status.verdict is Verdict.PASSED


def test_reports_that_wait_are_written_together() -> None:
    of = wave(3)
    pods = {n: pod(of, n, RUNNING) for n in range(3)}
    plan = planned(seen(of, pods, reported={0: OK, 2: reported(Report(ok=False, errors=("no route",)))}))
    assert plan.status is not None
    found = known(with_status(of, plan.status))
    assert found[0] == OK
    assert (found[2].verdict, found[2].message) == (Verdict.FAILED, "no route")
    again = planned(seen(with_status(of, plan.status), pods, reported={0: NodeOutcome(Verdict.FAILED, "Late")}))
    assert again.status is None


def test_a_completed_wave_names_what_failed_and_keeps_its_failed_pods() -> None:
    of = wave(3)
    pods = {0: pod(of, 0, PASSED), 1: pod(of, 1, FAILED), 2: pod(of, 2, PASSED)}
    status = planned(seen(of, pods)).status
    assert status is not None
    assert (status.verdict, status.reason, status.source) == (Verdict.FAILED, "NodesFailed", Source.TARGETS)
    assert status.message == "1 of 3 nodes failed: node-1 (CheckFailed)"
    assert (status.started_at, status.duration_seconds) == (at(0), 10)
    done = planned(seen(with_status(of, status), pods))
    assert done == WavePlan(delete=done.delete)
    assert [index for index, _ in done.delete] == [0, 2]


def test_silence_is_judged_with_evidence_as_in_any_run() -> None:
    of = wave(2)
    pods = {0: pod(of, 0, node="node-0")}
    asked = planned(seen(of, pods), at(62))
    assert [(index, one.node) for index, one in asked.ask] == [(0, "node-0")]
    evidence = Evidence((), NodeView("node-0", "Unknown", "Kubelet stopped posting node status."))
    told = seen(of, nodes={0: NodeSeen(pods[0], evidence=evidence)}, template=template(deliveryFailure="Failed"))
    status = planned(told, at(62)).status
    assert status is not None
    found = known(with_status(of, status))[0]
    assert (found.verdict, found.reason) == (Verdict.FAILED, "KubeletSilent")
    assert "Kubelet stopped posting" in found.message


def test_a_node_that_is_gone_is_unknown_unless_its_pod_has_spoken() -> None:
    of = wave(4)
    plan = planned(seen(of, {0: pod(of, 0, FAILED), 1: pod(of, 1, PASSED), 2: pod(of, 2)}, present={"node-3"}))
    assert plan.status is not None
    found = known(with_status(of, plan.status))
    assert [(one.verdict.value, one.reason, one.mark) for one in found.values()] == [
        ("Failed", "CheckFailed", "term"), ("Passed", "Passed", "none"), ("Unknown", "NodeGone", "none"),
    ]  # fmt: skip
    assert created(plan) == [3]


def test_a_long_probe_is_no_write_of_its_own() -> None:
    of = wave(1)
    assert planned(seen(of, {0: pod(of, 0, RUNNING)}), at(30)).status is None


def test_a_mistake_ends_every_node_at_once() -> None:
    plan = planned(seen(wave(3), config=None))
    assert plan.status is not None
    assert (plan.status.targets and plan.status.targets.outcomes) == "UUU"
    assert plan.status.message.startswith("3 of 3 nodes could not be probed: node-0 (ConfigNotFound)")


def test_a_wave_that_is_deleted_is_left_alone() -> None:
    going = run("w", target={"nodes": ["a"]}, metadata={"deletionTimestamp": at(1).isoformat()})
    assert planned(seen(going)) == WavePlan()


@pytest.mark.parametrize(
    ("name", "index"),
    [("main-0-0-2", 2), ("main-0-0-3", None), ("main-0-0-02", None), ("main-0-0", None), ("x-1", None)],
)
def test_the_pods_of_a_wave_are_known_by_name(name: str, index: int | None) -> None:
    assert index_of(wave(3), name) == index


def test_a_report_is_told_from_another() -> None:
    assert mark_of(Report(ok=True)) != mark_of(Report(ok=False, errors=("no",)))
    assert len(mark_of(Report(ok=True))) == 4


def test_fifty_failing_nodes_fit_into_ten_kilobytes() -> None:
    """With the longest names of which fifty are one wave, and what the API server adds to an object left free."""
    of = wave(nodes=[f"{number:047}" for number in range(50)])
    told = {n: NodeOutcome(Verdict.FAILED, "FailedCreatePodSandBox", "<" * 1024, "abcd") for n in range(50)}
    status = planned(seen(of, reported=told)).status
    assert status is not None
    written = with_status(of, status)
    assert written.status.targets is not None
    assert written.status.targets.failed == 50
    assert len(json.dumps(written.model_dump(by_alias=True, exclude_none=True, mode="json"))) < 10_000 - 1_500


@given(
    st.integers(1, 50),
    st.integers(1, 50),
    st.lists(st.tuples(st.integers(0, 49), st.sampled_from(["pass", "fail", "report", "crash", "gone"])), max_size=80),
)
def test_every_node_is_probed_once_whatever_happens(
    count: int, at_once: int, happenings: list[tuple[int, str]]
) -> None:
    """A small cluster: pods are created, end, report; the operator crashes and forgets all that was not written."""
    of, pods, begun = wave(count), dict[int, PodView](), list[int]()
    held, present = dict[int, NodeOutcome](), {f"node-{n}" for n in range(count)}
    rounds = [*happenings, *((n, "pass") for n in range(count) for _ in range(2))]
    for index, what in rounds:
        one = seen(of, pods, config=sweeping(maxConcurrent=at_once), reported=held, present=present)
        plan = planned(one)
        if plan.status is not None:
            of = with_status(of, plan.status)
            held = {n: outcome for n, outcome in held.items() if n not in known(of)}
        for number, _ in plan.delete:
            pods.pop(number, None)
        for number, _ in plan.create:
            begun.append(number)
            pods[number] = pod(of, number, RUNNING)
        assert sum(not one.ended for one in pods.values()) <= at_once
        if what == "crash":
            held = {}
        elif what == "gone":
            present.discard(f"node-{index}")
        elif index in pods:
            if what == "report":
                held.setdefault(index, OK)
            else:
                pods[index] = replace(pods[index], **_ended(PASSED if what == "pass" else FAILED))
    while of.status.phase is not Phase.COMPLETED:
        plan = planned(seen(of, pods, config=sweeping(maxConcurrent=at_once), reported=held, present=present))
        begun += created(plan)
        pods.update({number: pod(of, number, PASSED) for number in created(plan)})
        pods = {n: replace(one, **_ended(PASSED)) if not one.ended else one for n, one in pods.items()}
        of = with_status(of, plan.status) if plan.status is not None else of
    assert len(begun) == len(set(begun))
    assert set(begun) | {n for n in range(count) if f"node-{n}" not in present} == set(range(count))


def _ended(status: dict[str, Any]) -> dict[str, Any]:
    view = read_pod(pod_body(status=status))
    return {"phase": view.phase, "running": False, "terminated": view.terminated}

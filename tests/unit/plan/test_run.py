from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.plan.builders import (
    CREATED,
    at,
    config,
    container,
    ended,
    on_demand,
    owned_by,
    pod,
    run,
    template,
    with_status,
)

from kubeprobe.api import Phase, ProbeConfig, ProbeRun, ProbeRunStatus, ProbeTemplate, Source, Stage, Verdict
from kubeprobe.plan.budget import Priority
from kubeprobe.plan.delivery import Attempts, Refusal
from kubeprobe.plan.outcome import digest, from_report
from kubeprobe.plan.pod import Site
from kubeprobe.plan.pod_view import PodView, read_pod
from kubeprobe.plan.run import (
    Action,
    Adopt,
    AskForEvidence,
    CreatePod,
    DeletePod,
    Evidence,
    RunPlan,
    RunSeen,
    WriteStatus,
    belongs,
    complete,
    plan_run,
)
from kubeprobe.plan.stage import NodeView, PodEvent
from probe_sdk.wire import Report

SITE = Site("http://10.0.0.1:8080")
MAIN = config()
RUN = run(metadata=owned_by(MAIN))
NOTHING = Evidence((), None)
PASSED = Report(ok=True, steps=(), attributes={"member": "a"})
FAILED = Report(ok=False, errors=("put: no leader",))
EXIT_0 = container(terminated={"exitCode": 0})
EXIT_3 = container(terminated={"exitCode": 3})
REPORTED = container(terminated={"exitCode": 1, "message": FAILED.termination_message()})
RUNNING = container(running={})
TAINTED = {
    "conditions": [
        {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager", "message": "gone"}
    ]
}
PREEMPTED = {
    "conditions": [
        {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": "for a bigger one"}
    ]
}
DELETING: dict[str, Any] = {"deletionTimestamp": CREATED.isoformat()}


def seen(
    of: ProbeRun = RUN,
    pod: PodView | None = None,
    *,
    main: ProbeConfig | None = MAIN,
    etcd: ProbeTemplate | None = None,
    **more: Any,
) -> RunSeen:
    return RunSeen(run=of, config=main, template=etcd or template(), namespace_labels={}, pod=pod, **more)


def planned(one: RunSeen, seconds: float = 10) -> RunPlan:
    return plan_run(one, SITE, at(seconds))


def final(one: RunSeen, seconds: float = 10) -> ProbeRunStatus:
    """The status that ends the run now: the only thing that is to be done."""
    plan = planned(one, seconds)
    assert plan.wake_at is None
    (action,) = plan.actions
    assert isinstance(action, WriteStatus), action
    assert action.status.phase is Phase.COMPLETED
    return action.status


# Delivery


def test_a_new_run_gets_its_pod() -> None:
    (action,) = planned(seen()).actions
    assert isinstance(action, CreatePod)
    assert action.manifest["metadata"]["name"] == "main-1"
    assert read_pod({"metadata": action.manifest["metadata"] | {"uid": "u", "resourceVersion": "1"}}).started_at == at(
        10
    )


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (seen(main=None), "ConfigNotFound"),
        (RunSeen(run=RUN, config=MAIN, template=None), "TemplateNotFound"),
        (seen(etcd=template(modes=["OnDemand"])), "ModeNotAllowed"),
    ],
)
def test_a_mistake_ends_the_run_before_any_pod(one: RunSeen, reason: str) -> None:
    status = final(one)
    assert (status.verdict, status.reason, status.source) == (Verdict.UNKNOWN, reason, Source.DELIVERY)
    assert status.message
    assert (status.pod, status.started_at, status.duration_seconds) == ("", None, None)


def attempts(count: int, *, first: float = 0, last: float = 0, status: int = 403, message: str = "no") -> Attempts:
    return Attempts(at(first), at(last), count, Refusal(status, message))


@pytest.mark.parametrize(
    ("count", "last", "now", "wake"),
    [
        (1, 0, 0.5, 1),
        (1, 0, 1, None),
        (3, 3, 6.9, 7),
        (3, 3, 7, None),
        (9, 40, 41, 60),  # the last time is when it gives up
        (1, 50, 0, 51),  # the clock was set back: bounded all the same
    ],
)
def test_a_refused_pod_is_tried_again_later_and_later(count: int, last: float, now: float, wake: float | None) -> None:
    plan = planned(seen(attempts=attempts(count, last=last)), now)
    if wake is None:
        assert [type(action) for action in plan.actions] == [CreatePod]
    else:
        assert plan == RunPlan(wake_at=at(wake))


@pytest.mark.parametrize(
    ("main", "longest"), [(config(schedule={"every": "5s"}), 5), (config(schedule={"every": "60s"}), 30)]
)
def test_the_config_s_interval_bounds_the_delay(main: ProbeConfig, longest: float) -> None:
    one = seen(main=main, etcd=template(timeout="1h"), attempts=attempts(8, last=100))
    assert planned(one, 101).wake_at == at(100 + longest)


def test_without_a_schedule_the_timeout_bounds_the_delay() -> None:
    one = seen(main=on_demand(timeout="4s"), attempts=attempts(8, first=99, last=100))
    assert planned(one, 100).wake_at == at(103)
    alone = run(templateRef={"name": "etcd"}, timeout="4s")
    assert planned(seen(alone, main=None, attempts=attempts(8, first=99, last=100)), 100).wake_at == at(103)


@pytest.mark.parametrize(
    ("status", "message", "delivery", "verdict", "reason"),
    [
        (403, "exceeded quota: few", "Failed", Verdict.UNKNOWN, "QuotaExceeded"),
        (403, "exceeded quota: few", "Unknown", Verdict.UNKNOWN, "QuotaExceeded"),
        (403, 'violates PodSecurity "restricted"', "Failed", Verdict.UNKNOWN, "PodSecurity"),
        (422, "is invalid", "Failed", Verdict.UNKNOWN, "InvalidPod"),
        (500, "failed calling webhook", "Failed", Verdict.FAILED, "PodRefused"),
        (500, "failed calling webhook", "Unknown", Verdict.UNKNOWN, "PodRefused"),
        (0, "connection refused", "Failed", Verdict.FAILED, "ApiUnreachable"),
        (0, "connection refused", "Unknown", Verdict.UNKNOWN, "ApiUnreachable"),
    ],
)
def test_a_pod_that_is_refused_for_the_whole_timeout_ends_the_run(
    status: int, message: str, delivery: str, verdict: Verdict, reason: str
) -> None:
    one = seen(main=config(deliveryFailure=delivery), attempts=attempts(6, last=40, status=status, message=message))
    assert [type(action) for action in planned(one, 59.999999).actions] != [WriteStatus]
    told = final(one, 60)
    assert (told.verdict, told.reason, told.stage) == (verdict, reason, Stage.NOT_CREATED)
    assert message in told.message


# Waiting


@pytest.mark.parametrize(
    ("state", "now", "wake"),
    [
        ({}, 0, 61),
        ({}, 60.999999, 61),
        (container(waiting={"reason": "ContainerCreating"}), 30, 61),
        (RUNNING, 0, 5),
        (RUNNING, 4.9, 5),
    ],
)
def test_until_the_deadline_and_its_last_word_one_waits(state: dict[str, Any], now: float, wake: float) -> None:
    assert planned(seen(pod=pod(status=state)), now) == RunPlan(wake_at=at(wake))


def test_a_run_that_takes_long_is_told_to_run_once() -> None:
    one = seen(pod=pod(node="node-1", status=RUNNING))
    plan = planned(one, 5)
    (action,) = plan.actions
    assert isinstance(action, WriteStatus)
    assert action.status.phase is Phase.RUNNING
    assert (action.status.node, action.status.pod, action.status.pod_uid) == ("node-1", "main-1", "uid-pod")
    assert (action.status.started_at, plan.wake_at) == (CREATED, at(61))
    assert planned(replace(one, run=with_status(RUN, action.status)), 6) == RunPlan(wake_at=at(61))


def test_a_short_timeout_wakes_before_a_run_is_long() -> None:
    assert planned(seen(pod=pod(status=RUNNING, deadline=at(2))), 1).wake_at == at(3)


def test_a_pod_without_its_annotations_still_has_an_end() -> None:
    one = seen(pod=pod(started=None, deadline=None, status=RUNNING, node="node-1"), main=config(timeout="30s"))
    assert planned(one, 10).wake_at == at(31)
    assert planned(one, 30.9).wake_at == at(31)
    assert planned(one, 31).actions == (AskForEvidence("uid-pod", "node-1"),)
    status = final(replace(one, evidence=NOTHING), 31)
    assert (status.started_at, status.duration_seconds, status.verdict) == (None, None, Verdict.FAILED)
    assert status.message.startswith("no outcome after 30s")
    moved = seen(pod=pod(started=at(10), deadline=None), main=config(timeout="30s"))
    assert planned(moved, 10).wake_at == at(41)


# Outcomes


@pytest.mark.parametrize(
    ("state", "verdict", "source"),
    [
        (EXIT_0, Verdict.PASSED, Source.EXIT_CODE),
        (EXIT_3, Verdict.FAILED, Source.EXIT_CODE),
        (REPORTED, Verdict.FAILED, Source.TERMINATION_MESSAGE),
    ],
)
@pytest.mark.parametrize("now", [1, 60, 61, 100_000])
def test_a_pod_s_own_word_is_taken_whenever_it_comes(
    state: dict[str, Any], verdict: Verdict, source: Source, now: float
) -> None:
    status = final(seen(pod=pod(node="node-1", status=state)), now)
    assert (status.verdict, status.source, status.node) == (verdict, source, "node-1")
    assert (status.started_at, status.finished_at, status.duration_seconds) == (CREATED, at(now), now)
    assert {one.type: one.status for one in status.conditions} == {
        "Completed": "True",
        "Passed": {"Passed": "True", "Failed": "False"}[verdict],
    }


def test_the_whole_report_is_kept() -> None:
    step = {"name": "put", "count": 2, "ok": 1, "seconds": {"p50": 0.1, "p99": 0.2, "max": 0.2}}
    report = Report.model_validate({"ok": False, "errors": ["a", "b"], "steps": [step], "attributes": {"k": "v"}})
    status = complete(RUN, pod(node="node-1"), from_report(report, Source.REPORT), at(3))
    assert (status.errors, status.attributes, status.message) == (("a", "b"), {"k": "v"}, "a; b")
    assert [one.model_dump() for one in status.steps] == [step]
    assert status.report_digest == digest(report)


def test_the_record_of_a_pod_that_is_gone_keeps_what_was_known_of_it() -> None:
    known = {"phase": "Running", "node": "node-1", "pod": "main-1", "podUID": "u", "startedAt": CREATED.isoformat()}
    status = final(seen(run(metadata=owned_by(MAIN), status=known)), 9)
    assert status.reason == "PodDeleted"
    assert (status.node, status.pod, status.pod_uid, status.duration_seconds) == ("node-1", "main-1", "u", 9)


def test_a_clock_that_was_set_back_makes_no_negative_duration() -> None:
    status = final(seen(pod=pod(status=EXIT_3)), -3600)
    assert (status.duration_seconds, status.finished_at) == (0, at(-3600))
    lost = container(terminated={"exitCode": 137, "reason": "ContainerStatusUnknown"})
    status = final(seen(pod=pod(node="node-1", status=lost), evidence=NOTHING), -3600)
    assert status.message.startswith("no outcome after 0s")


# Silence


@pytest.mark.parametrize(
    ("state", "node", "delivery", "verdict", "stage"),
    [
        ({}, "", "Unknown", Verdict.UNKNOWN, Stage.NOT_SCHEDULED),
        ({}, "", "Failed", Verdict.FAILED, Stage.NOT_SCHEDULED),
        ({}, "node-1", "Unknown", Verdict.UNKNOWN, Stage.NOT_ACKNOWLEDGED),
        (container(waiting={"reason": "ErrImagePull"}), "node-1", "Failed", Verdict.FAILED, Stage.NO_IMAGE),
        (RUNNING, "node-1", "Unknown", Verdict.FAILED, Stage.STARTED_AND_SILENT),
        (RUNNING, "node-1", "Failed", Verdict.FAILED, Stage.STARTED_AND_SILENT),
    ],
)
def test_silence_is_told_by_the_stage_that_the_pod_reached(
    state: dict[str, Any], node: str, delivery: str, verdict: Verdict, stage: Stage
) -> None:
    one = seen(pod=pod(node=node, status=state), main=config(deliveryFailure=delivery))
    assert planned(one, 61) == RunPlan((AskForEvidence("uid-pod", node),))
    status = final(replace(one, evidence=NOTHING), 61)
    assert (status.verdict, status.stage, status.source) == (verdict, stage, Source.TIMEOUT)
    assert status.message.startswith("no outcome after 61s: ")


def test_the_evidence_is_in_the_message() -> None:
    evidence = Evidence(
        (PodEvent("FailedCreatePodSandBox", "no more addresses", warning=True),),
        NodeView("node-1", "Unknown", "Kubelet stopped posting node status."),
    )
    state = {"startTime": CREATED.isoformat()}
    status = final(seen(pod=pod(node="node-1", status=state), evidence=evidence), 61)
    assert "no more addresses" in status.message
    assert "node node-1 is not ready: Kubelet stopped posting node status." in status.message


def test_a_run_whose_config_went_missing_ends_with_that() -> None:
    one = seen(pod=pod(status=RUNNING), main=None)
    assert planned(one, 10).wake_at == at(61)
    assert final(replace(one, evidence=NOTHING), 61).reason == "ConfigNotFound"
    stripped = seen(pod=pod(status=RUNNING, deadline=None), main=None, evidence=NOTHING)
    assert final(stripped, 10).reason == "ConfigNotFound"


@pytest.mark.parametrize(
    ("status", "reason", "stage", "verdict"),
    [
        (
            {**container(terminated={"exitCode": 137}), "reason": "DeadlineExceeded"},
            "Silent",
            Stage.STARTED_AND_SILENT,
            Verdict.FAILED,
        ),
        (
            {"phase": "Failed", "reason": "DeadlineExceeded", "message": "active too long"},
            "DeadlineExceeded",
            Stage.ENDED_UNHEARD,
            Verdict.UNKNOWN,
        ),
        (
            {
                **container(terminated={"exitCode": 137, "reason": "Error"}),
                "reason": "Evicted",
                "message": "low memory",
            },
            "Evicted",
            Stage.ENDED_UNHEARD,
            Verdict.UNKNOWN,
        ),
        (
            container(terminated={"exitCode": 137, "reason": "ContainerStatusUnknown"}),
            "ContainerStatusUnknown",
            Stage.ENDED_UNHEARD,
            Verdict.UNKNOWN,
        ),
        (
            {"phase": "Failed", "reason": "UnexpectedAdmissionError", "message": "no devices"},
            "UnexpectedAdmissionError",
            Stage.ENDED_UNHEARD,
            Verdict.UNKNOWN,
        ),
    ],
)
def test_what_the_kubelet_ended_is_no_word_of_the_probe(
    status: dict[str, Any], reason: str, stage: Stage, verdict: Verdict
) -> None:
    one = seen(pod=pod(node="node-1", status=status))
    assert planned(one, 3).actions == (AskForEvidence("uid-pod", "node-1"),)
    told = final(replace(one, evidence=NOTHING), 3)
    assert (told.reason, told.stage, told.verdict, told.source) == (reason, stage, verdict, Source.TIMEOUT)


def test_a_report_of_a_probe_that_was_killed_afterwards_counts() -> None:
    state = container(terminated={"exitCode": 137, "message": PASSED.termination_message()})
    for status in ({**state, "reason": "DeadlineExceeded"}, {**state, "reason": "Evicted"}):
        assert final(seen(pod=pod(status=status))).verdict is Verdict.PASSED


# Pods that go away


@pytest.mark.parametrize("of", [RUN, run(status={"phase": "Running", "pod": "main-1"})])
def test_a_pod_that_is_gone_was_deleted(of: ProbeRun) -> None:
    status = final(seen(of, main=None, delivered=of is RUN))
    assert (status.verdict, status.reason, status.source) == (Verdict.UNKNOWN, "PodDeleted", Source.DELIVERY)
    assert status.message == "the probe's pod was deleted before it had an outcome, and not by kubeprobe"


def test_a_pod_that_is_being_deleted_may_still_speak() -> None:
    one = seen(pod=pod(status=RUNNING, **DELETING))
    assert planned(one, 10) == RunPlan(wake_at=at(60))
    assert final(one, 60).reason == "PodDeleted"
    stripped = seen(pod=pod(status=RUNNING, deadline=None, **DELETING))
    assert planned(stripped, 10) == RunPlan(wake_at=at(60))
    assert final(seen(pod=pod(status=REPORTED, **DELETING))).source is Source.TERMINATION_MESSAGE


@pytest.mark.parametrize("state", [EXIT_0, EXIT_3, {"phase": "Failed"}])
def test_what_a_deletion_ended_has_no_verdict(state: dict[str, Any]) -> None:
    status = final(seen(pod=pod(status=state, **DELETING)))
    assert (status.verdict, status.reason) == (Verdict.UNKNOWN, "PodDeleted")
    assert (status.pod, status.started_at) == ("main-1", CREATED)


def test_a_deletion_tells_who_disrupted() -> None:
    status = final(seen(pod=pod(status={**EXIT_3, **PREEMPTED}, **DELETING)))
    assert "(PreemptionByScheduler: for a bigger one)" in status.message


def test_a_node_that_is_lost_is_silence_at_once() -> None:
    one = seen(pod=pod(node="node-1", status={**RUNNING, **TAINTED}, **DELETING))
    assert planned(one, 10).actions == (AskForEvidence("uid-pod", "node-1"),)
    lost = Evidence((), NodeView("node-1", "Unknown", "Kubelet stopped posting node status."))
    status = final(replace(one, evidence=lost), 10)
    assert "node node-1 is not ready" in status.message
    assert status.source is Source.TIMEOUT


@pytest.mark.parametrize("owner", ["other", ""])
def test_a_foreign_pod_of_the_same_name_is_left_alone(owner: str) -> None:
    foreign = pod(owner_uid=owner, status=EXIT_0)
    status = final(seen(pod=foreign))
    assert (status.verdict, status.reason, status.pod) == (Verdict.UNKNOWN, "PodNameTaken", "")
    assert "'main-1'" in status.message
    assert planned(seen(with_status(RUN, status), foreign)) == RunPlan()
    assert planned(seen(pod=pod(owner_uid=owner, **DELETING))) == RunPlan()


# After the end


@pytest.mark.parametrize(
    ("verdict", "node", "state", "expected"),
    [
        ("Passed", "node-1", EXIT_0, DeletePod("uid-pod", at_once=False)),
        ("Passed", "node-1", RUNNING, DeletePod("uid-pod", at_once=False)),
        ("Failed", "node-1", EXIT_3, None),
        ("Failed", "node-1", RUNNING, None),
        ("Unknown", "node-1", {"phase": "Failed"}, None),
        ("Failed", "node-1", container(waiting={"reason": "ErrImagePull"}), DeletePod("uid-pod", at_once=False)),
        ("Unknown", "node-1", {}, DeletePod("uid-pod", at_once=True)),
        ("Unknown", "", {}, DeletePod("uid-pod", at_once=False)),
    ],
)
def test_a_pod_stays_only_for_a_log_that_somebody_needs(
    verdict: str, node: str, state: dict[str, Any], expected: DeletePod | None
) -> None:
    done = ended("main-1", at(5), verdict)
    plan = planned(seen(done, pod(done, node=node, status=state)))
    assert plan == RunPlan((expected,) if expected else ())


def test_there_is_nothing_to_tidy_twice() -> None:
    done = ended("main-1", at(5))
    assert planned(seen(done)) == RunPlan()
    assert planned(seen(done, pod(done, status=EXIT_0, **DELETING))) == RunPlan()


def test_a_run_that_is_being_deleted_is_left_to_the_garbage_collector() -> None:
    going = run(metadata={"deletionTimestamp": CREATED.isoformat()})
    assert planned(seen(going)) == RunPlan()
    assert planned(seen(going, pod(going, status=EXIT_3))) == RunPlan()


# What the writes are worth


@pytest.mark.parametrize(
    ("actions", "priority"),
    [
        ((), Priority.HISTORY),
        ((DeletePod("uid", at_once=False),), Priority.HISTORY),
        ((WriteStatus(ProbeRunStatus(phase=Phase.RUNNING)),), Priority.HISTORY),
        ((Adopt({}),), Priority.RUN),
        ((CreatePod({}),), Priority.RUN),
        ((Adopt({}), WriteStatus(ProbeRunStatus(phase=Phase.COMPLETED))), Priority.VERDICT),
    ],
)
def test_a_plan_is_as_urgent_as_its_most_urgent_action(actions: tuple[Action, ...], priority: Priority) -> None:
    assert RunPlan(actions).priority is priority


# Adoption


def test_a_manual_run_is_made_to_belong_to_its_config() -> None:
    adopt, create = planned(seen(run())).actions
    assert isinstance(create, CreatePod)
    assert isinstance(adopt, Adopt)
    meta = adopt.patch["metadata"]
    assert meta["labels"] == {"kubeprobe.io/run": "main-1", "kubeprobe.io/config": "main"}
    (owner,) = meta["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("ProbeConfig", "uid-main", True)


def test_whom_a_run_belonged_to_already_is_not_forgotten() -> None:
    job = {"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "j", "controller": True}
    adopt, _ = planned(seen(run(metadata={"ownerReferences": [job]}))).actions
    assert isinstance(adopt, Adopt)
    first, ours = adopt.patch["metadata"]["ownerReferences"]
    assert first == job
    assert (ours["kind"], ours["controller"]) == ("ProbeConfig", False)
    del job["controller"]
    adopt, _ = planned(seen(run(metadata={"ownerReferences": [job]}))).actions
    assert isinstance(adopt, Adopt)
    assert [one.get("controller") for one in adopt.patch["metadata"]["ownerReferences"]] == [None, True]


@pytest.mark.parametrize(
    ("of", "main"),
    [(RUN, MAIN), (run(), None), (run(templateRef={"name": "etcd"}), None)],
    ids=["ours", "none", "alone"],
)
def test_nobody_is_adopted_twice_or_by_nobody(of: ProbeRun, main: ProbeConfig | None) -> None:
    assert not [action for action in planned(seen(of, main=main)).actions if isinstance(action, Adopt)]


def test_a_run_of_an_earlier_config_of_the_same_name_is_not_this_one_s() -> None:
    assert belongs(RUN, MAIN)
    assert belongs(run(), MAIN)
    assert not belongs(RUN, config(metadata={"uid": "uid-again"}))


# The whole way

NODES = st.sampled_from(["", "node-1"])
STATES = st.sampled_from(
    [
        {},
        RUNNING,
        EXIT_0,
        EXIT_3,
        REPORTED,
        {"phase": "Failed", "reason": "Evicted"},
        {**EXIT_3, "reason": "DeadlineExceeded"},
        {**RUNNING, **TAINTED},
        container(waiting={"reason": "ErrImagePull"}),
        container(terminated={"exitCode": 137, "reason": "ContainerStatusUnknown"}),
    ]
)
TIMES = st.sampled_from([None, "nonsense", CREATED, at(60), at(1000)])
PODS = st.none() | st.builds(
    lambda node, state, started, deadline, deleting, owner: pod(
        node=node, status=state, started=started, deadline=deadline, owner_uid=owner, **(DELETING if deleting else {})
    ),
    NODES,
    STATES,
    TIMES,
    TIMES,
    st.booleans(),
    st.sampled_from([None, "other"]),
)
ATTEMPTS = st.none() | st.builds(
    lambda count, last, status: attempts(count, last=last, status=status),
    st.integers(1, 2000),
    st.integers(0, 100),
    st.sampled_from([0, 403, 422, 500]),
)
SIGHTS = st.builds(
    seen,
    st.sampled_from([RUN, run(), run(status={"phase": "Running", "pod": "main-1"}), run(templateRef={"name": "etcd"})]),
    PODS,
    main=st.sampled_from([None, MAIN, on_demand(), config(schedule={"cron": "*/5 * * * *"})]),
    etcd=st.sampled_from([None, template(modes=["Periodic"]), template(timeout="24h", deliveryFailure="Failed")]),
    delivered=st.booleans(),
    attempts=ATTEMPTS,
    evidence=st.sampled_from([None, NOTHING]),
)


def statuses(plan: RunPlan) -> Sequence[ProbeRunStatus]:
    return [action.status for action in plan.actions if isinstance(action, WriteStatus)]


def applied(one: RunSeen, plan: RunPlan, now: datetime) -> RunSeen:
    """What is seen after all that was planned was done."""
    for action in plan.actions:
        match action:
            case WriteStatus(status):
                one = replace(one, run=with_status(one.run, status))
            case CreatePod(manifest):
                body = {**manifest, "metadata": {**manifest["metadata"], "uid": "new", "resourceVersion": "2"}}
                one = replace(one, pod=read_pod(body), delivered=True)
            case DeletePod():
                one = replace(one, pod=None)
            case AskForEvidence():
                one = replace(one, evidence=NOTHING)
            case Adopt(patch):
                body = one.run.model_dump(by_alias=True, mode="json")
                one = replace(
                    one, run=ProbeRun.model_validate({**body, "metadata": body["metadata"] | patch["metadata"]})
                )
    return one


@given(SIGHTS, st.integers(-3600, 200_000))
def test_what_was_done_is_not_done_again(one: RunSeen, seconds: int) -> None:
    now = at(seconds)
    for _ in range(5):
        plan = plan_run(one, SITE, now)
        assert len(statuses(plan)) <= 1
        if not plan.actions:
            break
        one = applied(one, plan, now)
    assert plan_run(one, SITE, now).actions == ()
    if one.run.status.phase is Phase.COMPLETED:
        assert one.run.status.verdict is not None
        assert one.run.status.reason
        assert plan_run(one, SITE, now + timedelta(days=1)).wake_at is None


@given(SIGHTS, st.integers(-3600, 200_000))
def test_every_run_that_is_woken_when_it_asked_comes_to_its_end(one: RunSeen, seconds: int) -> None:
    now = at(seconds)
    for _ in range(20):
        plan = plan_run(one, SITE, now)
        one = applied(one, plan, now)
        if one.run.status.phase is Phase.COMPLETED:
            return
        if plan.wake_at is not None:
            assert plan.wake_at > now
            now = plan.wake_at
        elif not plan.actions:
            assert one.pod is not None
            assert one.pod.deleting
            return
    pytest.fail(f"not over after {now - at(seconds)}: {one}")


@given(
    st.sampled_from(Verdict),
    PODS,
    st.integers(-3600, 200_000),
    st.sampled_from([None, MAIN]),
    st.sampled_from([None, NOTHING]),
)
def test_a_completed_run_never_gets_another_status(
    verdict: Verdict, its_pod: PodView | None, seconds: int, main: ProbeConfig | None, evidence: Evidence | None
) -> None:
    one = seen(ended("main-1", at(5), verdict), its_pod, main=main, evidence=evidence, delivered=True)
    plan = planned(one, seconds)
    assert all(isinstance(action, DeletePod) for action in plan.actions)
    assert plan.wake_at is None


# What a run has to make way for, and what was not heard


def test_a_run_that_is_replaced_ends_unknown_and_its_pod_goes() -> None:
    going = pod(RUN, node="node-1", status=RUNNING)
    seen = RunSeen(RUN, MAIN, template(), {}, going, replaced=True)
    (write,) = plan_run(seen, SITE, at(10)).actions
    assert isinstance(write, WriteStatus)
    assert (write.status.verdict, write.status.reason) == (Verdict.UNKNOWN, "Replaced")
    over = replace(seen, run=with_status(RUN, write.status))
    assert plan_run(over, SITE, at(11)).actions == (DeletePod(going.uid, at_once=False),)


def test_silence_says_nothing_of_the_target_when_the_operator_was_held_up() -> None:
    going = pod(RUN, node="node-1", status=RUNNING)
    seen = RunSeen(RUN, MAIN, template(), {}, going, evidence=NOTHING)
    (write,) = plan_run(seen, SITE, at(100)).actions
    assert isinstance(write, WriteStatus)
    assert write.status.verdict is Verdict.FAILED
    (write,) = plan_run(replace(seen, lagged=True), SITE, at(100)).actions
    assert isinstance(write, WriteStatus)
    assert (write.status.verdict, write.status.reason) == (Verdict.UNKNOWN, "OperatorLagging")


def test_what_was_said_counts_although_the_operator_was_held_up() -> None:
    said = pod(RUN, node="node-1", status=REPORTED)
    (write,) = plan_run(RunSeen(RUN, MAIN, template(), {}, said, lagged=True), SITE, at(100)).actions
    assert isinstance(write, WriteStatus)
    assert write.status.verdict is Verdict.FAILED

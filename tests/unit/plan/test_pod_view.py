from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.unit.plan.builders import CREATED, NAMESPACE, container, pod, pod_body

from kubeprobe.plan.pod_view import PodCondition, Terminated, Waiting, read_pod

HERE = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-3"]}]}
REQUIRED = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [HERE]}}
ONLY_ON_3 = {"nodeAffinity": REQUIRED}


def test_the_least_that_an_api_server_tells_is_enough() -> None:
    view = read_pod({"metadata": {"namespace": "a", "name": "b", "uid": "c", "resourceVersion": "7"}})
    assert (view.namespace, view.name, view.uid, view.resource_version) == ("a", "b", "c", 7)
    assert (view.run, view.run_uid, view.started_at, view.deadline, view.node, view.phase) == (
        "",
        "",
        None,
        None,
        "",
        "Pending",
    )
    assert not any((view.acknowledged, view.deleting, view.running, view.ended, view.interrupted))
    assert view.condition("PodScheduled") is None


def test_nulls_are_the_same_as_nothing() -> None:
    body = pod_body(
        status={
            "phase": None,
            "reason": None,
            "conditions": None,
            "containerStatuses": [{"name": "probe", "state": None}],
        }
    )
    body["metadata"]["ownerReferences"] = None
    view = read_pod(body)
    assert (view.phase, view.reason, view.conditions, view.run_uid, view.waiting) == ("Pending", "", (), "", None)


def test_identity_and_times_come_from_the_metadata() -> None:
    view = pod(node="node-1")
    assert (view.namespace, view.run, view.run_uid) == (NAMESPACE, "main-1", "uid-main-1")
    assert (view.started_at, view.node) == (CREATED, "node-1")
    assert view.deadline is not None
    assert (view.deadline - CREATED).total_seconds() == 60


def test_only_a_probe_run_counts_as_owner() -> None:
    body = pod_body()
    body["metadata"]["ownerReferences"].insert(0, {"kind": "Job", "name": "main-1", "uid": "other"})
    assert read_pod(body).run_uid == "uid-main-1"
    assert pod(owner_uid="").run_uid == ""


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-03-01T12:00:00+00:00", CREATED),
        ("2026-03-01T12:00:00Z", CREATED),
        ("2026-03-01T14:00:00+02:00", CREATED),
        ("2026-03-01T12:00:00.25+00:00", datetime(2026, 3, 1, 12, 0, 0, 250_000, UTC)),
        ("", None),
        ("soon", None),
        ("2026-03-01T12:00:00", None),
        ("2026-03-01", None),
        ("2026-02-30T12:00:00Z", None),
        ("0001-01-01T00:00:00+12:00", None),
        ("9999-12-31T23:59:59-12:00", None),
    ],
)
def test_an_edited_annotation_is_a_time_or_none(text: str, time: datetime | None) -> None:
    view = pod(started=text, deadline=text)
    assert (view.started_at, view.deadline) == (time, time)


@pytest.mark.parametrize(
    ("status", "running", "waiting", "terminated"),
    [
        ({}, False, None, None),
        ({"containerStatuses": [{"name": "sidecar", "state": {"running": {}}}]}, False, None, None),
        (container(running={}), True, None, None),
        (container(waiting={"reason": "ErrImagePull", "message": "no"}), False, Waiting("ErrImagePull", "no"), None),
        (container(waiting={"reason": "ContainerCreating"}), False, Waiting("ContainerCreating", ""), None),
        (
            container(terminated={"exitCode": 3, "signal": 9, "reason": "Error", "message": "tail"}),
            False,
            None,
            Terminated(3, 9, "Error", "tail"),
        ),
        (container(terminated={"exitCode": 0}), False, None, Terminated(0, 0, "", "")),
    ],
)
def test_the_probes_container_tells_its_state(
    status: dict[str, Any], running: bool, waiting: Waiting | None, terminated: Terminated | None
) -> None:
    view = pod(status=status)
    assert (view.running, view.waiting, view.terminated) == (running, waiting, terminated)
    assert view.ended is (terminated is not None)
    assert view.acknowledged is ("startTime" in status)


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_an_ended_phase_ends_the_probe_whatever_its_container_says(phase: str) -> None:
    assert pod(status={"phase": phase}).ended


def test_conditions_are_found_by_type() -> None:
    one = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    view = pod(status={"conditions": [{"type": "Ready", "status": "False"}, one]})
    assert view.condition("PodScheduled") == PodCondition("PodScheduled", "False", "Unschedulable", "0/3 nodes")
    assert view.condition("Ready") == PodCondition("Ready", "False", "", "")


@pytest.mark.parametrize(
    ("more", "interrupted"),
    [
        ({"status": container(terminated={"exitCode": 1, "reason": "Error"})}, False),
        ({"status": container(terminated={"exitCode": 137, "reason": "OOMKilled"})}, False),
        ({"status": container(terminated={"exitCode": 137, "reason": "ContainerStatusUnknown"})}, True),
        ({"status": {**container(terminated={"exitCode": 137}), "reason": "Evicted"}}, True),
        ({"status": {**container(terminated={"exitCode": 137}), "reason": "DeadlineExceeded"}}, True),
        (
            {
                "status": container(terminated={"exitCode": 143}),
                "deletionTimestamp": CREATED.isoformat(),
            },
            True,
        ),
    ],
)
def test_who_ended_the_probe(more: dict[str, Any], interrupted: bool) -> None:
    assert pod(**more).interrupted is interrupted


@pytest.mark.parametrize(
    ("spec", "node"),
    [
        ({}, ""),
        ({"nodeSelector": {"zone": "a"}}, ""),
        ({"nodeSelector": {"kubernetes.io/hostname": "node-2"}}, "node-2"),
        ({"affinity": ONLY_ON_3}, "node-3"),
        ({"affinity": {"podAffinity": {}}}, ""),
    ],
)
def test_a_pod_that_may_run_on_one_node_only_says_which(spec: dict[str, Any], node: str) -> None:
    assert read_pod({**pod_body(), "spec": spec}).wanted_node == node

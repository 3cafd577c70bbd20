"""Slots, attempts, suspension and what is left behind, on a real API server: what the plans decide really happens."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.api.control.conftest import Operator
from tests.api.control.pods import ended
from tests.lab.kubectl import eventually

SOON_SECONDS = 40


def runs_of(operator: Operator, namespace: str) -> list[dict[str, Any]]:
    """All runs, by slot and attempt."""
    found = operator.kubectl.list("proberuns", namespace)
    return sorted(
        found, key=lambda one: (one["spec"]["trigger"].get("slot", ""), one["spec"]["trigger"].get("attempt", 1))
    )


def scheduled(operator: Operator, name: str, namespace: str, **spec: Any) -> None:
    operator.template(name)
    operator.config(name, namespace, mode="Periodic", **{"schedule": {"every": "1h"}, **spec})


def a_pod(operator: Operator, namespace: str, index: int) -> str:
    """The pod of a run, once both are there."""

    def look() -> str | None:
        found = runs_of(operator, namespace)
        if len(found) <= index:
            return None
        pod = operator.kubectl.get("pod", found[index]["metadata"]["name"], namespace)
        return str(pod["metadata"]["name"]) if pod else None

    return eventually(f"pod {index}", look, SOON_SECONDS, lambda: runs_of(operator, namespace))


def verdict(operator: Operator, name: str, namespace: str) -> tuple[str, str]:
    status = (operator.kubectl.get("proberesult", name, namespace) or {}).get("status", {})
    return status.get("verdict", ""), status.get("reason", "")


def test_what_does_not_pass_is_tried_again_before_it_counts(operator: Operator, namespace: str) -> None:
    scheduled(operator, "retried", namespace, retries={"limit": 1, "delay": "0s"})
    first = a_pod(operator, namespace, 0)
    operator.kubelet(first, namespace, **ended(1))
    second = a_pod(operator, namespace, 1)
    assert second.endswith("-2")
    assert verdict(operator, "retried", namespace) == ("Unknown", "Pending")
    operator.kubelet(second, namespace, **ended(1))
    eventually("the verdict", lambda: verdict(operator, "retried", namespace)[0] == "Failed", SOON_SECONDS)
    status = (operator.kubectl.get("proberesult", "retried", namespace) or {})["status"]
    assert (len(status["history"]), status["consecutive"]["failed"]) == (1, 1)
    assert len(runs_of(operator, namespace)) == 2


def test_a_run_makes_way_where_that_is_asked_for(operator: Operator, namespace: str) -> None:
    scheduled(operator, "replaced", namespace, schedule={"every": "3s"}, concurrency="Replace")
    a_pod(operator, namespace, 1)
    first = runs_of(operator, namespace)[0]["metadata"]["name"]
    status = operator.completed(first, namespace)
    assert (status["verdict"], status["reason"]) == ("Unknown", "Replaced")
    eventually("its pod is gone", lambda: operator.kubectl.get("pod", first, namespace) is None, SOON_SECONDS)


def test_slots_that_pass_while_a_run_goes_are_told_with_the_next_run(operator: Operator, namespace: str) -> None:
    scheduled(operator, "busy", namespace, schedule={"every": "1s"})
    first = a_pod(operator, namespace, 0)
    config = operator.kubectl.get("probeconfig", "busy", namespace) or {}
    assert config["status"]["slots"]["cadence"] == "every 1s"
    eventually("a slot is missed", lambda: waited(operator, namespace), SOON_SECONDS)
    operator.kubelet(first, namespace, **ended(0))
    a_pod(operator, namespace, 1)
    missed = runs_of(operator, namespace)[1]["spec"]["trigger"]["missed"]
    assert missed["reason"] == "Busy"
    assert missed["count"] >= 1
    operator.kubectl("delete", "probeconfig", "busy", "-n", namespace)


def waited(operator: Operator, namespace: str) -> bool:
    """Whether the pod of the only run is some seconds old by the server's own clock."""
    operator.kubectl("create", "configmap", "clock", "-n", namespace)
    clock = operator.kubectl.get("configmap", "clock", namespace) or {}
    operator.kubectl("delete", "configmap", "clock", "-n", namespace)
    (run,) = runs_of(operator, namespace)
    begun, now = run["metadata"]["creationTimestamp"], clock["metadata"]["creationTimestamp"]
    return int(now[-3:-1]) != int(begun[-3:-1]) and (int(now[-3:-1]) - int(begun[-3:-1])) % 60 >= 3


def test_a_suspended_config_says_so_and_starts_nothing(operator: Operator, namespace: str) -> None:
    scheduled(operator, "halted", namespace, suspend=True)
    eventually("it says so", lambda: verdict(operator, "halted", namespace)[1] == "Suspended", SOON_SECONDS)
    assert runs_of(operator, namespace) == []
    scheduled(operator, "halted", namespace, suspend=False)
    operator.kubelet(a_pod(operator, namespace, 0), namespace, **ended(0))
    eventually("it is green", lambda: verdict(operator, "halted", namespace)[0] == "Passed", SOON_SECONDS)


def test_what_a_run_left_in_another_namespace_goes_when_the_run_is_gone(operator: Operator, namespace: str) -> None:
    operator.template("leaves")
    operator.config("leaves", namespace)
    run, _ = operator.run("leaves", namespace)
    labels = {"kubeprobe.io/run": run, "app.kubernetes.io/managed-by": "kubeprobe"}
    for name, marked in (("left", labels), ("foreign", {"kubeprobe.io/run": run}), ("other", {})):
        metadata = {"name": name, "namespace": "default", "labels": marked}
        operator.kubectl.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {}})
    operator.kubectl("delete", "proberun", run, "-n", namespace)
    gone = lambda: operator.kubectl.get("configmap", "left", "default") is None  # noqa: E731
    eventually("it is gone", gone, 60)
    assert operator.kubectl.get("configmap", "foreign", "default") is not None
    assert operator.kubectl.get("configmap", "other", "default") is not None
    for name in ("foreign", "other"):
        operator.kubectl.delete("configmap", name, "default")


def test_a_slot_whose_name_is_taken_by_hand_is_missed_and_harms_nobody(operator: Operator, namespace: str) -> None:
    operator.template("other")
    operator.config("other", namespace)
    scheduled(operator, "crossed", namespace, schedule={"every": "5s"})
    operator.kubelet(a_pod(operator, namespace, 0), namespace, **ended(0))
    created = datetime.fromisoformat(
        (operator.kubectl.get("probeconfig", "crossed", namespace) or {})["metadata"]["creationTimestamp"]
    )
    (first,) = runs_of(operator, namespace)
    served = datetime.fromisoformat(first["spec"]["trigger"]["slot"])
    # The names of the slots to come are known: somebody gives them to runs of another config.
    taken = [f"crossed-{int((served + timedelta(seconds=5 * number)).timestamp())}" for number in (2, 3)]
    assert served >= created
    for name in taken:
        metadata = {"name": name, "namespace": namespace}
        body = {"apiVersion": "kubeprobe.io/v1alpha1", "kind": "ProbeRun", "metadata": metadata}
        operator.kubectl.apply({**body, "spec": {"configRef": {"name": "other"}}})

    def after() -> dict[str, Any] | None:
        for run in runs_of(operator, namespace):
            name = run["metadata"]["name"]
            if run.get("status", {}).get("phase") != "Completed" and operator.kubectl.get("pod", name, namespace):
                operator.kubelet(name, namespace, **ended(0))
        own = [run for run in runs_of(operator, namespace) if run["spec"]["configRef"]["name"] == "crossed"]
        return next((run for run in own if run["metadata"]["name"] > taken[-1]), None)

    run = eventually("a run of a later slot", after, SOON_SECONDS, lambda: runs_of(operator, namespace))
    assert run["spec"]["trigger"]["missed"]["count"] >= 2
    for name in taken:
        assert operator.completed(name, namespace)["verdict"] == "Passed"
    operator.kubectl("delete", "probeconfig", "crossed", "-n", namespace)

"""The faults: each does its harm, keeps it up for a while, and mends it."""

from __future__ import annotations

import os
import random
import signal
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.chaos.operator_pods import set_clock
from tests.lab.kubectl import eventually
from tests.lab.lab import NAMESPACE, Lab

PROBES = "chaos"
DOOMED = "chaos-doomed"
MORTAL_TEMPLATE = "chaos-mortal"
READY_SECONDS = 180.0
JUMPS_SECONDS = (3600.0, -3600.0, -45.0)


@dataclass(frozen=True)
class Scene:
    """Where the faults happen."""

    lab: Lab
    dice: random.Random

    def pods(self) -> list[dict[str, Any]]:
        """The operator's pods that run."""
        found = self.lab.kubectl.list("pods", NAMESPACE, "-l", "app.kubernetes.io/name=kubeprobe")
        return [pod for pod in found if pod["status"].get("phase") == "Running"]

    def leader(self) -> dict[str, Any]:
        """The pod of the replica that leads; any, while none does."""
        pods = self.pods()
        return next((pod for pod in pods if "kubeprobe.io/leader" in pod["metadata"]["labels"]), pods[0])

    def process(self, pod: dict[str, Any]) -> int:
        """The pid of the operator in a pod, on this machine, where all nodes of the testbed are."""
        uid = pod["metadata"]["uid"]
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and _is_operator(entry, uid):
                return int(entry.name)
        raise LookupError(f"pod {pod['metadata']['name']} has no operator process")

    def reaches_api_server(self) -> bool:
        """Whether the API server takes a connection by its Service from the network of each of the operator's pods."""
        service = self.lab.kubectl.get("service", "kubernetes", "default") or {}
        connect = f"import socket; socket.create_connection(('{service['spec']['clusterIP']}', 443), 2)"
        for pod in self.pods():
            with suppress(LookupError):
                inside = ["nsenter", "--target", str(self.process(pod)), "--net", sys.executable, "-c", connect]
                if subprocess.run(inside, capture_output=True, check=False).returncode:
                    return False
        return True

    def lives(self) -> bool:
        """Whether any replica has its process."""
        for pod in self.pods():
            with suppress(LookupError):
                return self.process(pod) > 0
        return False


def _is_operator(entry: Path, uid: str) -> bool:
    try:
        groups, command = (entry / "cgroup").read_text(), (entry / "cmdline").read_bytes()
    except OSError:
        return False
    return (uid in groups or uid.replace("-", "_") in groups) and b"kubeprobe" in command


Fault = Callable[[Scene], Iterator[None]]


def operator_killed(scene: Scene) -> Iterator[None]:
    """The leader dies."""
    os.kill(scene.process(scene.leader()), signal.SIGKILL)
    yield


def operator_frozen(scene: Scene) -> Iterator[None]:
    """The leader is frozen for longer than its lease lasts, and then thawed."""
    pid = scene.process(scene.leader())
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def both_operators_killed(scene: Scene) -> Iterator[None]:
    """All replicas die together."""
    for pod in scene.pods():
        os.kill(scene.process(pod), signal.SIGKILL)
    yield
    # The kubelet waits longer and longer before it starts what has ended again and again.
    eventually("the kubelet has started one of them", scene.lives, READY_SECONDS)


def apiserver_restarted(scene: Scene) -> Iterator[None]:
    """The API server is away."""
    yield from _stopped(scene, "apiserver")


def scheduler_stopped(scene: Scene) -> Iterator[None]:
    """No pod is scheduled."""
    yield from _stopped(scene, "scheduler")


def controller_manager_stopped(scene: Scene) -> Iterator[None]:
    """No controller works: nothing is collected, no node is judged."""
    yield from _stopped(scene, "controller-manager")


def etcd_frozen(scene: Scene) -> Iterator[None]:
    """etcd stands still."""
    yield from _frozen(scene, "etcd")


def containerd_frozen(scene: Scene) -> Iterator[None]:
    """A node's container runtime stands still."""
    yield from _frozen(scene, "node-2/containerd")


def node_partitioned(scene: Scene) -> Iterator[None]:
    """A node is cut off."""
    scene.lab.testbed.partition("node-2")
    try:
        yield
    finally:
        scene.lab.testbed.heal("node-2")


def node_lost(scene: Scene) -> Iterator[None]:
    """A node's kubelet is gone."""
    yield from _stopped(scene, "node-2/kubelet")


def history_compacted(scene: Scene) -> Iterator[None]:
    """Watches end, and what they would go on from is not there any more (410)."""
    _compact(scene)
    yield from _stopped(scene, "apiserver")


def storm_of_429(scene: Scene) -> Iterator[None]:
    """The API server throttles all that the operator asks."""
    scene.lab.kubectl.apply(*_throttle())
    try:
        yield
    finally:
        scene.lab.kubectl.delete("flowschema", "chaos-storm")
        scene.lab.kubectl.delete("prioritylevelconfiguration", "chaos-storm")


def quota_full(scene: Scene) -> Iterator[None]:
    """No pod more may be created."""
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full", "namespace": PROBES}}
    scene.lab.kubectl.apply({**quota, "spec": {"hard": {"pods": "0"}}})
    try:
        yield
    finally:
        scene.lab.kubectl.delete("resourcequota", "full", PROBES)


def namespace_deleted(scene: Scene) -> Iterator[None]:
    """A namespace goes with its configs, in the middle of their runs."""
    name = f"{DOOMED}-{uuid.uuid4().hex[:6]}"
    scene.lab.namespace(name)
    scene.lab.config("doomed", "chaos-quick", name, schedule={"every": "2s"})
    time.sleep(3)  # how long it lives is a part of the fault
    scene.lab.kubectl("delete", "namespace", name, "--wait=false")
    yield


def template_deleted(scene: Scene) -> Iterator[None]:
    """A template goes while a probe of it runs, and comes back."""
    body = scene.lab.kubectl.get("probetemplate", MORTAL_TEMPLATE) or {}
    scene.lab.kubectl.delete("probetemplate", MORTAL_TEMPLATE)
    try:
        yield
    finally:
        metadata = {"name": MORTAL_TEMPLATE}
        scene.lab.kubectl.apply({**{key: body[key] for key in ("apiVersion", "kind", "spec")}, "metadata": metadata})


def clock_jumped(scene: Scene) -> Iterator[None]:
    """The leader's clock jumps, and back."""
    leader, offset_seconds = scene.leader(), scene.dice.choice(JUMPS_SECONDS)
    set_clock(scene.process(leader), offset_seconds)
    try:
        yield
    finally:
        set_clock(scene.process(leader), 0.0)


def etcd_frozen_then_apiserver_down(scene: Scene) -> Iterator[None]:
    """What the closest peer does not survive: etcd frozen for 20 s, then the API server down for 14 s."""
    testbed = scene.lab.testbed
    testbed.freeze("etcd")
    time.sleep(20)
    testbed.thaw("etcd")
    testbed.stop("apiserver")
    try:
        time.sleep(14)
    finally:
        _start(scene, "apiserver")
    yield


FAULTS: tuple[tuple[Fault, float, float], ...] = (
    (operator_killed, 0, 0),
    (operator_frozen, 5, 15),
    (both_operators_killed, 0, 0),
    (apiserver_restarted, 1, 15),
    (etcd_frozen, 3, 20),
    (node_partitioned, 5, 20),
    (node_lost, 5, 20),
    (containerd_frozen, 5, 15),
    (scheduler_stopped, 5, 20),
    (controller_manager_stopped, 5, 20),
    (history_compacted, 0, 2),
    (storm_of_429, 5, 15),
    (quota_full, 5, 20),
    (namespace_deleted, 5, 5),
    (template_deleted, 5, 15),
    (clock_jumped, 5, 20),
    (etcd_frozen_then_apiserver_down, 0, 0),
)
"""Each with the shortest and the longest time that it is kept up, in seconds."""


@contextmanager
def harm(fault: Fault, scene: Scene) -> Iterator[None]:
    """The fault, while the block lasts."""
    going = fault(scene)
    next(going)
    try:
        yield
    finally:
        next(going, None)


def _stopped(scene: Scene, component: str) -> Iterator[None]:
    scene.lab.testbed.stop(component)
    try:
        yield
    finally:
        _start(scene, component)


def _start(scene: Scene, component: str) -> None:
    """Start a component again; an API server's absence is over when it is ready, and pods' packets come to it.

    A lone API server takes itself out of its own Service when it stops, and comes back there when kube-proxy hears of
    it, which takes up to a minute by its back-off.
    """
    scene.lab.testbed.start(component)
    if component == "apiserver":
        ready = ("get", "--raw", "/readyz")
        eventually("the API server is ready", lambda: scene.lab.kubectl(*ready, timeout_seconds=5), READY_SECONDS)
        eventually("pods reach it", scene.reaches_api_server, READY_SECONDS)


def _frozen(scene: Scene, component: str) -> Iterator[None]:
    scene.lab.testbed.freeze(component)
    try:
        yield
    finally:
        scene.lab.testbed.thaw(component)


def _compact(scene: Scene) -> None:
    files = scene.lab.testbed.etcd_client
    context = ssl.create_default_context(cafile=str(files.ca))
    context.load_cert_chain(str(files.cert), str(files.key))
    with httpx.Client(base_url=files.endpoint, verify=context, trust_env=False, timeout=20) as etcd:
        head = etcd.post("/v3/kv/range", json={"key": "Lw=="}).raise_for_status().json()["header"]
        etcd.post("/v3/kv/compaction", json={"revision": head["revision"]}).raise_for_status()


def _throttle() -> tuple[dict[str, Any], ...]:
    api = "flowcontrol.apiserver.k8s.io/v1"
    account = {"name": "kubeprobe", "namespace": NAMESPACE}
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": True}
    return (
        {
            "apiVersion": api,
            "kind": "PriorityLevelConfiguration",
            "metadata": {"name": "chaos-storm"},
            "spec": {
                "type": "Limited",
                "limited": {
                    "nominalConcurrencyShares": 0,
                    "borrowingLimitPercent": 0,
                    "limitResponse": {"type": "Reject"},
                },
            },
        },
        {
            "apiVersion": api,
            "kind": "FlowSchema",
            "metadata": {"name": "chaos-storm"},
            "spec": {
                "matchingPrecedence": 2,
                "priorityLevelConfiguration": {"name": "chaos-storm"},
                "rules": [
                    {
                        "subjects": [{"kind": "ServiceAccount", "serviceAccount": account}],
                        "resourceRules": [everything],
                    }
                ],
            },
        },
    )

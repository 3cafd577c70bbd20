"""How soon everything works again once a fault is over, the engine's part told apart from the cluster's.

After an outage of its API server a cluster takes its time: the scheduler and the kubelets come back by their own
back-off, and no probe's pod can run before. So pods that have nothing to do with kubeprobe are looked at beside.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.chaos.faults import PROBES
from tests.lab.kubectl import eventually
from tests.lab.lab import Lab

AGAIN_SECONDS = 30.0
"""How soon after a fault's end the engine works again, by itself."""
POLL_SECONDS = 1.0
"""Each look starts a few kubectl, which would keep a core busy by themselves."""


@dataclass(frozen=True)
class Again:
    """How long after a fault's end what worked again, in seconds."""

    engine_seconds: float
    """A slot that came afterwards had its run, and the run its pod."""
    through_seconds: float
    """Such a run had passed, which takes a scheduler and a kubelet that are back."""
    cluster_seconds: float
    """Pods that the engine has nothing to do with were through on every node."""

    def __str__(self) -> str:
        return (
            f"runs start again after {self.engine_seconds:.1f}s, a probe is through after {self.through_seconds:.1f}s, "
            f"a pod of nobody's run on every node after {self.cluster_seconds:.1f}s"
        )

    def late(self) -> Iterator[str]:
        """What of this took too long: the engine's own part by itself, and what it makes of a cluster that works."""
        if self.engine_seconds > AGAIN_SECONDS:
            yield f"it took {self.engine_seconds:.0f}s until a slot had its run and its pod"
        if self.through_seconds > self.cluster_seconds + AGAIN_SECONDS:
            yield f"a probe was through {self.through_seconds - self.cluster_seconds:.0f}s later than other pods were"


def works_again(lab: Lab, patience_seconds: float) -> Again:
    """Wait until a slot that came after now has a run that passed."""
    began, now = time.monotonic(), datetime.now(UTC)

    def since(what: str, seen: Callable[[], bool]) -> float:
        eventually(what, seen, patience_seconds, poll_seconds=POLL_SECONDS)
        return time.monotonic() - began

    def after() -> list[dict[str, Any]]:
        runs = lab.kubectl.list("proberuns", PROBES)
        times = [(run, run["spec"].get("trigger", {}).get("slot")) for run in runs]
        return [run for run, slot in times if slot and now <= datetime.fromisoformat(slot) <= datetime.now(UTC)]

    def started() -> bool:
        names = {run["metadata"]["name"] for run in after()}
        return any(pod["metadata"]["name"] in names for pod in lab.kubectl.list("pods", PROBES))

    def through() -> bool:
        return any(run["status"].get("verdict") == "Passed" for run in after())

    with ThreadPoolExecutor(max_workers=1) as beside:
        cluster = beside.submit(since, "pods of nobody's run", lambda: _pods_work(lab, number=int(began)))
        engine_seconds = since("a slot has its run, and the run its pod", lambda: through() or started())
        return Again(engine_seconds, since("a probe is through", through), cluster.result())


def _pods_work(lab: Lab, number: int) -> bool:
    """Whether a pod of ours, which the engine knows nothing of, was through on each node."""
    spec = {
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
    }
    container = {
        "name": "canary",
        "image": lab.images.reference("probes"),
        "command": ["true"],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    phases = set()
    for node in lab.testbed.nodes:
        name = f"canary-{number}-{node}"
        if (pod := lab.kubectl.get("pod", name, PROBES)) is None:
            placed = {**spec, "nodeSelector": {"kubernetes.io/hostname": node}, "containers": [container]}
            metadata = {"name": name, "namespace": PROBES}
            lab.kubectl.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": placed})
        phases.add(pod["status"].get("phase") if pod else "")
    return phases == {"Succeeded"}

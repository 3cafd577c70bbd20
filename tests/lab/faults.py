"""Real faults of a real cluster: how each is made, how it is mended, who has to notice and with which words.

Used by the end-to-end tests (some of them) and by the bench that makes a table of all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from testbed import Testbed
from tests.lab.kubectl import eventually
from tests.lab.lab import PROBES, Lab

BROKEN_NODE = "node-2"
NODE_PROBE = "pod-lifecycle-node-2"
OTHER_NODE_PROBE = "pod-lifecycle-node-1"
ROLLOUT_PROBE = "deployment-lifecycle"
EVERY_SECONDS = 15
TIMEOUT_SECONDS = 20
TAKE_AGAIN_SECONDS = 0.2
SPREAD = {"every": f"{EVERY_SECONDS}s", "jitter": f"{EVERY_SECONDS - 1}s"}
"""Two cores are few: the probes are not to start all at once."""


@dataclass(frozen=True)
class Fault:
    """One fault."""

    name: str
    inject: Callable[[Lab], object]
    mend: Callable[[Lab], object]
    notices: str
    """The probe whose verdict has to turn."""
    verdicts: tuple[str, ...]
    """What it may turn to: Unknown only where the fault is the prober's own doing."""
    names: tuple[str, ...]
    """One of these has to be in the text: what a reader has to look at."""
    spares: tuple[str, ...] = ()
    """Probes that must not turn Failed meanwhile."""


def install_probes(lab: Lab) -> None:
    """The probes that the faults are seen with: pod-lifecycle for each node, and deployment-lifecycle."""
    for node, name in (("node-1", OTHER_NODE_PROBE), (BROKEN_NODE, NODE_PROBE)):
        lab.config(
            name,
            "pod-lifecycle",
            schedule=SPREAD,
            timeout=f"{TIMEOUT_SECONDS}s",
            params={"node": node, "pullPolicy": "Always"},
            podOverrides={"nodeSelector": {"kubernetes.io/hostname": node}},
        )
    lab.config(
        ROLLOUT_PROBE,
        "deployment-lifecycle",
        schedule=SPREAD,
        timeout=f"{TIMEOUT_SECONDS}s",
        podOverrides={"nodeSelector": {"kubernetes.io/hostname": "node-1"}},
    )


@contextmanager
def stopped(testbed: Testbed, component: str, *, flush: bool = False) -> Iterator[None]:
    """A component that is stopped for as long as the block lasts.

    Args:
        flush: whether the rules that a node's kube-proxy wrote go as well.
    """
    testbed.stop(component, flush=flush)
    try:
        yield
    finally:
        testbed.start(component)


def _stop(component: str) -> Callable[[Lab], None]:
    return lambda lab: lab.testbed.stop(component)


def _start(component: str) -> Callable[[Lab], None]:
    return lambda lab: lab.testbed.start(component)


class Exhaustion:
    """No pod address is free for as long as it lasts: what a pod gives back at its end is taken at once."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def inject(self, lab: Lab) -> None:
        """Take all that is free, and go on."""
        lab.testbed.exhaust_addresses(BROKEN_NODE)
        self._over.clear()
        self._thread = threading.Thread(target=self._keep, args=(lab,), daemon=True)
        self._thread.start()

    def mend(self, lab: Lab) -> None:
        """Give all back."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        lab.testbed.restore_addresses(BROKEN_NODE)

    def _keep(self, lab: Lab) -> None:
        while not self._over.wait(TAKE_AGAIN_SECONDS):
            lab.testbed.exhaust_addresses(BROKEN_NODE)


EXHAUSTION = Exhaustion()


def _cordon(lab: Lab) -> None:
    for node in lab.testbed.nodes:
        lab.kubectl("cordon", node)


def _uncordon(lab: Lab) -> None:
    for node in lab.testbed.nodes:
        lab.kubectl("uncordon", node)


def _webhook(lab: Lab) -> None:
    lab.kubectl.apply(dead_webhook())


def dead_webhook() -> dict[str, Any]:
    """A webhook on the probes' pods that nobody serves, and that fails closed."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "dead"},
        "webhooks": [
            {
                "name": "dead.example.com",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "timeoutSeconds": 2,
                "clientConfig": {"service": {"namespace": PROBES, "name": "nobody", "path": "/"}},
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": PROBES}},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}],
            }
        ],
    }


def _quota(lab: Lab) -> None:
    quota = {"metadata": {"name": "full", "namespace": PROBES}, "spec": {"hard": {"pods": "0"}}}
    lab.kubectl.apply({"apiVersion": "v1", "kind": "ResourceQuota", **quota})
    eventually(
        "the quota is enforced",
        lambda: (lab.kubectl.get("resourcequota", "full", PROBES) or {}).get("status", {}).get("hard"),
        30,
    )


FAULTS = (
    Fault("scheduler stopped", _stop("scheduler"), _start("scheduler"), NODE_PROBE, ("Failed",), ("scheduler",)),
    Fault(
        "controller-manager stopped",
        _stop("controller-manager"),
        _start("controller-manager"),
        ROLLOUT_PROBE,
        ("Failed",),
        ("controller-manager",),
    ),
    Fault(
        "kubelet stopped",
        _stop(f"{BROKEN_NODE}/kubelet"),
        _start(f"{BROKEN_NODE}/kubelet"),
        NODE_PROBE,
        ("Failed",),
        ("kubelet", "node.kubernetes.io"),
        spares=(OTHER_NODE_PROBE,),
    ),
    Fault("CoreDNS stopped", _stop("coredns"), _start("coredns"), ROLLOUT_PROBE, ("Failed",), ("dns",)),
    Fault(
        "kube-proxy stopped, rules flushed",
        lambda lab: lab.testbed.stop(f"{BROKEN_NODE}/kube-proxy", flush=True),
        _start(f"{BROKEN_NODE}/kube-proxy"),
        NODE_PROBE,
        ("Failed",),
        ("kube-proxy",),
        spares=(OTHER_NODE_PROBE,),
    ),
    Fault("registry stopped", _stop("registry"), _start("registry"), NODE_PROBE, ("Failed",), ("pull", "registry")),
    Fault(
        "CNI configuration removed",
        lambda lab: lab.testbed.cni_remove(BROKEN_NODE),
        lambda lab: lab.testbed.cni_restore(BROKEN_NODE),
        NODE_PROBE,
        ("Failed",),
        ("cni", "network", "node.kubernetes.io/not-ready"),
        spares=(OTHER_NODE_PROBE,),
    ),
    Fault(
        "pod addresses exhausted",
        EXHAUSTION.inject,
        EXHAUSTION.mend,
        NODE_PROBE,
        ("Failed",),
        ("no ip addresses",),
        spares=(OTHER_NODE_PROBE,),
    ),
    Fault("dead webhook", _webhook, lambda lab: lab.kubectl.delete("validatingwebhookconfiguration", "dead"),
          NODE_PROBE, ("Failed",), ("dead.example.com",)),
    Fault("full quota", _quota, lambda lab: lab.kubectl.delete("resourcequota", "full", PROBES),
          NODE_PROBE, ("Unknown",), ("exceeded quota",)),
    Fault("all nodes cordoned", _cordon, _uncordon, NODE_PROBE, ("Failed",), ("unschedulable",)),
)  # fmt: skip

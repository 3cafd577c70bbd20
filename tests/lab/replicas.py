"""Two replicas of the operator as processes beside a control plane of their own, and its audit log of who wrote."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from kubeprobe.cli.crds import crd_files
from testbed import ControlPlane
from tests.lab import audit
from tests.lab.kubectl import Kubectl, eventually
from tests.lab.process import OperatorProcess

HOST = "127.0.0.1"
LEASE = "kubeprobe-operator"
LED_SECONDS = 60
STOP = '[{"op": "replace", "path": "/spec/mode", "value": "OnDemand"}, {"op": "remove", "path": "/spec/schedule"}]'


@dataclass(frozen=True)
class Replicas:
    """A control plane with two replicas of the operator."""

    plane: ControlPlane
    kubectl: Kubectl
    both: tuple[OperatorProcess, OperatorProcess]

    def urls(self) -> list[str]:
        """Where their intakes are."""
        return [replica.url for replica in self.both]

    def leader(self, *among: OperatorProcess) -> OperatorProcess:
        """Wait until one of them leads."""
        return eventually("somebody leads", lambda: self._leading(among or self.both), LED_SECONDS, self.roles)

    def other(self, replica: OperatorProcess) -> OperatorProcess:
        """The one that this one is not."""
        return self.both[1] if replica is self.both[0] else self.both[0]

    def roles(self) -> list[str]:
        """What they say of themselves."""
        return [replica.says("/readyz") for replica in self.both]

    def writes(self, since: datetime = audit.EVER) -> list[audit.Write]:
        """All writes of operators that were answered until now, but for those to the lease."""
        assert self.plane.audit_log is not None
        return [write for write in audit.writes(self.plane.audit_log, since) if not write.lease]

    def prepare(self, namespace: str, configs: int, every: str, **spec: Any) -> None:
        """Make a namespace with so many configs whose pods nobody runs."""
        self.kubectl("create", "namespace", namespace)
        self.kubectl("create", "serviceaccount", "default", "-n", namespace)
        self._apply("ProbeTemplate", "going", "", {"image": "none", "timeout": "60s"})
        schedule = {"every": every, "jitter": f"{int(float(every.removesuffix('s')) * 1000) - 1}ms"}
        body = {"templateRef": {"name": "going"}, "schedule": schedule, "history": {"passed": 100}, **spec}
        for number in range(configs):
            self._apply("ProbeConfig", f"going-{number}", namespace, body)

    def finish(self, namespace: str) -> None:
        """Let no more runs begin, and wait until those under way are over."""
        for config in self.kubectl.list("probeconfigs", namespace):
            name = config["metadata"]["name"]
            self.kubectl("patch", "probeconfig", name, "-n", namespace, "--type=json", "-p", STOP)
        eventually(
            "all runs are over",
            lambda: all(
                run.get("status", {}).get("phase") == "Completed" for run in self.kubectl.list("proberuns", namespace)
            ),
            LED_SECONDS,
        )

    def _apply(self, kind: str, name: str, namespace: str, spec: dict[str, Any]) -> None:
        metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
        self.kubectl.apply({"apiVersion": "kubeprobe.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})

    def _leading(self, among: tuple[OperatorProcess, ...]) -> OperatorProcess | None:
        return next((one for one in among if _role(one)[1:] == ["leads"]), None)


def identity(replica: OperatorProcess) -> str:
    """What a replica is called in the lease, and in the audit log."""
    return _role(replica)[0]


def _role(replica: OperatorProcess) -> list[str]:
    """The words in which a replica tells its role: its identity, and what it does."""
    said = replica.says("/readyz").partition("] role: ")[2]
    return said.splitlines()[0].split() if said else [""]


@contextmanager
def two_replicas(folder: Path) -> Iterator[Replicas]:
    """Start it all; whatever is left of it is ended with the block."""
    with ControlPlane.start(folder / "plane", audit_log=folder / "audit" / "audit.log") as plane:
        kubectl = Kubectl(plane.bin_dir / "kubectl", plane.kubeconfig)
        kubectl("apply", "--server-side", "-f", "-", stdin="\n---\n".join(crd_files().values()))
        kubectl("wait", "--for=condition=Established", "crd", "-l", "app.kubernetes.io/part-of=kubeprobe")
        first, second = (OperatorProcess(plane.kubeconfig, HOST, folder / f"operator-{one}.log") for one in "ab")
        with ExitStack() as ending:
            for one in (first, second):
                ending.callback(one.stop)
                ending.callback(one.thaw)
                one.start()
            yield Replicas(plane, kubectl, (first, second))

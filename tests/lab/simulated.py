"""A control plane whose nodes are played: real etcd, API server and scheduler, and kwok in the kubelets' place."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from kubeprobe.cli.crds import crd_files
from testbed import ControlPlane
from testbed.gobuild import KWOK, Builder
from testbed.layout import cache_root
from testbed.process import ProcessSpec
from tests.lab.kubectl import Kubectl

GONE = {"key": ".metadata.deletionTimestamp", "operator": "Exists"}
THERE = {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"}
STATUS = """
{{ $now := Now }}
phase: %s
startTime: {{ $now | Quote }}
containerStatuses:
{{ range .spec.containers }}
- {name: {{ .name | Quote }}, image: {{ .image | Quote }}, imageID: "", ready: false, restartCount: 0, state: {%s}}
{{ end }}
"""
ENDED = "terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}"


def install(plane: ControlPlane) -> Kubectl:
    """Put kubeprobe's kinds into the cluster."""
    kubectl = Kubectl(plane.bin_dir / "kubectl", plane.kubeconfig)
    kubectl("apply", "--server-side", "-f", "-", stdin="---\n".join(crd_files().values()))
    kubectl("wait", "--for=condition=Established", "crd", "-l", "app.kubernetes.io/part-of=kubeprobe")
    return kubectl


def simulate(plane: ControlPlane, folder: Path) -> None:
    """Start the scheduler and kwok beside the API server; they end with it. Pods run for a second and pass."""
    builder = Builder(cache_root(), lambda text: print(text, file=sys.stderr, flush=True))
    kwok = builder.build(KWOK, lambda _: None) / "kwok"
    stages = [
        _stage("run", [THERE, _phase("Pending")], {"statusTemplate": STATUS % ("Running", "running: {}")}),
        _stage("end", [THERE, _phase("Running")], {"statusTemplate": STATUS % ("Succeeded", ENDED)}, delay=1000),
        _stage("delete", [GONE], {"delete": True}),
        # Without a stage for nodes kwok takes none on, and plays no pods there.
        _stage("node-delete", [GONE], {"delete": True}, kind="Node"),
    ]
    config = folder / "kwok.yaml"
    config.write_text("---\n".join(json.dumps(stage) + "\n" for stage in stages))
    kubeconfig = f"--kubeconfig={plane.kubeconfig}"
    played = (str(kwok), kubeconfig, f"--config={config}", "--manage-all-nodes=true", "--node-lease-duration-seconds=0")
    scheduler = (str(plane.bin_dir / "kube-scheduler"), kubeconfig, "--leader-elect=false", "--secure-port=0")
    plane.supervisor.ensure(ProcessSpec("kwok", played))
    plane.supervisor.ensure(ProcessSpec("scheduler", scheduler))


def node(number: int) -> dict[str, Any]:
    """A node that is ready from its creation on, called and labelled as clouds do."""
    name = f"ip-10-{number // 62500}-{number // 250 % 250}-{number % 250}.eu-central-1.compute.internal"
    zone = f"eu-central-1{'abc'[number % 3]}"
    labels = {
        "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/region": "eu-central-1", "topology.kubernetes.io/zone": zone,
        "node.kubernetes.io/instance-type": "m5.large",
    }  # fmt: skip
    size = {"cpu": "32", "memory": "256Gi", "pods": "110"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": {"allocatable": size, "capacity": size, "conditions": [ready]},
    }


def _stage(name: str, select: list[Any], then: dict[str, Any], delay: int = 0, kind: str = "Pod") -> dict[str, Any]:
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": select},
            "delay": {"durationMilliseconds": delay},
            "next": then,
        },
    }


def _phase(name: str) -> dict[str, Any]:
    return {"key": ".status.phase", "operator": "In", "values": [name]}

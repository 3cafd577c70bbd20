"""The manifests of a resident prober: a Deployment or DaemonSet, and the ConfigMap with what it is to do.

The ConfigMap is all that a prober needs, so that it starts and goes on without the operator. The pods are rolled when
what they are or how they probe has changed, by a digest in their template; targets alone are taken in while they run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from kubeprobe.api import API_VERSION, ProbeConfig, Resident
from kubeprobe.plan.found import LABEL_RESIDENT, Target, workload_name
from kubeprobe.plan.owned import DIGEST, OwnedKind, digest
from kubeprobe.plan.pod import Site, common_environment, probe_container, restricted_spec
from kubeprobe.plan.resolve import Work
from probe_sdk import wire

FILE = "resident.json"
DIRECTORY = "/etc/kubeprobe"
VOLUME = "kubeprobe-resident"
PAGE_PORT = 9090
GRACE_SECONDS = 15
"""For its last probes, and its last word home."""
PROGRESS_SECONDS = 120
"""After which a prober that does not come up is said to be none."""
API_VERSIONS = {
    OwnedKind.CONFIG_MAP: "v1",
    OwnedKind.DEPLOYMENT: "apps/v1",
    OwnedKind.DAEMON_SET: "apps/v1",
}


def workload_kind(resident: Resident) -> OwnedKind:
    """What keeps the prober's pods."""
    return OwnedKind.DAEMON_SET if resident.each_node else OwnedKind.DEPLOYMENT


def build_config_map(config: ProbeConfig, work: Work, targets: Iterable[Target]) -> dict[str, Any]:
    """The ConfigMap with the prober's file."""
    listed = [
        {
            "name": one.name,
            **({"params": dict(one.params)} if one.params else {}),
            **({"labels": dict(one.labels)} if one.labels else {}),
        }
        for one in targets
    ]
    text = _json({**_rate(config, work), "targets": listed})
    return {**_head(OwnedKind.CONFIG_MAP, config), "data": {FILE: text}}


def build_workload(config: ProbeConfig, work: Work, site: Site) -> dict[str, Any]:
    """The Deployment, or with eachNode the DaemonSet, that keeps the prober."""
    resident = config.spec.resident
    assert resident is not None
    kind = workload_kind(resident)
    selected = {wire.LABEL_CONFIG: config.metadata.name, LABEL_RESIDENT: "true"}
    template = {
        "metadata": {
            "labels": {**work.overrides.labels, **selected, wire.LABEL_MANAGED: wire.MANAGED_BY},
            "annotations": {**work.overrides.annotations, DIGEST: digest(_rate(config, work))},
        },
        "spec": _pod_spec(config, work, site),
    }
    spec = {"selector": {"matchLabels": selected}, "template": template, **_shape(kind)}
    manifest = {**_head(kind, config), "spec": spec}
    manifest["metadata"]["annotations"] = {DIGEST: digest(spec)}
    return manifest


def _shape(kind: OwnedKind) -> dict[str, Any]:
    """The new pod comes before the old one goes, so that a change leaves no gap."""
    if kind is OwnedKind.DAEMON_SET:
        rolling = {"maxSurge": "10%", "maxUnavailable": 0}
        return {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}
    rolling = {"maxSurge": 1, "maxUnavailable": 0}
    return {
        "replicas": 1,
        "revisionHistoryLimit": 2,
        "progressDeadlineSeconds": PROGRESS_SECONDS,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
    }


def _head(kind: OwnedKind, config: ProbeConfig) -> dict[str, Any]:
    meta = config.metadata
    owner = {"apiVersion": API_VERSION, "kind": "ProbeConfig", "name": meta.name, "uid": meta.uid, "controller": True}
    return {
        "apiVersion": API_VERSIONS[kind],
        "kind": kind.value,
        "metadata": {
            "name": workload_name(meta.name),
            "namespace": meta.namespace,
            "labels": {
                wire.LABEL_CONFIG: meta.name,
                wire.LABEL_MANAGED: wire.MANAGED_BY,
                LABEL_RESIDENT: "true",
            },
            "ownerReferences": [owner],
        },
    }


def _rate(config: ProbeConfig, work: Work) -> dict[str, Any]:
    """All of the prober's file but its targets."""
    resident = config.spec.resident
    assert resident is not None
    timeout = {"timeout": str(resident.timeout)} if resident.timeout is not None else {}
    window = {"window": resident.window, "ratio": resident.ratio} if resident.window is not None else {}
    return {
        "interval": str(resident.interval),
        **timeout,
        "perTarget": resident.per_target,
        "failures": resident.failures,
        "successes": resident.successes,
        **window,
        "params": dict(work.params),
    }


def _pod_spec(config: ProbeConfig, work: Work, site: Site) -> dict[str, Any]:
    container = probe_container(work, [*_environment(config, work, site)])
    container["volumeMounts"].append({"name": VOLUME, "mountPath": DIRECTORY, "readOnly": True})
    container["ports"] = [{"name": "metrics", "containerPort": PAGE_PORT, "protocol": "TCP"}]
    page = {"path": "/healthz", "port": PAGE_PORT, "scheme": "HTTP"}
    check = {"httpGet": page, "periodSeconds": 10, "timeoutSeconds": 5}
    container["readinessProbe"] = {**check, "periodSeconds": 5}
    # Patient: where the node's own network is broken, the prober that tells so must not be ended for it soon.
    container["livenessProbe"] = {**check, "failureThreshold": 12}
    spec = restricted_spec(work, container)
    spec["volumes"].append({"name": VOLUME, "configMap": {"name": workload_name(config.metadata.name)}})
    return {"terminationGracePeriodSeconds": GRACE_SECONDS, **spec}


def _environment(config: ProbeConfig, work: Work, site: Site) -> Iterator[dict[str, Any]]:
    yield {"name": wire.ENV_RESIDENT, "value": DIRECTORY}
    yield {"name": wire.ENV_PAGE_PORT, "value": str(PAGE_PORT)}
    yield from common_environment(work, site, config.metadata.namespace)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

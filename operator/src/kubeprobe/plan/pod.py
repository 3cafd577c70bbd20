"""The pod of a run: restricted by default, with a token of its own, and all it has to know in its environment."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from kubeprobe.api import API_VERSION, ProbeRun
from kubeprobe.plan.pod_view import CONTAINER, DEADLINE_ANNOTATION, STARTED_ANNOTATION
from kubeprobe.plan.resolve import Work
from probe_sdk import wire

TOKEN_DIRECTORY = "/var/run/secrets/kubeprobe"  # noqa: S105 - a path, not a secret
TOKEN_LIFETIME_SECONDS = 3600
USER_ID = 65532
DEFAULT_ACCOUNT = "default"
"""Who a probe is when nobody says: enough for its token, and it gets no other."""
KILL_MARGIN_SECONDS = 10.0
"""How long after its deadline the kubelet ends a probe that hangs: late enough for its last words."""
GRACE_SECONDS = 5

TOLERATED_TAINTS = tuple(
    f"node.kubernetes.io/{state}"
    for state in ("not-ready", "unreachable", "unschedulable", "disk-pressure", "memory-pressure", "pid-pressure")
)
"""What a pod that is pinned to its node does not mind, as a DaemonSet's: that the node is ill is what it is to find.

Of every effect: a DaemonSet's pods are on the node before it falls ill, ours have yet to be bound to it.
"""


@dataclass(frozen=True, slots=True)
class Site:
    """What the operator knows of itself and a pod has to be told."""

    intake_url: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where one of several pods of a run belongs."""

    pod_name: str
    node: str


def build_pod(run: ProbeRun, work: Work, site: Site, now: datetime, place: Place | None = None) -> dict[str, Any]:
    """The manifest of the pod that executes a run, started now; pinned where the run has one on each of its nodes."""
    deadline = now + timedelta(seconds=work.timeout_seconds)
    overrides = work.overrides
    labels = {
        **overrides.labels,
        wire.LABEL_RUN: run.metadata.name,
        wire.LABEL_MANAGED: wire.MANAGED_BY,
        **({wire.LABEL_CONFIG: work.config_name} if work.config_name else {}),
    }
    annotations = {
        **overrides.annotations,
        STARTED_ANNOTATION: now.isoformat(),
        DEADLINE_ANNOTATION: deadline.isoformat(),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": place.pod_name if place else run.metadata.name,
            "namespace": run.metadata.namespace,
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [owner(run)],
        },
        "spec": _pod_spec(run, work, site, deadline, place),
    }


def owner(run: ProbeRun) -> dict[str, Any]:
    """The owner reference of what belongs to a run."""
    return {
        "apiVersion": API_VERSION,
        "kind": "ProbeRun",
        "name": run.metadata.name,
        "uid": run.metadata.uid,
        "controller": True,
    }


def _pod_spec(run: ProbeRun, work: Work, site: Site, deadline: datetime, place: Place | None) -> dict[str, Any]:
    spec = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": math.ceil(work.timeout_seconds + KILL_MARGIN_SECONDS),
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        **restricted_spec(work, probe_container(work, [*_environment(run, work, site, deadline)])),
    }
    node = place.node if place is not None else run.spec.node
    if node:
        spec["affinity"] = {"nodeAffinity": _only_on(node)}
        tolerated = [{"key": key, "operator": "Exists"} for key in TOLERATED_TAINTS]
        spec["tolerations"] = [*spec.get("tolerations", ()), *tolerated]
    return spec


def restricted_spec(work: Work, container: dict[str, Any]) -> dict[str, Any]:
    """What the pods of all probes are like, whether they run once or stay: the rest of their spec is their own."""
    template, overrides = work.template.spec, work.overrides
    account = overrides.service_account_name or template.service_account_name
    spec: dict[str, Any] = {
        "enableServiceLinks": False,
        "serviceAccountName": account or DEFAULT_ACCOUNT,
        "automountServiceAccountToken": bool(account),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            _token_volume(),
            {"name": "tmp", "emptyDir": {}},
            *_dump(template.volumes),
            *_dump(overrides.volumes),
        ],
    }
    if overrides.node_selector:
        spec["nodeSelector"] = dict(overrides.node_selector)
    if overrides.tolerations:
        spec["tolerations"] = _dump(overrides.tolerations)
    return spec


def _only_on(node: str) -> dict[str, Any]:
    """As a DaemonSet says it: the scheduler stays in the way, and tells why where the pod does not fit."""
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchFields": [field]}]}}


def probe_container(work: Work, environment: list[dict[str, Any]]) -> dict[str, Any]:
    """The container of a probe.

    Args:
        environment: what kubeprobe tells it, before what template and config add.
    """
    template, overrides = work.template.spec, work.overrides
    resources = overrides.resources or template.resources
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": template.image,
        "imagePullPolicy": template.image_pull_policy,
        "env": [*environment, *_dump(template.env), *_dump(overrides.env)],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "kubeprobe-token", "mountPath": TOKEN_DIRECTORY, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own
            *_dump(template.volume_mounts),
            *_dump(overrides.volume_mounts),
        ],
    }
    if template.command:
        container["command"] = list(template.command)
    if template.args:
        container["args"] = list(template.args)
    if resources is not None:
        container["resources"] = resources.model_dump(by_alias=True, exclude_none=True, mode="json")
    return container


def _environment(run: ProbeRun, work: Work, site: Site, deadline: datetime) -> Iterator[dict[str, Any]]:
    known = {
        wire.ENV_RUN: run.metadata.name,
        wire.ENV_RUN_UID: run.metadata.uid,
        wire.ENV_DEADLINE: deadline.isoformat(),
        wire.ENV_PARAMS: _literal(json.dumps(work.params, separators=(",", ":"))),
    }
    yield from ({"name": name, "value": value} for name, value in known.items())
    yield from common_environment(work, site, run.metadata.namespace)


def common_environment(work: Work, site: Site, namespace: str) -> Iterator[dict[str, Any]]:
    """The variables of all probes: where they are, whom to tell, and their scalar parameters."""
    known = {
        wire.ENV_URL: site.intake_url,
        wire.ENV_TOKEN_FILE: f"{TOKEN_DIRECTORY}/token",
        wire.ENV_CONFIG: work.config_name,
        wire.ENV_NAMESPACE: namespace,
    }
    yield from ({"name": name, "value": value} for name, value in known.items())
    yield {"name": wire.ENV_NODE, "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
    yield {"name": wire.ENV_POD, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    yield from ({"name": name, "value": _literal(value)} for name, value in param_environment(work.params).items())


def _literal(value: str) -> str:
    """The value as the kubelet has to be given it: $(NAME) would be another variable, and $$ a single $."""
    return value.replace("$", "$$")


def param_environment(params: Mapping[str, Any]) -> dict[str, str]:
    """One PARAM_NAME for each scalar parameter, so that a command line can use $(PARAM_NAME) without an SDK."""
    return {
        f"PARAM_{re.sub(r'(?<=[a-z0-9])(?=[A-Z])|-', '_', name).upper()}": _plain(value)
        for name, value in params.items()
        if isinstance(value, str | int | float | bool)
    }


def _plain(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _token_volume() -> dict[str, Any]:
    token = {"audience": wire.AUDIENCE, "expirationSeconds": TOKEN_LIFETIME_SECONDS, "path": "token"}
    return {"name": "kubeprobe-token", "projected": {"sources": [{"serviceAccountToken": token}]}}


def _dump(models: tuple[Any, ...]) -> list[dict[str, Any]]:
    return [model.model_dump(by_alias=True, exclude_none=True, mode="json") for model in models]

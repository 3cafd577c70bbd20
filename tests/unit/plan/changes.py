"""Workloads, nodes, objects and Changes as the API server would hand them over, with as little said as a test needs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.unit.plan.builders import CREATED, at, config, meta

from kubeprobe.api import Change, ChangeSource, ChangeType, ProbeConfig, ProbeRun
from kubeprobe.plan.batch import Wait
from kubeprobe.plan.changed import Changed
from kubeprobe.plan.fingerprint import ObjectKey, Tracked, read_tracked
from kubeprobe.plan.rollout import Rollout, RolloutState, Workload, read_workload

CART = ObjectKey("Deployment", "shop", "cart")
WAIT = Wait(10.0)
FIRST, SECOND, THIRD = (f"chg-01kgk2zq5{letter}8f3v6y9m0c4w7x1b" for letter in "abc")


def template(image: str = "cart:1", **labels: str) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"app": "cart", **labels}},
        "spec": {"containers": [{"name": "app", "image": image}]},
    }


def workload_body(
    image: str = "cart:1",
    *,
    name: str = "cart",
    spec: dict[str, Any] | None = None,
    status: dict[str, Any] | None = None,
    **metadata: Any,
) -> dict[str, Any]:
    """A Deployment of three pods, unless the spec says otherwise."""
    return {
        "apiVersion": "apps/v1",
        "metadata": {**meta(name), "namespace": "shop", "labels": {"app": name}, **metadata},
        "spec": {"replicas": 3, "template": template(image), **(spec or {})},
        "status": status or {},
    }


def workload(kind: str = "Deployment", **more: Any) -> Workload:
    return read_workload(kind, workload_body(**more))


def tracked(image: str = "cart:1", kind: str = "Deployment", **more: Any) -> Tracked:
    return read_tracked(kind, workload_body(image, **more))


def node_body(name: str = "node-1", *, kubelet: str = "v1.30.0", cordoned: bool = False, **more: Any) -> dict[str, Any]:
    told = {
        "kubeletVersion": kubelet,
        "kernelVersion": "6.1",
        "containerRuntimeVersion": "cri://1",
        "osImage": "Debian",
    }
    spec = {"unschedulable": True} if cordoned else {}
    return {
        "apiVersion": "v1",
        "metadata": {**meta(name), "namespace": "", **more},
        "spec": spec,
        "status": {"nodeInfo": told},
    }


def data_body(name: str = "settings", data: dict[str, str] | None = None, **metadata: Any) -> dict[str, Any]:
    labels = {"app": "cart"}
    return {
        "apiVersion": "v1",
        "metadata": {**meta(name), "namespace": "shop", "labels": labels, **metadata},
        "data": data or {},
    }


def changed(key: ObjectKey = CART, mark: str = "00000000000000aa", **more: Any) -> Changed:
    values: dict[str, Any] = {"at": CREATED, "labels": {"app": key.name}, **more}
    return Changed(key, ChangeType(values.pop("type", "Modified")), mark, **values)


def change(
    name: str = FIRST,
    *,
    source: ChangeSource = ChangeSource.ROLLOUT,
    objects: list[dict[str, Any]] | None = None,
    probes: list[dict[str, Any]] | None = None,
    began: float = 0,
    last: float = 0,
    closed: float = 10,
    status: dict[str, Any] | None = None,
    **spec: Any,
) -> Change:
    """The Change of the Deployment cart, seen when everything was created and closed ten seconds later."""
    given = objects if objects is not None else [named()]
    whole = {
        "source": source.value,
        "summary": "Deployment shop/cart: app: cart:1 → cart:2",
        "objects": given,
        "count": len(given),
        "probes": probes if probes is not None else [probe()],
        "began": at(began).isoformat(),
        "last": at(last).isoformat(),
        "closed": at(closed).isoformat(),
        **spec,
    }
    body = {"metadata": {**meta(name), "namespace": ""}, "spec": whole, **({"status": status} if status else {})}
    return Change.model_validate(body)


def named(key: ObjectKey = CART, mark: str = "00000000000000aa", **more: Any) -> dict[str, Any]:
    where = {"kind": key.kind, "namespace": key.namespace, "name": key.name}
    return {**where, "type": "Modified", "fingerprint": mark, "at": CREATED.isoformat(), **more}


def probe(name: str = "main", **more: Any) -> dict[str, Any]:
    return {"namespace": "probes", "name": name, "during": ["Finished"], **more}


def triggered(*triggers: dict[str, Any], **more: Any) -> ProbeConfig:
    return config(mode="OnDemand", schedule=None, triggers=list(triggers), **more)


def rollout(state: RolloutState = RolloutState.FINISHED, message: str = "", key: ObjectKey = CART) -> Rollout:
    return Rollout(key, state, message)


def created(manifest: dict[str, Any], when: datetime, status: dict[str, Any] | None = None) -> ProbeRun:
    """The run of a manifest as the API server tells it."""
    name = manifest["metadata"]["name"]
    told = {**meta(name), **manifest["metadata"], "creationTimestamp": when.replace(microsecond=0).isoformat()}
    return ProbeRun.model_validate({**manifest, "metadata": told, "status": status or {}})


def over(run: ProbeRun, when: datetime, verdict: str = "Passed", **more: Any) -> ProbeRun:
    """The run, ended."""
    status = {"phase": "Completed", "verdict": verdict, "finishedAt": when.isoformat(), "reason": verdict, **more}
    return ProbeRun.model_validate({**run.model_dump(by_alias=True, mode="json"), "status": status})

"""A control plane whose API server holds what closed gates hold, and somebody who applies over one kept connection."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp

from kubeprobe.kube.client import Client
from kubeprobe.kube.port import DEPLOYMENTS, GATES, NAMESPACES, Resource
from testbed import ControlPlane
from tests.lab.chart import render

POLICIES = Resource("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies")
BINDINGS = Resource("admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings")
KINDS = {"ValidatingAdmissionPolicy": POLICIES, "ValidatingAdmissionPolicyBinding": BINDINGS}
SHOP, ELSEWHERE = "shop", "elsewhere"
NAME = "cart"
LOOK_SECONDS = 0.01
SOON_SECONDS = 120.0
CLOSED = {"phase": "Closed", "reason": "ProbeFailed", "closureID": "cls-bench", "message": "a probe fails"}
OPEN = {"phase": "Open", "reason": "Verified", "message": "12 probes pass", "verdict": "Passed"}


@dataclass(frozen=True)
class Answer:
    """What became of an update."""

    denied: bool
    sent_at: float
    """By `time.time`, as the audit log's times are."""
    seconds: float


class Applier:
    """Applies a Deployment over one kept connection, as kubectl does, but is never stored: the admission is the same.

    Args:
        session: the connection.
        namespace: where the Deployment is.
    """

    def __init__(self, session: aiohttp.ClientSession, namespace: str) -> None:
        self._session = session
        self._path = DEPLOYMENTS.path(namespace, NAME)
        self._number = 0

    async def apply(self) -> Answer:
        """Send an update that changes the template; whether it was denied, and how long that took."""
        self._number += 1
        body = json.dumps(deployment(f"{NAME}:{self._number}"))
        query = {"fieldManager": "bench", "force": "true", "dryRun": "All"}
        headers = {"Content-Type": "application/apply-patch+yaml"}
        sent_at, began = time.time(), time.perf_counter()
        async with self._session.patch(self._path, params=query, data=body, headers=headers) as answer:
            said = await answer.text()
            seconds = time.perf_counter() - began
        denied = answer.status == HTTPStatus.FORBIDDEN and "is closed" in said
        if not denied and answer.status != HTTPStatus.OK:
            raise SystemExit(f"an update was answered {answer.status}: {said}")
        return Answer(denied, sent_at, seconds)

    async def until(self, *, denied: bool) -> Answer:
        """Send updates until one is denied, or passes."""
        async with asyncio.timeout(SOON_SECONDS):
            while True:
                answer = await self.apply()
                if answer.denied is denied:
                    return answer
                await asyncio.sleep(LOOK_SECONDS)


@asynccontextmanager
async def applying(plane: ControlPlane, namespace: str) -> AsyncIterator[Applier]:
    """Somebody who applies a Deployment there, which is there already."""
    tls = ssl.create_default_context(cafile=str(plane.ca))
    connector = aiohttp.TCPConnector(ssl=tls, limit=1)
    headers = {"Authorization": f"Bearer {plane.token}"}
    async with aiohttp.ClientSession(plane.api_url, connector=connector, headers=headers) as session:
        yield Applier(session, namespace)


async def furnish(api: Client) -> None:
    """The namespaces, with a Deployment in each."""
    for namespace in (SHOP, ELSEWHERE):
        await api.create(NAMESPACES, None, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        await api.create(DEPLOYMENTS, namespace, deployment(f"{NAME}:first"))


async def install_policies(api: Client) -> None:
    """The chart's policies."""
    for one in render():
        if one["kind"] in KINDS:
            await api.create(KINDS[one["kind"]], None, one)


async def remove_policies(api: Client) -> None:
    """Take them away."""
    for resource in (BINDINGS, POLICIES):
        for one in [one async for one in api.list(resource)]:
            await api.delete(resource, None, one["metadata"]["name"], uid=one["metadata"]["uid"])


async def put_gate(api: Client, name: str, spec: Mapping[str, Any], status: Mapping[str, Any] | None = None) -> None:
    """Create a gate, with a status as the operator would write it."""
    body = {"apiVersion": "kubeprobe.io/v1alpha1", "kind": "ChangeGate", "metadata": {"name": name}, "spec": dict(spec)}
    await api.create(GATES, None, body)
    if status is not None:
        await api.merge_patch(GATES, None, name, {"status": dict(status)}, subresource="status")


async def remove_gates(api: Client) -> None:
    """Take all gates away."""
    for one in [one async for one in api.list(GATES)]:
        await api.delete(GATES, None, one["metadata"]["name"], uid=one["metadata"]["uid"])


def deployment(image: str) -> dict[str, Any]:
    """A Deployment of this image."""
    labels = {"app": NAME}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": image}]}},
        },
    }

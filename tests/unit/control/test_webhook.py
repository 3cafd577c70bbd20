"""The webhook as a part of the operator: it makes its certificate, is trusted by it, and answers from the views."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.api.enforcement.cases import HELD, gate, workload
from tests.lab.process import free_port
from tests.unit.control.cluster import Cluster
from tests.unit.control.parts import make_context

from kubeprobe.api import ChangeGate
from kubeprobe.control import webhook_cert
from kubeprobe.control.queue import WorkQueue
from kubeprobe.control.webhook import AdmissionWebhook, WebhookSettings
from kubeprobe.control.webhook_cert import WebhookName

HOST = "127.0.0.1"
NAME = WebhookName("kubeprobe-system", "kubeprobe-webhook")
CONFIGURATION = ("validatingwebhookconfigurations", "", NAME.name)


async def ask(port: int, authorities: str, body: Any) -> Any:
    """Post a review as an API server does that trusts these; None while that cannot be."""
    context = ssl.create_default_context(cadata=authorities)
    try:
        reader, writer = await asyncio.open_connection(HOST, port, ssl=context, server_hostname=NAME.hosts[0])
    except (ssl.SSLError, OSError):
        return None
    content = json.dumps(body).encode()
    lines = ("POST /v1/admission HTTP/1.1", f"Host: {HOST}", f"Content-Length: {len(content)}", "Connection: close", "")
    writer.write("\r\n".join((*lines, "")).encode() + content)
    try:
        answer = await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()
    return json.loads(answer.partition(b"\r\n\r\n")[2])["response"]


async def test_who_trusts_it_by_its_configuration_is_answered_from_the_gates_in_view(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(webhook_cert, "RETRY_SECONDS", 0.01)
    cluster = Cluster()
    context = make_context(cluster, lambda: datetime.now(UTC), WorkQueue(lambda: 0.0))
    closed = gate()
    meta = {**closed["metadata"], "uid": "uid", "resourceVersion": "1"}
    context.views.gates.put(ChangeGate.model_validate({**closed, "metadata": meta}))
    port = free_port(HOST)
    webhook = AdmissionWebhook(cluster, context, WebhookSettings(NAME, HOST, port), lambda: True)
    request = {
        "uid": "1",
        "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "namespace": "shop",
        "name": "cart",
        "object": workload(),
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}

    def trusted() -> str:
        hook = cluster.objects[CONFIGURATION]["webhooks"][0]
        return base64.b64decode(hook["clientConfig"].get("caBundle", "")).decode()

    async with asyncio.timeout(20), asyncio.TaskGroup() as parts:
        running = [parts.create_task(webhook.run()), parts.create_task(webhook.keep())]
        while not caplog.records:  # noqa: ASYNC110 - nobody has told it of a configuration yet: it waits, and says so
            await asyncio.sleep(0.001)
        hook = {"name": "gates.kubeprobe.io", "clientConfig": {"service": {"name": NAME.name}}}
        cluster.objects[CONFIGURATION] = {"metadata": {"name": NAME.name, "resourceVersion": "1"}, "webhooks": [hook]}
        response = None
        while response is None:
            await asyncio.sleep(0.01)
            response = await ask(port, trusted(), review) if trusted() else None
        for part in running:
            part.cancel()
    assert response["allowed"] is False
    assert response["status"]["message"] == HELD

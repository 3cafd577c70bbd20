"""The webhook in the admission chain of a real API server, against the table of what closed gates hold.

It is asked by address, since no service network is here; everything else of its configuration is the chart's.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from kubeprobe.api import ChangeGate
from kubeprobe.control.certificate import issue
from kubeprobe.control.gatekeeper import Gatekeeper
from kubeprobe.control.view import Views, read_namespace
from kubeprobe.intake.admission import ADMISSION_PATH, AdmissionHandler, Webhook, serve_admission
from kubeprobe.kube.client import connect
from kubeprobe.kube.reviews import ClusterReviews
from tests.api.conftest import Server
from tests.api.enforcement.cases import BEFORE, CASES, NAMESPACES, OWN_NAMESPACE, PROOF, PROVEN, Case, gate, workload
from tests.api.enforcement.conftest import ADMISSION, Admission, create, holds, until
from tests.lab.chart import render
from tests.lab.loops import until_quiet

HOST = "localhost"
ADDRESS = "127.0.0.1"
CONFIGURATIONS = f"{ADMISSION}/validatingwebhookconfigurations"


@dataclass
class Served:
    """A webhook in a thread of its own."""

    kubeconfig: Path
    tls: ssl.SSLContext
    views: Views = field(default_factory=Views)
    port: int = 0
    up: threading.Event = field(default_factory=threading.Event)
    loop: asyncio.AbstractEventLoop | None = None
    stop: asyncio.Event | None = None

    def see(self, server: Server) -> None:
        """Take in the gates as the API server has them."""
        for known in tuple(self.views.gates):
            self.views.gates.drop(("", known.metadata.name), known.metadata.uid)
        for body in server.http.get(server.path("ChangeGate")).json()["items"]:
            self.views.gates.put(ChangeGate.model_validate(body))

    def run(self) -> None:
        asyncio.run(self._serve())

    def end(self) -> None:
        if self.loop is not None and self.stop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended already
                self.loop.call_soon_threadsafe(self.stop.set)

    async def _serve(self) -> None:
        await self._until_stopped()
        await until_quiet()

    async def _until_stopped(self) -> None:
        self.loop, self.stop = asyncio.get_running_loop(), asyncio.Event()
        async with await connect(self.kubeconfig) as api:
            judge = Gatekeeper(self.views, ClusterReviews(api), OWN_NAMESPACE, lambda: True)
            handler = AdmissionHandler(judge, CollectorRegistry())
            async with serve_admission(handler, Webhook(ADDRESS, 0, self.tls)) as self.port:
                self.up.set()
                await self.stop.wait()


@pytest.fixture(scope="module")
def served(people: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("webhook")
    issued = issue([HOST], datetime.now(UTC))
    certificate, key = folder / "tls.crt", folder / "tls.key"
    certificate.write_text(issued.certificate)
    key.write_text(issued.key)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    webhook = Served(people.kubeconfig, tls)
    thread = threading.Thread(target=webhook.run)
    thread.start()
    assert webhook.up.wait(30)
    configuration = configured(f"https://{HOST}:{webhook.port}{ADMISSION_PATH}", issued.authority)
    create(people, CONFIGURATIONS, configuration)
    for name in NAMESPACES:
        webhook.views.namespaces.put(read_namespace(people.http.get(f"/api/v1/namespaces/{name}").json()))
    # The API server has learned of it once a proof is denied.
    admission = Admission(people)
    admission.gate(gate())
    webhook.see(people)
    proof = Case("proof", workload(labels=PROOF, namespace=OWN_NAMESPACE))
    until("the webhook is asked", lambda: PROVEN in admission.attempt(proof).text)
    admission.clear()
    yield webhook
    people.http.delete(f"{CONFIGURATIONS}/{configuration['metadata']['name']}")
    webhook.end()
    thread.join(30)


def configured(url: str, authority: str) -> dict[str, Any]:
    """The chart's configuration of a webhook at an address."""
    chart = render("--set", "gates.webhook.enabled=true")
    found = next(one for one in chart if one["kind"] == "ValidatingWebhookConfiguration")
    found["webhooks"][0]["clientConfig"] = {"url": url, "caBundle": base64.b64encode(authority.encode()).decode()}
    return found


@pytest.fixture
def asked(people: Server, served: Served) -> Iterator[Admission]:
    """An API server that asks the webhook."""
    admission = Admission(people)
    served.see(people)
    yield admission
    admission.clear()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_held_and_what_passes(asked: Admission, served: Served, case: Case) -> None:
    asked.prepare(case)
    served.see(asked.server)
    holds(case, asked.attempt(case))


# The last one: it ends the webhook of all these.
def test_a_webhook_that_is_away_lets_changes_through(asked: Admission, served: Served) -> None:
    asked.prepare(Case("held", workload(), BEFORE))
    served.see(asked.server)
    case = Case("held", workload(), BEFORE)
    assert asked.attempt(case).status_code == 403
    served.end()
    until("changes pass", lambda: asked.attempt(case).is_success)

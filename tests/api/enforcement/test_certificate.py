"""The operator as a process makes the webhook's certificate, tells the API server whom to trust, and shows it."""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.api.control.conftest import HOST, SOON_SECONDS, working
from tests.api.enforcement.test_webhook import configured
from tests.lab.kubectl import Kubectl, eventually
from tests.lab.process import free_port

NAMESPACE = "kubeprobe-system"
NAME = "kubeprobe-webhook"
KIND = "validatingwebhookconfiguration"


@dataclass
class Site:
    """A cluster with the webhook's configuration, and an operator that serves it."""

    kubectl: Kubectl
    port: int

    def bundle(self) -> str:
        """Whom the API server is told to trust; empty while nobody has told it."""
        configuration: dict[str, Any] = self.kubectl.get(KIND, NAME, "") or {}
        encoded = configuration["webhooks"][0]["clientConfig"].get("caBundle", "")
        return base64.b64decode(encoded).decode()

    def trusted(self) -> bool:
        """Whether who trusts just those can speak to the webhook, by the name of its Service."""
        bundle = self.bundle()
        if "CERTIFICATE" not in bundle:
            return False
        context = ssl.create_default_context(cadata=bundle)
        try:
            with (
                socket.create_connection((HOST, self.port), timeout=5) as plain,
                context.wrap_socket(plain, server_hostname=f"{NAME}.{NAMESPACE}.svc"),
            ):
                return True
        except OSError:
            return False


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    port = free_port(HOST)
    options = (f"--webhook-service={NAMESPACE}/{NAME}", f"--webhook-port={port}")
    with working(tmp_path_factory.mktemp("certificate"), *options, before=_with_webhook) as operator:
        yield Site(operator.kubectl, port)


def _with_webhook(kubectl: Kubectl) -> None:
    kubectl("create", "namespace", NAMESPACE)
    configuration = configured("https://localhost:1/v1/admission", "")
    del configuration["webhooks"][0]["clientConfig"]["caBundle"]
    kubectl.apply(configuration)


def test_the_api_server_trusts_what_the_webhook_shows(site: Site) -> None:
    eventually("the webhook is trusted", site.trusted, SOON_SECONDS)
    secret = site.kubectl.get("secret", NAME, NAMESPACE)
    assert secret is not None
    assert secret["type"] == "kubernetes.io/tls"
    assert set(secret["data"]) == {"ca.crt", "tls.crt", "tls.key"}

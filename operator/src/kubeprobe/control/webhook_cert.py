"""The webhook's certificate: made and renewed by the leader, kept in a Secret, served by every replica.

What API servers are to trust is told to them first, the old authority beside the new one, and only then does the new
certificate come into the Secret: whichever of the two a replica shows, it is trusted, and a crash in between leaves an
authority that signed nothing that anybody shows.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import ssl
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kubeprobe.control.certificate import good_until, issue, newest
from kubeprobe.control.writer import Writer
from kubeprobe.kube.port import SECRETS, VALIDATING_WEBHOOKS, ApiError, Object, Reader
from kubeprobe.plan.budget import Priority

logger = logging.getLogger("kubeprobe.webhook")
LOOK_SECONDS = 60.0
"""A renewed certificate may wait: the one before it is good for weeks."""
RETRY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class WebhookName:
    """What the webhook's Service, its Secret and its configuration are called: all three the same."""

    namespace: str
    name: str

    @property
    def hosts(self) -> tuple[str, ...]:
        """What API servers call the Service."""
        return (f"{self.name}.{self.namespace}.svc", f"{self.name}.{self.namespace}.svc.cluster.local")


@dataclass(frozen=True, slots=True)
class Kept:
    """What is in the Secret, as PEM; empty where it is not there, or is no text."""

    version: str = ""
    authorities: str = ""
    """Of this certificate, and of the one before it."""
    certificate: str = ""
    key: str = ""


class WebhookCertificate:
    """`follow` it in every replica, and `keep` it in the one that leads.

    Args:
        api: for reading.
        writer: for what only the leader writes.
        name: the webhook.
        now: the time.
    """

    def __init__(self, api: Reader, writer: Writer, name: WebhookName, now: Callable[[], datetime]) -> None:
        self._api = api
        self._writer = writer
        self._name = name
        self._now = now
        self._shown = Kept()
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        """The context to serve with; there is no certificate in it at first, and connections fail."""
        self.tls.minimum_version = ssl.TLSVersion.TLSv1_2

    async def follow(self) -> None:
        """Show what is in the Secret, for ever."""
        await self._repeat(self.show)

    async def keep(self) -> None:
        """Have a good certificate in the Secret, and API servers trust it, for ever."""
        await self._repeat(self.put_right)

    async def show(self) -> bool:
        """Take up the certificate from the Secret; whether one is shown. Raises `ApiError`."""
        return self._show(await self._kept())

    async def put_right(self) -> bool:
        """Renew the certificate if it is time, and tell API servers whom to trust. Raises `ApiError`."""
        kept = await self._kept()
        shown = self._show(kept)
        good = good_until(kept.certificate, kept.authorities, self._name.hosts)
        if shown and good is not None and self._now() < good:
            await self._trust(kept.authorities)
            return True
        fresh = issue(self._name.hosts, self._now())
        authorities = fresh.authority + newest(self._shown.authorities)
        await self._trust(authorities)
        renewed = Kept(kept.version, authorities, fresh.certificate, fresh.key)
        await self._write(renewed)
        logger.info("the webhook has a new certificate, in the Secret %s/%s", self._name.namespace, self._name.name)
        return self._show(renewed)

    def _show(self, kept: Kept) -> bool:
        if not (kept.certificate and kept.key):
            return False
        if (kept.certificate, kept.key) == (self._shown.certificate, self._shown.key):
            return True
        with tempfile.TemporaryDirectory(prefix="kubeprobe-") as folder:
            certificate, key = Path(folder) / "tls.crt", Path(folder) / "tls.key"
            certificate.write_text(kept.certificate)
            key.write_text(kept.key)
            try:
                # A pair that does not fit together must not end up in what is in use.
                ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
                self.tls.load_cert_chain(certificate, key)
            except ssl.SSLError as error:
                logger.warning("the Secret %s/%s: %s", self._name.namespace, self._name.name, error)
                return False
        self._shown = kept
        return True

    async def _kept(self) -> Kept:
        try:
            secret = await self._api.get(SECRETS, self._name.namespace, self._name.name)
        except ApiError as error:
            if error.not_found:
                return Kept()
            raise
        version, data = secret["metadata"]["resourceVersion"], secret.get("data") or {}
        return Kept(version, *(_decoded(data.get(key) or "") for key in ("ca.crt", "tls.crt", "tls.key")))

    async def _write(self, kept: Kept) -> None:
        namespace, name = self._name.namespace, self._name.name
        parts = {"ca.crt": kept.authorities, "tls.crt": kept.certificate, "tls.key": kept.key}
        body: Object = {"data": {key: _encoded(text) for key, text in parts.items()}}
        if kept.version:
            body["metadata"] = {"resourceVersion": kept.version}
            await self._writer.merge_patch(Priority.HISTORY, SECRETS, namespace, name, body)
            return
        labels = {"app.kubernetes.io/name": "kubeprobe", "app.kubernetes.io/managed-by": "kubeprobe"}
        body |= {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls"}
        body["metadata"] = {"name": name, "namespace": namespace, "labels": labels}
        await self._writer.create(Priority.HISTORY, SECRETS, namespace, body)

    async def _trust(self, authorities: str) -> None:
        name, bundle = self._name.name, _encoded(authorities)
        found = await self._api.get(VALIDATING_WEBHOOKS, None, name)
        hooks = found.get("webhooks") or ()
        if all(hook["clientConfig"].get("caBundle") == bundle for hook in hooks):
            return
        trusting = [{**hook, "clientConfig": {**hook["clientConfig"], "caBundle": bundle}} for hook in hooks]
        body = {"metadata": {"resourceVersion": found["metadata"]["resourceVersion"]}, "webhooks": trusting}
        await self._writer.merge_patch(Priority.HISTORY, VALIDATING_WEBHOOKS, None, name, body)

    async def _repeat(self, step: Callable[[], Awaitable[bool]]) -> None:
        while True:
            try:
                done = await step()
            except ApiError as error:
                logger.warning("the webhook's certificate: %s", error)
                done = False
            await asyncio.sleep(LOOK_SECONDS if done else RETRY_SECONDS)


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""

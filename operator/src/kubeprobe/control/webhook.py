"""The validating webhook as one part of the operator: served by every replica, its certificate kept by the leader."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from kubeprobe.control.context import Context
from kubeprobe.control.gatekeeper import Gatekeeper
from kubeprobe.control.webhook_cert import WebhookCertificate, WebhookName
from kubeprobe.intake.admission import AdmissionHandler, Webhook, serve_admission
from kubeprobe.kube.port import Api
from kubeprobe.kube.reviews import ClusterReviews

logger = logging.getLogger("kubeprobe.webhook")


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Where the webhook is served."""

    name: WebhookName
    host: str
    port: int


class AdmissionWebhook:
    """`run` it in every replica, and `keep` it in the one that leads.

    Args:
        api: also for asking who may override a gate, which is a creation, and every replica's.
        context: the operator's parts.
        settings: where it is served.
        synced: whether the views have seen everything.
    """

    def __init__(self, api: Api, context: Context, settings: WebhookSettings, synced: Callable[[], bool]) -> None:
        self._settings = settings
        self._certificate = WebhookCertificate(context.api, context.writer, settings.name, context.now)
        judge = Gatekeeper(context.views, ClusterReviews(api), settings.name.namespace, synced)
        self._handler = AdmissionHandler(judge, context.metrics.registry)

    async def run(self) -> None:
        """Serve, for ever."""
        where = Webhook(self._settings.host, self._settings.port, self._certificate.tls)
        async with serve_admission(self._handler, where) as port:
            logger.info("the admission webhook is served at port %d", port)
            await self._certificate.follow()

    async def keep(self) -> None:
        """Have a good certificate, for ever."""
        await self._certificate.keep()

"""Secrets by label, in the namespaces that are named."""

from collections.abc import AsyncIterator

from pydantic import Field

from cluster.api import SECRETS, Api
from cluster.words import Object
from probe_sdk import ProbeFailure, params

ALL = "*"


class SecretSelection(params.Model):
    """Secrets by label selector and namespace."""

    selector: str = Field("", description="Label selector, such as app=shop; empty: all.")
    namespaces: list[str] = Field(
        [],
        description="Namespaces to look in, * for all of them; empty: the probe's own. The probe's service account "
        "needs to list Secrets there.",
    )


async def select(api: Api, chosen: SecretSelection, fields: str = "") -> AsyncIterator[Object]:
    """The Secrets of a selection; nothing selected is most likely a mistake, and told."""
    found = 0
    for namespace in chosen.namespaces or [api.config.namespace]:
        secrets, _ = await api.list(
            SECRETS, None if namespace == ALL else namespace, labels=chosen.selector, fields=fields
        )
        for secret in secrets:
            found += 1
            yield secret
    if not found:
        where = ", ".join(chosen.namespaces) or api.config.namespace
        kind = "TLS Secret" if fields else "Secret"
        raise ProbeFailure(f"no {kind} in {where} has the labels {chosen.selector or '(any)'}; look at the selector")


def name_of(secret: Object) -> str:
    """`Secret namespace/name`."""
    return f"Secret {secret['metadata']['namespace']}/{secret['metadata']['name']}"

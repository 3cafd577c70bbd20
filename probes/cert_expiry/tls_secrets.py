"""Certificates in Secrets of the type kubernetes.io/tls."""

from base64 import b64decode

from cert_expiry.certificates import Presented, Source, UnreadableError, parse
from cert_expiry.selection import SecretSelection, name_of, select
from cluster.api import Api
from cluster.words import Object
from probe_sdk import step

TYPE = "type=kubernetes.io/tls"


async def read_selection(api: Api, chosen: SecretSelection) -> list[Source]:
    """The Secrets of one selection."""
    with step("secrets"):
        return [read(secret) async for secret in select(api, chosen, TYPE)]


def read(secret: Object) -> Source:
    """The chain in tls.crt, which has to lead to ca.crt where that is there (cert-manager puts it there)."""
    where, data = name_of(secret), secret.get("data") or {}
    try:
        chain = parse(b64decode(data.get("tls.crt") or ""))
    except UnreadableError as error:
        return Source(problems=(f"{where}: tls.crt is unparsable: {error}; look at what writes this Secret",))
    try:
        roots = parse(b64decode(data["ca.crt"])) if data.get("ca.crt") else None
    except UnreadableError as error:
        problem = f"{where}: ca.crt is unparsable: {error}; look at what writes this Secret"
        return Source((Presented(where, chain),), (problem,))
    return Source((Presented(where, chain, roots),))

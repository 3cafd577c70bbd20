"""Certificates that run out soon, have run out, or would be refused: at endpoints, in Secrets and kubeconfigs, and
the authorities that the API server trusts for webhooks.
"""

from collections.abc import Awaitable, Iterator
from datetime import UTC, datetime

from pydantic import Field

from cert_expiry import endpoints, kubeconfigs, tls_secrets, webhooks
from cert_expiry.certificates import Source
from cert_expiry.endpoints import Endpoint
from cert_expiry.judge import Limits, judge, next_expiry
from cert_expiry.kubeconfigs import Kubeconfigs
from cert_expiry.selection import SecretSelection
from cert_expiry.trust import Trust
from cluster.api import Api
from cluster.config import ApiConfig, load
from probe_sdk import Probe, ProbeFailure, attribute, params


class Params(params.Model):
    """Where to look, and how much has to be left."""

    endpoints: list[Endpoint] = Field([], max_length=200, description="TLS endpoints to connect to.")
    secrets: list[SecretSelection] = Field([], max_length=50, description="Secrets of the type kubernetes.io/tls.")
    kubeconfigs: Kubeconfigs = Field(Kubeconfigs(), description="Kubeconfigs: client certificates and trusted CAs.")
    webhooks: bool = Field(
        False,
        description="Whether to look at the CA bundles of webhook configurations, conversion webhooks and APIServices.",
    )
    min_days: float = Field(14, ge=0, description="Days that have to be left; 0: no such limit.")
    min_lifetime_share: float = Field(
        0.1, ge=0, le=1, description="Share of the whole lifetime that has to be left; 0: no such limit."
    )
    connect_timeout: params.Duration = Field(params.Duration("5s"), description="When to give up an endpoint.")


probe = Probe(Params)


@probe.run
async def check(p: Params) -> None:
    """Read everything, then judge; a place that cannot be read hides none of the others."""
    sources = await read_all(p)
    presented = [each for source in sources for each in source.presented]
    now = datetime.now(UTC)
    attribute("certificates", sum(len(each.chain) for each in presented))
    if presented:
        attribute("next-expiry", next_expiry(presented, now))
    findings = judge(presented, Limits(p.min_days, p.min_lifetime_share), now)
    problems = [problem for source in sources for problem in source.problems]
    if findings or problems:
        raise ProbeFailure(*(finding.text for finding in findings), *problems)


async def read_all(p: Params) -> list[Source]:
    """All places that the parameters name."""
    if not (p.endpoints or p.secrets or p.webhooks or p.kubeconfigs.files or p.kubeconfigs.secrets):
        raise ProbeFailure("nothing to check: name endpoints, secrets, kubeconfigs or webhooks in the parameters")
    config, problems = _way_to_the_api(needed=bool(p.secrets or p.webhooks or p.kubeconfigs.secrets))
    trust = Trust((config.ca_pem or "").encode() if config else None)
    sources = [Source(problems=problems), *await endpoints.read_all(p.endpoints, trust, p.connect_timeout)]
    sources += [source for pattern in p.kubeconfigs.files for source in kubeconfigs.read_files(pattern)]
    if config and not problems:
        async with Api.connect(config) as api:
            sources += [source for reading in _readings(api, p) for source in await _guarded(reading)]
    return sources


def _readings(api: Api, p: Params) -> Iterator[Awaitable[list[Source]]]:
    """What is read through the cluster's API."""
    for chosen in p.secrets:
        yield tls_secrets.read_selection(api, chosen)
    for selection in p.kubeconfigs.secrets:
        yield kubeconfigs.read_selection(api, selection)
    for kind in webhooks.KINDS if p.webhooks else ():
        yield webhooks.read_kind(api, kind)


async def _guarded(reading: Awaitable[list[Source]]) -> list[Source]:
    try:
        return await reading
    except ProbeFailure as failure:
        return [Source(problems=failure.errors)]


def _way_to_the_api(*, needed: bool) -> tuple[ApiConfig | None, tuple[str, ...]]:
    """The API's address and CA; only endpoints and files can do without."""
    try:
        return load(), ()
    except ProbeFailure as failure:
        return None, failure.errors if needed else ()


if __name__ == "__main__":
    probe.main()

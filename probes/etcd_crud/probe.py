"""Put, get, compare and swap, watch, lease and delete at every member of etcd, over mutual TLS; by run or resident.

Fails when any operation fails, or when a request takes longer than tolerated. Keys are of this check alone and hang on
a lease, so that even a probe that is killed leaves nothing in etcd.
"""

import asyncio
import os
import secrets
import ssl
from math import inf
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from etcd_crud.client import Etcd, tls_context
from etcd_crud.exercise import Exercise
from etcd_crud.record import Record
from probe_sdk import Probe, ProbeFailure, attribute, params, remaining_seconds
from probe_sdk.wire import ENV_CONFIG, ENV_RUN

MOUNT = "/etc/kubeprobe/etcd"
LEASE_WITHOUT_DEADLINE_SECONDS = 60.0
LEASE_MARGIN_SECONDS = 15

Endpoint = Annotated[str, StringConstraints(pattern=r"^https://[^/\s]+$")]


class Params(params.Model):
    """Which members to ask, as whom, and how good is good enough."""

    endpoints: list[Endpoint] = Field(
        min_length=1, max_length=15, description="Client URLs of the members, such as https://10.0.0.1:2379."
    )
    rounds: int = Field(10, ge=1, le=1000, description="How often each operation is done at each member in a run.")
    max_latency: params.Duration = Field(
        params.Duration("500ms"), description="The longest tolerated time of a request, at the 99th percentile."
    )
    request_timeout: params.Duration = Field(
        params.Duration("2s"), description="When to give up a request; longer than maxLatency."
    )
    prefix: str = Field(
        "/kubeprobe/", min_length=1, description="Where the probe's keys are; each run has a key of its own below it."
    )
    ca_file: str = Field(f"{MOUNT}/ca.crt", description="File with the CA of etcd's serving certificates.")
    cert_file: str = Field(f"{MOUNT}/tls.crt", description="File with the client certificate.")
    key_file: str = Field(f"{MOUNT}/tls.key", description="File with the client certificate's key.")

    @model_validator(mode="after")
    def _wait_longer_than_tolerated(self) -> Self:
        if self.request_timeout <= self.max_latency:
            raise ValueError(
                f"requestTimeout ({self.request_timeout}) must be longer than maxLatency ({self.max_latency}): "
                "otherwise a slow answer could not be told from none"
            )
        return self


probe = Probe(Params)


@probe.run
async def check(p: Params) -> None:
    """All members at the same time."""
    tls = tls_context(Path(p.ca_file), Path(p.cert_file), Path(p.key_file))
    key = f"{p.prefix.rstrip('/')}/{_whose()}-{secrets.token_hex(4)}"
    records = await asyncio.gather(*(_member(p, endpoint, tls, f"{key}/{i}") for i, endpoint in enumerate(p.endpoints)))
    attribute("rounds", p.rounds)
    attribute("operations", _ratio(records))
    if findings := [finding for record in records for finding in record.findings(p.max_latency)]:
        of_time = not any(trouble for record in records for trouble in record.troubles() if not trouble.silent)
        raise ProbeFailure(*findings, reason=_reason(records), waited_seconds=p.max_latency if of_time else 0.0)


def _whose() -> str:
    """The run's name, or the config's where a prober stays."""
    return os.environ.get(ENV_RUN) or os.environ.get(ENV_CONFIG) or "local"


def _reason(records: list[Record]) -> str:
    """One word for all that was found: the first trouble there is, else that it was slow."""
    troubles = [trouble for record in records for trouble in record.troubles()]
    if not troubles:
        return "Slow"
    return "NoAnswer" if all(trouble.lost for trouble in troubles) else "Operation"


async def _member(p: Params, endpoint: str, tls: ssl.SSLContext, key: str) -> Record:
    async with Etcd.connect(endpoint, tls, p.request_timeout) as etcd:
        return await Exercise(etcd, key, p.rounds, lease_seconds()).run()


def lease_seconds() -> int:
    """A lease that outlives the run, and not by much."""
    left = remaining_seconds()
    return int(left if left < inf else LEASE_WITHOUT_DEADLINE_SECONDS) + LEASE_MARGIN_SECONDS


def _ratio(records: list[Record]) -> str:
    tallies = [tally for record in records for tally in record.tallies.values()]
    return f"{sum(tally.ok for tally in tallies)} of {sum(tally.count for tally in tallies)} succeeded"


if __name__ == "__main__":
    probe.main()

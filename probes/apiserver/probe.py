"""An API server: its own checks by name, how long it takes to read one object and to list some, and to tell of a write.

Reads are consistent ones, which ask etcd. Each probe connects anew, as a controller does that starts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from apiserver.echo import Echo, subject_name
from apiserver.readiness import not_ready
from cluster.api import CONFIG_MAPS, NOT_FOUND, Api
from cluster.config import ApiConfig, load
from cluster.errors import ApiError
from probe_sdk import Inconclusive, Probe, ProbeFailure, attribute, params, step

OK: Final = 200
FORBIDDEN: Final = 403
ROOT_CA: Final = "kube-root-ca.crt"
"""A ConfigMap that the controller manager keeps in every namespace."""
LISTED: Final = "500"


class Params(params.Model):
    """Which server to ask for what, and how fast is fast enough."""

    server: Annotated[str, StringConstraints(pattern=r"^(https://[^/\s]+)?$", max_length=512)] = Field(
        "", description="URL of one API server, such as https://10.0.0.1:6443; the pod's own way to one if empty."
    )
    checks: Literal["readyz", "livez"] = Field("readyz", description="Which of the server's own checks are asked for.")
    read: bool = Field(True, description=f"Whether to get the ConfigMap {ROOT_CA} of the namespace, and list those.")
    watch: bool = Field(
        False, description="Whether to write a small ConfigMap in the namespace and wait for its event by a watch."
    )
    max_latency: params.Duration = Field(
        params.Duration("1s"),
        description="Longest tolerated time of the get, of the list, and from a write to its event.",
    )


probe = Probe(Params)


@probe.run
async def check(p: Params) -> None:
    """All of it, one after the other, over one connection."""
    async with Api.connect(_config(p)) as api:
        await _ready(api, p.checks)
        try:
            slow = _slow(await _latencies(api, p), p.max_latency)
        except ApiError as error:
            if error.status == FORBIDDEN:
                raise Inconclusive(*error.errors, reason=error.reason) from None
            raise
    if slow:
        server = api.config.server
        raise ProbeFailure(*(f"{server}: {one}" for one in slow), reason="Slow", waited_seconds=p.max_latency)


def _config(p: Params) -> ApiConfig:
    config = load()
    return replace(config, server=p.server.rstrip("/")) if p.server else config


async def _ready(api: Api, checks: str) -> None:
    """The server's own checks; connecting is part of the step."""
    with step(checks):
        answer = await api.answer("GET", f"/{checks}", query={"verbose": ""})
    if answer.status_code == FORBIDDEN:
        raise Inconclusive(f"{api.config.server}: /{checks} is forbidden to {_who(api)}", reason="Forbidden")
    if answer.status_code != OK:
        told = not_ready(f"/{checks}", answer.status_code, answer.text)
        raise ProbeFailure(f"{api.config.server}: {told}", reason="NotReady")


async def _latencies(api: Api, p: Params) -> dict[str, float]:
    seconds: dict[str, float] = {}
    if p.read:
        with step("get") as get:
            await _get(api)
        with step("list") as listed:
            await api.request("GET", CONFIG_MAPS.path(api.config.namespace), query={"limit": LISTED})
        seconds |= {"get": get.seconds, "list": listed.seconds}
    if p.watch:
        seconds["a write's event"] = await Echo(api, subject_name()).seconds()
    for what, took in seconds.items():
        attribute(what, f"{took * 1000:.0f}ms")
    return seconds


async def _get(api: Api) -> None:
    try:
        await api.get(CONFIG_MAPS, api.config.namespace, ROOT_CA)
    except ApiError as error:
        if error.status != NOT_FOUND:  # that it is not there is the controller manager's matter; the read was made
            raise


def _slow(seconds: dict[str, float], tolerated: float) -> list[str]:
    return [
        f"{what} took {took * 1000:.0f}ms, maxLatency is {tolerated * 1000:.0f}ms; look at etcd's disk and at "
        "apiserver_request_duration_seconds"
        for what, took in seconds.items()
        if took > tolerated
    ]


def _who(api: Api) -> str:
    return f"the service account of this pod in {api.config.namespace}: bind it to system:public-info-viewer"


if __name__ == "__main__":
    probe.main()

"""API priority and fairness: is it configured as the baseline says, and does it throttle when it should.

The first is a comparison of objects. The second is a bounded burst by an account of its own, which a FlowSchema of
its own sends into a level without seats: when that brings no 429, no other limit of the cluster can be relied on.
"""

import asyncio
from collections.abc import Mapping

from pydantic import Field

from cluster.api import CONFIG_MAPS, NOT_FOUND, Api
from cluster.config import ApiConfig
from cluster.errors import ApiError
from cluster.words import Object
from probe_sdk import Probe, ProbeFailure, attribute, params, step
from rate_limit.baseline import NAME
from rate_limit.burst import ask_once, burst
from rate_limit.compare import differences
from rate_limit.identity import become
from rate_limit.objects import FLOW_SCHEMA, PRIORITY_LEVEL, RESOURCES, BaselineError, Specs, live, read_baseline
from rate_limit.verdict import FINE, THROTTLED, Names, judge, misdirected

Items = Mapping[str, list[Object]]
MAX_HOLD_SECONDS = 3.0
RECOVER_TRIES = 10
RECOVER_PAUSE_SECONDS = 0.1


class Params(params.Model):
    """What to compare with, and how to burst."""

    baseline: str = Field(
        NAME, description="ConfigMap with the baseline, in the probe's namespace; empty: compare nothing."
    )
    ignore_extra: list[str] = Field(
        [], description="Objects that may be there without being in the baseline: NAME or KIND/NAME, with * and ?."
    )
    burst: bool = Field(True, description="Whether to try out that throttling works.")
    burst_requests: int = Field(20, ge=2, le=200, description="Requests of the burst, all at the same time.")
    burst_hold: params.Duration = Field(
        params.Duration("500ms"),
        description="How long the burst's requests stay open at most; 3s is the longest. Where throttling works it "
        "takes some milliseconds.",
    )
    burst_service_account: str = Field(
        "kubeprobe-rate-limit-burst",
        min_length=1,
        description="Service account of the burst, in the probe's namespace.",
    )
    burst_flow_schema: str = Field(
        "kubeprobe-burst", min_length=1, description="FlowSchema that has to meet the burst."
    )


probe = Probe(Params)


@probe.run
async def check(p: Params) -> None:
    """Both halves; the first to fail does not hide the other."""
    async with Api.connect() as api:
        with step("read"):
            items = {kind: (await api.list(resource))[0] for kind, resource in RESOURCES.items()}
        findings = [*await compared(api, p, items), *await throttled(api, p, items)]
    if findings:
        raise ProbeFailure(*findings)


async def compared(api: Api, p: Params, items: Items) -> list[str]:
    """The differences from the baseline."""
    if not p.baseline:
        return []
    try:
        with step("compare"):
            wanted = await _baseline(api, p.baseline)
    except ProbeFailure as failure:
        return list(failure.errors)
    found: Specs = {key: spec for kind in RESOURCES for key, spec in live(kind, items[kind]).items()}
    attribute("objects", len(found))
    return differences(wanted, found, p.ignore_extra)


async def _baseline(api: Api, name: str) -> Specs:
    where = f"ConfigMap {api.config.namespace}/{name}"
    try:
        data = (await api.get(CONFIG_MAPS, api.config.namespace, name)).get("data") or {}
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
        how = "print one with `python -m rate_limit.baseline`, or set `baseline` to an empty text"
        raise ProbeFailure(f"there is no baseline: {where} does not exist; {how}") from None
    try:
        specs = read_baseline(data)
    except BaselineError as error:
        raise ProbeFailure(f"the baseline {where} cannot be read: {error}") from None
    if not specs:
        raise ProbeFailure(f"the baseline {where} is empty: print one with `python -m rate_limit.baseline`")
    return specs


async def throttled(api: Api, p: Params, items: Items) -> list[str]:
    """What is wrong with throttling."""
    if not p.burst:
        return []
    try:
        finding = await _try_throttling(api, p, Names.of(items[FLOW_SCHEMA], items[PRIORITY_LEVEL]))
    except ProbeFailure as failure:
        return list(failure.errors)
    return [finding] if finding else []


async def _try_throttling(api: Api, p: Params, names: Names) -> str | None:
    """Where a request is put comes first, so that no burst meets anybody else's level; then the burst, then its end."""
    other = await become(api, api.config.namespace, p.burst_service_account)
    account = f"{api.config.namespace}/{p.burst_service_account}"
    with step("classify"):
        if wrong := misdirected(await ask_once(other), names, p.burst_flow_schema, account):
            return wrong
    with step("burst"):
        hold_seconds = min(p.burst_hold, MAX_HOLD_SECONDS)
        answers = await burst(other, requests=p.burst_requests, hold_seconds=hold_seconds)
    attribute("throttled", f"{sum(answer.status == THROTTLED for answer in answers)} of {len(answers)}")
    if wrong := judge(answers, names, p.burst_flow_schema):
        return wrong
    with step("recover"):
        return await _recovered(other)


async def _recovered(other: ApiConfig) -> str | None:
    """The seat of the burst's last request is free a moment after its answer."""
    for _ in range(RECOVER_TRIES):
        if (after := await ask_once(other)).status in FINE:
            return None
        await asyncio.sleep(RECOVER_PAUSE_SECONDS)
    return f"throttling does not end: after the burst a single request is still answered with {after.status}"


if __name__ == "__main__":
    probe.main()

"""Flagger's own client calls the webhooks of the Canary that we ship."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.glue.conftest import Site
from tests.glue.states import OPEN, STATES
from tests.glue.tools import FLAGGER, Program, build, shipped

LEADER, ALL = "http://kubeprobe.kubeprobe-system", "http://kubeprobe-gates.kubeprobe-system"
GATE = "/production/"


@pytest.fixture(scope="module")
def flagger() -> Program:
    return build(FLAGGER)


def canary() -> dict[str, Any]:
    (found,) = shipped("flagger.yaml", "Canary")
    status = {"phase": "Progressing", "canaryWeight": 10, "failedChecks": 0, "iterations": 0}
    return {**found, "status": {**status, "lastAppliedSpec": "5f8c9d", "lastTransitionTime": None}}


def hook(type_: str, url: str, gate: str) -> dict[str, Any]:
    (found,) = (one for one in canary()["spec"]["analysis"]["webhooks"] if one["type"] == type_)
    where = found["url"].replace(LEADER, url).replace(ALL, url).replace(GATE, f"/{gate}/")
    assert url in where
    assert gate in where
    return {**found, "url": where}


async def said(flagger: Program, *calls: dict[str, Any]) -> list[str]:
    """What Flagger makes of each call: the error, or nothing for a yes."""
    told: list[str] = await asyncio.to_thread(flagger.ask, {"canary": canary(), "calls": calls})
    return told


def test_whoever_leads_is_told_and_every_replica_is_asked() -> None:
    hosts = {one["type"]: one["url"].partition("/v1/")[0] for one in canary()["spec"]["analysis"]["webhooks"]}
    assert hosts.pop("event") == LEADER
    assert set(hosts.values()) == {ALL}


@pytest.mark.parametrize("type_", ["confirm-rollout", "rollout", "confirm-promotion"])
async def test_yes_while_the_gate_is_open(flagger: Program, site: Site, type_: str) -> None:
    told = await said(flagger, *({"webhook": hook(type_, site.url, name)} for name in STATES))
    assert {name for name, no in zip(STATES, told, strict=True) if not no} == OPEN
    no = told[list(STATES).index("failed")]
    assert '"reason":"ProbeFailed"' in no
    assert '"message":"so it is"' in no


async def test_only_a_settled_failure_of_the_change_in_progress_rolls_back(flagger: Program, site: Site) -> None:
    told = await said(flagger, *({"webhook": hook("rollback", site.url, name)} for name in STATES))
    assert {name for name, no in zip(STATES, told, strict=True) if not no} == {"failed"}


async def test_an_event_is_an_announcement(flagger: Program, site: Site) -> None:
    call = {"webhook": hook("event", site.url, "idle"), "event": "New revision detected! Scaling up cart.shop"}
    assert await said(flagger, call, {**call, "event": "Advance cart.shop canary weight 10"}) == ["", ""]
    (gate, first), (_, second) = site.announced
    assert (gate, first.namespace, first.name) == ("idle", "shop", "cart")
    assert first.message == "New revision detected! Scaling up cart.shop"
    assert first.key
    assert first.key == second.key


@pytest.mark.parametrize("type_", ["confirm-rollout", "rollout", "confirm-promotion", "rollback"])
async def test_a_gate_that_is_not_there_or_not_known_yet_is_a_no(flagger: Program, site: Site, type_: str) -> None:
    assert await said(flagger, {"webhook": hook(type_, site.url, "no-such-gate")}) != [""]
    site.synced = False
    assert await said(flagger, {"webhook": hook(type_, site.url, "failed")}) != [""]

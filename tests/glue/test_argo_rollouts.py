"""Argo Rollouts' own web metric provider takes the measurements of the templates that we ship."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.glue.conftest import Site, until
from tests.glue.states import CHANGE, OPEN, STATES
from tests.glue.tools import ARGO_ROLLOUTS, Program, build, filled, shipped

FILE = "argo-rollouts.yaml"
WAIT = "wait=8s"


@pytest.fixture(scope="module")
def argo() -> Program:
    return build(ARGO_ROLLOUTS)


def template(template: str, url: str, gate: str, /, **args: str) -> dict[str, Any]:
    (found,) = (one for one in shipped(FILE, "AnalysisTemplate") if one["metadata"]["name"] == template)
    whole: dict[str, Any] = filled(found, url=url, gate=gate, **args)
    return whole


async def measured(argo: Program, *templates: dict[str, Any]) -> list[tuple[str, str]]:
    """Phase and value of each template's metric."""
    told = await asyncio.to_thread(argo.ask, {"templates": templates})
    return [(one["phase"], one["value"]) for (one,) in told]


def test_every_replica_is_asked_before_a_release_and_the_one_that_was_told_after_it() -> None:
    templates = {one["metadata"]["name"]: one["spec"]["args"] for one in shipped(FILE, "AnalysisTemplate")}
    hosts = {name: next(arg["value"] for arg in args if arg["name"] == "url") for name, args in templates.items()}
    assert hosts.pop("kubeprobe-gate-open") == "http://kubeprobe-gates.kubeprobe-system"
    assert set(hosts.values()) == {"http://kubeprobe.kubeprobe-system"}


async def test_before_a_release_only_an_open_gate_is_a_success(argo: Program, site: Site) -> None:
    told = await measured(argo, *(template("kubeprobe-gate-open", site.url, name) for name in STATES))
    expected = {name: ("Successful", "true") if name in OPEN else ("Failed", "false") for name in STATES}
    assert dict(zip(STATES, told, strict=True)) == expected


async def test_the_verdict_aborts_for_a_failure_and_nothing_else(argo: Program, site: Site) -> None:
    settled = {name: status["verdict"] for name, status in STATES.items() if status["verdict"] != "Pending"}
    told = await measured(argo, *(template("kubeprobe-verdict", site.url, name) for name in settled))
    phases = {"Passed": "Successful", "Failed": "Failed", "Inconclusive": "Inconclusive"}
    expected = {name: (phases[verdict], f'"{verdict}"') for name, verdict in settled.items()}
    assert dict(zip(settled, told, strict=True)) == expected


async def test_it_waits_for_the_verdict_within_its_own_timeout(argo: Program, site: Site) -> None:
    asking = asyncio.create_task(measured(argo, template("kubeprobe-verdict", site.url, "verifying")))
    await until(lambda: site.waiting() or asking.done())
    site.put("verifying", "failed")
    assert await asking == [("Failed", '"Failed"')]


async def test_a_verdict_that_takes_longer_is_asked_for_again(argo: Program, site: Site) -> None:
    impatient = template("kubeprobe-verdict", site.url, "settling")
    web = impatient["spec"]["metrics"][0]["provider"]["web"]
    assert WAIT in web["url"]
    assert web["timeoutSeconds"] > int(WAIT.removeprefix("wait=").removesuffix("s"))
    web["url"] = web["url"].replace(WAIT, "wait=1s")
    assert await measured(argo, impatient) == [("Inconclusive", '"Pending"')]


async def test_an_announcement(argo: Program, site: Site) -> None:
    args = {"namespace": "shop", "name": "cart", "hash": "5f8c9d"}
    assert await measured(argo, template("kubeprobe-announce", site.url, "idle", **args)) == [
        ("Successful", f'"{CHANGE}"')
    ]
    ((gate, said),) = site.announced
    assert (gate, said.namespace, said.name, said.key) == ("idle", "shop", "cart", "5f8c9d")


@pytest.mark.parametrize("name", ["kubeprobe-gate-open", "kubeprobe-verdict"])
async def test_no_such_gate_is_an_error_and_so_is_an_operator_that_begins(argo: Program, site: Site, name: str) -> None:
    ((phase, _),) = await measured(argo, template(name, site.url, "no-such-gate"))
    assert phase == "Error"
    site.synced = False
    ((phase, _),) = await measured(argo, template(name, site.url, "idle"))
    assert phase == "Error"


def test_the_rollout_that_uses_them(argo: Program) -> None:
    (rollout,) = shipped(FILE, "Rollout")
    assert argo.ask({"templates": [], "rollouts": [rollout]}) == []
    wanted = {
        one["metadata"]["name"]: {arg["name"] for arg in one["spec"]["args"] if "value" not in arg}
        for one in shipped(FILE, "AnalysisTemplate")
    }
    steps = [step["analysis"] for step in rollout["spec"]["strategy"]["canary"]["steps"] if "analysis" in step]
    given = {step["templates"][0]["templateName"]: {arg["name"] for arg in step["args"]} for step in steps}
    assert given == wanted

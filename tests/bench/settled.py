"""A fleet that has been there for a while: every config is accepted, and every answer is what a passed run left.

An operator that meets thousands of new configs has three writes to make for each, which at its budget takes it longer
than a bench lasts. So a first one makes them without a budget, and the runs that it did not get to are made up: their
answers are what the operator's own rules make of one passed run.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubeprobe.api import ProbeConfig, ProbeRun, ProbeTemplate
from kubeprobe.kube.client import Client, connect
from kubeprobe.kube.port import CONFIGS, RESULTS, TEMPLATES
from kubeprobe.plan.resolve import of_config
from kubeprobe.plan.result import fold
from kubeprobe.plan.run import belonging
from kubeprobe.plan.standing import pending, stand
from tests.bench.report import say
from tests.lab.kubectl import eventually
from tests.lab.process import UNBUDGETED, OperatorProcess

ANSWERED_SECONDS = 600
AT_ONCE = 20


def write_once(kubeconfig: Path, address: str, log: Path) -> None:
    """Have everything written that an operator writes once only."""
    first = OperatorProcess(kubeconfig, address, log, *UNBUDGETED)
    say("a first operator, without a budget, accepts the configs and creates their answers")
    first.start()
    try:
        eventually("every config has its answer", lambda: asyncio.run(_answered(kubeconfig)), ANSWERED_SECONDS)
    finally:
        first.stop()


def settle(kubeconfig: Path, address: str, log: Path) -> None:
    """Have everything written that is written once only, and end every answer as Passed."""
    write_once(kubeconfig, address, log)
    say("those that have no run yet are told as passed")
    asyncio.run(_pass(kubeconfig))


async def _answered(kubeconfig: Path) -> bool:
    async with await connect(kubeconfig) as api:
        accepted = [bool(one.get("status", {}).get("conditions")) async for one in api.list(CONFIGS)]
        answers = sum([bool(one.get("status", {}).get("verdict")) async for one in api.list(RESULTS)])
    return all(accepted) and answers >= len(accepted)


async def _pass(kubeconfig: Path) -> None:
    async with await connect(kubeconfig) as api:
        templates = {one["metadata"]["name"]: ProbeTemplate.model_validate(one) async for one in api.list(TEMPLATES)}
        configs = [ProbeConfig.model_validate(one) async for one in api.list(CONFIGS)]
        passed = {
            (one["metadata"]["namespace"], one["metadata"]["name"])
            async for one in api.list(RESULTS)
            if one["status"]["verdict"] == "Passed"
        }
        places = asyncio.Semaphore(AT_ONCE)
        left = [one for one in configs if (one.metadata.namespace, one.metadata.name) not in passed]
        await asyncio.gather(*(_pass_one(api, places, one, templates[one.spec.template_ref.name]) for one in left))


async def _pass_one(api: Client, places: asyncio.Semaphore, config: ProbeConfig, template: ProbeTemplate) -> None:
    now, meta = datetime.now(UTC), config.metadata
    run = ProbeRun.model_validate(_run(config, now))
    status = fold(pending(config, now), config, [run], now)
    status = stand(status, config, of_config(config, template, {}), None, [run], now).status
    body = {"status": status.model_dump(by_alias=True, exclude_none=True, mode="json")}
    async with places:
        await api.merge_patch(RESULTS, meta.namespace, meta.name, body, subresource="status")


def _run(config: ProbeConfig, now: datetime) -> dict[str, Any]:
    """A run of the config that has just passed, as the API server would tell it."""
    meta, name = config.metadata, f"{config.metadata.name}-0"
    times = {"startedAt": now.isoformat(), "finishedAt": now.isoformat()}
    return {
        "metadata": {"name": name, "namespace": meta.namespace, **belonging(config, name)},
        "spec": {"configRef": {"name": meta.name}},
        "status": {"phase": "Completed", "verdict": "Passed", "reason": "Passed", "durationSeconds": 1.0, **times},
    }

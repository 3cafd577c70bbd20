"""How a run begins, and what comes of it when the API server does not take it."""

from __future__ import annotations

from datetime import datetime

import pytest
from tests.unit.control.cluster import Cluster
from tests.unit.control.parts import make_context
from tests.unit.plan.builders import CREATED, NAMESPACE, at, on_demand
from tests.unit.plan.changes import FIRST

from kubeprobe.control.context import Context, Kind, Work
from kubeprobe.control.queue import WorkQueue
from kubeprobe.control.refusals import Refusals
from kubeprobe.control.starting import start_run
from kubeprobe.kube.port import RUNS, ApiError
from kubeprobe.plan.change_runs import gate_run

CONFIG = on_demand()
KEY = (NAMESPACE, CONFIG.metadata.name)
MANIFEST = gate_run(CONFIG, FIRST, "", at(10))
NAME = MANIFEST["metadata"]["name"]
REFUSED = ApiError(403, "Forbidden", "exceeded quota")


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def context(cluster: Cluster) -> Context:
    queue: WorkQueue[Work] = WorkQueue(lambda: 0.0)

    def now() -> datetime:
        return CREATED

    return make_context(cluster, now, queue)


@pytest.fixture
def refusals(context: Context) -> Refusals:
    return Refusals(context.now)


def events(context: Context) -> list[str]:
    return [one["reason"] for one in context.recorder._waiting]


async def test_a_run_that_begins_is_known_at_once_to_all_whom_it_concerns(context: Context, refusals: Refusals) -> None:
    refusals.add(KEY, "exceeded quota")
    run = await start_run(context, CONFIG, MANIFEST, refusals)
    assert run is not None
    assert context.views.runs.get((NAMESPACE, NAME)) == run
    assert run.metadata.uid in context.vouched
    assert not refusals.has(KEY)
    assert set(context.queue._ready) == {(Kind.RUN, (NAMESPACE, NAME)), (Kind.CHANGE, ("", FIRST))}


@pytest.mark.parametrize(
    "error",
    [
        ApiError(409, "AlreadyExists", "it is there"),
        ApiError(404, "NotFound", "no such namespace"),
        ApiError(403, "Forbidden", "unable to create because it is being terminated"),
    ],
)
async def test_one_that_is_there_or_has_no_place_is_none(
    context: Context, cluster: Cluster, refusals: Refusals, error: ApiError
) -> None:
    cluster.refuse[RUNS.plural] = error
    refusals.add(KEY, "exceeded quota")
    assert await start_run(context, CONFIG, MANIFEST, refusals) is None
    assert not refusals.has(KEY)
    assert (events(context), len(context.queue), len(context.views.runs)) == ([], 0, 0)


@pytest.mark.parametrize(
    ("error", "told"), [(REFUSED, ["RunRefused"]), (ApiError(429, "TooManyRequests", "slow down"), [])]
)
async def test_one_that_is_refused_for_good_is_told_to_the_configs_user(
    context: Context, cluster: Cluster, refusals: Refusals, error: ApiError, told: list[str]
) -> None:
    cluster.refuse[RUNS.plural] = error
    with pytest.raises(ApiError, match=error.message):
        await start_run(context, CONFIG, MANIFEST, refusals)
    assert events(context) == told


async def test_what_is_refused_in_the_same_words_again_is_not_told_again(
    context: Context, cluster: Cluster, refusals: Refusals
) -> None:
    for error in (REFUSED, REFUSED, ApiError(422, "Invalid", "not so")):
        cluster.refuse[RUNS.plural] = error
        with pytest.raises(ApiError, match=error.message):
            await start_run(context, CONFIG, MANIFEST, refusals)
    assert events(context) == ["RunRefused", "RunRefused"]

"""How the operator looks after what it runs, and ends it."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.unit.control.cluster import Cluster

from kubeprobe.api import DiscoverKind
from kubeprobe.control import operator


async def test_the_watches_of_targets_are_looked_after_but_hold_no_run_up() -> None:
    class Observed(Cluster):
        def observe(self, observer: object) -> None:
            """Nobody asks."""

    api: Any = Observed()
    one = operator.Operator(api, operator.Settings("http://10.0.0.1", operator.Replica("me", "kubeprobe")))
    watching = asyncio.create_task(one._discovery.run())
    one._discovery.want(("probes", "main"), frozenset({DiscoverKind.INGRESS}))
    async with asyncio.timeout(10):
        while not one._discovery.followed:  # noqa: ASYNC110 - what is waited for is the code's own state
            await asyncio.sleep(0)
    (watch,) = one._discovery.followed
    assert watch in one._followed()
    watch.heard_at -= 1000
    assert one._watch_age_seconds() == 0
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)

"""What several tests of the operator's loops begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.unit.control.changing import ROLLOUT, World
from tests.unit.plan.changes import triggered


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A Deployment that is rolled out, a config that runs when it changes, and the operator that leads."""
    made = World(triggered(ROLLOUT))
    made.deploy("cart:1")
    await made.start()
    yield made
    await made.replica.stop()

"""That gates hold is tried against the API server, told in their status, and not believed for longer than it is so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.control.gates import Scene
from tests.unit.plan.gates import gate

from kubeprobe.api import ChangeGate, Condition
from kubeprobe.control.enforcement import Enforcement
from kubeprobe.control.tasks import running
from kubeprobe.kube.port import GATES, ApiError
from kubeprobe.plan.gate_proof import EVERY_SECONDS, MARK, MISSES

DENIES = ApiError(422, "Invalid", f"ValidatingAdmissionPolicy 'x' denied request: {MARK}")
QUOTA = ApiError(403, "Forbidden", "exceeded quota")
BUSY = ApiError(429, "TooManyRequests", "slow down")


class Bench:
    """The trials of the gates of a scene, with a clock of their own."""

    def __init__(self, *gates: ChangeGate, answer: ApiError | None = DENIES) -> None:
        self.scene = Scene(*((GATES, one) for one in gates or (gate(),)))
        self.answers(answer)

    @property
    def enforcement(self) -> Enforcement:
        return self.scene.operator.gates._enforcement

    def answers(self, error: ApiError | None) -> None:
        self.scene.cluster.refuse = {"deployments": error} if error is not None else {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with running(self.scene.operator.gates.run()):
            await self.later(0)
            yield

    async def later(self, seconds: float) -> None:
        """Let time pass; what sleeps for real is woken."""
        self.scene.operator.now += timedelta(seconds=seconds)
        self.enforcement._called.set()
        await self.scene.operator.settle()

    @property
    def tries(self) -> int:
        return len(self.scene.cluster.trials)

    def enforced(self) -> Condition:
        return next(one for one in self.scene.status().conditions if one.type == "Enforced")

    def figure(self) -> float | None:
        """What the metric tells."""
        registry = self.scene.operator.context.metrics.registry
        return registry.get_sample_value("kubeprobe_gate_enforced", {"gate": "production"})

    def state(self) -> tuple[str, str]:
        told = self.enforced()
        return (told.status, told.reason)


async def test_a_gate_that_the_api_server_holds_is_enforced() -> None:
    bench = Bench()
    await bench.scene.operator.settle()
    assert bench.state() == ("Unknown", "NotTried")
    async with bench.running():
        await bench.later(1)
        assert (bench.state(), bench.figure()) == (("True", "Denied"), 1)
        assert bench.tries == 1
        (tried,) = bench.scene.cluster.trials
        assert tried["metadata"]["namespace"] == "kubeprobe"
        assert tried["metadata"]["labels"]["kubeprobe.io/gate-proof"] == "production"
        written = bench.scene.cluster.writes["patch changegates"]
        for _ in range(5):
            await bench.later(EVERY_SECONDS)
        assert bench.tries == 6
    assert bench.scene.cluster.writes["patch changegates"] == written


async def test_one_that_lets_through_is_told_of_when_it_is_sure() -> None:
    bench = Bench(answer=None)
    async with bench.running():
        await bench.later(1)
        assert (bench.state(), bench.figure()) == (("Unknown", "NotTried"), None)
        for _ in range(MISSES):
            await bench.later(2)
        assert (bench.state(), bench.figure()) == (("False", "NotDenied"), 0)
        assert "gates.enforcement.enabled" in bench.enforced().message
        for _ in range(3):
            await bench.later(EVERY_SECONDS)
        assert bench.scene.events().count("NotEnforced") == 1
        bench.answers(DENIES)
        await bench.later(EVERY_SECONDS)
        assert bench.state() == ("True", "Denied")
        bench.answers(None)
        await bench.later(EVERY_SECONDS)
        assert bench.state() == ("True", "Denied")
        for _ in range(MISSES):
            await bench.later(2)
        assert bench.state() == ("False", "NotDenied")


async def test_what_somebody_else_denies_proves_nothing() -> None:
    bench = Bench(answer=QUOTA)
    async with bench.running():
        await bench.later(1)
        assert bench.state() == ("Unknown", "NotTried")
        assert "exceeded quota" in bench.enforced().message


async def test_no_answer_leaves_what_was_known() -> None:
    bench = Bench()
    async with bench.running():
        await bench.later(1)
        bench.answers(BUSY)
        await bench.later(EVERY_SECONDS)
        assert bench.state() == ("True", "Denied")
        assert bench.tries == 2


async def test_a_proof_is_not_believed_for_ever_where_no_answer_comes() -> None:
    """Such as behind another webhook that has to be asked and is away."""
    bench = Bench()
    async with bench.running():
        await bench.later(1)
        bench.answers(ApiError(500, "InternalError", "failed calling webhook: no endpoints"))
        for _ in range(10):
            await bench.later(EVERY_SECONDS)
        assert (bench.state()[0], bench.figure()) == ("Unknown", None)
        assert "no answer since" in bench.enforced().message
        bench.answers(DENIES)
        await bench.later(EVERY_SECONDS)
        assert bench.state() == ("True", "Denied")


async def test_a_gate_with_a_name_that_is_too_long_says_so() -> None:
    name = "g" * 64
    bench = Bench(gate(name))
    async with bench.running():
        await bench.later(1)
        told = next(one for one in bench.scene.status(name).conditions if one.type == "Enforced")
        assert (told.status, bench.tries) == ("Unknown", 0)
        assert "shorter name" in told.message


async def test_only_gates_that_are_enforced_are_tried_and_those_from_then_on() -> None:
    bench = Bench(gate(enforcement="Warn"))
    async with bench.running():
        await bench.later(1000)
        assert (bench.state(), bench.tries) == (("False", "WarnOnly"), 0)
        await bench.scene.edit(enforcement="Enforce")
        await bench.scene.operator.settle()
        assert (bench.state(), bench.tries) == (("True", "Denied"), 1)
        await bench.scene.edit(enforcement="Off")
        await bench.later(1000)
        assert (bench.state(), bench.tries) == (("False", "Off"), 1)


@pytest.mark.parametrize("edit", ["off", "gone"])
async def test_what_comes_out_of_a_trial_that_nobody_wants_any_more_is_dropped(
    edit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench()
    try_create = bench.scene.cluster.try_create

    async def meanwhile(*arguments: Any) -> None:
        if edit == "off":
            await bench.scene.cluster.merge_patch(GATES, None, "production", {"spec": {"enforcement": "Off"}})
        else:
            await bench.scene.cluster.delete(GATES, None, "production", uid="uid-production")
        await try_create(*arguments)

    monkeypatch.setattr(bench.scene.cluster, "try_create", meanwhile)
    async with bench.running():
        await bench.later(1)
        await bench.later(1000)
    assert bench.tries == 1
    assert not bench.enforcement._due_at


async def test_after_a_restart_an_earlier_trial_counts_until_there_is_a_new_one() -> None:
    bench = Bench()
    async with bench.running():
        await bench.later(1)
    written = bench.scene.cluster.writes["patch changegates"]
    await bench.scene.restart()
    await bench.scene.look()
    assert bench.state() == ("True", "Denied")
    assert bench.scene.cluster.writes["patch changegates"] == written
    bench.answers(None)
    async with bench.running():
        for _ in range(MISSES):
            await bench.later(2)
        assert bench.state() == ("False", "NotDenied")


async def test_a_new_leader_tries_all_anew() -> None:
    bench = Bench()
    async with bench.running():
        await bench.later(1)
    bench.scene.operator.gates.reset()
    async with bench.running():
        await bench.later(1)
    assert bench.tries == 2

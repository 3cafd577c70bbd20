"""Gates and changes together, from the edit of a workload to the verdict on it, with nothing said for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.unit.control.changing import DONE, OWN, ROLLOUT, LiveCluster, Replica, World
from tests.unit.control.parts import make_nodes
from tests.unit.plan.builders import CREATED, NAMESPACE, on_demand
from tests.unit.plan.changes import triggered, workload_body
from tests.unit.plan.gates import gate

from kubeprobe.api import ChangeGateStatus, ChangePhase, TriggerKind
from kubeprobe.control.context import Kind
from kubeprobe.control.gate_sight import GateSources
from kubeprobe.control.gates import Gates
from kubeprobe.control.resident_store import ResidentStore
from kubeprobe.control.result import ResultReconciler
from kubeprobe.kube.port import CONFIGS, DEPLOYMENTS, GATES, RESULTS, RUNS
from kubeprobe.plan.gate_change import rollback_ordered

SCOPE = {"namespaces": ["shop"]}
TWICE: Any = {"retries": {"limit": 1, "delay": "60s"}}


class GatedReplica(Replica):
    """A replica that keeps gates and answers as well."""

    def __init__(self, cluster: LiveCluster, now: datetime = CREATED, secret_namespaces: tuple[str, ...] = ()) -> None:
        super().__init__(cluster, now, secret_namespaces)
        nodes, views = make_nodes(self.context), self.context.views
        results = ResultReconciler(self.context, nodes, ResidentStore(views, self.context.now), self.changes.asking)
        self.gates = Gates(
            self.context, cluster, GateSources(self.changes, results, nodes.names, OWN), lambda: self._seconds()
        )
        self.reconcilers |= {Kind.RESULT: results.reconcile, Kind.GATE: self.gates.reconcile}
        for config in views.configs:
            self.queue.add((Kind.RESULT, (NAMESPACE, config.metadata.name)))
        for one in views.gates:
            self.queue.add((Kind.GATE, ("", one.metadata.name)))


class Shop(World):
    """A shop with a cart, a probe that is run when asked, and gates over both."""

    async def start(self, now: datetime = CREATED, secret_namespaces: tuple[str, ...] = ()) -> Replica:
        self.replica = GatedReplica(self.cluster, now, secret_namespaces)
        await self.replica.settle()
        return self.replica

    async def probed(self, name: str, verdict: str = "Passed") -> None:
        """Somebody has run the probe."""
        owner = {"apiVersion": "v1", "kind": "ProbeConfig", "name": "main", "uid": "uid-main"}
        body = {"metadata": {"name": name, "ownerReferences": [owner]}, "spec": {"configRef": {"name": "main"}}}
        await self.cluster.create(RUNS, NAMESPACE, body)
        await self.ends(name, verdict)

    async def ends(self, name: str, verdict: str = "Passed") -> None:
        """A run is over."""
        self.end(name, verdict)
        self.replica.queue.add((Kind.RESULT, (NAMESPACE, "main")))
        await self.replica.settle()

    def asked(self) -> list[str]:
        """The runs that gates asked for and that are not over."""
        return [
            one.metadata.name
            for one in self.runs
            if one.spec.trigger.kind is TriggerKind.GATE and one.status.verdict is None
        ]

    def status(self, name: str = "production") -> ChangeGateStatus:
        return ChangeGateStatus.model_validate(self.cluster.objects[GATES.plural, "", name].get("status", {}))

    def state(self, name: str = "production") -> str:
        status = self.status(name)
        return f"{status.phase}/{status.reason}/{status.verdict}"

    def rolls_back(self) -> bool:
        replica: Any = self.replica
        views = replica.context.views
        return rollback_ordered(views.gates.get(("", "production")), views.changes)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    made = Shop(on_demand())
    made.put(GATES, gate(scope=SCOPE))
    made.deploy("cart:1")
    await made.start()
    await made.replica.later(1)
    await made.probed("first")
    yield made
    await made.replica.stop()


async def test_a_bad_release_closes_the_gate_and_going_back_opens_it(shop: Shop) -> None:
    assert shop.state() == "Open/Idle/Passed"
    [good] = shop.status().last_good
    assert (good.name, good.images, good.changed) == ("cart", {"app": "cart:1"}, False)
    shop.deploy("cart:2", status={"observedGeneration": 0})
    await shop.replica.later(12)
    [bad] = shop.changes
    assert bad.spec.gates == ("production",)
    assert shop.state() == "Open/Settling/Pending"
    assert shop.status().last_good[0].changed
    assert shop.asked() == []
    shop.deploy("cart:2")
    await shop.replica.later(2)
    assert shop.state() == "Open/Verifying/Pending"
    [run] = shop.asked()
    assert not shop.rolls_back()
    await shop.ends(run, "Failed")
    assert shop.state() == "Closed/ProbeFailed/Failed"
    assert shop.rolls_back()
    await shop.replica.later(1)
    [bad] = shop.changes
    assert (bad.status.phase, bad.status.reason) == (ChangePhase.FAILED, "GatesFailed")
    [note] = bad.status.gates
    assert (note.name, note.phase, note.verdict) == ("production", "Closed", "Failed")

    shop.deploy("cart:1")
    await shop.replica.later(14)
    assert shop.state() == "Closed/Verifying/Pending"
    assert not shop.rolls_back()
    [run] = shop.asked()
    await shop.ends(run)
    await shop.replica.later(1)
    assert shop.state() == "Open/Recovered/Passed"
    assert shop.changes[-1].status.phase is ChangePhase.PASSED
    assert not shop.status().last_good[0].changed
    told = [reason for kind, _, reason in shop.events if kind == "ChangeGate"]
    assert sorted(told) == ["ChangeFailed", "ChangePassed", "GateClosed", "GateOpened"]


async def test_a_crash_anywhere_asks_for_no_run_twice(shop: Shop) -> None:
    shop.deploy("cart:2")
    await shop.replica.later(12)
    await shop.restart()
    await shop.replica.later(3)
    [run] = shop.asked()
    await shop.restart()
    await shop.replica.later(3)
    assert shop.asked() == [run]
    shop.end(run, "Failed")
    await shop.restart()
    await shop.replica.later(3)
    assert shop.state() == "Closed/ProbeFailed/Failed"
    closure = shop.status().closure_id
    await shop.restart()
    await shop.replica.later(3)
    assert shop.status().closure_id == closure
    assert len(shop.changes) == 1


async def test_a_change_that_comes_while_the_operator_is_down_is_verified_and_a_closed_gate_stays_closed(
    shop: Shop,
) -> None:
    await shop.probed("second", "Failed")
    assert shop.state() == "Closed/ProbeFailed/Failed"
    await shop.replica.stop()
    shop.deploy("cart:2")
    await shop.start(shop.replica.now)
    await shop.replica.later(15)
    assert shop.state() == "Closed/Verifying/Pending"
    [run] = shop.asked()
    await shop.ends(run)
    assert shop.state() == "Open/Recovered/Passed"


async def test_two_gates_over_one_workload_share_their_runs(shop: Shop) -> None:
    shop.put(GATES, gate("other", scope=SCOPE))
    await shop.replica.later(1)
    shop.deploy("cart:2")
    await shop.replica.later(13)
    [change] = shop.changes
    assert change.spec.gates == ("other", "production")
    [run] = shop.asked()
    await shop.ends(run)
    assert [shop.state(name) for name in ("other", "production")] == ["Open/Verified/Passed"] * 2
    await shop.replica.later(1)
    assert shop.changes[0].status.phase is ChangePhase.PASSED


async def test_what_changes_while_the_probes_look_is_verified_once_more(shop: Shop) -> None:
    shop.deploy("cart:2")
    await shop.replica.later(13)
    [first] = shop.asked()
    for image in ("cart:3", "cart:4"):
        shop.deploy(image)
        await shop.replica.later(12)
    assert shop.asked() == [first]
    assert len(shop.changes) == 3
    await shop.ends(first)
    await shop.replica.later(2)
    assert shop.state() == "Open/Verifying/Pending"
    [second] = shop.asked()
    await shop.ends(second)
    await shop.replica.later(1)
    assert shop.state() == "Open/Verified/Passed"
    assert shop.asked() == []
    assert all(one.status.finished_at is not None for one in shop.changes)


@pytest.mark.parametrize(
    ("first", "second", "phases"),
    [
        ("Failed", "Passed", [ChangePhase.FAILED, ChangePhase.PASSED]),
        ("Passed", "Failed", [ChangePhase.PASSED, ChangePhase.FAILED]),
    ],
)
async def test_a_change_keeps_its_own_verdict_when_another_one_waited(
    shop: Shop, first: str, second: str, phases: list[ChangePhase]
) -> None:
    shop.deploy("cart:2")
    await shop.replica.later(13)
    [run] = shop.asked()
    shop.deploy("pay:1", name="pay")
    await shop.replica.later(13)
    shop.end(run, first)
    await shop.replica.later(2)
    [run] = shop.asked()
    await shop.ends(run, second)
    await shop.replica.later(1)
    assert [one.status.phase for one in shop.changes] == phases


async def test_a_gate_that_is_deleted_keeps_no_change_waiting(shop: Shop) -> None:
    shop.deploy("cart:2")
    await shop.replica.later(13)
    [run] = shop.asked()
    shop.cluster.remove(GATES, "", "production")
    await shop.ends(run)
    await shop.replica.later(2)
    [change] = shop.changes
    assert change.status.finished_at is not None
    assert (change.status.phase, change.status.reason) == (ChangePhase.INCONCLUSIVE, "NotProbed")


async def test_the_first_deployment_is_verified_too(shop: Shop) -> None:
    shop.deploy("pay:1", "pay")
    await shop.replica.later(13)
    [change] = shop.changes
    assert change.spec.gates == ("production",)
    [run] = shop.asked()
    await shop.ends(run)
    assert sorted(one.name for one in shop.status().last_good) == ["cart", "pay"]


async def test_a_prober_is_no_workload_of_a_gate_that_it_closes(shop: Shop) -> None:
    for image in ("prober:1", "prober:2"):
        labels = {"kubeprobe.io/resident": "true", "kubeprobe.io/config": "main"}
        shop.cluster.write(DEPLOYMENTS, workload_body(image, name="kubeprobe-main", labels=labels))
        await shop.replica.later(13)
    assert shop.changes == []
    assert [one.name for one in shop.status().last_good] == ["cart"]


async def test_a_rollout_that_never_ends_is_judged_when_its_time_is_over(shop: Shop) -> None:
    shop.put(GATES, gate(scope=SCOPE, timeout="60s", longestQuiet="10s", status=shop.status()))
    shop.deploy("cart:2", status={"observedGeneration": 0})
    await shop.replica.later(65)
    assert shop.state() == "Open/Settling/Pending"
    await shop.replica.later(10)
    assert shop.state() == "Open/Verifying/Pending"
    [run] = shop.asked()
    await shop.ends(run, "Failed")
    assert shop.state() == "Closed/ProbeFailed/Failed"


async def test_a_rollout_that_is_rolled_back_in_the_middle_leaves_nothing_waiting(shop: Shop) -> None:
    shop.deploy("cart:2", status={"observedGeneration": 0})
    await shop.replica.later(15)
    assert shop.state() == "Open/Settling/Pending"
    shop.deploy("cart:1")
    await shop.replica.later(14)
    assert len(shop.changes) == 2
    for _ in shop.changes:  # the first was over when it was put back, the second came while the probes looked
        assert shop.state() == "Open/Verifying/Pending"
        [run] = shop.asked()
        await shop.ends(run)
        await shop.replica.later(1)
    assert shop.state() == "Open/Verified/Passed"
    assert [one.changed for one in shop.status().last_good] == [False]
    assert all(one.status.finished_at is not None for one in shop.changes)
    assert not shop.rolls_back()


async def test_an_override_while_a_change_is_verified_opens_and_does_not_judge(shop: Shop) -> None:
    shop.deploy("cart:2")
    await shop.replica.later(13)
    [run] = shop.asked()
    until = (shop.replica.now + timedelta(seconds=60)).isoformat()
    override = {"reason": "a fix must go out", "until": until}
    shop.put(GATES, gate(scope=SCOPE, override=override, status=shop.status()))
    await shop.ends(run, "Failed")
    assert shop.state() == "Open/Override/Failed"
    assert not shop.rolls_back()
    await shop.replica.later(61)
    assert shop.state() == "Closed/Verifying/Pending"
    assert shop.asked()
    assert not shop.rolls_back()


async def test_an_override_that_has_ended_already_opens_nothing(shop: Shop) -> None:
    await shop.probed("second", "Failed")
    override = {"reason": "too late", "until": CREATED.isoformat()}
    shop.put(GATES, gate(scope=SCOPE, override=override, status=shop.status()))
    await shop.replica.later(1)
    assert shop.state() == "Closed/ProbeFailed/Failed"


async def test_a_rollout_is_waited_for_when_a_newer_change_takes_its_place(shop: Shop) -> None:
    shop.deploy("cart:2", status={"observedGeneration": 0})
    await shop.replica.later(15)
    shop.deploy("pay:1", name="pay")
    await shop.replica.later(40)
    assert shop.state() == "Open/Settling/Pending"
    assert shop.asked() == []
    shop.deploy("cart:2")
    await shop.replica.later(2)
    [run] = shop.asked()
    await shop.ends(run)
    await shop.replica.later(1)
    assert shop.state() == "Open/Verified/Passed"
    assert [(one.images["app"], one.changed) for one in shop.status().last_good] == [
        ("cart:2", False),
        ("pay:1", False),
    ]
    assert [(one.status.phase, one.status.reason) for one in shop.changes] == [(ChangePhase.PASSED, "GatesPassed")] * 2


async def test_what_is_still_gathered_when_a_gate_opens_can_go_back(shop: Shop) -> None:
    shop.deploy("pay:1", name="pay")
    await shop.replica.later(13)
    [run] = shop.asked()
    shop.deploy("cart:2")
    await shop.replica.later(1)
    await shop.ends(run)
    assert shop.state() == "Open/Verified/Passed"
    good = {one.name: (one.images["app"], one.changed) for one in shop.status().last_good}
    assert good == {"cart": ("cart:1", True), "pay": ("pay:1", False)}


async def test_a_probe_that_is_suspended_before_its_next_attempt_has_failed() -> None:
    """No other attempt comes: neither the gate nor the answer is to wait for one."""
    shop = Shop(triggered(ROLLOUT, **TWICE))
    shop.put(GATES, gate(scope=SCOPE))
    shop.deploy("cart:1")
    await shop.start()
    await shop.replica.later(1)
    shop.deploy("cart:2")
    await shop.replica.later(25)
    (run,) = shop.runs
    await shop.ends(run.metadata.name, "Failed")
    assert shop.state() == "Open/Verifying/Pending"
    shop.put(CONFIGS, triggered(ROLLOUT, metadata={"generation": 2}, **TWICE, suspend=True))
    await shop.replica.later(1)
    assert shop.state() == "Closed/ProbeFailed/Failed"
    assert shop.cluster.objects[RESULTS.plural, NAMESPACE, "main"]["status"]["consecutive"]["failed"] == 1
    await shop.replica.stop()


async def test_images_of_a_rollout_that_came_to_nothing_are_never_good(shop: Shop) -> None:
    """The old pods serve, so the probes pass: a typo in an image is not what to go back to."""
    overdue = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "overdue"}
    shop.deploy("cart:typo", status={**DONE, "replicas": 4, "updatedReplicas": 1, "conditions": [overdue]})
    await shop.replica.later(15)
    (run,) = shop.asked()
    await shop.ends(run)
    assert shop.state() == "Open/Verified/Passed"
    assert [(one.images["app"], one.changed) for one in shop.status().last_good] == [("cart:1", True)]

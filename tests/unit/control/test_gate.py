"""A gate's way through its reconciler: what turns it, what it has run, what it says, and what it survives."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.unit.control.gates import PRODUCTION, Scene
from tests.unit.control.residents import pod_of
from tests.unit.plan.builders import CREATED, NAMESPACE, at, config, on_demand
from tests.unit.plan.changes import CART, FIRST, SECOND, rollout, tracked
from tests.unit.plan.changes import change as make_change
from tests.unit.plan.gates import gate, until, workload
from tests.unit.plan.residents import resident, sample, samples

from kubeprobe.api import Change, ChangeGate
from kubeprobe.control.context import Kind
from kubeprobe.kube.port import CONFIGS, GATES, RESULTS, RUNS, ApiError
from kubeprobe.plan.gate_change import rollback_ordered
from kubeprobe.plan.nodes import Node
from kubeprobe.plan.resident_pod import read_resident_pod
from kubeprobe.plan.rollout import RolloutState

THROTTLED = ApiError(429, "TooManyRequests", "slow down")


def change(name: str = FIRST, **more: Any) -> Change:
    return make_change(name, gates=["production"], probes=[], **more)


async def scene(*configs: Any, of: ChangeGate | None = None, **spec: Any) -> Scene:
    """A gate over the config `main`, which has passed once, or over those that are given."""
    made = Scene((GATES, of or gate(**spec)), *((CONFIGS, one) for one in configs or (on_demand(),)))
    await made.operator.settle()
    for one in configs or (on_demand(),):
        await made.ran(f"{one.metadata.name}-0", config=one.metadata.name)
    return made


async def test_a_probe_that_fails_closes_the_gate_and_one_that_passes_opens_it() -> None:
    shop = await scene()
    assert shop.state() == "Open/Idle/Passed"
    await shop.operator.later(5)
    await shop.ran("main-1", "Failed")
    status = shop.status()
    assert shop.state() == "Closed/ProbeFailed/Failed"
    assert status.closed_by == "probes/main"
    assert status.closure_id
    assert status.since == at(5)
    await shop.operator.later(5)
    await shop.ran("main-2")
    assert shop.state() == "Open/Recovered/Passed"
    assert (shop.status().closure_id, shop.status().closed_by) == ("", "")
    assert shop.events() == ["GateClosed", "GateOpened"]


def rolls_back(shop: Scene) -> bool:
    found = shop.operator.context.views.gates.get(PRODUCTION)
    assert found is not None
    return rollback_ordered(found, shop.operator.context.views.changes)


async def test_its_figures_tell_of_it() -> None:
    shop = await scene()
    await shop.ran("main-1", "Failed")
    figures = shop.operator.context.metrics.registry
    assert figures.get_sample_value("kubeprobe_gate_closed", {"gate": "production"}) == 1
    assert figures.get_sample_value("kubeprobe_gate_turns_total", {"phase": "Closed"}) == 1
    since = figures.get_sample_value("kubeprobe_gate_since_timestamp_seconds", {"gate": "production"})
    assert since == CREATED.timestamp()
    assert figures.get_sample_value("kubeprobe_gate_enforced", {"gate": "production"}) is None


async def test_a_gate_that_nothing_happens_to_is_written_no_more() -> None:
    shop = await scene()
    written = shop.cluster.writes["patch changegates"]
    await shop.operator.later(1800, step=30)
    await shop.look()
    assert shop.cluster.writes["patch changegates"] == written


async def test_a_gate_goes_by_answers_that_are_not_written() -> None:
    shop = await scene(successThreshold=3)
    await shop.ran("main-1", "Failed")
    assert shop.state() == "Closed/ProbeFailed/Failed"
    await shop.operator.later(60)
    await shop.ran("main-2")  # the answer turns, and is written
    shop.cluster.refuse["proberesults"] = THROTTLED
    await shop.operator.later(60)
    await shop.ran("main-3")
    assert shop.status().phase == "Closed"
    await shop.operator.later(60)
    await shop.ran("main-4")
    assert shop.state() == "Open/Recovered/Passed"


async def test_a_change_is_verified_by_one_run_of_each_probe() -> None:
    shop = await scene(on_demand("a"), on_demand("b"))
    await shop.operator.later(10)
    await shop.change(change())
    await shop.operator.settle()
    assert shop.state() == "Open/Verifying/Pending"
    runs = shop.runs()
    assert len(runs) == 2
    body = shop.cluster.objects[RUNS.plural, NAMESPACE, runs[0]]
    assert body["spec"]["trigger"] == {"kind": "Gate", "changeID": FIRST}
    assert body["metadata"]["labels"]["kubeprobe.io/change"] == FIRST
    await shop.restart()
    await shop.operator.later(30)
    assert shop.runs() == runs
    await shop.ran(runs[0], config="a")
    assert shop.state() == "Open/Verifying/Pending"
    await shop.ran(runs[1], config="b")
    assert shop.state() == "Open/Verified/Passed"
    told = shop.status().change
    assert told is not None
    assert (told.id, told.verdict) == (FIRST, "Passed")
    assert shop.events() == ["ChangePassed"]


async def test_a_run_for_the_change_that_fails_closes_the_gate_and_orders_the_rollback() -> None:
    shop = await scene(config())
    await shop.operator.later(10)
    await shop.change(change())
    await shop.operator.later(15)
    assert not rolls_back(shop)
    await shop.ran(shop.runs()[0], "Failed")
    assert shop.state() == "Closed/ProbeFailed/Failed"
    assert rolls_back(shop)
    assert shop.events() == ["GateClosed", "ChangeFailed"]
    await shop.change(change(SECOND, began=20, last=20, closed=30))
    assert not rolls_back(shop)


async def test_without_any_change_nothing_is_rolled_back() -> None:
    shop = await scene()
    await shop.ran("main-1", "Failed")
    assert not rolls_back(shop)


async def test_a_rollout_is_waited_for() -> None:
    shop = await scene()
    shop.changes.rolling = (rollout(RolloutState.PROGRESSING),)
    await shop.operator.later(10)
    await shop.change(change())
    await shop.operator.later(60)
    assert shop.state() == "Open/Settling/Pending"
    shop.changes.rolling = (rollout(RolloutState.FINISHED),)
    await shop.look()
    assert shop.state() == "Open/Verifying/Pending"
    in_scope = shop.changes.concerns[-1]
    assert in_scope(tracked())
    assert not in_scope(replace(tracked(), key=replace(CART, namespace="kubeprobe")))


async def test_the_workloads_are_looked_at_only_where_they_may_tell_something_new() -> None:
    shop = await scene()
    shop.changes.there = None
    await shop.look()
    assert shop.status().last_good == ()
    shop.changes.there = (workload(),)
    await shop.edit(timeout="5m")
    assert [(one.template, one.changed) for one in shop.status().last_good] == [("t1", False)]
    await shop.look()
    looks = shop.changes.looks
    for _ in range(5):
        await shop.look()
    assert shop.changes.looks == looks
    shop.changes.there = (workload(template="t2"),)
    await shop.operator.later(10)
    shop.changes.rolling = (rollout(RolloutState.PROGRESSING),)
    await shop.change(change())
    await shop.operator.settle()
    assert [(one.template, one.changed) for one in shop.status().last_good] == [("t1", True)]
    good = [{**one.model_dump(mode="json"), "changed": False} for one in shop.status().last_good]
    await shop.cluster.merge_patch(GATES, None, "production", {"status": {"lastGood": good}}, subresource="status")
    await shop.ran("main-1", "Failed")
    assert [one.changed for one in shop.status().last_good] == [True]


async def test_the_last_good_images_are_sent_once() -> None:
    shop = await scene()
    shop.changes.there = (workload(),)
    await shop.edit(timeout="5m")
    assert [one.name for one in shop.status().last_good] == ["cart"]
    sent: list[Any] = []
    patch = shop.cluster.merge_patch

    async def listen(*args: Any, **more: Any) -> Any:
        sent.append(args[3])
        return await patch(*args, **more)

    shop.cluster.merge_patch = listen  # type: ignore[method-assign]
    await shop.ran("main-1", "Failed")
    of_gate = [one["status"] for one in sent if "closureID" in one.get("status", {})]
    assert of_gate
    assert all("lastGood" not in one for one in of_gate)
    assert [one.name for one in shop.status().last_good] == ["cart"]


async def test_what_there_is_none_of_any_more_is_taken_away() -> None:
    shop = await scene()
    await shop.operator.later(10)
    await shop.change(change())
    await shop.operator.later(15)
    first = shop.runs()[0]
    assert shop.status().verifying_since is not None
    shop.changes.rolling = (rollout(RolloutState.PROGRESSING),)
    await shop.ran(first)
    await shop.change(change(SECOND, began=30, last=30, closed=40))
    await shop.operator.later(1)
    assert shop.state() == "Open/Settling/Pending"
    assert shop.status().verifying_since is None


async def test_what_somebody_writes_into_the_status_is_put_right() -> None:
    shop = await scene()
    await shop.ran("main-1", "Failed")
    before = shop.status()
    edited = {"phase": "Open", "closureID": "", "reason": "Idle", "message": "go"}
    await shop.cluster.merge_patch(GATES, None, "production", {"status": edited}, subresource="status")
    await shop.operator.settle()
    assert shop.state() == "Closed/ProbeFailed/Failed"
    assert shop.status().closed_by == before.closed_by


async def test_a_closed_gate_is_closed_after_a_restart_with_the_same_closure() -> None:
    shop = await scene()
    await shop.ran("main-1", "Failed")
    before = shop.status()
    await shop.operator.later(60)
    await shop.restart()
    assert shop.status() == before


async def test_a_gate_that_is_deleted_while_closed_is_left_alone() -> None:
    shop = await scene()
    await shop.ran("main-1", "Failed")
    await shop.cluster.delete(GATES, None, "production", uid="uid-production")
    written = shop.cluster.writes["patch changegates"]
    await shop.ran("main-2")
    await shop.operator.later(60)
    assert shop.cluster.writes["patch changegates"] == written
    assert not shop.operator.errors


async def test_a_gate_that_goes_while_it_is_written_is_no_error() -> None:
    shop = await scene()
    shop.cluster.refuse["changegates"] = ApiError(404, "NotFound", "gone")
    await shop.ran("main-1", "Failed")
    assert not shop.operator.errors
    assert shop.events() == []


async def test_a_write_that_is_refused_is_made_again_on_what_there_is_by_then() -> None:
    shop = await scene()
    shop.cluster.refuse["changegates"] = ApiError(409, "Conflict", "somebody was quicker")
    await shop.ran("main-1", "Failed")
    assert shop.operator.errors
    del shop.cluster.refuse["changegates"]
    await shop.operator.later(2)
    assert shop.state() == "Closed/ProbeFailed/Failed"


async def test_a_probe_whose_run_is_refused_keeps_no_other_from_being_run() -> None:
    shop = await scene(on_demand("a"), on_demand("b"))
    await shop.operator.later(10)
    create = shop.cluster.create

    async def refuse(resource: Any, namespace: Any, body: Any) -> Any:
        if resource == RUNS and body["spec"]["configRef"]["name"] == "a":
            raise ApiError(403, "Forbidden", "exceeded quota")
        return await create(resource, namespace, body)

    shop.cluster.create = refuse  # type: ignore[method-assign]
    await shop.change(change())
    await shop.operator.later(15)
    assert [name[0] for name in shop.runs()] == ["b"]
    assert shop.events("ProbeConfig").count("RunRefused") == 1
    assert not shop.operator.errors
    shop.cluster.create = create  # type: ignore[method-assign]
    await shop.operator.later(10)
    assert [name[0] for name in shop.runs()] == ["a", "b"]


async def test_what_calls_a_gate_has_no_refused_run_tried_before_its_time() -> None:
    shop = await scene(*(on_demand(f"p{number}") for number in range(20)))
    shop.cluster.refuse["proberuns"] = ApiError(403, "Forbidden", "exceeded quota")
    await shop.operator.later(10)
    await shop.change(change())
    await shop.operator.later(1)
    before = shop.cluster.writes["create proberuns"]
    for _ in range(30):
        await shop.look()
    await shop.operator.later(20)
    assert shop.cluster.writes["create proberuns"] - before <= 20, "one in a second"
    assert shop.events("ProbeConfig").count("RunRefused") <= 20, "one for each"
    shop.cluster.refuse.clear()
    await shop.operator.later(31)
    assert len(shop.runs()) == 20


async def test_a_gate_whose_runs_begin_slowly_is_looked_at_between_them() -> None:
    shop = await scene(*(on_demand(f"p{number}") for number in range(9)))
    await shop.operator.later(10)
    create, closed = shop.cluster.create, list[bool]()

    async def slow(resource: Any, namespace: Any, body: Any) -> Any:
        if resource == RUNS and body["spec"]["trigger"]["kind"] == "Gate":
            closed.append(shop.status().phase == "Closed")
            shop.operator.now += timedelta(seconds=1)
            if len(closed) == 1:
                await fail()
        return await create(resource, namespace, body)

    async def fail() -> None:
        """A run of the config's own fails while the gate is at work."""
        spec = {"configRef": {"name": "p8"}, "trigger": {"kind": "Manual"}}
        owner = {"apiVersion": "v1", "kind": "ProbeConfig", "name": "p8", "uid": "uid-p8"}
        ended = {"phase": "Completed", "verdict": "Failed", "finishedAt": shop.operator.now.isoformat()}
        manifest = {"metadata": {"name": "p8-1", "ownerReferences": [owner]}, "spec": spec, "status": ended}
        await create(RUNS, NAMESPACE, manifest)
        shop.operator.queue.add((Kind.RESULT, (NAMESPACE, "p8")))

    await shop.change(change())
    shop.cluster.create = slow  # type: ignore[method-assign]
    await shop.operator.later(15)
    assert len(shop.runs()) == 9
    assert closed.index(True) <= 3, "it is seen as soon as the first seconds are over"


async def test_an_api_server_that_is_away_is_not_asked_for_one_run_after_another() -> None:
    shop = await scene(*(on_demand(f"p{number}") for number in range(9)))
    await shop.operator.later(10)
    shop.cluster.refuse["proberuns"] = ApiError(0, "Unreachable", "no answer")
    await shop.change(change())
    await shop.operator.later(12)
    before = shop.cluster.writes["create proberuns"]
    await shop.operator.later(1)
    assert shop.cluster.writes["create proberuns"] - before <= 1
    assert {error.status for error in shop.operator.errors} == {0}


async def test_a_run_that_is_there_already_is_no_error() -> None:
    shop = await scene()
    await shop.operator.later(10)
    shop.cluster.refuse["proberuns"] = ApiError(409, "AlreadyExists", "there")
    await shop.change(change())
    await shop.operator.later(15)
    assert not shop.operator.errors
    assert shop.operator.context.metrics.registry.get_sample_value("kubeprobe_gate_runs_total") == 0


async def test_a_config_that_is_bound_or_let_go_counts_at_once() -> None:
    shop = await scene(probes={"namespaces": ["*"], "selector": {"matchLabels": {"gate": "yes"}}})
    assert shop.state() == "Open/NoProbes/Inconclusive"
    await shop.ran("main-1", "Failed")
    assert shop.status().phase == "Open"
    await shop.cluster.merge_patch(CONFIGS, NAMESPACE, "main", {"metadata": {"labels": {"gate": "yes"}}})
    await shop.operator.settle()
    assert shop.state() == "Closed/ProbeFailed/Failed"
    await shop.edit(probes={"selector": {"matchLabels": {"gate": "no"}}})
    assert shop.status().reason == "NoProbes"
    await shop.edit(probes={"selector": {"matchLabels": {"gate": "yes"}}})
    assert shop.status().closed_by == "probes/main"
    await shop.cluster.delete(CONFIGS, NAMESPACE, "main", uid="uid-main")
    await shop.operator.settle()
    assert shop.status().reason == "NoProbes"


async def test_a_new_gate_goes_by_what_is_known_already() -> None:
    shop = await scene()
    await shop.ran("main-1", "Failed")
    other = gate("other", enforcement="Warn").model_dump(by_alias=True, exclude_none=True, mode="json")
    await shop.cluster.create(GATES, None, other)
    await shop.operator.settle()
    assert shop.state("other") == "Closed/ProbeFailed/Failed"


async def test_an_override_ends_by_itself_and_has_the_probes_run_anew() -> None:
    shop = await scene()
    await shop.ran("main-1", "Failed")
    await shop.edit(override={"reason": "fire", "until": until(60)})
    assert shop.state() == "Open/Override/Failed"
    await shop.operator.later(70)
    assert shop.state() == "Closed/Verifying/Pending"
    (name,) = shop.runs()
    assert "changeID" not in shop.cluster.objects[RUNS.plural, NAMESPACE, name]["spec"]["trigger"]
    await shop.ran(name)
    assert shop.state() == "Open/Recovered/Passed"
    assert shop.events()[-1] == "ChangePassed"


async def test_what_failed_on_a_node_counts_until_the_node_is_gone() -> None:
    shop = await scene(on_demand("main"))
    views = shop.operator.context.views
    await shop.operator.later(10)
    assert shop.operator.asked_for_nodes == 0
    await shop.change(change())
    await shop.operator.later(15)
    (name,) = shop.runs()
    body = shop.cluster.objects[RUNS.plural, NAMESPACE, name]
    body["spec"]["node"] = "node-1"
    shop.operator.nodes = {"node-1"}
    await shop.ran(name, "Failed")
    assert shop.state() == "Closed/ProbeFailed/Failed"
    assert shop.operator.asked_for_nodes
    await shop.ran("main-9")
    assert shop.status().phase == "Closed"
    shop.operator.nodes = set()
    views.nodes.put(Node("node-1", "uid", 1, {}, CREATED, deleting=False))
    await shop.operator.settle()
    views.nodes.drop(("", "node-1"), "uid")
    await shop.operator.settle()
    assert shop.status().phase == "Open"


async def test_while_it_is_not_known_which_nodes_there_are_all_count() -> None:
    shop = await scene()
    await shop.operator.later(10)
    await shop.change(change())
    await shop.operator.later(15)
    (name,) = shop.runs()
    shop.cluster.objects[RUNS.plural, NAMESPACE, name]["spec"]["node"] = "node-1"
    await shop.ran(name, "Failed")
    await shop.ran("main-9")
    await shop.operator.later(20)
    assert shop.status().phase == "Closed"
    shop.operator.nodes = {"node-2"}
    await shop.operator.later(5)
    assert shop.status().phase == "Open"


async def test_a_gate_that_takes_long_to_look_at_rests() -> None:
    shop = await scene()
    shop.operator.seconds_a_look = 1.0
    await shop.ran("main-1", "Failed")
    assert shop.status().phase == "Closed"
    await shop.ran("main-2")
    assert shop.status().phase == "Closed"
    await shop.operator.later(5)
    assert shop.state() == "Open/Recovered/Passed"


async def test_many_probes_are_looked_at_with_breaks() -> None:
    shop = Scene((GATES, gate()), *((CONFIGS, on_demand(f"p{number}")) for number in range(60)))
    await shop.operator.settle()
    assert len(shop.status().probes) == 50
    assert shop.status().more_probes == 10


async def test_a_new_leader_remembers_nothing() -> None:
    shop = await scene()
    shop.operator.seconds_a_look = 100.0
    await shop.edit(timeout="5m")
    shop.operator.gates.reset()
    shop.operator.seconds_a_look = 0.0
    await shop.ran("main-1", "Failed")
    assert shop.status().phase == "Closed"


async def test_a_probe_in_mode_resident_is_asked_what_it_heard_while_a_change_is_verified() -> None:
    shop = Scene((GATES, gate()), (CONFIGS, resident()))
    await shop.operator.settle()
    await shop.operator.later(10)
    await shop.change(change())
    await shop.operator.later(15)
    assert shop.state() == "Open/Verifying/Pending"
    looks = await looked_at(shop)
    assert looks >= 2
    assert shop.runs() == []


async def test_while_nothing_is_verified_it_is_not() -> None:
    shop = Scene((GATES, gate()), (CONFIGS, resident()))
    await shop.operator.settle()
    assert await looked_at(shop) == 0


async def looked_at(shop: Scene) -> int:
    """How often an answer is looked at while the gate is, five times."""
    looks = 0
    reconcile = shop.operator.results.reconcile

    async def count(key: Any) -> None:
        nonlocal looks
        looks += 1
        await reconcile(key)

    shop.operator.results.reconcile = count  # type: ignore[method-assign]
    for _ in range(5):
        await shop.look()
    return looks


async def test_what_a_prober_tells_is_evidence_although_it_is_nothing_new() -> None:
    shop = Scene((GATES, gate()), (CONFIGS, resident()))
    operator, pod = shop.operator, read_resident_pod(pod_of())
    operator.context.views.resident_pods.put(pod)

    async def tells(sequence: int) -> None:
        operator.residents.merge(pod, samples(sequence, sample(), round=sequence, complete=True), operator.now)
        await shop.look()

    await operator.later(30)
    await tells(1)
    operator.queue.add((Kind.RESULT, (NAMESPACE, "main")))
    await operator.settle()
    assert shop.state() == "Open/Idle/Passed"
    await shop.change(change(began=30, last=30, closed=30))
    await operator.later(11)
    assert shop.state() == "Open/Verifying/Pending"
    await operator.later(2)
    await tells(2)
    await operator.later(9)
    operator.residents.merge(pod, samples(3, sample(), round=3, complete=True), operator.now)
    operator.queue.add((Kind.RESULT, (NAMESPACE, "main")))
    await operator.settle()
    assert shop.state() == "Open/Verified/Passed"
    assert shop.cluster.writes["patch proberesults"] <= 2


async def test_an_answer_that_is_deleted_by_hand_is_not_forgotten() -> None:
    shop = await scene()
    await shop.ran("main-1", "Failed")
    await shop.cluster.delete(RESULTS, NAMESPACE, "main", uid="uid-main")
    await shop.operator.later(2)
    assert shop.status().phase == "Closed"


async def test_that_a_prober_was_heard_is_told_although_its_answer_is_the_same() -> None:
    shop = Scene((CONFIGS, resident()))
    operator, pod, told = shop.operator, read_resident_pod(pod_of()), list[Any]()
    operator.context.views.resident_pods.put(pod)
    for sequence in (1, 2):
        operator.residents.merge(pod, samples(sequence, sample(), round=sequence, complete=True), operator.now)
        await operator.results.reconcile((NAMESPACE, "main"))
        operator.now += timedelta(seconds=1)
    operator.results.follow(told.append)
    await operator.results.reconcile((NAMESPACE, "main"))
    assert told == []
    operator.residents.merge(pod, samples(3, sample(), round=3, complete=True), operator.now)
    await operator.results.reconcile((NAMESPACE, "main"))
    assert told == [(NAMESPACE, "main")]
    assert operator.results.heard_at((NAMESPACE, "main")) == operator.now

"""What a new leader does where its views lag behind what the leader before has written: it looks before it acts."""

from __future__ import annotations

import asyncio
import copy
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.control.parts import make_configs, make_context, make_results, make_runs, make_sink
from tests.unit.plan.builders import CREATED, NAMESPACE, at, config, ended, owned_by, pod_body, run, template

from kubeprobe.api import ProbeConfig, ProbeRun, Verdict
from kubeprobe.control.context import Context, Kind, Work
from kubeprobe.control.queue import WorkQueue
from kubeprobe.control.view import NamespaceView
from kubeprobe.intake.port import Answer, PodIdentity
from kubeprobe.kube.port import CONFIGS, NAMESPACES, PODS, RESULTS, RUNS, TEMPLATES, ApiError, Object, Resource
from kubeprobe.plan.pod_view import read_pod
from probe_sdk.wire import Report

RUN_KEY = (NAMESPACE, "main-1")
CONFIG_KEY = (NAMESPACE, "main")
NOW = at(10)
REPORT = Report(ok=True)


class Server:
    """Objects with versions, and every request that came for them."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str], Object] = {}
        self.asked: list[str] = []

    def put(self, resource: Resource, body: Object) -> None:
        self.stored[resource.plural, body["metadata"]["name"]] = copy.deepcopy(body)

    async def get(self, resource: Resource, _: str | None, name: str) -> Object:
        self.asked.append(f"get {resource.plural}")
        if (resource.plural, name) not in self.stored:
            raise ApiError(404, "NotFound", f"no {name}")
        return copy.deepcopy(self.stored[resource.plural, name])

    async def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        self.asked.append(f"create {resource.plural}")
        name = body["metadata"]["name"]
        if (resource.plural, name) in self.stored:
            raise ApiError(409, "AlreadyExists", f"{name} is there")
        meta = {"uid": f"uid-{name}", "resourceVersion": "1", "creationTimestamp": CREATED.isoformat()}
        self.put(resource, {**body, "metadata": {**meta, "namespace": namespace, **body["metadata"]}})
        return copy.deepcopy(self.stored[resource.plural, name])

    async def merge_patch(
        self, resource: Resource, _: str | None, name: str, body: Object, *, subresource: str | None = None
    ) -> Object:
        self.asked.append(f"patch {resource.plural}")
        if (resource.plural, name) not in self.stored:
            raise ApiError(404, "NotFound", f"no {name}")
        stored = self.stored[resource.plural, name]
        if body["metadata"]["resourceVersion"] != stored["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "it was changed")
        stored["metadata"]["resourceVersion"] = str(int(stored["metadata"]["resourceVersion"]) + 1)
        stored["status"] = {**stored.get("status", {}), **body["status"]}
        return copy.deepcopy(stored)

    async def delete(self, resource: Resource, *_: object, **__: object) -> None:
        self.asked.append(f"delete {resource.plural}")


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def context(server: Server) -> Context:
    api: Any = server
    queue: WorkQueue[Work] = WorkQueue(lambda: 0.0)
    context = make_context(api, lambda: NOW, queue)
    context.views.namespaces.put(NamespaceView(NAMESPACE, "uid-ns", 1, {}))
    context.views.templates.put(template())
    return context


def body(of: ProbeRun | ProbeConfig, version: int) -> Object:
    wire: Object = of.model_dump(by_alias=True, exclude_none=True, mode="json")
    wire["metadata"]["resourceVersion"] = str(version)
    return wire


async def test_a_run_that_the_leader_before_completed_gets_no_second_pod(server: Server, context: Context) -> None:
    context.views.configs.put(config())
    context.views.runs.put(
        run(metadata=owned_by(config()))
    )  # its pod came and went, and the end of it was not heard yet
    server.put(RUNS, body(ended("main-1", at(5)), 4))
    runs = make_runs(context)
    await runs.reconcile(RUN_KEY)
    await runs.reconcile(RUN_KEY)
    assert server.asked == ["get proberuns"]
    seen = context.views.runs.get(RUN_KEY)
    assert seen is not None
    assert seen.status.verdict == "Passed"


async def test_a_run_that_is_gone_gets_no_pod(server: Server, context: Context) -> None:
    context.views.configs.put(config())
    context.views.runs.put(run(metadata=owned_by(config())))
    await make_runs(context).reconcile(RUN_KEY)
    assert server.asked == ["get proberuns"]


async def test_a_run_of_somebody_else_is_read_once_and_then_started(server: Server, context: Context) -> None:
    context.views.configs.put(config())
    context.views.runs.put(run(metadata=owned_by(config())))
    server.put(RUNS, body(run(metadata=owned_by(config())), 1))
    runs = make_runs(context)
    await runs.reconcile(RUN_KEY)
    assert len(context.queue) == 1  # to be looked at again
    await runs.reconcile(RUN_KEY)
    assert server.asked == ["get proberuns", "create pods"]
    runs.reset()
    assert context.vouched == set()  # the next time that it leads, it has seen nothing


async def test_an_own_run_is_started_without_reading(server: Server, context: Context) -> None:
    made = config(schedule={"every": "60s"})
    context.views.configs.put(made)
    server.put(CONFIGS, body(made, 1))
    await make_configs(context).reconcile(CONFIG_KEY)
    (started,) = context.views.runs
    await make_runs(context).reconcile((NAMESPACE, started.metadata.name))
    assert [one for one in server.asked if not one.startswith("patch")] == ["create proberuns", "create pods"]


async def test_an_own_run_that_the_watch_tells_of_first_is_started_without_reading(
    server: Server, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = config(schedule={"every": "60s"})
    context.views.configs.put(made)
    server.put(CONFIGS, body(made, 1))
    runs, create = make_runs(context), server.create

    async def told_before_it_is_answered(resource: Resource, namespace: str | None, wanted: Object) -> Object:
        created = await create(resource, namespace, wanted)
        if resource == RUNS:
            context.views.runs.put(ProbeRun.model_validate(created))
            context.queue.add((Kind.RUN, (NAMESPACE, created["metadata"]["name"])))
            for _ in range(20):
                await asyncio.sleep(0)
        return created

    async def handle(work: Work) -> None:
        if work[0] is Kind.RUN:
            await runs.reconcile(work[1])

    monkeypatch.setattr(server, "create", told_before_it_is_answered)
    worker = asyncio.create_task(context.queue.work(handle))
    await make_configs(context).reconcile(CONFIG_KEY)
    async with asyncio.timeout(10):
        while "create pods" not in server.asked:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0)
    worker.cancel()
    assert "get proberuns" not in server.asked


async def test_a_status_decided_on_an_older_version_is_not_written_and_the_newer_one_is_seen(
    server: Server, context: Context
) -> None:
    context.views.configs.put(config())
    old = run()
    context.views.runs.put(old)
    server.put(RUNS, body(run(metadata={"labels": {"touched": "yes"}}), 9))
    with pytest.raises(ApiError) as refused:
        await make_runs(context).complete(old, ended("main-1", NOW).status)
    assert refused.value.conflict
    seen = context.views.runs.get(RUN_KEY)
    assert seen is not None
    assert (seen.metadata.resource_version, seen.status.verdict) == ("9", None)


async def test_a_conflict_over_a_config_or_a_result_shows_the_newer_one(server: Server, context: Context) -> None:
    context.views.configs.put(config(schedule=None, mode="OnDemand"))
    server.put(CONFIGS, body(config(schedule=None, mode="OnDemand"), 7))
    with pytest.raises(ApiError):
        await make_configs(context).reconcile(CONFIG_KEY)
    seen = context.views.configs.get(CONFIG_KEY)
    assert seen is not None
    assert seen.metadata.resource_version == "7"

    owner = {"apiVersion": "kubeprobe.io/v1alpha1", "kind": "ProbeConfig", "name": "main", "uid": "uid-main"}
    meta = {"name": "main", "namespace": NAMESPACE, "uid": "r", "resourceVersion": "5", "ownerReferences": [owner]}
    server.put(RESULTS, {"metadata": meta})
    results = make_results(context)
    with pytest.raises(ApiError):  # it was created by the leader before
        await results.reconcile(CONFIG_KEY)
    assert server.asked[-2:] == ["create proberesults", "get proberesults"]
    await results.reconcile(CONFIG_KEY)
    assert server.stored["proberesults", "main"]["status"]["reason"] == "Pending"


def probes_pod(context: Context, server: Server) -> PodIdentity:
    context.views.configs.put(config())
    wire = pod_body(run())
    context.views.pods.put(read_pod(wire))
    server.put(PODS, wire)
    return PodIdentity(NAMESPACE, "main-1", wire["metadata"]["uid"])


async def test_a_standby_sends_reporters_away(server: Server, context: Context) -> None:
    who = probes_pod(context, server)
    sink = make_sink(context, lambda: False)
    assert await sink.accept(who, REPORT, NOW) is Answer.UNAVAILABLE
    assert server.asked == []


async def test_a_report_for_a_run_that_the_watch_has_not_told_of_is_recorded(server: Server, context: Context) -> None:
    who = probes_pod(context, server)
    server.put(RUNS, body(run(), 3))
    sink = make_sink(context, lambda: True)
    assert await sink.accept(who, REPORT, NOW) is Answer.DURABLE
    assert server.asked == ["get proberuns", "patch proberuns"]
    assert server.stored["proberuns", "main-1"]["status"]["verdict"] == "Passed"


async def test_a_report_survives_that_somebody_touched_the_run(server: Server, context: Context) -> None:
    who = probes_pod(context, server)
    context.views.runs.put(run())
    server.put(RUNS, body(run(metadata={"labels": {"touched": "yes"}}), 2))
    sink = make_sink(context, lambda: True)
    assert await sink.accept(who, REPORT, NOW) is Answer.DURABLE
    assert server.asked == ["patch proberuns", "get proberuns", "patch proberuns"]


async def test_a_report_of_a_run_that_is_gone_is_late(server: Server, context: Context) -> None:
    who = probes_pod(context, server)
    sink = make_sink(context, lambda: True)
    assert await sink.accept(who, REPORT, NOW + timedelta(seconds=1)) is Answer.LATE


async def test_what_is_held_in_memory_does_not_outlast_a_leadership(server: Server, context: Context) -> None:
    context.views.configs.put(config(schedule=None, mode="OnDemand"))
    results = make_results(context)
    await results.reconcile(CONFIG_KEY)
    context.views.runs.put(ended("main-1", at(5)))
    await results.reconcile(CONFIG_KEY)
    assert server.stored["proberesults", "main"]["status"]["verdict"] == "Passed"
    results.reset()
    await results.flush()
    assert server.asked.count("patch proberesults") == 2


async def test_an_answer_that_cannot_be_flushed_keeps_no_other_from_it(
    server: Server, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = make_results(context)
    for name in ("first", "second"):
        one = config(name, thresholds={"failures": 3})
        context.views.configs.put(one)
        for number in (1, 2):
            status = body(ended("its", at(number), Verdict.FAILED), 1)["status"]
            spec = {"configRef": {"name": name}, "metadata": owned_by(one), "status": status}
            context.views.runs.put(run(f"{name}-{number}", **spec))
            await results.reconcile((NAMESPACE, name))  # the second one is worth no write yet
    merge_patch = server.merge_patch

    async def refuse_the_first(resource: Resource, _: str | None, name: str, *args: Any, **more: Any) -> Object:
        if name == "first":
            raise ApiError(500, "InternalError", "etcd is away")
        return await merge_patch(resource, _, name, *args, **more)

    monkeypatch.setattr(server, "merge_patch", refuse_the_first)
    await results.flush()
    told = [len(server.stored["proberesults", name]["status"]["history"]) for name in ("first", "second")]
    assert told == [1, 2]


async def test_a_run_is_not_ended_for_what_only_a_watch_has_not_told_yet(server: Server, context: Context) -> None:
    context.views.templates.drop(("", "etcd"), "uid-etcd")
    context.views.namespaces.drop(("", NAMESPACE), "uid-ns")
    server.put(CONFIGS, body(config(), 1))
    server.put(TEMPLATES, template().model_dump(by_alias=True, exclude_none=True, mode="json"))
    server.put(NAMESPACES, {"metadata": {"name": NAMESPACE, "uid": "uid-ns", "resourceVersion": "1"}})
    made = run(metadata=owned_by(config()))
    context.views.runs.put(made)
    context.vouched.add(made.metadata.uid)
    await make_runs(context).reconcile(RUN_KEY)
    assert server.asked == ["get probeconfigs", "get probetemplates", "get namespaces", "create pods"]


async def test_a_run_that_is_gone_no_longer_keeps_its_config_waiting(server: Server, context: Context) -> None:
    context.views.configs.put(config())
    ghost = run(metadata=owned_by(config()), status={"phase": "Running", "startedAt": at(0).isoformat()})
    context.views.runs.put(ghost)
    runs = make_runs(context)
    assert await runs.complete(ghost, ghost.status) is None
    assert context.views.runs.get(RUN_KEY) is None
    assert len(context.queue) == 1


async def test_a_refused_run_is_told_on_its_config(
    server: Server, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = config(schedule={"every": "60s"})
    context.views.configs.put(made)
    server.put(CONFIGS, body(made, 1))

    async def refuse(*_: object) -> Object:
        raise ApiError(403, "Forbidden", "exceeded quota: count/proberuns.kubeprobe.io")

    said: list[tuple[str, str]] = []
    monkeypatch.setattr(server, "create", refuse)
    monkeypatch.setattr(context.recorder, "record", lambda _, reason, text, **__: said.append((reason, text)))
    with pytest.raises(ApiError):
        await make_configs(context).reconcile(CONFIG_KEY)
    assert said == [("RunRefused", "its run was not created: exceeded quota: count/proberuns.kubeprobe.io")]
    assert server.asked == ["patch probeconfigs"]  # its Ready condition does not wait for that


async def test_a_failure_that_is_not_written_yet_quickens_an_adaptive_config_at_once(
    server: Server, context: Context
) -> None:
    adaptive = {"every": "10m", "adaptive": {"fastest": "10s", "slowest": "1h"}}
    made = config(schedule=adaptive, thresholds={"failures": 2})
    context.views.configs.put(made)
    context.views.runs.put(ended("main-0", at(0), Verdict.PASSED))
    server.put(CONFIGS, body(made, 1))
    results = make_results(context)
    await results.reconcile(CONFIG_KEY)
    context.views.runs.put(ended("main-1", at(5), Verdict.FAILED))
    before = len(context.queue)
    await results.reconcile(CONFIG_KEY)
    assert len(context.queue) == before + 1  # the config is looked at again
    answer = results.latest(CONFIG_KEY)
    assert answer is not None
    assert answer.history[0].verdict == "Failed"

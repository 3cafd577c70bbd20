"""What follows from what the watches tell, in whatever order they do."""

from __future__ import annotations

from typing import Any

from tests.unit.control.parts import make_changes, make_context, make_nodes, make_residents, make_runs
from tests.unit.control.residents import KEY, pod_of
from tests.unit.plan.builders import NAMESPACE, at, config, run
from tests.unit.plan.residents import resident

from kubeprobe.control.context import Context, Kind, Work
from kubeprobe.control.queue import WorkQueue
from kubeprobe.control.watch import Watcher
from kubeprobe.control.wave import WaveReconciler


def watching() -> tuple[Context, Watcher]:
    api: Any = None
    queue: WorkQueue[Work] = WorkQueue(lambda: 0.0)
    context = make_context(api, lambda: at(10), queue)
    runs = make_runs(context)
    waves = WaveReconciler(context, runs, make_nodes(context))
    return context, Watcher(context, runs, waves, make_residents(context), make_changes(context))


def namespace(version: int, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": NAMESPACE, "uid": "uid-ns", "resourceVersion": str(version), "labels": labels}}


def test_a_config_that_was_seen_before_its_namespace_is_looked_at_again() -> None:
    context, watcher = watching()
    context.views.configs.put(config())
    watcher.namespace(namespace(1))
    assert len(context.queue) == 1
    watcher.namespace(namespace(2))  # nothing that matters has changed
    assert len(context.queue) == 1


def test_configs_that_look_for_targets_elsewhere_hear_of_namespaces_that_change_or_go() -> None:
    context, watcher = watching()
    targets = {"discover": [{"kind": "Service", "namespaces": ["there"]}]}
    context.views.configs.put(resident("looks", targets=targets))
    context.views.configs.put(resident("does-not"))
    due: list[Work] = [(Kind.RESIDENT, (NAMESPACE, "looks"))]
    metadata = {"name": "there", "uid": "uid-there", "resourceVersion": "1"}
    watcher.namespace({"metadata": metadata})
    assert [*context.queue._ready] == due
    context.queue.close()
    context.queue.open()
    watcher.namespace_gone(("", "there"), "uid-there")
    assert [*context.queue._ready] == due


def test_all_kinds_tell_what_is_in_view() -> None:
    context, watcher = watching()
    context.views.runs.put(run("main-1", metadata={"resourceVersion": "7"}))
    held = {feed.resource.plural: [*feed.held()] for feed in watcher.feeds()}
    assert [(one.key, one.version) for one in held["proberuns"]] == [((NAMESPACE, "main-1"), 7)]
    assert set(held) == {
        "namespaces",
        "probetemplates",
        "probeconfigs",
        "proberuns",
        "proberesults",
        "changes",
        "changegates",
        "pods",
        "configmaps",
        "deployments",
        "daemonsets",
    }


def test_a_resident_probers_pod_is_in_view_while_it_is_there() -> None:
    context, watcher = watching()
    watcher.resident_pod(pod_of())
    assert [pod.name for pod in context.views.resident_pods.group(KEY)] == ["main-1"]
    assert len(context.queue) == 1
    context.queue.close()
    context.queue.open()
    watcher.resident_pod(pod_of(resourceVersion="2"))  # its status has changed, which tells nothing of its targets
    assert len(context.queue) == 0
    watcher.resident_pod_gone((NAMESPACE, "main-1"), "uid-another")
    assert context.views.resident_pods.group(KEY) != ()
    watcher.resident_pod_gone((NAMESPACE, "main-1"), "uid-main-1")
    assert (context.views.resident_pods.group(KEY), len(context.queue)) == ((), 1)
    watcher.resident_pod_gone((NAMESPACE, "main-1"), "uid-main-1")

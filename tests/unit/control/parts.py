"""The operator's parts around an API server in memory, with a budget that nothing here exhausts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry

from kubeprobe.control.budget import Budget
from kubeprobe.control.budget_metrics import BudgetMetrics
from kubeprobe.control.changes import Changes
from kubeprobe.control.config import ConfigReconciler
from kubeprobe.control.context import Context, Work
from kubeprobe.control.discovery import Discovery
from kubeprobe.control.events import Recorder
from kubeprobe.control.follow import KINDS, followable
from kubeprobe.control.metrics import Metrics
from kubeprobe.control.nodes import NodeWatch
from kubeprobe.control.queue import WorkQueue
from kubeprobe.control.reports import ReportSink
from kubeprobe.control.resident import ResidentReconciler
from kubeprobe.control.resident_store import ResidentStore
from kubeprobe.control.result import ResultReconciler
from kubeprobe.control.run import RunReconciler
from kubeprobe.control.tidy import Tidier
from kubeprobe.control.view import Views
from kubeprobe.control.wave import WaveReconciler
from kubeprobe.control.writer import Writer
from kubeprobe.plan.budget import Limits
from kubeprobe.plan.pod import Site


def make_context(api: Any, now: Callable[[], datetime], queue: WorkQueue[Work]) -> Context:
    views, registry = Views(), CollectorRegistry()
    spending = BudgetMetrics(registry)
    writer = Writer(api, Budget(Limits(10_000, 10_000), lambda: 0.0, queue.add, spending))
    return Context(
        api=api,
        writer=writer,
        views=views,
        queue=queue,
        recorder=Recorder(writer, now, "test", spending.events_dropped),
        metrics=Metrics(registry, views, now),
        site=Site("http://10.0.0.1"),
        now=now,
    )


def make_runs(context: Context) -> RunReconciler:
    return RunReconciler(context, lambda _: False)


def make_nodes(context: Context) -> NodeWatch:
    api: Any = context.api
    return NodeWatch(api, context.views, lambda: 0.0)


def make_results(context: Context, residents: ResidentStore | None = None) -> ResultReconciler:
    heard = residents or ResidentStore(context.views, context.now)
    return ResultReconciler(context, make_nodes(context), heard, lambda _: frozenset())


def make_residents(context: Context) -> ResidentReconciler:
    api: Any = context.api
    heard = ResidentStore(context.views, context.now)
    return ResidentReconciler(context, Discovery(api, context, lambda: 0.0), heard)


def make_configs(context: Context, results: ResultReconciler | None = None) -> ConfigReconciler:
    answer = (results or make_results(context)).latest
    return ConfigReconciler(context, Tidier(context.writer), answer, make_changes(context))


def make_changes(context: Context, *secret_namespaces: str) -> Changes:
    api: Any = context.api
    return Changes(context, api, followable(KINDS, secret_namespaces), "kubeprobe-system", lambda: 0.0)


def make_sink(context: Context, leads: Callable[[], bool]) -> ReportSink:
    runs = make_runs(context)
    return ReportSink(context, runs, WaveReconciler(context, runs, make_nodes(context)), leads)

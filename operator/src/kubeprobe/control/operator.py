"""The operator's process: the watches at one end, the intake at another, the work queue's workers between them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from kubeprobe.control.budget import Budget, Deferred
from kubeprobe.control.budget_metrics import BudgetMetrics
from kubeprobe.control.config import ConfigReconciler
from kubeprobe.control.context import Context, Kind, Work
from kubeprobe.control.events import Recorder
from kubeprobe.control.health import OperatorHealth, Sync
from kubeprobe.control.metrics import Metrics
from kubeprobe.control.queue import WorkQueue
from kubeprobe.control.reports import ReportSink
from kubeprobe.control.result import ResultReconciler
from kubeprobe.control.run import RunReconciler
from kubeprobe.control.template import TemplateReconciler
from kubeprobe.control.tidy import Tidier
from kubeprobe.control.view import Views
from kubeprobe.control.watch import Watcher
from kubeprobe.control.writer import Writer
from kubeprobe.intake.server import Intake, IntakeDeps, serve
from kubeprobe.kube.port import CONFIGS, PODS, RESULTS, RUNS, TEMPLATES, ApiError, ObservedApi
from kubeprobe.kube.reflector import Reflector
from kubeprobe.kube.tokens import ClusterKeys
from kubeprobe.plan.budget import Limits
from kubeprobe.plan.pod import Site

logger = logging.getLogger("kubeprobe")
WORKERS = 16
FIRST_RETRY_SECONDS = 0.2
LONGEST_RETRY_SECONDS = 30.0
FLUSH_SECONDS = 10.0
"""Well within the time that Kubernetes gives a pod to end; what is not flushed by then is counted anew."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How one operator process is run."""

    intake_url: str
    """What probes are told to report to: an address, not a DNS name, since DNS may be what is broken."""
    host: str = "0.0.0.0"  # noqa: S104 - probes come from the pod network
    port: int = 8080
    writes: Limits = field(default_factory=Limits)


class Operator:
    """One operator, wired; `run` it."""

    def __init__(self, api: ObservedApi, settings: Settings) -> None:
        self._settings = settings
        self._api = api
        self._sync = Sync()
        views = Views()
        queue: WorkQueue[Work] = WorkQueue(time.monotonic)
        metrics = Metrics(CollectorRegistry(), views)
        api.observe(lambda verb, status: metrics.requests.labels(verb, status).inc())
        spending = BudgetMetrics(metrics.registry)
        self._budget = Budget(settings.writes, time.monotonic, queue.add, spending)
        writer = Writer(api, self._budget)
        self._context = Context(
            api=api,
            writer=writer,
            views=views,
            queue=queue,
            recorder=Recorder(writer, utc_now, socket.gethostname(), spending.events_dropped),
            metrics=metrics,
            site=Site(intake_url=settings.intake_url),
            now=utc_now,
        )
        self._tidier = Tidier(writer)
        self._runs = RunReconciler(self._context)
        self._results = ResultReconciler(self._context)
        configs, templates = ConfigReconciler(self._context, self._tidier), TemplateReconciler(self._context)
        self._reconcile = {
            Kind.TEMPLATE: templates.reconcile,
            Kind.CONFIG: configs.reconcile,
            Kind.RUN: self._runs.reconcile,
            Kind.RESULT: self._results.reconcile,
        }
        self._failures: Counter[Work] = Counter()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set.

        Raises:
            ApiError: the cluster does not let the operator work: no CRDs, or no permission.
        """
        await self._check_access()
        async with _running(self._budget.run()):
            beside = (self._watch(), self._tidier.run(), self._context.recorder.run())
            async with self._intake(), _running(*beside, *(self._work() for _ in range(WORKERS))):
                await stop.wait()
            with contextlib.suppress(ApiError, TimeoutError):
                async with asyncio.timeout(FLUSH_SECONDS):
                    await self._results.flush()

    async def _check_access(self) -> None:
        """A watch would retry a refusal for ever; a person wants to know now."""
        for resource in (TEMPLATES, CONFIGS, RUNS, RESULTS, PODS):
            try:
                await self._api.raw(f"{resource.path(None)}?limit=1")
            except ApiError as error:
                if error.not_found:
                    hint = "install the CRDs: kubeprobe crds | kubectl apply --server-side -f -"
                    raise ApiError(
                        404, error.reason, f"{resource.plural} are not known to the cluster; {hint}"
                    ) from error
                raise

    async def _watch(self) -> None:
        """Follow everything; decisions begin when all that is there has been seen once."""
        feeds = Watcher(self._context, self._runs).feeds()
        reflectors = [Reflector(self._api, feed, time.monotonic) for feed in feeds]
        async with _running(*(reflector.run() for reflector in reflectors)):
            for reflector in reflectors:
                await reflector.listed.wait()
            views = self._context.views
            logger.info("in step with the cluster: %d configs, %d runs", len(views.configs), len(views.runs))
            self._sync.done.set()
            await asyncio.Event().wait()

    @contextlib.asynccontextmanager
    async def _intake(self) -> AsyncIterator[None]:
        started = time.monotonic()
        deps = IntakeDeps(
            reports=ReportSink(self._context, self._runs, self._sync),
            health=OperatorHealth(self._context.queue, self._sync, time.monotonic, started),
            keys=ClusterKeys(self._api),
            registry=self._context.metrics.registry,
            now=utc_now,
        )
        async with serve(Intake(deps), self._settings.host, self._settings.port):
            logger.info("reports are taken at %s", self._settings.intake_url)
            yield

    async def _work(self) -> None:
        await self._sync.done.wait()
        await self._context.queue.work(self._handle)

    async def _handle(self, work: Work) -> None:
        kind, key = work
        try:
            with self._budget.turn(work):
                await self._reconcile[kind](key)
        except Deferred:
            logger.debug("%s %s/%s waits for its turn to be written", kind, *key)
        except ApiError as error:
            logger.warning("%s %s/%s: %s", kind, *key, error)
            self._retry(work)
        except Exception:
            logger.exception("%s %s/%s could not be reconciled", kind, *key)
            self._retry(work)
        else:
            self._failures.pop(work, None)

    def _retry(self, work: Work) -> None:
        self._context.metrics.reconcile_errors.labels(work[0]).inc()
        self._failures[work] += 1
        delay = FIRST_RETRY_SECONDS * 2.0 ** (self._failures[work] - 1)
        self._context.queue.add_after(work, min(delay, LONGEST_RETRY_SECONDS))


def utc_now() -> datetime:
    """The time by this machine's clock."""
    return datetime.now(UTC)


@contextlib.asynccontextmanager
async def _running(*work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run coroutines beside the block, and end them with it."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

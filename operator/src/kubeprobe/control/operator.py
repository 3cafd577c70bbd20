"""The operator's process: the watches at one end, the intake at another, the work queue's workers between them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from kubeprobe.api import Phase
from kubeprobe.control.config import ConfigReconciler
from kubeprobe.control.context import Context, Kind, Work
from kubeprobe.control.events import Recorder
from kubeprobe.control.health import OperatorHealth, Sync
from kubeprobe.control.lag import Gauges, LagMonitor
from kubeprobe.control.leftovers import Leftovers
from kubeprobe.control.metrics import Metrics
from kubeprobe.control.nodes import NodeWatch
from kubeprobe.control.queue import WorkQueue
from kubeprobe.control.reports import ReportSink
from kubeprobe.control.result import ResultReconciler
from kubeprobe.control.run import RunReconciler
from kubeprobe.control.sweep import SweepReconciler
from kubeprobe.control.template import TemplateReconciler
from kubeprobe.control.tidy import Tidier
from kubeprobe.control.view import Views
from kubeprobe.control.watch import Watcher
from kubeprobe.control.wave import WaveReconciler
from kubeprobe.intake.server import Intake, IntakeDeps, serve
from kubeprobe.kube.port import CONFIGS, PODS, RESULTS, RUNS, TEMPLATES, Api, ApiError
from kubeprobe.kube.reflector import Reflector
from kubeprobe.kube.tokens import ClusterKeys
from kubeprobe.plan.pod import Site

logger = logging.getLogger("kubeprobe")
WORKERS = 16
FIRST_RETRY_SECONDS = 0.2
LONGEST_RETRY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How one operator process is run."""

    intake_url: str
    """What probes are told to report to: an address, not a DNS name, since DNS may be what is broken."""
    host: str = "0.0.0.0"  # noqa: S104 - probes come from the pod network
    port: int = 8080


class Operator:
    """One operator, wired; `run` it."""

    def __init__(self, api: Api, settings: Settings) -> None:
        self._settings = settings
        self._api = api
        self._sync = Sync()
        views = Views()
        queue: WorkQueue[Work] = WorkQueue(time.monotonic)
        self._context = Context(
            api=api,
            views=views,
            queue=queue,
            recorder=Recorder(api, utc_now, socket.gethostname()),
            metrics=Metrics(CollectorRegistry(), views),
            site=Site(intake_url=settings.intake_url),
            now=utc_now,
        )
        self._tidier = Tidier(api)
        self._leftovers = Leftovers(api, lambda: (run.metadata.name for run in views.runs), views.pods, time.monotonic)
        self._watches: list[Reflector] = []
        gauges = Gauges(queue_age=queue.oldest_seconds, watch_age=self._watch_age_seconds)
        self._lag = LagMonitor(time.monotonic, utc_now, gauges, self._enqueue_all)
        self._context.metrics.watch_lag(self._lag, gauges)
        self._runs = RunReconciler(self._context, self._lag.held_up_since)
        self._nodes = NodeWatch(api, views, time.monotonic)
        self._waves = WaveReconciler(self._context, self._runs, self._nodes)
        sweeps = SweepReconciler(self._context, self._runs, self._waves, self._nodes)
        self._results = ResultReconciler(self._context, self._nodes)
        configs, templates = ConfigReconciler(self._context, self._tidier), TemplateReconciler(self._context)
        self._reconcile = {
            Kind.TEMPLATE: templates.reconcile,
            Kind.CONFIG: configs.reconcile,
            Kind.RUN: sweeps.reconcile,
            Kind.RESULT: self._results.reconcile,
        }
        self._failures: Counter[Work] = Counter()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set.

        Raises:
            ApiError: the cluster does not let the operator work: no CRDs, or no permission.
        """
        await self._check_access()
        tasks = (self._watch(), self._lag.run(), self._tidier.run(), self._sweep())
        async with self._intake(), _running(*tasks, *(self._work() for _ in range(WORKERS))):
            await stop.wait()
        with contextlib.suppress(ApiError):
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
        feeds = (*Watcher(self._context, self._runs, self._waves).feeds(), *self._leftovers.feeds())
        self._watches[:] = [Reflector(self._api, feed, time.monotonic) for feed in feeds]
        async with _running(self._nodes.run(), *(reflector.run() for reflector in self._watches)):
            for reflector in self._watches:
                await reflector.listed.wait()
            views = self._context.views
            logger.info("in step with the cluster: %d configs, %d runs", len(views.configs), len(views.runs))
            self._sync.done.set()
            await asyncio.Event().wait()

    @contextlib.asynccontextmanager
    async def _intake(self) -> AsyncIterator[None]:
        started = time.monotonic()
        deps = IntakeDeps(
            reports=ReportSink(self._context, self._runs, self._waves, self._sync),
            health=OperatorHealth(self._context.queue, self._sync, self._watches, time.monotonic, started),
            keys=ClusterKeys(self._api),
            registry=self._context.metrics.registry,
            now=utc_now,
        )
        async with serve(Intake(deps), self._settings.host, self._settings.port):
            logger.info("reports are taken at %s", self._settings.intake_url)
            yield

    def _watch_age_seconds(self) -> float:
        """How long ago the watch that hears least was last told something."""
        return max((time.monotonic() - watch.heard_at for watch in self._watches), default=0.0)

    def _enqueue_all(self) -> None:
        """Have everything reconciled: what was planned by a clock that moved is planned anew."""
        views, queue = self._context.views, self._context.queue
        for config in views.configs:
            queue.add((Kind.CONFIG, (config.metadata.namespace, config.metadata.name)))
        for run in views.runs:
            if run.status.phase is not Phase.COMPLETED:
                queue.add((Kind.RUN, (run.metadata.namespace, run.metadata.name)))

    async def _sweep(self) -> None:
        await self._sync.done.wait()
        await self._leftovers.run()

    async def _work(self) -> None:
        await self._sync.done.wait()
        await self._context.queue.work(self._handle)

    async def _handle(self, work: Work) -> None:
        kind, key = work
        try:
            await self._reconcile[kind](key)
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

"""The operator's process: the watches at one end, the intake at another, the work queue's workers between them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from kubeprobe.api import Phase
from kubeprobe.control.badge import Badge
from kubeprobe.control.budget import Budget, Deferred
from kubeprobe.control.budget_metrics import BudgetMetrics
from kubeprobe.control.change import ChangeReconciler
from kubeprobe.control.changes import Changes
from kubeprobe.control.config import ConfigReconciler
from kubeprobe.control.context import Context, Kind, Work
from kubeprobe.control.discovery import Discovery
from kubeprobe.control.events import Recorder
from kubeprobe.control.follow import KINDS, Followable, followable
from kubeprobe.control.gate_desk import ViewDesk
from kubeprobe.control.gate_sight import GateSources
from kubeprobe.control.gates import Gates
from kubeprobe.control.health import OperatorHealth, Sync
from kubeprobe.control.kubelet import LogReader
from kubeprobe.control.lag import Gauges, LagMonitor
from kubeprobe.control.leader import Duty, Elector, boot_clock
from kubeprobe.control.lease import LEASE_NAME, LeaseStore
from kubeprobe.control.leftovers import Leftovers
from kubeprobe.control.metrics import Metrics
from kubeprobe.control.nodes import NodeWatch
from kubeprobe.control.queue import WorkQueue
from kubeprobe.control.reports import ReportSink
from kubeprobe.control.resident import ResidentReconciler
from kubeprobe.control.resident_store import ResidentStore
from kubeprobe.control.result import ResultReconciler
from kubeprobe.control.run import RunReconciler
from kubeprobe.control.samples import SampleSink
from kubeprobe.control.sweep import SweepReconciler
from kubeprobe.control.target_metrics import TargetPage
from kubeprobe.control.tasks import either, running
from kubeprobe.control.template import TemplateReconciler
from kubeprobe.control.tidy import Tidier
from kubeprobe.control.view import Key, Views
from kubeprobe.control.watch import Watcher
from kubeprobe.control.wave import WaveReconciler
from kubeprobe.control.webhook import AdmissionWebhook, WebhookSettings
from kubeprobe.control.writer import Writer
from kubeprobe.intake.gates.handler import GateDeps
from kubeprobe.intake.server import Intake, IntakeDeps, Tls, serve
from kubeprobe.kube.fence import Fence, NotLeadingError
from kubeprobe.kube.patience import when_reachable
from kubeprobe.kube.port import (
    CHANGES,
    CONFIGMAPS,
    CONFIGS,
    DAEMON_SETS,
    DEPLOYMENTS,
    GATES,
    LEASES,
    PODS,
    RESULTS,
    RUNS,
    TEMPLATES,
    ApiError,
    ObservedApi,
)
from kubeprobe.kube.reflector import Reflector
from kubeprobe.kube.reviews import ClusterReviews
from kubeprobe.kube.tokens import ClusterKeys
from kubeprobe.plan.backoff import backoff_seconds
from kubeprobe.plan.budget import Limits
from kubeprobe.plan.pod import Site

logger = logging.getLogger("kubeprobe")
WORKERS = 16
NEEDED = (TEMPLATES, CONFIGS, RUNS, RESULTS, CHANGES, GATES, PODS, CONFIGMAPS, DEPLOYMENTS, DAEMON_SETS)
"""What the operator cannot work without."""
FIRST_RETRY_SECONDS = 0.2
LONGEST_RETRY_SECONDS = 30.0
"""More of them come to more than the longest, and after a thousand to more than a number holds."""
FLUSH_SECONDS = 10.0
"""Well within the time that Kubernetes gives a pod to end; what is not flushed by then is counted anew."""


@dataclass(frozen=True, slots=True)
class Replica:
    """Which of the operator's replicas this process is."""

    identity: str
    """Its name in the lease; no two processes ever have the same."""
    lease_namespace: str
    pod: Key | None = None
    """Its own pod; None outside a cluster, where no Service leads to it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How one operator process is run."""

    intake_url: str
    """What probes are told to report to: an address, not a DNS name, since DNS may be what is broken."""
    replica: Replica
    host: str = "0.0.0.0"  # noqa: S104 - probes come from the pod network
    port: int = 8080
    writes: Limits = field(default_factory=Limits)
    follow: Followable = field(default_factory=lambda: followable(KINDS, ()))
    """The kinds whose changes may be followed."""
    authenticate: bool = False
    """Whether who asks gates has to show a token of the cluster, and a right."""
    tls: Tls | None = None
    """Where gates are asked by TLS, and then only so; None for in clear text."""
    webhook: WebhookSettings | None = None
    """Where API servers ask whether a change may be; None when they do not."""


class Operator:
    """One operator, wired; `run` it."""

    def __init__(self, api: ObservedApi, settings: Settings) -> None:
        self._settings = settings
        self._api = api
        replica = settings.replica
        self._elector = Elector(LeaseStore(api, replica.lease_namespace, utc_now), replica.identity, boot_clock)
        self._fence = Fence(api, self._elector.leads)
        self._badge = Badge(api, self._fence, replica.pod, self._elector.leads) if replica.pod else None
        self._sync = Sync()
        views = Views()
        queue: WorkQueue[Work] = WorkQueue(time.monotonic)
        queue.close()
        metrics = Metrics(CollectorRegistry(), views, utc_now)
        metrics.leader.set_function(self._elector.leads)
        api.observe(lambda verb, status: metrics.requests.labels(verb, status).inc())
        spending = BudgetMetrics(metrics.registry)
        self._budget = Budget(settings.writes, time.monotonic, queue.add, spending)
        writer = Writer(self._fence, self._budget)
        self._context = Context(
            api=api,
            writer=writer,
            views=views,
            queue=queue,
            recorder=Recorder(writer, utc_now, replica.identity, spending.events_dropped),
            metrics=metrics,
            site=Site(intake_url=settings.intake_url),
            now=utc_now,
        )
        self._webhook = (
            AdmissionWebhook(api, self._context, settings.webhook, self._sync.done.is_set) if settings.webhook else None
        )
        self._tidier = Tidier(writer)
        self._leftovers = Leftovers(
            writer, lambda: (run.metadata.name for run in views.runs), views.pods, time.monotonic
        )
        self._watches: list[Reflector] = []
        self._decisive: list[Reflector] = []
        """Those of the watches that decisions rest on."""
        gauges = Gauges(queue_age=queue.oldest_seconds, watch_age=self._watch_age_seconds)
        self._lag = LagMonitor(boot_clock, utc_now, gauges, self._wake_all)
        metrics.watch_lag(self._lag, gauges)
        self._runs = RunReconciler(self._context, self._lag.held_up_since)
        self._nodes = NodeWatch(api, views, time.monotonic)
        self._waves = WaveReconciler(self._context, self._runs, self._nodes)
        sweeps = SweepReconciler(self._context, self._runs, self._waves, self._nodes)
        self._heard = ResidentStore(views, utc_now)
        self._log_reader = LogReader(self._context, api, self._heard)
        self._changes = Changes(self._context, api, settings.follow, replica.lease_namespace, time.monotonic)
        self._results = ResultReconciler(self._context, self._nodes, self._heard, self._changes.asking)
        self._configs = ConfigReconciler(self._context, self._tidier, self._results.latest, self._changes)
        templates = TemplateReconciler(self._context)
        self._discovery = Discovery(api, self._context, time.monotonic)
        self._residents = ResidentReconciler(self._context, self._discovery, self._heard)
        sources = GateSources(self._changes, self._results, self._nodes.names, replica.lease_namespace)
        self._gates = Gates(self._context, api, sources, time.monotonic)
        self._reconcile = {
            Kind.TEMPLATE: templates.reconcile,
            Kind.CONFIG: self._configs.reconcile,
            Kind.RUN: sweeps.reconcile,
            Kind.RESULT: self._results.reconcile,
            Kind.RESIDENT: self._residents.reconcile,
            Kind.CHANGE: ChangeReconciler(self._context, self._changes).reconcile,
            Kind.GATE: self._gates.reconcile,
        }
        self._failures: Counter[Work] = Counter()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set.

        Raises:
            ApiError: the cluster does not let the operator work: no CRDs, or no permission.
        """
        await when_reachable(self._check_access, stop)
        extra = [part.run() for part in (self._badge, self._webhook) if part is not None]
        async with self._intake(), running(self._watch(), self._lag.run(), self._budget.run(), *extra):
            await either(self._sync.done, stop)
            await self._elector.run(Duty(lambda: self._lead(stop), self._lost), stop)

    async def _lead(self, stop: asyncio.Event) -> None:
        """All that writes, from what is written and from nothing that this process remembers, until `stop` is set."""
        self._context.metrics.leader_transitions.inc()
        reconcilers = (self._configs, self._runs, self._waves, self._results, self._residents)
        for part in (*reconcilers, self._discovery, self._changes, self._gates, self._tidier, self._budget):
            part.reset()
        self._failures.clear()
        # The leader before wrote until now, and an outage may have kept its last words from the views.
        await asyncio.gather(*(watch.catch_up() for watch in self._decisive))
        self._heard.listen()
        self._context.queue.open()
        self._wake_all()
        if self._badge is not None:
            self._badge.look()
        housekeeping = (self._tidier.run(), self._leftovers.run(), self._context.recorder.run())
        webhook = [self._webhook.keep()] if self._webhook else []
        following = (self._discovery.run(), self._log_reader.run(), self._changes.run(), self._gates.run())
        beside = (*housekeeping, *following, *webhook)
        async with running(*beside, *(self._work() for _ in range(WORKERS))):
            await stop.wait()
        with contextlib.suppress(ApiError, TimeoutError):
            async with asyncio.timeout(FLUSH_SECONDS):
                await self._results.flush()

    def _lost(self) -> None:
        self._context.metrics.leader_transitions.inc()
        self._fence.shut()
        self._context.queue.close()
        if self._badge is not None:
            self._badge.look()

    def _wake_all(self) -> None:
        """Have everything looked at: what is under way first, then what may be due."""
        views, add = self._context.views, self._context.queue.add
        over = [run for run in views.runs if run.status.phase is Phase.COMPLETED]
        going = [run for run in views.runs if run.status.phase is not Phase.COMPLETED]
        configs = [(config.metadata.namespace, config.metadata.name) for config in views.configs]
        for template in views.templates:
            add((Kind.TEMPLATE, ("", template.metadata.name)))
        for run in going:
            add((Kind.RUN, (run.metadata.namespace, run.metadata.name)))
        for change in views.changes:
            add((Kind.CHANGE, ("", change.metadata.name)))
        for kind in (Kind.CONFIG, Kind.RESULT):
            for key in configs:
                add((kind, key))
        for gate in views.gates:
            add((Kind.GATE, ("", gate.metadata.name)))
        for run in over:
            add((Kind.RUN, (run.metadata.namespace, run.metadata.name)))

    async def _check_access(self) -> None:
        """A watch would retry a refusal for ever; a person wants to know now."""
        for resource in NEEDED:
            try:
                await self._api.raw(f"{resource.path(None)}?limit=1")
            except ApiError as error:
                if error.not_found:
                    hint = "install the CRDs: kubeprobe crds | kubectl apply --server-side -f -"
                    raise ApiError(
                        404, error.reason, f"{resource.plural} are not known to the cluster; {hint}"
                    ) from error
                raise
        try:
            await self._api.get(LEASES, self._settings.replica.lease_namespace, LEASE_NAME)
        except ApiError as error:
            if not error.not_found:
                raise

    async def _watch(self) -> None:
        """Follow everything; decisions begin when all that is there has been seen once."""
        watched = Watcher(self._context, self._runs, self._waves, self._residents, self._changes).feeds()
        beside = (*self._leftovers.feeds(), *([self._badge.feed()] if self._badge else []))
        self._decisive[:] = [Reflector(self._api, feed, time.monotonic) for feed in watched]
        self._watches[:] = [*self._decisive, *(Reflector(self._api, feed, time.monotonic) for feed in beside)]
        async with running(self._nodes.run(), *(reflector.run() for reflector in self._watches)):
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
            reports=ReportSink(self._context, self._runs, self._waves, self._elector.leads),
            samples=SampleSink(self._context, self._heard, self._elector.leads),
            health=OperatorHealth(
                self._context.queue, self._elector, self._sync, self._followed, time.monotonic, started
            ),
            keys=ClusterKeys(self._api),
            registry=self._context.metrics.registry,
            more_metrics=TargetPage(self._context.views, self._heard, utc_now).text,
            now=utc_now,
            gates=self._gate_deps(),
        )
        tls = self._settings.tls
        renewing = [tls.certificate.run()] if tls is not None else []
        async with serve(Intake(deps), self._settings.host, self._settings.port, tls), running(*renewing):
            logger.info("reports are taken at %s", self._settings.intake_url)
            yield

    def _gate_deps(self) -> GateDeps:
        desk = ViewDesk(self._context.views, self._sync.done.is_set, self._elector.leads, self._changes.announce)
        reviews = ClusterReviews(self._api) if self._settings.authenticate else None
        return GateDeps(desk, reviews, secure_only=self._settings.tls is not None)

    def _followed(self) -> tuple[Reflector, ...]:
        """All watches."""
        return (*self._watches, *self._nodes.followed, *self._discovery.followed, *self._changes.watches)

    def _watch_age_seconds(self) -> float:
        """How long ago the watch that hears least was last told something, of those that runs are judged by.

        A kind that targets are found among may not be served at all, or be refused: that is no lag of this process.
        """
        judging = (*self._watches, *self._nodes.followed)
        return max((time.monotonic() - watch.heard_at for watch in judging), default=0.0)

    async def _work(self) -> None:
        await self._context.queue.work(self._handle)

    async def _handle(self, work: Work) -> None:
        kind, key = work
        try:
            with self._budget.turn(work):
                await self._reconcile[kind](key)
        except NotLeadingError as error:
            logger.info("%s %s/%s: %s", kind, *key, error)
        except Deferred:
            logger.debug("%s %s/%s waits for its turn to be written", kind, *key)
        except ApiError as error:
            if error.conflict:  # it was looked at again, and is decided anew
                self._context.queue.add_after(work, FIRST_RETRY_SECONDS)
                return
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
        delay_seconds = backoff_seconds(self._failures[work], FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS)
        self._context.queue.add_after(work, delay_seconds)


def utc_now() -> datetime:
    """The time by this machine's clock."""
    return datetime.now(UTC)

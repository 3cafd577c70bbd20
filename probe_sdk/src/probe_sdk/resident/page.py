"""The prober's own page: `/metrics` for Prometheus at full resolution, `/healthz` for the kubelet.

Counters and histograms are cumulative and by target. `probe_success` and `probe_duration_seconds` are there as well, as
blackbox_exporter names them, so that its boards and alerts work.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from probe_sdk.resident.account import BOUNDS_SECONDS, Account, Verdict

LABELS: Final = ("config", "namespace", "target")
VALUES: Final = {Verdict.PASSED: 1.0, Verdict.FAILED: 0.0, Verdict.UNKNOWN: -1.0}
IDLE_SECONDS: Final = 10.0


class AccountCollector(Collector):
    """All accounts of a prober as metrics, read at the moment of the scrape.

    Args:
        labels: the config and its namespace.
        accounts: the accounts there are now.
        withheld_seconds: how long the prober was held up in all.
        own: the labels of targets that have some, by their names.
    """

    def __init__(
        self,
        labels: tuple[str, str],
        accounts: Callable[[], Iterable[Account]],
        withheld_seconds: Callable[[], float],
        own: Callable[[], Mapping[str, Mapping[str, str]]],
    ) -> None:
        self._labels = labels
        self._accounts = accounts
        self._withheld_seconds = withheld_seconds
        self._own = own

    def collect(self) -> Iterator[Metric]:
        """See `prometheus_client.registry.Collector`."""
        accounts = list(self._accounts())
        yield from self._counts(accounts)
        yield from self._verdicts(accounts)
        yield self._durations(accounts)
        yield from self._gauges(accounts)
        yield self._info(accounts)
        held = CounterMetricFamily(
            "kubeprobe_prober_held_up_seconds", "How long the prober wanted to work and could not.", labels=LABELS[:2]
        )
        held.add_metric(self._labels, self._withheld_seconds())
        yield held

    def _counts(self, accounts: list[Account]) -> Iterator[Metric]:
        probes = CounterMetricFamily(
            "kubeprobe_probes", "Slots that are over, by how they ended.", labels=(*LABELS, "outcome")
        )
        classes = CounterMetricFamily(
            "kubeprobe_probes_not_passed", "Slots that did not pass, by the class of the reason.",
            labels=(*LABELS, "class"),
        )  # fmt: skip
        phases = CounterMetricFamily(
            "kubeprobe_probe_phase_seconds", "Time spent in the phases of passed probes.", labels=(*LABELS, "phase")
        )
        turns = CounterMetricFamily("kubeprobe_target_turns", "How often the verdict turned.", labels=LABELS)
        for one in accounts:
            labels = (*self._labels, one.target)
            for outcome, count in (("passed", one.passed), ("failed", one.failed), ("unknown", one.unknown)):
                probes.add_metric((*labels, outcome), count)
            for class_, count in list(one.classes.items()):
                classes.add_metric((*labels, class_), count)
            for phase, seconds in list(one.phases.items()):
                phases.add_metric((*labels, phase), seconds)
            turns.add_metric(labels, one.turns)
        yield from (probes, classes, phases, turns)

    def _verdicts(self, accounts: list[Account]) -> Iterator[Metric]:
        verdict = GaugeMetricFamily(
            "kubeprobe_target_verdict", "1: Passed, 0: Failed, -1: Unknown; after noise.", labels=LABELS
        )
        success = GaugeMetricFamily("probe_success", "Whether the last probe passed.", labels=LABELS)
        took = GaugeMetricFamily("probe_duration_seconds", "How long the last probe took.", labels=LABELS)
        for one in accounts:
            labels = (*self._labels, one.target)
            verdict.add_metric(labels, VALUES[one.verdict])
            if one.last_success is not None:
                success.add_metric(labels, float(one.last_success))
                took.add_metric(labels, one.last_seconds)
        yield from (verdict, success, took)

    def _gauges(self, accounts: list[Account]) -> Iterator[Metric]:
        families: dict[str, GaugeMetricFamily] = {}
        for one in accounts:
            for name, value in list(one.gauges.items()):
                family = families.setdefault(name, GaugeMetricFamily(name, "Of this kind of probe.", labels=LABELS))
                family.add_metric((*self._labels, one.target), value)
        yield from families.values()

    def _info(self, accounts: list[Account]) -> Metric:
        """The targets' own labels, to be joined: beside each count they would cost a page many times as long."""
        info, own = Metric("kubeprobe_target_info", "The target's own labels.", "gauge"), self._own()
        for one in accounts:
            if labels := own.get(one.target):
                where = dict(zip(LABELS, (*self._labels, one.target), strict=True))
                info.add_sample(info.name, {**where, **{f"target_{name}": value for name, value in labels.items()}}, 1)
        return info

    def _durations(self, accounts: list[Account]) -> Metric:
        took = HistogramMetricFamily("kubeprobe_probe_seconds", "How long passed probes took.", labels=LABELS)
        for one in accounts:
            counts, total, buckets = list(one.buckets), 0, []
            for bound, count in zip((*map(str, BOUNDS_SECONDS), "+Inf"), counts, strict=True):
                total += count
                buckets.append((bound, total))
            took.add_metric((*self._labels, one.target), buckets, one.seconds_sum)
        return took


class _Server(ThreadingMixIn, WSGIServer):
    """Listens on all addresses of the pod, by IPv4 and IPv6, whichever the cluster has."""

    daemon_threads = True
    request_queue_size = 16
    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET

    def server_bind(self) -> None:
        """As the base class does, but without asking what this host is called: DNS may be what is down."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]
        self.setup_environ()


class _Handler(WSGIRequestHandler):
    timeout = IDLE_SECONDS

    def log_message(self, *_: Any) -> None:
        """Requests are not logged: the log is for what the prober has to say."""


@contextmanager
def page(port: int, collector: Collector, sick: Callable[[], str]) -> Iterator[int]:
    """Serve while the block lasts; gives the port, for when 0 was asked for.

    Args:
        sick: why the prober does not do its work; empty when it does.
    """
    registry = CollectorRegistry()
    registry.register(collector)
    metrics = make_wsgi_app(registry)

    def answer(environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return metrics(environ, start_response)  # type: ignore[no-any-return]
        why = sick()
        status = "404 Not Found" if path != "/healthz" else "503 Service Unavailable" if why else "200 OK"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [(why or "ok").encode() if path == "/healthz" else b"/metrics and /healthz are here"]

    with make_server("", port, answer, _Server, _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="kubeprobe-page", daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()

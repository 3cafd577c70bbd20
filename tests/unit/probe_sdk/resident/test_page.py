"""The prober's own page: what Prometheus reads, and what the kubelet asks."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from probe_sdk.resident.account import BOUNDS_SECONDS, Account, Denoise
from probe_sdk.resident.page import AccountCollector, page

LABELS = {"config": "web", "namespace": "probes", "target": "front"}


def account() -> Account:
    one = Account("front", Denoise(), 0.0)
    for seconds in (0.002, 0.004, 1e6):
        one.pass_(1.0, seconds)
    one.fail(2.0, 0.25, "Connect", "refused")
    one.lose(3.0, "ProberLate", "late", missed=2)
    one.phases["connect"] = 0.5
    one.gauges["probe_ssl_earliest_cert_expiry"] = 1.7e9
    return one


@contextmanager
def served(sick: str = "") -> Iterator[int]:
    subject = account()
    own = {"front": {"team": "web", "zone": 'a"b'}, "gone": {"team": "x"}}
    shown = AccountCollector(("web", "probes"), lambda: [subject], lambda: 1.5, lambda: own)
    with page(0, shown, lambda: sick) as port:
        yield port


def metrics(port: int) -> dict[tuple[str, str], float]:
    """Samples by name and what label they have of their own."""
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            own = {name: value for name, value in sample.labels.items() if LABELS.get(name) != value}
            found[sample.name, ",".join(own.values())] = sample.value
    return found


def test_all_that_is_known_of_a_target_is_there() -> None:
    with served() as port:
        found = metrics(port)
    assert [found["kubeprobe_probes_total", outcome] for outcome in ("passed", "failed", "unknown")] == [3, 1, 2]
    assert found["kubeprobe_probes_not_passed_total", "Connect"] == 1
    assert found["kubeprobe_probes_not_passed_total", "ProberLate"] == 2
    assert found["kubeprobe_probe_phase_seconds_total", "connect"] == 0.5
    assert found["kubeprobe_target_turns_total", ""] == 2
    assert found["kubeprobe_target_verdict", ""] == 0
    assert found["kubeprobe_prober_held_up_seconds_total", ""] == 1.5
    assert (found["probe_success", ""], found["probe_duration_seconds", ""]) == (0, 0.25)
    assert found["probe_ssl_earliest_cert_expiry", ""] == 1.7e9
    assert found["kubeprobe_target_info", 'web,a"b'] == 1


def test_the_histogram_is_cumulative_and_ends_with_all() -> None:
    with served() as port:
        found = metrics(port)
    buckets = [found["kubeprobe_probe_seconds_bucket", str(bound)] for bound in BOUNDS_SECONDS]
    assert buckets == sorted(buckets)
    assert (buckets[0], buckets[-1], found["kubeprobe_probe_seconds_bucket", "+Inf"]) == (0, 2, 3)
    assert found["kubeprobe_probe_seconds_count", ""] == 3
    assert found["kubeprobe_probe_seconds_sum", ""] == pytest.approx(1e6 + 0.006)
    assert max(after / before for before, after in pairwise(BOUNDS_SECONDS)) < 1.6


@pytest.mark.parametrize(("why", "status"), [("", 200), ("the loop is 9.0s late", 503)])
def test_the_kubelet_hears_whether_the_loop_goes(why: str, status: int) -> None:
    with served(why) as port:
        answer = httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)
    assert (answer.status_code, answer.text) == (status, why or "ok")


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this host has no IPv6")
def test_the_page_is_there_by_both_kinds_of_addresses() -> None:
    with served() as port:
        for address in ("127.0.0.1", "[::1]"):
            assert httpx.get(f"http://{address}:{port}/healthz", trust_env=False).is_success


def test_nobody_is_asked_what_this_host_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object) -> str:
        raise AssertionError("DNS may be what is down")

    monkeypatch.setattr(socket, "getfqdn", asked)
    with served() as port:
        assert httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).is_success

"""Resident probers in real pods: who fails is named, what changes disturbs nobody else, and nothing silences them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from tests.lab.faults import BROKEN_NODE, stopped
from tests.lab.kubectl import eventually
from tests.lab.lab import PROBES, Lab
from tests.lab.prober import Prober
from tests.lab.process import without_operator
from tests.lab.target import Target, serving
from tests.lab.trial import watching

NAMES = ("one", "two", "three")
AGAIN_AND_AGAIN = {"interval": "1s", "failures": 3}
SOON_SECONDS = 60
FILE_SECONDS = 180
"""The kubelet brings a ConfigMap's change within a minute and a half at most."""
FROM_THE_LOG = "this is from a prober's log"


@pytest.fixture(scope="module")
def probing(cases: Lab) -> Lab:
    """The lab with the probes of HTTP and DNS registered."""
    cases.register(("http_endpoint", "dns_lookup"))
    return cases


@pytest.fixture
def targets(probing: Lab) -> Iterator[dict[str, Target]]:
    """Three targets, and one more that nobody probes yet."""
    with serving(probing.testbed.host_address, 4) as served:
        yield dict(zip((*NAMES, "four"), served, strict=True))


@pytest.fixture
def shop(probing: Lab, targets: dict[str, Target]) -> Iterator[Prober]:
    """A prober of the three, all of which are well."""
    prober = Prober(probing, f"shop-{uuid.uuid4().hex[:5]}", "http-endpoint")
    prober.ask(urls(targets, *NAMES), AGAIN_AND_AGAIN)
    prober.comes_to("Passed")
    yield prober
    prober.remove()


@pytest.fixture
def dns(probing: Lab) -> Iterator[Prober]:
    """A prober of the cluster's DNS: by its Service, and where the server itself is."""
    prober = Prober(probing, f"dns-{uuid.uuid4().hex[:5]}", "dns-lookup")
    prober.ask(
        {"by-service": {}, "direct": {"server": probing.testbed.host_address}},
        AGAIN_AND_AGAIN,
        params={"name": "kubernetes.default.svc.cluster.local"},
        podOverrides={"nodeSelector": {"kubernetes.io/hostname": BROKEN_NODE}},
    )
    prober.comes_to("Passed")
    yield prober
    prober.remove()


def test_one_of_three_targets_that_is_down_is_named(shop: Prober, targets: dict[str, Target]) -> None:
    assert counted(shop) == (3, 3, 0)
    targets["two"].refuse()
    status = shop.comes_to("Failed")
    assert status["message"].startswith(f"1 of 3 targets fails (3 probes in a row each): two (GET {targets['two'].url}")
    assert counted(shop) == (3, 2, 1)
    assert [one["target"] for one in status["resident"]["failing"]] == ["two"]
    assert "1 of 3 targets fails" in shop.lab.kubectl("get", "proberesults", "-n", PROBES)
    targets["two"].serve()
    assert shop.comes_to("Passed")["message"] == ""
    assert counted(shop) == (3, 3, 0)


def test_targets_that_come_and_go_disturb_no_other(shop: Prober, targets: dict[str, Target]) -> None:
    pod = shop.pod()
    before = shop.counts(pod, "passed")
    shop.ask(urls(targets, *NAMES, "four"), AGAIN_AND_AGAIN)
    eventually("the fourth is probed", lambda: shop.verdicts(pod).get("four") == 1, FILE_SECONDS)
    targets["four"].refuse()
    shop.comes_to("Failed", "1 of 4 targets fails (3 probes in a row each): four")
    shop.ask(urls(targets, *NAMES), AGAIN_AND_AGAIN)
    eventually("the fourth is probed no more", lambda: "four" not in shop.verdicts(pod), FILE_SECONDS)
    shop.comes_to("Passed")
    assert shop.pod() == pod
    after = shop.counts(pod, "passed")
    assert set(after) == set(NAMES)
    assert all(after[name] > before[name] for name in NAMES)
    assert set(shop.counts(pod, "failed").values()) == {0}
    assert shop.verdicts(pod) == dict.fromkeys(NAMES, 1)


def test_other_params_roll_the_prober_and_its_answer_stands_meanwhile(shop: Prober, targets: dict[str, Target]) -> None:
    before = shop.pod()
    with watching(shop.lab) as seen:
        shop.ask(urls(targets, *NAMES), AGAIN_AND_AGAIN, params={"method": "HEAD"})

        def rolled() -> bool:
            pods = shop.pods()
            return len(pods) == 1 and pods[0].uid != before.uid

        eventually("another pod probes alone", rolled, FILE_SECONDS, shop.pods)
        after = shop.pod()
        eventually("it finds all well", lambda: shop.verdicts(after) == dict.fromkeys(NAMES, 1), SOON_SECONDS)
    assert after.restarts == 0
    assert [verdict for _, verdict in seen.changes[shop.name]] == ["Passed"]


def test_the_prober_goes_on_without_the_operator(shop: Prober, targets: dict[str, Target]) -> None:
    pod = shop.pod()
    with without_operator(shop.lab):
        before = shop.counts(pod, "passed")
        targets["two"].refuse()
        eventually("its page says so", lambda: shop.verdicts(pod)["two"] == 0, SOON_SECONDS)
        eventually("its log says so", lambda: logged(shop) == ["two"], SOON_SECONDS)
        after = shop.counts(pod, "passed")
        assert all(after[name] > before[name] for name in ("one", "three"))
        assert shop.status()["verdict"] == "Passed"
        told_at = datetime.now(UTC)
    status = shop.comes_to("Failed", "1 of 3 targets fails (3 probes in a row each): two")
    assert datetime.fromisoformat(status["since"]) < told_at
    assert shop.pod() == pod


def test_dns_that_is_down_is_told_while_it_is_down(dns: Prober) -> None:
    with stopped(dns.lab.testbed, "coredns"):
        status = dns.comes_to("Failed", "2 of 2 targets fail")
        assert FROM_THE_LOG not in status["message"]
    dns.comes_to("Passed")


def test_dns_that_is_down_is_told_by_the_log_when_nothing_gets_home(dns: Prober) -> None:
    testbed, before = dns.lab.testbed, dns.pod()
    with stopped(testbed, f"{BROKEN_NODE}/kube-proxy", flush=True):
        # A connection that stands may outlive the rules that it came about by; a new prober has none.
        dns.lab.kubectl.delete("pod", before.name, PROBES)
        status = dns.comes_to("Failed", FROM_THE_LOG, source="Kubelet")
        assert [one["target"] for one in status["resident"]["failing"]] == ["by-service"]
        with stopped(testbed, "coredns"):
            status = dns.comes_to("Failed", "2 of 2 targets fail", source="Kubelet")
            assert FROM_THE_LOG in status["message"]
    dns.comes_to("Passed")


def urls(targets: dict[str, Target], *names: str) -> dict[str, dict[str, str]]:
    """The parameters of such targets."""
    return {name: {"url": targets[name].url} for name in names}


def counted(prober: Prober) -> tuple[int, int, int]:
    """How many targets there are, passed and failed."""
    resident = prober.status()["resident"]
    return resident["targets"], resident["passed"], resident["failed"]


def logged(prober: Prober) -> list[str]:
    """The targets that the last line of the prober's log names."""
    word = prober.last_word(prober.pod())
    return [one.target for one in word.not_passed] if word else []

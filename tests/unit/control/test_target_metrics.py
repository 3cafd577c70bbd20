"""The operator's page on resident probers' targets: names and labels that boards rely on, and no more than fits."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from tests.unit.control.residents import Ear
from tests.unit.control.test_samples import round_of, target
from tests.unit.plan.builders import meta
from tests.unit.plan.residents import line, samples

from kubeprobe.control import target_metrics
from kubeprobe.control.target_metrics import TargetPage
from kubeprobe.plan.owned import OwnedKind, read_owned
from probe_sdk.wire import LABEL_CONFIG

BASE = {"namespace": "probes", "config": "main"}


@pytest.fixture
def ear() -> Ear:
    ear = Ear()
    ear.config()
    return ear


class Page:
    """The page, as Prometheus reads it."""

    def __init__(self, ear: Ear) -> None:
        self._page = TargetPage(ear.views, ear.store, ear.now)

    def text(self) -> str:
        return self._page.text().decode()

    def families(self) -> dict[str, Metric]:
        return {one.name: one for one in text_string_to_metric_families(self.text())}

    def get_sample_value(self, name: str, labels: Mapping[str, str] | None = None) -> float | None:
        samples = (sample for family in self.families().values() for sample in family.samples)
        return next((one.value for one in samples if (one.name, one.labels) == (name, dict(labels or {}))), None)


@pytest.fixture
def page(ear: Ear) -> Page:
    return Page(ear)


async def test_each_target_has_its_verdict_its_counts_and_its_histogram(ear: Ear, page: Page) -> None:
    who = ear.pod()
    await ear.tell(
        who,
        round_of(
            1,
            target("a", passed=10, seconds=0.5, buckets={3: 4, 29: 6}, unknown=2),
            target("b", "Failed", failed=3, passed=0),
            target("c", "Unknown", passed=0),
        ),
    )

    def value(name: str, one: str, **labels: str) -> float | None:
        return page.get_sample_value(name, {**BASE, "target": one, **labels})

    assert [value("kubeprobe_target_verdict", one) for one in "abc"] == [1, 0, -1]
    assert [value("probe_success", one) for one in "abc"] == [1, 0, None]
    assert [value("probe_duration_seconds", one) for one in "abc"] == [0.05, None, None]
    assert [value("kubeprobe_probes_total", "a", outcome=one) for one in ("passed", "failed", "unknown")] == [10, 0, 2]
    assert value("kubeprobe_target_turns_total", "a") == 1
    assert value("kubeprobe_probe_seconds_bucket", "a", le="0.0003981") == 4
    assert value("kubeprobe_probe_seconds_bucket", "a", le="0.0001") == 0
    assert value("kubeprobe_probe_seconds_bucket", "a", le="+Inf") == value("kubeprobe_probe_seconds_count", "a") == 10
    assert value("kubeprobe_probe_seconds_sum", "a") == 0.5


async def test_the_page_can_be_read(ear: Ear, page: Page) -> None:
    await ear.tell(ear.pod(), round_of(1, target('a "quoted"\\\n'), target("b", buckets={3: 10})))
    families = page.families()
    assert families["kubeprobe_probe_seconds"].type == "histogram"
    assert families["kubeprobe_probes"].type == families["kubeprobe_target_turns"].type == "counter"
    assert families["probe_success"].type == families["probe_duration_seconds"].type == "gauge"
    assert {one.labels["target"] for one in families["probe_success"].samples} == {'a "quoted"\\\n', "b"}
    lines = [line.split(" ", 3)[2] for line in page.text().splitlines() if line.startswith("# TYPE")]
    assert len(lines) == len(set(lines))


async def test_a_target_has_its_own_labels_too(ear: Ear, page: Page) -> None:
    file = json.dumps({"interval": "1s", "targets": [{"name": "a", "labels": {"team": "shop"}}]})
    metadata = meta("main-resident", labels={LABEL_CONFIG: "main"}, ownerReferences=[{"uid": "uid-main"}])
    body = {"metadata": metadata, "data": {"resident.json": file}}
    ear.views.owned[OwnedKind.CONFIG_MAP].put(read_owned(OwnedKind.CONFIG_MAP, body))
    await ear.tell(ear.pod(), round_of(1, target("a"), target("b")))
    assert page.get_sample_value("probe_success", {**BASE, "target": "a", "target_team": "shop"}) == 1
    assert page.get_sample_value("probe_success", {**BASE, "target": "b"}) == 1


async def test_on_each_node_the_node_is_a_label(ear: Ear, page: Page) -> None:
    ear.config(eachNode=True)
    one, two = ear.pod("p1", node="n1"), ear.pod("p2", node="n2")
    await ear.tell(one, round_of(1, target("a")))
    await ear.tell(two, round_of(1, target("a", "Failed")))
    found = [page.get_sample_value("probe_success", {**BASE, "target": "a", "node": node}) for node in ("n1", "n2")]
    assert found == [1, 0]


async def test_what_the_log_says_is_newer_than_what_came(ear: Ear, page: Page) -> None:
    await ear.tell(ear.pod(), round_of(1, target("a"), target("b")))
    ear.cluster.logs["main-1"] = line("a", targets=2, sequence=5).text()
    ear.seconds = 25
    await ear.reader.look()
    assert page.get_sample_value("probe_success", {**BASE, "target": "a"}) == 0
    assert page.get_sample_value("probe_success", {**BASE, "target": "b"}) == 1


async def test_of_a_prober_that_is_silent_nothing_is_claimed(ear: Ear, page: Page) -> None:
    await ear.tell(ear.pod(), round_of(1, target("a")))
    ear.seconds = 31
    assert page.get_sample_value("probe_success", {**BASE, "target": "a"}) is None
    ear.pod("main-2")
    ear.cluster.logs["main-2"] = line(targets=1, sent=ear.now()).text()
    await ear.reader.look()
    assert page.get_sample_value("probe_success", {**BASE, "target": "a"}) is None


async def test_with_the_config_or_its_prober_its_series_are_gone(ear: Ear, page: Page) -> None:
    main, who = ear.config(), ear.pod()
    await ear.tell(who, round_of(1, target("a")))
    assert page.get_sample_value("probe_success", {**BASE, "target": "a"}) == 1
    ear.config(suspend=True)
    ear.views.resident_pods.drop(("probes", "main-1"), who.pod_uid)
    assert page.families()["probe_success"].samples == []
    ear.config()
    await ear.tell(ear.pod("main-2"), round_of(1, target("a")))
    assert page.get_sample_value("probe_success", {**BASE, "target": "a"}) == 1
    ear.views.configs.drop(("probes", "main"), main.metadata.uid)
    assert all(
        family.samples == [] for family in page.families().values() if family.name != "kubeprobe_targets_not_shown"
    )


async def test_no_more_targets_than_fit_are_shown(ear: Ear, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target_metrics, "MOST_TARGETS", 2)
    await ear.tell(ear.pod(), samples(1, *(target(one) for one in "abcde")))
    shown = [page.get_sample_value("probe_success", {**BASE, "target": one}) for one in "abcde"]
    assert shown == [1, 1, None, None, None]
    assert page.get_sample_value("kubeprobe_targets_not_shown") == 3


def test_without_resident_probers_there_is_nothing(page: Page) -> None:
    assert page.families()["probe_success"].samples == []

"""rate-limit against a real API server whose flow schemas are removed, changed, added and made toothless."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from rate_limit.baseline import main as print_baseline
from rate_limit.probe import Params, check
from tests.api.probes.cases import Cluster, Outcome, act_as, run
from tests.unit.probes.manifests import documents

LEVEL, SCHEMA = "prioritylevelconfiguration/kubeprobe-burst", "flowschema/kubeprobe-burst"
TENANTS = {
    "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
    "kind": "FlowSchema",
    "metadata": {"name": "tenants"},
    "spec": {
        "matchingPrecedence": 700,
        "priorityLevelConfiguration": {"name": "workload-low"},
        "distinguisherMethod": {"type": "ByUser"},
        "rules": [
            {
                "subjects": [{"kind": "Group", "group": {"name": "tenants"}}],
                "resourceRules": [
                    {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"], "namespaces": ["*"]}
                ],
            }
        ],
    },
}


@pytest.fixture(scope="module")
def prepared(cluster: Cluster) -> Cluster:
    """The case's objects, and a schema of somebody else's."""
    cluster.install("rate_limit")
    cluster.kubectl.apply(TENANTS)
    return cluster


@pytest.fixture
def whole(prepared: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Cluster]:
    """With the baseline that its administrator printed; afterwards all is put back."""
    act_as(monkeypatch, prepared.plane.kubeconfig)
    assert print_baseline([]) == 0
    prepared.kubectl.apply(yaml.safe_load(capsys.readouterr().out))
    act_as(monkeypatch, prepared.kubeconfig("rate-limit"))
    yield prepared
    prepared.kubectl("delete", LEVEL, SCHEMA, "flowschema/tenants", "--ignore-not-found")
    prepared.kubectl.apply(*documents("rate_limit", "rbac.yaml"), TENANTS)


async def probed(**params: Any) -> Outcome:
    return await run(check, Params.model_validate(params))


async def eventually_says(words: str, **params: Any) -> Outcome:
    """The API server takes up a changed setting by its own watch, a moment later."""
    outcome = await probed(**params)
    end = time.monotonic() + 10
    while not any(words in error for error in outcome.errors) and time.monotonic() < end:
        outcome = await probed(**params)
    return outcome


def patch(cluster: Cluster, what: str, spec: dict[str, Any]) -> None:
    cluster.kubectl("patch", what, "--type=merge", "-p", json.dumps({"spec": spec}))


async def settled() -> Outcome:
    """Throttling as it is put back after another test."""
    outcome = await probed()
    end = time.monotonic() + 10
    while outcome.errors and time.monotonic() < end:
        outcome = await probed()
    return outcome


async def test_the_baseline_holds_and_the_burst_is_throttled_each_time(whole: Cluster) -> None:
    assert (await settled()).errors == ()
    for _ in range(20):
        outcome = await probed()
        assert outcome.errors == ()
        assert outcome.attributes["throttled"] == "19 of 20"
        assert outcome.steps["burst"].seconds.max < 3


async def test_two_requests_are_burst_enough(whole: Cluster) -> None:
    await settled()
    assert (await probed(burstRequests=2)).attributes["throttled"] == "1 of 2"


async def test_a_flow_schema_is_removed(whole: Cluster) -> None:
    await settled()
    whole.kubectl("delete", "flowschema/tenants")
    assert (await probed()).only_error().startswith("FlowSchema tenants is missing: the baseline has it")


async def test_a_flow_schema_is_changed(whole: Cluster) -> None:
    await settled()
    patch(whole, "flowschema/tenants", {"matchingPrecedence": 9500, "distinguisherMethod": {"type": "ByNamespace"}})
    assert (await probed()).errors == (
        'FlowSchema tenants is changed: spec.distinguisherMethod.type is "ByNamespace", the baseline says "ByUser"',
        "FlowSchema tenants is changed: spec.matchingPrecedence is 9500, the baseline says 700",
    )


async def test_a_level_of_the_system_is_changed(whole: Cluster) -> None:
    await settled()
    name = "prioritylevelconfiguration/global-default"
    whole.kubectl("annotate", "--overwrite", name, "apf.kubernetes.io/autoupdate-spec=false")
    try:
        patch(whole, name, {"limited": {"nominalConcurrencyShares": 3}})
        text = (await probed()).only_error()
    finally:
        patch(whole, name, {"limited": {"nominalConcurrencyShares": 20}})
        whole.kubectl("annotate", "--overwrite", name, "apf.kubernetes.io/autoupdate-spec=true")
    assert text == (
        "PriorityLevelConfiguration global-default is changed: "
        "spec.limited.nominalConcurrencyShares is 3, the baseline says 20"
    )


async def test_an_extra_flow_schema_and_the_list_of_those_that_may_be_there(whole: Cluster) -> None:
    await settled()
    whole.kubectl.apply({**TENANTS, "metadata": {"name": "shadow"}})
    try:
        assert (await probed()).only_error().startswith("FlowSchema shadow is extra")
        assert (await probed(ignoreExtra=["FlowSchema/shad*"])).errors == ()
    finally:
        whole.kubectl("delete", "flowschema/shadow")


async def test_without_its_schema_the_burst_is_not_throttled(whole: Cluster) -> None:
    await settled()
    whole.kubectl("delete", SCHEMA)
    outcome = await eventually_says("throttling does not work", baseline="")
    assert "was put into FlowSchema service-accounts of PriorityLevelConfiguration workload-low" in outcome.only_error()
    assert "burst" not in outcome.steps, "nobody else's level is burst into"


async def test_a_schema_that_names_somebody_else(whole: Cluster) -> None:
    await settled()
    rules = documents("rate_limit", "rbac.yaml")[-1]["spec"]["rules"]
    rules[0]["subjects"][0]["serviceAccount"]["name"] = "somebody-else"
    patch(whole, SCHEMA, {"rules": rules})
    outcome = await eventually_says("which is there and does not match", baseline="")
    assert "throttling does not work" in outcome.only_error()


async def test_a_level_with_many_seats_brings_no_429(whole: Cluster) -> None:
    await settled()
    patch(whole, LEVEL, {"limited": {"nominalConcurrencyShares": 100}})
    outcome = await eventually_says("brought no 429", baseline="")
    text = outcome.only_error()
    assert "throttling does not work: 20 requests at the same time in FlowSchema kubeprobe-burst brought no 429" in text
    assert "nominalConcurrencyShares 100, limitResponse Reject" in text
    assert outcome.steps["burst"].seconds.max < 3


@pytest.mark.parametrize(("shares", "words"), [(0, "a single request"), (1, "brought no 429")])
async def test_a_level_that_queues_instead_of_refusing(whole: Cluster, shares: int, words: str) -> None:
    await settled()
    response = {"type": "Queue", "queuing": {"queues": 1, "handSize": 1, "queueLengthLimit": 100}}
    patch(whole, LEVEL, {"limited": {"nominalConcurrencyShares": shares, "limitResponse": response}})
    text = (await eventually_says(words, baseline="")).only_error()
    assert "throttling does not work" in text
    assert f"nominalConcurrencyShares {shares}, limitResponse Queue" in text


async def test_a_missing_baseline_and_a_missing_account(whole: Cluster) -> None:
    await settled()
    whole.kubectl("delete", "configmap/rate-limit-baseline", "-n", "probes")
    assert "there is no baseline: ConfigMap probes/rate-limit-baseline does not exist" in (await probed()).only_error()
    whole.kubectl("delete", "serviceaccount/kubeprobe-rate-limit-burst", "-n", "probes")
    text = (await probed(baseline="")).only_error()
    assert "service account probes/kubeprobe-rate-limit-burst for the burst does not exist" in text


async def test_the_example_baseline_is_what_a_new_cluster_has(whole: Cluster) -> None:
    """config.yaml can be applied on the testbed as it is."""
    await settled()
    whole.kubectl("delete", "flowschema/tenants")
    whole.kubectl.apply(documents("rate_limit", "config.yaml")[0])
    assert (await probed()).errors == ()

"""apiserver against a real one: whole, without its etcd, with one's own rights or without them."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.echo import subject_name
from apiserver.probe import Params, check, probe
from probe_sdk.resident.account import Verdict
from probe_sdk.wire import ENV_CONFIG
from tests.api.probes.cases import NAMESPACE, Cluster, Outcome, act_as, run
from tests.unit.probes.loopback import driver_of, explained, reasons, resident

ROOT_CA = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "kube-root-ca.crt", "namespace": NAMESPACE},
    "data": {"ca.crt": "what the controller manager would write"},
}


def prepared(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster.install("apiserver")
    cluster.kubectl.apply(ROOT_CA)
    monkeypatch.setenv(ENV_CONFIG, "apiservers")
    act_as(monkeypatch, cluster.kubeconfig("apiserver"))


async def probed(**params: Any) -> Outcome:
    return await run(check, Params.model_validate(params))


async def test_a_server_is_ready_reads_and_tells_of_a_write(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the rights of rbac.yaml and no more; the second time what is written is there already."""
    prepared(cluster, monkeypatch)
    for _ in range(2):
        outcome = await probed(watch=True, maxLatency="30s")
        assert outcome.errors == ()
        assert outcome.steps.keys() == {"readyz", "get", "list", "write", "event"}
    written = cluster.kubectl("get", "configmap", "-n", NAMESPACE, "-o", "name")
    assert f"configmap/{subject_name()}" in written.split()


async def test_livez_is_asked_for_by_itself(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(cluster, monkeypatch)
    outcome = await probed(checks="livez", read=False)
    assert outcome.errors == ()
    assert set(outcome.steps) == {"livez"}


def test_a_prober_that_stays(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(cluster, monkeypatch)
    params = {"server": cluster.plane.api_url, "watch": True, "maxLatency": "30s"}
    account = resident(driver_of(probe), params, lambda one: one.passed > 2, timeout="10s")
    assert (account.verdict, account.failed) == (Verdict.PASSED, 0), account.message


def test_where_it_may_not_write_nothing_is_said_of_the_server(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(cluster, monkeypatch)
    cluster.kubectl("create", "serviceaccount", "nobody", "-n", NAMESPACE)
    try:
        act_as(monkeypatch, cluster.kubeconfig("nobody"))
        account = resident(driver_of(probe), {"watch": True, "read": False}, explained, timeout="10s")
    finally:
        cluster.kubectl("delete", "serviceaccount", "nobody", "-n", NAMESPACE)
    assert (account.verdict, account.failed, reasons(account)) == (Verdict.UNKNOWN, 0, {"Forbidden"})
    assert "the case's rbac.yaml grants what it needs" in account.message


async def test_without_its_etcd_the_failing_checks_are_named(
    breakable: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(breakable, monkeypatch)
    breakable.plane.stop("etcd")
    try:
        text = (await probed()).only_error()
    finally:
        breakable.plane.restart("etcd")
    assert "/readyz answered 500, " in text or "did not answer" in text
    if "answered 500" in text:
        assert "checks fail: etcd" in text

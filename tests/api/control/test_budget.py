"""An operator with a small budget and much to do: the bound holds at the API server, and a verdict does not wait."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.api.control.conftest import Operator, working
from tests.api.control.pods import ended
from tests.lab.kubectl import eventually

RATE = 2
BURST = 8
DUE = 100
WATCHED_WRITES = 30
SOON_SECONDS = 60
VERDICT_SECONDS = 3.0
"""A second is what is promised; the objects' own times have whole seconds, and the machine may be busy."""


@pytest.fixture(scope="module")
def frugal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """An operator that may write twice a second, on an API server of its own."""
    options = (f"--writes-per-second={RATE}", f"--writes-burst={BURST}", "--log-level=debug")
    with working(tmp_path_factory.mktemp("frugal"), *options) as operator:
        operator.kubectl("create", "namespace", "frugal")
        operator.kubectl("create", "serviceaccount", "default", "-n", "frugal")
        yield operator


def total(operator: Operator, name: str, **labels: str) -> float:
    """The sum of all series of a metric that have these labels."""
    text = httpx.get(f"{operator.url}/metrics", timeout=10).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def written_at(operator: Operator, kind: str, name: str) -> datetime:
    """When an object's status was last written, by the API server's clock."""
    args = ("get", kind, name, "-n", "frugal", "--show-managed-fields", "-o", "json")
    fields = json.loads(operator.kubectl(*args))["metadata"]["managedFields"]
    return max(when(entry["time"]) for entry in fields if entry.get("subresource") == "status")


def when(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def due_at_once(number: int) -> dict[str, Any]:
    spec = {"templateRef": {"name": "frugal"}, "schedule": {"every": "1h"}}
    meta = {"name": f"due-{number}", "namespace": "frugal"}
    return {"apiVersion": "kubeprobe.io/v1alpha1", "kind": "ProbeConfig", "metadata": meta, "spec": spec}


def test_a_storm_of_due_runs_keeps_to_the_budget_and_a_verdict_does_not_wait(frugal: Operator) -> None:
    frugal.template("frugal")
    frugal.config("frugal", "frugal")
    run, _ = frugal.run("frugal", "frugal")
    eventually("its result is there", lambda: frugal.kubectl.get("proberesult", "frugal", "frugal"), SOON_SECONDS)

    frugal.kubectl.apply(*(due_at_once(number) for number in range(DUE)))
    eventually(
        "most of them wait",
        lambda: total(frugal, "kubeprobe_writes_waiting", priority="run") > DUE / 2,
        SOON_SECONDS,
        lambda: httpx.get(f"{frugal.url}/metrics", timeout=10).text,
    )
    began, writes = time.monotonic(), total(frugal, "kubeprobe_writes_total")
    requests = total(frugal, "kubeprobe_api_requests_total", verb="POST")

    frugal.kubelet(run, "frugal", **ended(1, "boom"))

    def turned() -> bool:
        result = frugal.kubectl.get("proberesult", "frugal", "frugal") or {}
        return bool(result.get("status", {}).get("verdict") == "Failed")

    eventually("the verdict turned", turned, SOON_SECONDS)
    assert total(frugal, "kubeprobe_writes_waiting", priority="run") > 0, "the verdict did not overtake anything"
    ended_at = written_at(frugal, "pod", run)
    took = (written_at(frugal, "proberesult", "frugal") - ended_at).total_seconds()
    assert took <= VERDICT_SECONDS, f"{took}s from the pod's end to the turned verdict"

    eventually(
        "the operator went on meanwhile",
        lambda: total(frugal, "kubeprobe_writes_total") >= writes + WATCHED_WRITES,
        SOON_SECONDS,
        lambda: total(frugal, "kubeprobe_writes_total") - writes,
    )
    wrote = total(frugal, "kubeprobe_writes_total") - writes
    asked = total(frugal, "kubeprobe_api_requests_total", verb="POST") - requests
    allowed = BURST + RATE * (time.monotonic() - began)
    assert 0 < asked <= wrote <= allowed

    check_creations(frugal)


def check_creations(operator: Operator) -> None:
    """The same by the API server's own clock, whatever the operator says of itself."""
    created = sorted(
        when(one["metadata"]["creationTimestamp"])
        for kind in ("proberuns", "pods", "proberesults")
        for one in operator.kubectl.list(kind, "frugal")
        if one["metadata"]["name"].startswith("due-")
    )
    assert created
    for first, start_at in enumerate(created):
        for last in range(first, len(created)):
            # Creation times have whole seconds.
            allowed = BURST + RATE * ((created[last] - start_at).total_seconds() + 1)
            assert last - first + 1 <= allowed

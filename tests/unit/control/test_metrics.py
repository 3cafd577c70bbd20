from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from kubeprobe.control.metrics import Metrics
from kubeprobe.control.view import Views, read_result

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def verdict_of(**status: Any) -> str:
    views, registry = Views(), CollectorRegistry()
    Metrics(registry, views, lambda: NOW)
    metadata = {"name": "main", "namespace": "probes", "uid": "uid", "resourceVersion": "1"}
    views.results.put(read_result({"metadata": metadata, "status": {"verdict": "Passed", **status}}))
    family = next(one for one in registry.collect() if one.name == "kubeprobe_verdict")
    (sample,) = family.samples
    return sample.labels["verdict"]


@pytest.mark.parametrize(("seconds", "verdict"), [(0.0, "Passed"), (-1.0, "Unknown")])
def test_an_answer_that_nobody_renewed_in_time_is_unknown(seconds: float, verdict: str) -> None:
    assert verdict_of(freshUntil=(NOW + timedelta(seconds=seconds)).isoformat()) == verdict


def test_an_answer_without_slots_does_not_age() -> None:
    assert verdict_of() == "Passed"

"""Which pods are a config's resident probers."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.builders import at, config, meta
from tests.unit.plan.residents import resident

from kubeprobe.plan.found import LABEL_RESIDENT
from kubeprobe.plan.resident_pod import ResidentPod, read_resident_pod
from probe_sdk.wire import LABEL_CONFIG

LABELS = {LABEL_CONFIG: "main", LABEL_RESIDENT: "true"}


def pod(status: Any = None, spec: Any = None, **metadata: Any) -> ResidentPod:
    body = {"metadata": meta("main-abc", **{"labels": LABELS, **metadata}), "spec": spec, "status": status}
    return read_resident_pod(body)


def test_a_pod_is_read() -> None:
    running = {"containerStatuses": [{"name": "sidecar"}, {"name": "probe", "state": {"running": {}}}]}
    found = pod(running, {"nodeName": "n1"})
    assert (found.key, found.name, found.uid, found.node, found.running) == (
        ("probes", "main"),
        "main-abc",
        "uid-main-abc",
        "n1",
        True,
    )


@pytest.mark.parametrize(
    "status",
    [
        None,
        {},
        {"containerStatuses": [{"name": "probe", "state": {"waiting": {}}}, {"name": "x", "state": {"running": {}}}]},
    ],
)
def test_a_pod_that_does_not_run_has_no_log_yet(status: Any) -> None:
    assert (pod(status).running, pod(status).node) == (False, "")


def test_it_belongs_to_the_config_of_its_label_in_mode_resident() -> None:
    assert pod().belongs(resident())
    assert not pod().belongs(None)
    assert not pod().belongs(config())
    assert not pod().belongs(resident("other"))


@pytest.mark.parametrize("labels", [{}, {LABEL_CONFIG: "main"}, {LABEL_RESIDENT: "true"}])
def test_another_pod_is_no_resident_prober(labels: dict[str, str]) -> None:
    assert not pod(labels=labels).belongs(resident())


def test_one_of_a_config_before_it_is_not_its_own() -> None:
    assert not pod(creationTimestamp=at(-1).isoformat()).belongs(resident())

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.builders import config
from tests.unit.plan.gates import gate, workload

from kubeprobe.api import WorkloadKind
from kubeprobe.plan.gate_scope import binds, covers

TEAM = {"team": "web"}


@pytest.mark.parametrize(
    ("scope", "of", "namespace_labels", "expected"),
    [
        pytest.param({"namespaces": ["*"]}, {}, {}, True, id="all namespaces"),
        pytest.param({"namespaces": ["shop"]}, {}, {}, True, id="its namespace"),
        pytest.param({"namespaces": ["pay", "web"]}, {}, {}, False, id="other namespaces"),
        pytest.param({"namespaces": ["*"]}, {"namespace": "kube-system"}, {}, False, id="Kubernetes' own"),
        pytest.param({"namespaces": ["*"]}, {"namespace": "kubeprobe"}, {}, False, id="the operator's own"),
        pytest.param({"namespaces": ["kube-system"]}, {"namespace": "kube-system"}, {}, True, id="a system's by name"),
        pytest.param({"namespaces": ["*"], "kinds": ["DaemonSet"]}, {}, {}, False, id="another kind"),
        pytest.param(
            {"namespaces": ["*"], "kinds": ["DaemonSet"]}, {"kind": WorkloadKind.DAEMON_SET}, {}, True, id="its kind"
        ),
        pytest.param({"namespaces": ["*"], "namespaceLabels": TEAM}, {}, TEAM, True, id="namespace labels"),
        pytest.param({"namespaces": ["*"], "namespaceLabels": TEAM}, {"labels": TEAM}, {}, False, id="none there"),
        pytest.param({"namespaces": ["*"], "workloadLabels": TEAM}, {"labels": TEAM}, {}, True, id="workload labels"),
        pytest.param({"namespaces": ["*"], "workloadLabels": TEAM}, {}, TEAM, False, id="none on it"),
        pytest.param(
            {"namespaces": ["*"]}, {"labels": {"kubeprobe.io/gate-exempt": "true"}}, {}, False, id="an exempt workload"
        ),
        pytest.param({"namespaces": ["*"]}, {}, {"kubeprobe.io/gate-exempt": "true"}, False, id="an exempt namespace"),
        pytest.param(
            {"namespaces": ["*"]}, {"labels": {"kubeprobe.io/gate-exempt": "false"}}, {}, True, id="not exempt"
        ),
        pytest.param(
            {"namespaces": ["*"]}, {"labels": {"kubeprobe.io/resident": "p"}}, {}, False, id="a resident prober"
        ),
    ],
)
def test_whose_changes_a_gate_holds(
    scope: dict[str, Any], of: dict[str, Any], namespace_labels: dict[str, str], expected: bool
) -> None:
    assert covers(gate(scope=scope), workload(**of), namespace_labels, "kubeprobe") is expected


@pytest.mark.parametrize(
    ("probes", "labels", "expected"),
    [
        ({"namespaces": ["*"]}, {}, True),
        ({"namespaces": ["probes"]}, {}, True),
        ({"namespaces": ["other"]}, {}, False),
        ({"namespaces": ["*"], "selector": {"matchLabels": TEAM}}, TEAM, True),
        ({"namespaces": ["*"], "selector": {"matchLabels": TEAM}}, {"team": "db"}, False),
        ({"namespaces": ["*"], "selector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}}, TEAM, True),
    ],
)
def test_which_probes_a_gate_goes_by(probes: dict[str, Any], labels: dict[str, str], expected: bool) -> None:
    assert binds(gate(probes=probes), config(metadata={"labels": labels})) is expected


def test_a_probe_that_goes_is_none() -> None:
    assert not binds(gate(), config(metadata={"deletionTimestamp": "2026-03-01T12:00:00Z"}))

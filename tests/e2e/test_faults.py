"""Faults are found, named, held without flicker, and over soon after they are mended.

Here is one fault of each kind: of the control plane, of a node, of a service that pods need, and one that the cluster
is not to blame for. `make bench NAME=faults` makes all of them.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.lab.faults import EVERY_SECONDS, FAULTS, NODE_PROBE, OTHER_NODE_PROBE, ROLLOUT_PROBE, Fault, install_probes
from tests.lab.lab import Lab
from tests.lab.trial import run_trial

GREEN_SECONDS = 180
KINDS = ("controller-manager stopped", "kubelet stopped", "CoreDNS stopped", "full quota")
PROBES = (NODE_PROBE, OTHER_NODE_PROBE, ROLLOUT_PROBE)


@pytest.fixture(scope="module")
def watched(cases: Lab) -> Iterator[Lab]:
    """The lab with its lifecycle probes going."""
    install_probes(cases)
    yield cases
    for name in PROBES:
        cases.kubectl.delete("probeconfig", name, "probes")


@pytest.mark.parametrize(
    "fault", [fault for fault in FAULTS if fault.name in KINDS], ids=lambda fault: fault.name.replace(" ", "-")
)
def test_fault(watched: Lab, fault: Fault) -> None:
    for name in PROBES:
        watched.verdict(name, "Passed", GREEN_SECONDS)
    trial = run_trial(watched, fault, hold_seconds=EVERY_SECONDS)
    assert trial.verdict in fault.verdicts, trial
    assert trial.named, trial
    assert trial.flickers == 0, trial
    assert not trial.false_alarms, trial
    assert trial.green_runs <= 2, trial

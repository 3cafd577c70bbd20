"""Resident probers on the testbed, with real pods and the operator of the chart: what the benches of them share."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from testbed import Testbed
from testbed.providers import ProviderKind
from tests.lab import audit
from tests.lab.images import ROOT
from tests.lab.lab import Lab
from tests.lab.prober import Prober
from tests.lab.target import Target

TEMPLATE = "http-endpoint"
RESULT_WRITES = frozenset({"proberesults", "proberesults/status"})
AS_DEFAULT = {"serviceAccountName": "default"}
"""Of the bench's own namespace; the case's account is in another one, and has no rights either."""


@dataclass(frozen=True)
class Residents:
    """A namespace for probers."""

    lab: Lab
    namespace: str

    @property
    def address(self) -> str:
        """Where pods reach what a bench serves."""
        return self.lab.testbed.host_address

    def prober(self, name: str, targets: Mapping[str, Target], resident: Mapping[str, Any], **params: Any) -> Prober:
        """A prober of such targets, from now on."""
        prober = Prober(self.lab, name, TEMPLATE, self.namespace)
        urls = {target: {"url": one.url} for target, one in targets.items()}
        prober.ask(urls, resident, params=params, podOverrides=AS_DEFAULT)
        return prober

    def writes(self, since: datetime) -> list[audit.Write]:
        """What the operator has written in the namespace since then."""
        return [one for one in audit.writes(self.lab.testbed.audit_log, since) if one.namespace == self.namespace]


def of_results(writes: list[audit.Write]) -> list[audit.Write]:
    """Those of ProbeResults and their status."""
    return [one for one in writes if one.resource in RESULT_WRITES]


@contextmanager
def residents() -> Iterator[Residents]:
    """The testbed with kubeprobe, and a namespace that goes with the block and all that is in it."""
    testbed = Testbed.open()
    testbed.up(provider=ProviderKind.NATIVE)
    lab = Lab.open(testbed)
    lab.install()
    lab.kubectl.apply(*lab.manifests(ROOT / "probes" / "http_endpoint" / "template.yaml"))
    namespace = f"bench-{uuid.uuid4().hex[:6]}"
    lab.namespace(namespace)
    try:
        yield Residents(lab, namespace)
    finally:
        lab.kubectl.delete("namespace", namespace)

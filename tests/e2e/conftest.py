"""The testbed with kubeprobe in it, brought up once for all end-to-end tests; it stays up for the next time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.lab.lab import PROBES, Lab

from testbed import Testbed
from testbed.providers import ProviderKind


@pytest.fixture(scope="session")
def testbed() -> Testbed:
    """The running testbed; never a cluster that somebody's KUBECONFIG names, for the tests break it."""
    testbed = Testbed.open()
    testbed.up(provider=ProviderKind.NATIVE)
    return testbed


@pytest.fixture(scope="session")
def lab(testbed: Testbed) -> Lab:
    """The lab with kubeprobe installed from its chart."""
    lab = Lab.open(testbed)
    lab.install()
    return lab


@pytest.fixture(scope="session")
def cases(lab: Lab) -> Iterator[Lab]:
    """The lab with the five cases registered; their namespace is removed at the end."""
    lab.register()
    yield lab
    lab.kubectl.delete("namespace", PROBES)

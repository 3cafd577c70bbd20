"""What the lab reads off the pages and logs of resident probers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from tests.lab.kubectl import Kubectl
from tests.lab.prober import read_page

from probe_sdk.resident.account import Account, Denoise
from probe_sdk.resident.page import AccountCollector


def kubectl(folder: Path, says: str) -> Kubectl:
    """One that has the same answer to all questions."""
    (folder / "answer").write_text(says)
    binary = folder / "kubectl"
    binary.write_text(f"#!/bin/sh\nexec cat {folder}/answer\n")
    binary.chmod(0o755)
    return Kubectl(binary, folder / "kubeconfig")


@pytest.fixture
def page() -> str:
    """The page of a prober of two targets, one of which fails."""
    well, ill = Account("shop/cart:80", Denoise(), 0.0), Account("pay", Denoise(), 0.0)
    for _ in range(3):
        well.pass_(1.0, 0.01)
    ill.fail(1.0, 0.01, "Connect", "refused")
    registry = CollectorRegistry()
    registry.register(AccountCollector(("shop", "probes"), lambda: (well, ill), lambda: 0.0, dict))
    return generate_latest(registry).decode()


def test_a_page_is_read_for_one_namespace(tmp_path: Path, page: str) -> None:
    found = read_page(kubectl(tmp_path, page), "/metrics")
    verdicts: Mapping[tuple[str, str], float] = {("shop", "shop/cart:80"): 1, ("shop", "pay"): 0}
    assert found.verdicts("probes") == verdicts
    assert found.counts("probes", "passed") == {("shop", "shop/cart:80"): 3, ("shop", "pay"): 0}
    assert found.counts("probes", "failed") == {("shop", "shop/cart:80"): 0, ("shop", "pay"): 1}
    assert found.verdicts("other") == {}

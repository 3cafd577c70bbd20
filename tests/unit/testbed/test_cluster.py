from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed import Testbed, TestbedError
from testbed.providers import ProviderKind


def recorded(tmp_path: Path, provider: str) -> Testbed:
    record = {"provider": provider, "nodes": 2, "registry": "registry.example", "reason": "a test"}
    (tmp_path / "testbed.json").write_text(json.dumps(record))
    return Testbed.open("unit", tmp_path)


def test_to_open_one_starts_nothing(tmp_path: Path) -> None:
    bed = Testbed.open("unit", tmp_path / "state")
    assert bed.record is None
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("ask", ["registry", "nodes", "host_address", "etcd_client"])
def test_one_that_is_not_up_says_how_to_get_it_up(tmp_path: Path, ask: str) -> None:
    with pytest.raises(TestbedError, match="testbed up --name unit"):
        getattr(Testbed.open("unit", tmp_path), ask)


def test_a_fault_that_needs_our_own_nodes_says_so(tmp_path: Path) -> None:
    bed = recorded(tmp_path, "existing")
    with pytest.raises(TestbedError, match=r"partition needs a native testbed; 'unit' is existing \(a test\)"):
        bed.partition("node-1")
    assert bed.registry == "registry.example"


def test_one_that_is_up_does_not_become_another_kind(tmp_path: Path) -> None:
    with pytest.raises(TestbedError, match="is up already as existing"):
        recorded(tmp_path, "existing").up(provider=ProviderKind.NATIVE)


def test_nor_does_it_get_another_number_of_nodes(tmp_path: Path) -> None:
    with pytest.raises(TestbedError, match="is up with 2 nodes"):
        recorded(tmp_path, "existing").up(nodes=5)


def test_only_a_kube_proxy_has_rules_to_flush(tmp_path: Path) -> None:
    with pytest.raises(TestbedError, match="only a kube-proxy"):
        recorded(tmp_path, "native").stop("etcd", flush=True)


def test_an_unknown_node_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(TestbedError, match="no node 'node-9' here; there are: node-1, node-2"):
        recorded(tmp_path, "native").heal("node-9")


def test_down_leaves_a_cluster_alone_that_it_did_not_make(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    theirs = tmp_path / "kubeconfig"
    theirs.write_text("theirs")
    recorded(state, "existing").down()
    assert not state.exists()
    assert theirs.read_text() == "theirs"

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from testbed.errors import TestbedError
from testbed.providers import Choice, Machine, ProviderKind, choose, select_context, write_existing

BARE = Machine(
    kubeconfig="",
    own_folders=(Path("/state"),),
    container_engine="",
    has_kind=False,
    linux=True,
    home_kubeconfig=Path("/home/me/.kube/config"),
)
WITH_KIND = replace(BARE, container_engine="podman", has_kind=True)
CONFIG = {
    "clusters": [{"name": "one", "cluster": {"server": "https://one", "certificate-authority": "ca.crt"}}],
    "users": [{"name": "me", "user": {"client-key": "/keys/me.key"}}, {"name": "empty"}],
    "contexts": [{"name": "a", "context": {}}, {"name": "b", "context": {}}],
    "current-context": "a",
}


@pytest.mark.parametrize(
    ("machine", "kind"),
    [
        (BARE, ProviderKind.NATIVE),
        (WITH_KIND, ProviderKind.KIND),
        (replace(WITH_KIND, container_engine=""), ProviderKind.NATIVE),  # the command is there, nobody answers
        (replace(WITH_KIND, has_kind=False), ProviderKind.NATIVE),
        (replace(WITH_KIND, kubeconfig="/mine"), ProviderKind.EXISTING),
        (replace(BARE, kubeconfig="/state/kubeprobe/kubeconfig"), ProviderKind.NATIVE),
    ],
)
def test_what_the_user_names_goes_first_then_kind_then_our_own(machine: Machine, kind: ProviderKind) -> None:
    assert choose(machine).kind is kind


def test_a_named_context_is_looked_for_where_kubectl_would() -> None:
    assert choose(BARE, context="b") == Choice(ProviderKind.EXISTING, "--context b names it", BARE.home_kubeconfig, "b")
    assert choose(replace(BARE, kubeconfig="/x:/y"), context="b").kubeconfig == Path("/x")


@pytest.mark.parametrize("kind", [ProviderKind.NATIVE, ProviderKind.CONTROL_PLANE, ProviderKind.KIND])
def test_a_provider_that_is_asked_for_is_taken(kind: ProviderKind) -> None:
    assert choose(replace(WITH_KIND, kubeconfig="/mine"), provider=kind).kind is kind


def test_where_nothing_is_possible_the_ways_out_are_told() -> None:
    with pytest.raises(TestbedError, match="--context or KUBECONFIG, or install kind"):
        choose(replace(BARE, linux=False))


def test_a_selected_context_holds_from_any_folder() -> None:
    config = select_context(CONFIG, Path("/home/me/.kube"), "b")
    assert config["current-context"] == "b"
    assert config["clusters"][0]["cluster"]["certificate-authority"] == "/home/me/.kube/ca.crt"
    assert config["users"][0]["user"]["client-key"] == "/keys/me.key"


def test_an_unknown_context_lists_the_known_ones() -> None:
    with pytest.raises(TestbedError, match="no context 'c' in the kubeconfig; there are: a, b"):
        select_context(CONFIG, Path("/"), "c")


def test_a_cluster_is_taken_over_without_touching_its_file(tmp_path: Path) -> None:
    source = tmp_path / "theirs"
    source.write_text(yaml.safe_dump(CONFIG))
    before = source.read_bytes()
    target = tmp_path / "ours" / "kubeconfig"
    write_existing(Choice(ProviderKind.EXISTING, "", source, "b"), target)
    assert yaml.safe_load(target.read_text())["current-context"] == "b"
    assert target.stat().st_mode & 0o077 == 0
    assert source.read_bytes() == before


def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TestbedError, match="gone is not there"):
        write_existing(Choice(ProviderKind.EXISTING, "", tmp_path / "gone", ""), tmp_path / "x")

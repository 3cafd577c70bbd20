"""Small readings: registries by the runtimes' rule, texts cut in their middle, nodes that are well say nothing."""

import pytest
from tests.unit.probes.cluster.objects import event, node

from cluster.words import latest, node_trouble, registry_of, shorten


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("10.200.0.1:5000/kubeprobe/probes:dev", "10.200.0.1:5000"),
        ("ghcr.io/a/b@sha256:0", "ghcr.io"),
        ("localhost/a", "localhost"),
        ("library/nginx", "docker.io"),
        ("nginx:1.27", "docker.io"),
    ],
)
def test_registry_of_an_image(image: str, registry: str) -> None:
    assert registry_of(image) == registry


def test_long_text_keeps_its_beginning_and_its_end() -> None:
    text = shorten("what " + "x" * 1000 + " why", 60)
    assert len(text) <= 60
    assert text.startswith("what ")
    assert text.endswith(" why")
    assert "…" in text


def test_short_text_is_one_line() -> None:
    assert shorten("a\n  b ") == "a b"


def test_a_ready_node_is_no_trouble() -> None:
    assert node_trouble(node("True")) == ""
    assert node_trouble(None) == ""
    assert "Ready=False (KubeletNotReady: why)" in node_trouble(node("False", "KubeletNotReady", "why"))


def test_events_may_carry_their_time_in_any_of_three_fields() -> None:
    modern = {"reason": "R", "message": "new", "eventTime": "2026-01-01T00:00:09Z"}
    assert latest([event("R", "old"), modern], "R") == "R: new"
    assert latest([event("R", "old")], "S") == ""

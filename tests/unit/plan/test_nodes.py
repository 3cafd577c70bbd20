from __future__ import annotations

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.plan.builders import CREATED, at

from kubeprobe.api import EachNode
from kubeprobe.plan.nodes import WAVE_NAME_BYTES, Node, chosen, cut, rank

NAMES = st.sets(st.from_regex(r"[a-z0-9]{1,12}(-[a-z0-9]{1,60}){0,3}", fullmatch=True), min_size=1, max_size=200)


def node(name: str, *, deleting: bool = False, created: float = -60, **labels: str) -> Node:
    return Node(name, f"uid-{name}", 1, labels, at(created), deleting)


def take(spec: EachNode, nodes: list[Node], after: str = "", covered: tuple[str, ...] = ()) -> tuple[str, ...]:
    return chosen(spec, nodes, CREATED, after, set(covered), len(covered))


def each(**spec: object) -> EachNode:
    return EachNode.model_validate(spec)


def test_the_selector_chooses_and_what_goes_or_came_later_is_left_out() -> None:
    nodes = [
        node("gpu", pool="gpu"),
        node("cpu", pool="cpu"),
        node("going", pool="gpu", deleting=True),
        node("late", pool="gpu", created=1),
    ]
    assert take(each(selector={"matchLabels": {"pool": "gpu"}}), nodes) == ("gpu",)
    assert set(take(each(), nodes)) == {"gpu", "cpu"}


def test_the_order_is_that_of_the_names_hashes() -> None:
    names = [f"node-{number}" for number in range(9)]
    assert take(each(), [node(name) for name in names]) == tuple(sorted(names, key=rank))


def test_what_is_covered_is_not_taken_again() -> None:
    nodes = [node(f"node-{number}") for number in range(5)]
    first = take(each(), nodes)
    assert take(each(), nodes, covered=first[:3]) == first[3:]


def test_a_node_that_is_gone_gives_its_place_in_the_sample_to_nobody() -> None:
    nodes = [node(f"node-{number}") for number in range(9)]
    first = take(each(sample=4), nodes)
    left = [one for one in nodes if one.name != first[0]]
    assert take(each(sample=4), left, covered=first[:2]) == first[2:4]
    assert take(each(sample=4), left, covered=first) == ()


@given(NAMES, st.integers(1, 250))
def test_a_sample_covers_every_node_within_its_sweeps(names: set[str], sample: int) -> None:
    nodes, after, seen = [node(name) for name in names], "", set[str]()
    for _ in range(ceil(len(names) / sample)):
        taken = take(each(sample=sample), nodes, after)
        assert len(taken) == min(sample, len(names))
        assert len(set(taken)) == len(taken)
        after = taken[-1]
        seen |= set(taken)
    assert seen == names


@given(NAMES)
def test_every_node_is_in_one_wave_and_every_wave_is_within_its_bounds(names: set[str]) -> None:
    ordered = sorted(names)
    waves = cut(ordered)
    assert [name for wave in waves for name in wave] == ordered
    for wave in waves:
        assert 0 < len(wave) <= 50
        assert len(wave) == 1 or sum(len(name) + 3 for name in wave) <= WAVE_NAME_BYTES


@pytest.mark.parametrize(("count", "length", "sizes"), [(0, 9, []), (120, 9, [50, 50, 20]), (50, 63, [37, 13])])
def test_waves_are_as_large_as_they_may_be(count: int, length: int, sizes: list[int]) -> None:
    assert [len(wave) for wave in cut([f"{number:0{length}}" for number in range(count)])] == sizes

"""Changes that come together become one, whatever comes in which order."""

from __future__ import annotations

import itertools
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.plan.builders import CREATED, at
from tests.unit.plan.changes import CART, WAIT, changed, tracked

from kubeprobe.api import Change, ChangeProbe, ChangeSource
from kubeprobe.api.gate_status import CHANGE_NAME
from kubeprobe.plan.batch import (
    ANNOUNCED_WAIT,
    LONGEST_SECONDS,
    MOST_TOGETHER,
    Batch,
    Wait,
    base_of,
    change_id,
    has_place,
    is_name,
    last_id,
    new_change,
    with_change,
    without,
)
from kubeprobe.plan.changed import compare
from kubeprobe.plan.fingerprint import ObjectKey
from kubeprobe.plan.known import told

ONE, TWO = tracked("cart:1"), tracked("cart:2")
ROLLOUT = ChangeSource.ROLLOUT


def key(number: int) -> ObjectKey:
    return ObjectKey("Deployment", "shop", f"cart-{number}")


def gathered(*seconds: float, wait: Wait = WAIT) -> Batch:
    """A batch of one object for each of these times."""
    batch = None
    for number, second in enumerate(seconds):
        batch = with_change(batch, ROLLOUT, changed(key(number)), wait, at(second))
    assert batch is not None
    return batch


def written(batch: Batch, *, newest: str = "", seconds: float = 10, **more: Any) -> Change:
    given_: dict[str, Any] = {"probes": (), "left_out": 0, "gates": (), **more}
    manifest = new_change(batch, newest, now=at(seconds), **given_)
    return Change.model_validate(manifest)


def test_an_object_that_changes_again_is_compared_with_what_it_was_before_the_batch() -> None:
    first = compare(ONE.fingerprint, ONE, TWO, at(1))
    assert first is not None
    batch = with_change(None, ROLLOUT, first, WAIT, at(1))
    assert base_of(batch, CART, TWO) == ONE
    assert base_of(batch, key(1), TWO) == TWO
    assert base_of(None, CART, TWO) == TWO
    second = compare(ONE.fingerprint, base_of(batch, CART, TWO), tracked("cart:3"), at(2))
    assert second is not None
    assert second.details == "app: cart:1 → cart:3"


# The batch


def test_a_batch_is_closed_when_it_was_quiet() -> None:
    batch = gathered(0, 4, 8)
    assert (batch.began, batch.last, batch.closes_at) == (at(0), at(8), at(18))
    assert not batch.is_due(at(17.9))
    assert batch.is_due(at(18))


def test_a_batch_is_closed_after_a_minute_at_the_latest() -> None:
    assert gathered(*range(0, 60, 5)).closes_at == at(60)
    assert gathered(0, 7, wait=Wait(10, 15)).closes_at == at(15)


def test_the_shortest_wait_closes_it() -> None:
    batch = with_change(gathered(0, wait=Wait(30, 50)), ROLLOUT, changed(key(9)), Wait(5, 60), at(1))
    assert batch.wait == Wait(5, 50)
    assert batch.closes_at == at(6)
    assert gathered(0, wait=ANNOUNCED_WAIT).closes_at == at(1)


def test_a_full_batch_is_closed_at_once() -> None:
    batch = gathered(*[0.0] * (MOST_TOGETHER - 1))
    assert batch.closes_at == at(10)
    full = with_change(batch, ROLLOUT, changed(), WAIT, at(3))
    assert (len(full.changes), full.closes_at) == (MOST_TOGETHER, at(3))


def test_a_clock_that_was_set_back_closes_it_rather_than_never() -> None:
    batch = gathered(0)
    assert batch.is_due(at(-3600))
    assert with_change(batch, ROLLOUT, changed(), WAIT, at(-3600)).last == at(0)


def test_what_is_put_back_was_no_change() -> None:
    batch = gathered(0, 1)
    assert without(None, CART) is None
    assert without(batch, CART) is batch
    left = without(batch, key(0))
    assert left is not None
    assert list(left.changes) == [key(1)]
    assert without(left, key(1)) is None


# The Change


def test_a_batch_is_written_with_all_that_is_known_of_it() -> None:
    first = compare(ONE.fingerprint, ONE, TWO, at(1))
    assert first is not None
    batch = with_change(with_change(None, ROLLOUT, first, WAIT, at(1)), ROLLOUT, changed(key(7)), WAIT, at(2))
    wanted = ChangeProbe(namespace="probes", name="main")
    one = written(batch, probes=(wanted,), left_out=2, gates=["prod"], seconds=12)
    spec = one.spec
    assert spec.summary == "Deployment shop/cart: app: cart:1 → cart:2 and 1 more"
    assert (spec.source, spec.count, spec.others, spec.left_out, spec.gates) == (ROLLOUT, 2, "", 2, ("prod",))
    assert (spec.began, spec.last, spec.closed) == (at(1), at(2), at(12))
    assert spec.probes == (wanted,)
    assert (spec.objects[0].kind, spec.objects[0].api_version, spec.objects[0].parts) == (
        "Deployment",
        "apps/v1",
        ("app",),
    )
    assert told(one, ()) == {CART: TWO.fingerprint, key(7): "00000000000000aa"}


def test_of_many_objects_fifty_are_named_and_all_are_known_again() -> None:
    batch = gathered(*[0.0] * MOST_TOGETHER)
    one = written(batch, gates=[f"g{number}" for number in range(210)])
    assert (len(one.spec.objects), one.spec.count, len(one.spec.gates)) == (50, MOST_TOGETHER, 200)
    keys = [key(number) for number in range(MOST_TOGETHER + 50)]
    assert told(one, keys) == dict.fromkeys(keys[:MOST_TOGETHER], "00000000000000aa")
    assert len(one.model_dump_json(by_alias=True, exclude_defaults=True)) < 25_000


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (changed(), "Deployment shop/cart"),
        (changed(type="Added"), "Deployment shop/cart added"),
        (changed(type="Deleted"), "Deployment shop/cart deleted"),
    ],
)
def test_what_it_is_called(one: Any, words: str) -> None:
    assert written(with_change(None, ROLLOUT, one, WAIT, at(0))).spec.summary == words


def test_words_are_cut_to_what_fits() -> None:
    long = changed(details="ä" * 300, by="b" * 300, cause="c" * 300, parts=("d" * 300,))
    batch = with_change(gathered(0), ROLLOUT, long, WAIT, at(0))
    assert without(batch, key(0)) is not None
    (first,) = written(without(batch, key(0)) or batch).spec.objects
    assert [len(text.encode()) for text in (first.details, first.by, first.cause)] == [255, 128, 256]
    assert [len(part.encode()) for part in first.parts] == [253]


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=20))
def test_ids_are_in_the_order_in_which_they_are_given_whatever_the_clock_does(steps: list[float]) -> None:
    names, now = [""], CREATED
    for step in steps:
        now += timedelta(seconds=step)
        names.append(change_id(names[-1], "same", now))
        assert re.fullmatch("chg-[0-9a-hjkmnp-tv-z]{26}", names[-1])
    assert names == sorted(names)
    assert len(set(names)) == len(names)
    assert {len(name) for name in names[1:]} == {30}


def test_an_id_is_the_same_for_the_same_and_another_for_another() -> None:
    assert change_id("", "a", at(0)) == change_id("", "a", at(0))
    assert change_id("", "a", at(0)) != change_id("", "b", at(0))
    assert change_id("edited-by-hand", "a", at(0)).startswith("chg-")


# A storm


@given(
    st.lists(st.tuples(st.floats(0, 8), st.integers(0, 40)), min_size=1, max_size=120),
    st.floats(1, 60),
)
def test_a_storm_makes_few_batches_and_none_waits_for_longer_than_a_minute(
    storm: list[tuple[float, int]], quiet: float
) -> None:
    """An operator that looks at every change and at every time that it was told to wake at."""
    now, batch = 0.0, None
    closed: list[tuple[Batch, datetime]] = []
    for pause, number in storm:
        arrives = now + pause
        while batch is not None and batch.closes_at <= at(arrives):
            closed.append((batch, batch.closes_at))
            batch = None
        now = arrives
        batch = with_change(batch, ROLLOUT, changed(key(number), f"{len(closed):016x}"), Wait(quiet), at(now))
    assert batch is not None
    closed.append((batch, batch.closes_at))
    total = (closed[-1][1] - CREATED).total_seconds()
    assert len(closed) <= total / quiet + 1
    for one, when in closed:
        assert when - one.began <= timedelta(seconds=LONGEST_SECONDS)
        assert one.is_due(when)
        assert not one.is_due(when - timedelta(microseconds=1)) or when == one.began
    for earlier, later in itertools.pairwise(closed):
        assert later[0].began >= earlier[1]


def test_a_name_begins_with_the_time_of_closing_whatever_the_clock_did() -> None:
    """The order of Changes is that of their names."""
    later = Batch(ChangeSource.ROLLOUT, at(0), at(60), WAIT, {CART: changed()})
    set_back = new_change(later, "", (), 0, (), at(30))
    assert set_back["metadata"]["name"][:14] == change_id("", "", at(60))[:14]
    assert set_back["spec"]["closed"] == new_change(later, "", (), 0, (), at(60))["spec"]["closed"]


def test_a_last_name_is_after_all_that_were_closed_by_then_and_before_all_others() -> None:
    for content in map(str, range(50)):
        assert change_id("", content, at(10)) <= last_id(at(10)) < change_id("", content, at(10.001))


def test_what_has_a_place_in_the_order_of_changes_is_what_a_status_may_name() -> None:
    names = (change_id("", "x", at(0)), last_id(at(0)), "", "zzz", "chg-", "chg-l", "chg-9-9", "9", "CHG-9")
    told = [name for name in names if has_place(name)]
    assert told == list(names[:2])
    assert [name for name in names if name and re.search(CHANGE_NAME, name)] == told


def test_what_can_be_the_name_of_a_change() -> None:
    name = change_id("", "", at(0))
    assert is_name(name)
    assert is_name(last_id(at(0)))
    others = ["", "null", "chg-", "chg-3", name[4:], name[:-1], f"{name}0", name.upper(), f"chg-{'u' * 26}"]
    assert [text for text in others if is_name(text)] == []

"""What became of an object since it was told of, and what was announced."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.plan.builders import CREATED, at
from tests.unit.plan.changes import CART, FIRST, SECOND, change, named, tracked

from kubeprobe.api import ChangeSource, ChangeType
from kubeprobe.plan.changed import Announcement, announced, announced_before, compare, missing
from kubeprobe.plan.fingerprint import ObjectKey

SAID = Announcement("flagger", "shop", "cart", "7", "canary: 10 %", "https://ci.example/7")
ONE, TWO = tracked("cart:1"), tracked("cart:2")


def test_what_is_as_it_was_told_is_no_change() -> None:
    assert compare(ONE.fingerprint, ONE, ONE, CREATED) is None
    assert compare(ONE.fingerprint, None, ONE, CREATED) is None


def test_a_change_that_was_seen_says_what_and_by_whom() -> None:
    entries = [{"manager": "helm", "time": "2026-03-01T12:00:30Z"}]
    after = tracked("cart:2", managedFields=entries, annotations={"kubernetes.io/change-cause": "release 7"})
    one = compare(ONE.fingerprint, ONE, after, at(40))
    assert one is not None
    assert (one.type, one.parts, one.details) == (ChangeType.MODIFIED, ("app",), "app: cart:1 → cart:2")
    assert (one.by, one.at, one.cause, one.uid, one.base) == ("helm", at(30), "release 7", "uid-cart", ONE)
    early = compare(ONE.fingerprint, ONE, after, at(20))
    assert early is not None
    assert early.at == at(20)


def test_a_change_that_was_made_while_nobody_looked_says_that_it_was() -> None:
    for before in (None, tracked("cart:0")):
        one = compare(ONE.fingerprint, before, TWO, at(1))
        assert one is not None
        assert (one.type, one.parts, one.details, one.at, one.base) == (ChangeType.MODIFIED, (), "", at(1), None)


def test_an_object_that_is_new_or_gone() -> None:
    new = compare(None, None, ONE, at(1))
    assert new is not None
    assert (new.type, new.fingerprint) == (ChangeType.ADDED, ONE.fingerprint)
    gone = missing(CART, ONE, at(1))
    assert (gone.type, gone.fingerprint, gone.labels, gone.uid) == (ChangeType.DELETED, "", {"app": "cart"}, "uid-cart")
    assert missing(CART, None, at(1)).labels == {}


def test_the_steps_of_one_release_are_one_change() -> None:
    first, again = SAID, replace(SAID, message="canary: 20 %", by="argo")
    one, other = announced("prod", first, at(1)), announced("prod", again, at(30))
    assert (one.key, one.fingerprint) == (other.key, other.fingerprint)
    assert (one.key, one.details, one.by, one.cause) == (
        ObjectKey("Announced", "shop", "cart"),
        "canary: 10 %",
        "flagger",
        "https://ci.example/7",
    )
    assert announced("prod", replace(SAID, key="8"), at(1)).fingerprint != one.fingerprint


def test_an_announcement_without_a_key_is_a_change_each_time() -> None:
    said = Announcement(by="curl")
    one, other = announced("prod", said, at(1)), announced("prod", said, at(2))
    assert one.key == other.key == ObjectKey("Announced", "", "prod")
    assert one.fingerprint != other.fingerprint


def test_what_was_announced_before_is_known_until_something_else_is() -> None:
    where, source = ObjectKey("Announced", "shop", "cart"), ChangeSource.ANNOUNCED
    mark, later = SAID.mark(at(1)), replace(SAID, key="8").mark(at(1))
    first = change(FIRST, source=source, objects=[named(where, mark)], gates=["prod"])
    second = change(SECOND, source=source, objects=[named(CART), named(where, later)], gates=["prod", "other"])
    rollout = change(SECOND, objects=[named(where, mark)], gates=["prod"])
    assert announced_before([], "prod", SAID, at(2)) is None
    assert announced_before([first], "prod", SAID, at(2)) == FIRST
    assert announced_before([second, first, rollout], "prod", SAID, at(2)) is None
    assert announced_before([first, second], "other", replace(SAID, key="8"), at(2)) == SECOND
    assert announced_before([first], "other", SAID, at(2)) is None
    assert announced_before([first], "prod", replace(SAID, name="pay"), at(2)) is None

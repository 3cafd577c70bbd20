"""Gates as the HTTP gate looks them up: as the views have them, now, and by whatever way they came there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.intake.desk import CHANGE, CLOSED, LATER, NEXT, OPEN
from tests.unit.plan.builders import at
from tests.unit.plan.gates import gate

from kubeprobe.api import Change
from kubeprobe.control.gate_desk import ViewDesk
from kubeprobe.control.view import Views
from kubeprobe.plan.changed import Announcement


@pytest.fixture
def views() -> Views:
    return Views()


@pytest.fixture
def desk(views: Views) -> ViewDesk:
    async def announce(name: str, said: Announcement) -> str:
        return f"chg-{name}-{said.name}"

    return ViewDesk(views, lambda: True, lambda: False, announce)


def put(views: Views, version: int, name: str = "prod", **status: Any) -> None:
    assert views.gates.put(gate(name, status=status, metadata={"resourceVersion": str(version)}))


def a_change(name: str, gates: tuple[str, ...] = ("prod",)) -> Change:
    moment = at(0).isoformat()
    spec = {
        "source": "Announced",
        "objects": [{"kind": "Announced", "name": "shop", "type": "Modified", "at": moment}],
        "count": 1,
        "gates": list(gates),
        **dict.fromkeys(("began", "last", "closed"), moment),
    }
    meta = {"name": name, "uid": name, "resourceVersion": "1", "creationTimestamp": moment}
    return Change.model_validate({"metadata": meta, "spec": spec})


def test_a_gate_is_said_as_it_is_now(views: Views, desk: ViewDesk) -> None:
    assert desk.word("prod") is None
    put(views, 1, **OPEN)
    word = desk.word("prod")
    assert word is not None
    assert word.open
    assert desk.word("prod") is word
    put(views, 2, **CLOSED)
    word = desk.word("prod")
    assert word is not None
    assert (word.open, word.settled, word.told_until) == (False, True, CHANGE)
    views.gates.drop(("", "prod"), gate("prod").metadata.uid)
    assert desk.word("prod") is None


def test_all_are_said_in_order(views: Views, desk: ViewDesk) -> None:
    for version, name in enumerate(("b", "c", "a"), start=1):
        put(views, version, name)
    assert desk.word("c") is not None
    assert [word.name for word in desk.words()] == ["a", "b", "c"]


async def test_who_waits_is_told_when_it_changes_or_goes(views: Views, desk: ViewDesk) -> None:
    put(views, 1)
    put(views, 1, "other")
    waiting = [asyncio.create_task(desk.turned("prod")) for _ in range(3)]
    await asyncio.sleep(0)
    put(views, 2, "other")
    await asyncio.sleep(0)
    assert not any(one.done() for one in waiting)
    put(views, 2)
    await asyncio.gather(*waiting)
    last = asyncio.create_task(desk.turned("prod"))
    await asyncio.sleep(0)
    views.gates.drop(("", "prod"), gate("prod").metadata.uid)
    await last


def test_a_rollback_is_ordered_for_the_newest_change_only(views: Views, desk: ViewDesk) -> None:
    assert not desk.rolls_back("prod")
    put(views, 1, **CLOSED)
    assert not desk.rolls_back("prod")
    views.changes.put(a_change(CHANGE))
    assert desk.rolls_back("prod")
    views.changes.put(a_change(NEXT, gates=("other",)))
    assert desk.rolls_back("prod")
    views.changes.put(a_change(LATER))
    assert not desk.rolls_back("prod")


async def test_announcements_are_handed_on(desk: ViewDesk) -> None:
    assert await desk.announce("prod", Announcement(by="ci", name="shop")) == "chg-prod-shop"
    assert (desk.synced(), desk.takes_changes()) == (True, False)

"""Fingerprints in ConfigMaps: when they are written, what is let go, and what a failed write makes of it."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from tests.unit.control.changing import OWN, LiveCluster
from tests.unit.control.parts import make_context
from tests.unit.plan.builders import CREATED, meta
from tests.unit.plan.changes import CART

from kubeprobe.control import ledgers
from kubeprobe.control.audience import NamespaceLabels
from kubeprobe.control.context import Context, Work
from kubeprobe.control.ledgers import NOTES_SECONDS, SEAL, Ledgers
from kubeprobe.control.queue import WorkQueue
from kubeprobe.control.view import NamespaceView
from kubeprobe.kube.fence import NotLeadingError
from kubeprobe.kube.port import CONFIGMAPS, SECRETS, ApiError
from kubeprobe.plan.fingerprint import LABEL_KNOWN, ObjectKey

ONE, TWO = "00000000000000aa", "00000000000000bb"
SHARD = "kubeprobe-known-deployment-0-of-1"
NODE = ObjectKey("Node", "", "node-1")
DEPLOYMENTS = frozenset({"Deployment"})


class Desk:
    """Ledgers on a cluster in memory, with a clock that is set."""

    def __init__(self, cluster: LiveCluster | None = None) -> None:
        self.cluster = cluster or LiveCluster()
        self.seconds = 0.0
        queue: WorkQueue[Work] = WorkQueue(lambda: 0.0)
        self.context: Context = make_context(self.cluster, lambda: CREATED, queue)
        self.ledgers = Ledgers(self.context, OWN, lambda: self.seconds)

    def lines(self, name: str = SHARD, space: str = "shop") -> str | None:
        body = self.cluster.objects.get(("configmaps", OWN, name))
        return body["data"].get(space) if body is not None else None


@pytest.fixture
async def desk() -> Desk:
    made = Desk()
    await made.ledgers.load()
    made.ledgers.begin("Deployment", {CART: ONE})
    await made.ledgers.write()
    return made


async def test_what_was_told_is_there_after_a_restart(desk: Desk) -> None:
    assert desk.lines() == f"cart {ONE}"
    desk.ledgers.tell("chg-1", {CART: TWO})
    await desk.ledgers.write()
    again = Desk(desk.cluster)
    await again.ledgers.load()
    assert again.ledgers.begin("Deployment", {CART: ONE}).known(CART) == TWO


async def test_what_nobody_wanted_to_be_told_of_is_written_after_some_minutes(desk: Desk) -> None:
    ledger = desk.ledgers.of("Deployment")
    assert ledger is not None
    await desk.ledgers.write()
    ledger.note(CART, TWO)
    await desk.ledgers.write()
    assert desk.lines() == f"cart {ONE}"
    desk.seconds = NOTES_SECONDS
    await desk.ledgers.write()
    assert desk.lines() == f"cart {TWO}"


@pytest.mark.parametrize("error", [ApiError(500, "InternalError", "no"), NotLeadingError("another one leads")])
async def test_a_write_that_failed_is_made_again(desk: Desk, error: Any) -> None:
    desk.ledgers.tell("chg-1", {CART: TWO})
    desk.cluster.refuse["configmaps"] = error
    with pytest.raises(type(error)):
        await desk.ledgers.write()
    desk.cluster.refuse.clear()
    await desk.ledgers.write()
    assert desk.lines() == f"cart {TWO}"


async def test_what_is_kept_of_a_kind_goes_with_the_last_who_wants_it_and_begins_anew(desk: Desk) -> None:
    desk.ledgers.keep_only(frozenset({"Node"}))
    assert desk.ledgers.of("Deployment") is None
    desk.cluster.refuse["configmaps"] = ApiError(500, "InternalError", "no")
    with pytest.raises(ApiError):
        await desk.ledgers.write()
    desk.cluster.refuse.clear()
    desk.ledgers.begin("Deployment", {CART: TWO})
    await desk.ledgers.write()
    assert desk.lines() == f"cart {TWO}", "the old one is deleted before the new one is written"
    again = Desk(desk.cluster)
    await again.ledgers.load()
    again.ledgers.keep_only(frozenset())
    await again.ledgers.write()
    assert desk.lines() is None


async def test_a_configmap_that_was_edited_into_something_else_counts_for_nothing_and_goes(desk: Desk) -> None:
    body = {"metadata": {**meta("kubeprobe-known-x"), "namespace": OWN, "labels": {LABEL_KNOWN: "X"}}, "data": {}}
    desk.cluster.write(CONFIGMAPS, body)
    again = Desk(desk.cluster)
    await again.ledgers.load()
    again.ledgers.keep_only(DEPLOYMENTS)
    await again.ledgers.write()
    assert desk.lines("kubeprobe-known-x") is None
    assert desk.lines() == f"cart {ONE}"


async def test_parts_of_a_cut_that_was_not_finished_go(desk: Desk) -> None:
    notes = {"kubeprobe.io/shard": "3/16", "kubeprobe.io/through": ""}
    name = "kubeprobe-known-deployment-3-of-16"
    labels = {LABEL_KNOWN: "Deployment"}
    body = {"metadata": {**meta(name), "namespace": OWN, "labels": labels, "annotations": notes}, "data": {}}
    desk.cluster.write(CONFIGMAPS, body)
    again = Desk(desk.cluster)
    await again.ledgers.load()
    assert again.ledgers.begin("Deployment", {}).known(CART) == ONE
    await again.ledgers.write()
    assert desk.lines(name) is None


async def test_a_kind_that_is_let_go_while_it_is_written_is_deleted_afterwards(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = desk.cluster.apply

    async def slow(*args: Any, **more: Any) -> Any:
        answer = await apply(*args, **more)
        desk.ledgers.keep_only(frozenset())
        return answer

    monkeypatch.setattr(desk.cluster, "apply", slow)
    desk.ledgers.tell("chg-1", {CART: TWO, NODE: TWO})
    await desk.ledgers.write()
    await desk.ledgers.write()
    assert desk.lines() is None


async def test_the_seal_is_made_once_and_waited_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "RETRY_SECONDS", 0.0)
    get, asked = desk.cluster.get, 0

    async def failing(*args: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise ApiError(503, "ServiceUnavailable", "no")
        if asked == 2:
            secret = {"metadata": {**meta(SEAL), "namespace": OWN}, "data": {"key": base64.b64encode(b"k").decode()}}
            desk.cluster.write(SECRETS, secret)
            raise ApiError(404, "NotFound", "not seen yet")
        return await get(*args)

    monkeypatch.setattr(desk.cluster, "get", failing)
    assert await desk.ledgers.seal() == b"k"
    monkeypatch.setattr(desk.cluster, "get", get)
    desk.cluster.remove(SECRETS, OWN, SEAL)
    made = await desk.ledgers.seal()
    assert len(made) == 32
    assert await desk.ledgers.seal() == made


def test_labels_of_namespaces_are_those_in_view() -> None:
    context = Desk().context
    context.views.namespaces.put(NamespaceView("shop", "u", 1, {"team": "shop"}))
    labels = NamespaceLabels(context.views)
    assert (dict(labels), len(labels)) == ({"shop": {"team": "shop"}}, 1)
    assert labels.get("pay", {}) == {}

"""What the webhook decides from the gates in view, by the same table as the admission policy."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.api.enforcement.cases import BEFORE, CASES, KEY, NAMESPACES, ON_CALL, OWN_NAMESPACE, Case, gate, workload

from kubeprobe.api import ChangeGate
from kubeprobe.control import gatekeeper as room
from kubeprobe.control.gatekeeper import Gatekeeper
from kubeprobe.control.view import Views, read_namespace
from kubeprobe.intake.review import Requester
from kubeprobe.kube.port import ApiError
from kubeprobe.kube.reviews import Caller
from kubeprobe.plan.admission import Ruling, read_attempt


class Reviews:
    """A cluster in which those on call may override one gate."""

    def __init__(self) -> None:
        self.asked: list[tuple[Caller, str, str]] = []
        self.error: Exception | None = None
        self.now = 0.0
        self.free = asyncio.Event()
        self.free.set()

    async def may(self, caller: Caller, verb: str, gate: str) -> bool:
        self.asked.append((caller, verb, gate))
        await self.free.wait()
        if self.error is not None:
            raise self.error
        return gate == "production" and ON_CALL in caller.groups


def keeper(gates: tuple[Any, ...], reviews: Any) -> Gatekeeper:
    views = Views()
    for number, (name, labels) in enumerate(NAMESPACES.items()):
        meta = {"name": name, "uid": f"uid-{name}", "resourceVersion": str(number), "labels": labels}
        views.namespaces.put(read_namespace({"metadata": meta}))
    for one in gates:
        meta = {**one["metadata"], "uid": "uid", "resourceVersion": "1"}
        views.gates.put(ChangeGate.model_validate({**one, "metadata": meta}))
    return Gatekeeper(views, reviews, OWN_NAMESPACE, lambda: True, lambda: reviews.now)


async def judged(case: Case, reviews: Any = None) -> Ruling:
    meta = case.after["metadata"]
    attempt = read_attempt(
        case.after["kind"], (meta["namespace"], meta["name"]), case.after, case.before, dry_run=case.dry_run
    )
    who = Requester(username="ada", uid="7", groups=case.groups, extra={"scopes": ("all",)})
    return await keeper(case.gates, reviews or Reviews()).judge(attempt, who)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_what_is_held_and_what_passes(case: Case) -> None:
    came = await judged(case)
    assert (bool(came.denied), bool(came.warnings)) == (bool(case.denied), bool(case.warned))
    assert case.denied in came.denied
    assert case.warned in "".join(came.warnings)


async def test_the_cluster_is_asked_about_who_asks_and_only_for_a_key() -> None:
    reviews = Reviews()
    await judged(Case("held", workload(), BEFORE), reviews)
    await judged(Case("scaled", workload("cart:1", replicas=3, annotations=KEY), BEFORE), reviews)
    assert reviews.asked == []
    await judged(Case("broken", workload(annotations=KEY), BEFORE, groups=(ON_CALL,)), reviews)
    assert reviews.asked == [(Caller("ada", "7", (ON_CALL,), {"scopes": ("all",)}), "override", "production")]


@pytest.mark.parametrize("error", [ApiError(500, "InternalError", "etcd is away"), None])
async def test_a_cluster_that_does_not_say_opens_no_gate(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    monkeypatch.setattr(room, "ASKING_SECONDS", 0.05)
    reviews = Reviews()
    reviews.error = error
    if error is None:
        reviews.free.clear()
    came = await judged(Case("broken", workload(annotations=KEY), BEFORE, groups=(ON_CALL,)), reviews)
    assert "only for those who may override" in came.denied


async def test_it_is_asked_so_often_and_then_nobody_may() -> None:
    reviews = Reviews()
    keeping = keeper((gate(),), reviews)
    attempt = read_attempt("Deployment", ("shop", "cart"), workload(annotations=KEY), BEFORE, dry_run=False)
    came = [await keeping.judge(attempt, Requester(username="eve", groups=(ON_CALL,))) for _ in range(100)]
    assert [bool(one.denied) for one in came] == [False] * 60 + [True] * 40
    assert len(reviews.asked) == 60
    reviews.now += 1.0
    assert not (await keeping.judge(attempt, Requester(username="ada", groups=(ON_CALL,)))).denied


async def test_whoever_asks_forges_no_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    reviews = Reviews()
    reviews.error = ApiError(422, "Invalid", "no such\nuser")
    attempt = read_attempt("Deployment", ("shop", "cart"), workload(annotations=KEY), BEFORE, dry_run=False)
    await keeper((gate(),), reviews).judge(attempt, Requester(username="eve\n" + "x" * 10_000))
    (line,) = caplog.messages
    assert "\n" not in line
    assert len(line) < 500


async def test_a_namespace_that_is_not_in_view_has_no_labels() -> None:
    labelled = gate(scope={"namespaceLabels": {"team": "web"}})
    assert not (await judged(Case("new", workload(namespace="new"), gates=(labelled,)))).denied
    assert (await judged(Case("new", workload(namespace="new")))).denied

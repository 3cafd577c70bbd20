"""The story of a change: told once, in order, and never too long."""

from __future__ import annotations

from tests.unit.plan.builders import at
from tests.unit.plan.changes import CART, change, named, probe

from kubeprobe.api import ChangeProbeStatus, ChangeStatus, ProbeState, TimelineEntry
from kubeprobe.plan.change_story import line_of, with_lines
from kubeprobe.plan.fingerprint import ObjectKey


def said(name: str, state: ProbeState, message: str = "", runs: int = 0) -> ChangeProbeStatus:
    return ChangeProbeStatus(
        namespace="probes", name=name, state=state, reason="R", message=message, runs=runs, run="r"
    )


def test_how_it_begins() -> None:
    objects = [named(by="helm"), named(ObjectKey("Deployment", "shop", "b"), by="kubectl"), named(CART)]
    one = change(objects=objects, leftOut=3)
    told = with_lines(ChangeStatus(), ChangeStatus(), at(20), one)
    assert told.timeline == (
        TimelineEntry(at=at(0), reason="Changed", message="Deployment shop/cart: app: cart:1 → cart:2"),
        TimelineEntry(
            at=at(10),
            reason="Closed",
            message="3 objects changed, by helm, kubectl; 1 probe runs, 3 more are left out",
        ),
    )
    plain = with_lines(ChangeStatus(), ChangeStatus(), at(20), change())
    assert plain.timeline[1].message == "1 object changed; 1 probe runs"
    gated = with_lines(ChangeStatus(), ChangeStatus(), at(20), change(probes=[]))
    assert gated.timeline[1].message == "1 object changed; no triggers run a probe"
    both = with_lines(ChangeStatus(), ChangeStatus(), at(20), change(probes=[probe("a"), probe("b")]))
    assert both.timeline[1].message == "1 object changed; 2 probes run"


def test_what_is_new_is_told_and_what_was_told_is_not() -> None:
    before = with_lines(ChangeStatus(), ChangeStatus(), at(10), change())
    probes = (
        said("a", ProbeState.FAILED, "it broke"),
        said("b", ProbeState.PENDING, runs=1),
        said("c", ProbeState.PENDING),
    )
    first = with_lines(before.model_copy(update={"probes": probes}), before, at(20), change())
    assert [(line.reason, line.message) for line in first.timeline[2:]] == [
        ("ProbeFailed", "probes/a (R: it broke)"),
        ("ProbeStarted", "probes/b: r"),
    ]
    assert with_lines(first, first, at(30), change()) == first
    more = tuple(one.model_copy(update={"runs": 2}) for one in probes)
    assert with_lines(first.model_copy(update={"probes": more}), first, at(30), change()).timeline[2:] == (
        *first.timeline[2:],
        TimelineEntry(at=at(30), reason="ProbeStarted", message="probes/c: r"),
    )


def test_a_long_story_keeps_how_it_began_and_the_newest_lines() -> None:
    told = ChangeStatus()
    for number in range(80):
        now = with_lines(
            told.model_copy(update={"probes": (said(f"p{number}", ProbeState.PASSED),)}),
            told,
            at(20 + number),
            change(),
        )
        told = now
    lines = [line.message for line in told.timeline]
    assert len(lines) == 50
    assert lines[0].startswith("Deployment shop/cart")
    assert lines[9] == "probes/p7 (R)"
    assert lines[10] == "probes/p40 (R)"
    assert lines[-1] == "probes/p79 (R)"


def test_a_line_is_short() -> None:
    told = with_lines(ChangeStatus(probes=(said("a", ProbeState.FAILED, "x" * 999),)), ChangeStatus(), at(20), change())
    assert max(len(line.message) for line in told.timeline) <= 256
    assert line_of(said("a", ProbeState.PASSED)) == "probes/a (R)"


def test_what_settles_what_gates_do_and_how_it_ends_is_told() -> None:
    before = with_lines(ChangeStatus(), ChangeStatus(), at(10), change())
    settled = {"type": "Settled", "status": "True", "reason": "RolledOut", "lastTransitionTime": at(20).isoformat()}
    gates = [{"name": "prod", "phase": "Closed", "reason": "ProbeFailed", "since": at(19).isoformat()}]
    ended = {"phase": "Failed", "message": "it broke", "conditions": [settled], "gates": gates}
    new = ChangeStatus.model_validate({**before.model_dump(by_alias=True, mode="json"), **ended})
    told = with_lines(new, before, at(20), change())
    assert [(line.at, line.reason, line.message) for line in told.timeline[2:]] == [
        (at(20), "RolledOut", ""),
        (at(19), "GateClosed", "prod: ProbeFailed"),
        (at(20), "ChangeFailed", "it broke"),
    ]
    assert with_lines(told, told, at(30), change()) == told

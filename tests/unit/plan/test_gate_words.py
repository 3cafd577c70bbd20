from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.gates import at, gate, until

from kubeprobe.api import ChangeGate, GateChange, GatePhase, GateProbe, GateReason, GateVerdict, Verdict
from kubeprobe.plan.gate_course import Course
from kubeprobe.plan.gate_words import Proof, Standing, conditions, told_proof, words

GOOD = {"lastGood": [{"namespace": "shop", "kind": "Deployment", "name": "cart", "changed": True}]}
STANDS = {"lastGood": [{"namespace": "shop", "kind": "Deployment", "name": "cart"}]}
FAILED = GateProbe(
    namespace="shop",
    name="checkout",
    verdict=Verdict.FAILED,
    reason="CheckFailed",
    since=at(5),
    message="HTTP 500",
    closes=True,
)
UNKNOWN = GateProbe(
    namespace="shop", name="dns", verdict=Verdict.UNKNOWN, reason="Stale", message="its answer is out of date"
)
BACK = FAILED.model_copy(update={"verdict": Verdict.PASSED, "reason": "Recovering", "message": "it passes"})
WELL = GateProbe(namespace="shop", name="tls", verdict=Verdict.PASSED)
GLASS = "a change with the annotation kubeprobe.io/break-glass=cls-1 passes for those who may override the gate"
OPENS = f"; it opens when its probes pass again; until then {GLASS}"
NONE = "spec.probes selects no ProbeConfig: correct its namespaces or its selector"
FAILS = "probe shop/checkout failed at 2026-03-01 12:00:05Z (CheckFailed: HTTP 500)"


def standing(
    reason: str, *probes: GateProbe, change: str | None = "chg-7", closed: bool = False, **more: Any
) -> Standing:
    course = Course(GateChange(id=change, since=at(0)), at(1)) if change is not None else None
    phase = GatePhase.CLOSED if closed else GatePhase.OPEN
    verdict = GateVerdict(more.pop("verdict", "Pending"))
    return Standing(gate(**more), phase, GateReason(reason), verdict, "cls-1" if closed else "", course, probes)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (standing("Idle", WELL, change=None), "1 probe passes"),
        (standing("Idle", WELL, WELL, change=None), "2 probes pass"),
        (standing("Settling", WELL), "change chg-7 has not come to rest"),
        (standing("Verifying", WELL), "change chg-7 is being verified by 1 probe"),
        (standing("Verifying", WELL, WELL, change=""), "the present state is being verified by 2 probes"),
        (standing("Verifying", FAILED, closed=True), f"change chg-7 is being verified by 1 probe; {FAILS}{OPENS}"),
        (
            standing("Settling", closed=True),
            f"change chg-7 has not come to rest; no probe is left that closed it{OPENS}",
        ),
        (standing("Verified", WELL), "1 probe passes after change chg-7"),
        (standing("Verified", WELL, change=""), "1 probe passes"),
        (standing("Recovered", WELL, WELL), "2 probes pass again"),
        (standing("ProbeFailed", FAILED, WELL, closed=True), FAILS + OPENS),
        (standing("ProbeFailed", FAILED, BACK, WELL, closed=True), f"{FAILS}, and 1 probe more{OPENS}"),
        (
            standing("ProbeFailed", BACK, closed=True),
            f"probe shop/checkout keeps the gate closed (Recovering: it passes){OPENS}",
        ),
        (standing("Inconclusive", UNKNOWN, WELL), "probe shop/dns cannot tell (Stale: its answer is out of date)"),
        (
            standing("NoProbes", closed=True),
            f"{NONE}; it opens when there is one and it passes; until then {GLASS}",
        ),
        (
            standing("Hold", closed=True, hold={"reason": "freeze\nuntil May"}),
            "spec.hold keeps it closed: freeze until May; it opens when spec.hold is removed; until then " + GLASS,
        ),
        (
            standing("Override", FAILED, override={"reason": "outage", "until": until(60)}),
            "spec.override keeps it open until 2026-03-01 12:01:00Z: outage",
        ),
        (
            standing("ProbeFailed", FAILED, closed=True, status=GOOD),
            FAILS + OPENS.replace(GLASS, f"going back to the last good images passes, and {GLASS}"),
        ),
        (standing("ProbeFailed", FAILED, closed=True, status=STANDS), FAILS + OPENS),
        (
            standing("ProbeFailed", FAILED, closed=True, override={"reason": "o", "until": until(2)}),
            f"{FAILS}; it opens when its probes pass again (spec.override ended at 2026-03-01 12:00:02Z); until then "
            + GLASS,
        ),
    ],
)
def test_the_line_that_a_denied_user_reads(one: Standing, expected: str) -> None:
    assert words(one, at(9)) == expected


def test_the_way_out_is_never_cut_away() -> None:
    long = FAILED.model_copy(update={"name": "p" * 253, "message": "é" * 2000})
    text = words(standing("ProbeFailed", long, closed=True), at(9))
    assert text.endswith(OPENS)
    assert len(text.encode()) <= 1024


def told(one: Standing, proof: Proof | None = None) -> dict[str, tuple[str, str, str]]:
    found = conditions(one, "the message", proof, at(9))
    assert {condition.observed_generation for condition in found} == {1}
    return {condition.type: (condition.status, condition.reason, condition.message) for condition in found}


def test_conditions_of_an_open_gate() -> None:
    found = told(standing("Verified", WELL, verdict="Passed"), Proof(denied=True))
    assert found == {
        "Open": ("True", "Verified", "the message"),
        "Verified": ("True", "Passed", ""),
        "Enforced": ("True", "Denied", ""),
    }


def test_conditions_of_a_closed_gate() -> None:
    found = told(
        standing("ProbeFailed", FAILED, WELL, closed=True, verdict="Failed"), Proof(denied=False, message="why")
    )
    assert found == {
        "Open": ("False", "ProbeFailed", "the message"),
        "Verified": ("False", "Failed", FAILS),
        "Enforced": ("False", "NotDenied", "why"),
    }


@pytest.mark.parametrize("verdict", ["Pending", "Inconclusive"])
def test_what_is_not_known_is_neither_verified_nor_not(verdict: str) -> None:
    assert told(standing("Verifying", WELL, verdict=verdict))["Verified"][:2] == ("Unknown", verdict)


@pytest.mark.parametrize(
    ("enforcement", "expected"),
    [("Enforce", ("Unknown", "NotTried")), ("Warn", ("False", "WarnOnly")), ("Off", ("False", "Off"))],
)
def test_what_is_not_enforced_is_said(enforcement: str, expected: tuple[str, str]) -> None:
    assert told(standing("Idle", WELL, enforcement=enforcement))["Enforced"][:2] == expected


def test_a_condition_is_as_old_as_its_status() -> None:
    first = standing("Idle", WELL, verdict="Passed")
    before = conditions(first, "", None, at(1))
    status = first.gate.status.model_copy(update={"conditions": before})
    then = standing("Verified", WELL, verdict="Passed")
    found = conditions(
        Standing(
            first.gate.model_copy(update={"status": status}),
            then.phase,
            then.reason,
            then.verdict,
            then.closure_id,
            then.course,
            then.probes,
        ),
        "",
        Proof(denied=True),
        at(9),
    )
    assert {one.type: one.last_transition_time for one in found} == {
        "Open": at(1),
        "Verified": at(1),
        "Enforced": at(9),
    }


def saying(proof: Proof | None) -> ChangeGate:
    said = conditions(standing("Idle", WELL), "the message", proof, at(9))
    return gate(status={"conditions": [one.model_dump(by_alias=True, mode="json") for one in said]})


@pytest.mark.parametrize("denied", [True, False])
def test_what_was_tried_is_read_back_from_the_status(denied: bool) -> None:
    proof = Proof(denied=denied, message="why")
    assert told_proof(saying(proof)) == proof


@pytest.mark.parametrize(
    ("proof", "message"), [(None, "it has not been tried yet"), (Proof(denied=None, message="a quota"), "a quota")]
)
def test_what_was_not_tried_is_not_known(proof: Proof | None, message: str) -> None:
    told = saying(proof)
    enforced = next(one for one in told.status.conditions if one.type == "Enforced")
    assert (enforced.status, enforced.reason) == ("Unknown", "NotTried")
    assert enforced.message.startswith(message)
    assert told_proof(told) is None
    assert told_proof(gate()) is None

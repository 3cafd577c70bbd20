"""What a gate says: its conditions, and the line that a denied user reads: which probe, why, and the way out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from kubeprobe.api import (
    BREAK_GLASS,
    ChangeGate,
    Condition,
    Enforcement,
    GatePhase,
    GateProbe,
    GateReason,
    GateVerdict,
    Verdict,
    set_condition,
)
from kubeprobe.plan.gate_course import Course, overriding
from kubeprobe.plan.outcome import MESSAGE_BYTES
from probe_sdk.wire import cut, utf8_size

OPEN = "Open"
VERIFIED = "Verified"
ENFORCED = "Enforced"
NOT_TRIED = "NotTried"
PROVEN = {True: ("True", "Denied"), False: ("False", "NotDenied"), None: ("Unknown", NOT_TRIED)}
"""Status and reason of the condition Enforced, by what came of trying."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What came of trying whether the API server denies what a closed gate holds."""

    denied: bool | None
    """None where something else kept it from being tried."""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a gate stands."""

    gate: ChangeGate
    phase: GatePhase
    reason: GateReason
    verdict: GateVerdict
    closure_id: str
    course: Course | None
    probes: Sequence[GateProbe]


def words(standing: Standing, now: datetime) -> str:
    """Why a gate is open or closed, as one line within the bound of a message; the way out is never cut away."""
    tail = _way_out(standing, now) if standing.phase is GatePhase.CLOSED else ""
    return cut(" ".join(_why(standing).split()), MESSAGE_BYTES - utf8_size(tail)) + tail


def conditions(standing: Standing, message: str, proof: Proof | None, now: datetime) -> tuple[Condition, ...]:
    """The gate's conditions, brought up to date."""
    verified = {GateVerdict.PASSED: "True", GateVerdict.FAILED: "False"}.get(standing.verdict, "Unknown")
    is_open = "True" if standing.phase is GatePhase.OPEN else "False"
    blamed = ", ".join(_named(one) for one in _blamed(standing.probes)[:1])
    said = (
        (OPEN, is_open, standing.reason.value, message),
        (VERIFIED, verified, standing.verdict.value, blamed),
        (ENFORCED, *_enforced(standing.gate.spec.enforcement, proof)),
    )
    found = standing.gate.status.conditions
    for type_, status, reason, why in said:
        new = Condition(
            type=type_,
            status=status,
            reason=reason,
            message=why,
            observed_generation=standing.gate.metadata.generation,
            last_transition_time=now,
        )
        found = set_condition(found, new, now)
    return found


def told_proof(gate: ChangeGate) -> Proof | None:
    """What the gate's status says of an earlier trial, by whichever process; None where it says nothing of one."""
    for one in gate.status.conditions:
        for denied in (True, False):
            if one.type == ENFORCED and (one.status, one.reason) == PROVEN[denied]:
                return Proof(denied, one.message)
    return None


def _why(standing: Standing) -> str:
    spec, reason, count = standing.gate.spec, standing.reason, len(standing.probes)
    if reason is GateReason.OVERRIDE and spec.override is not None:
        return f"spec.override keeps it open until {_time(spec.override.until)}: {spec.override.reason}"
    if reason is GateReason.HOLD and spec.hold is not None:
        return f"spec.hold keeps it closed: {spec.hold.reason}"
    if reason is GateReason.NO_PROBES:
        return "spec.probes selects no ProbeConfig: correct its namespaces or its selector"
    if reason in (GateReason.SETTLING, GateReason.VERIFYING):
        doing = "has not come to rest" if reason is GateReason.SETTLING else f"is being verified by {_probes(count)}"
        blamed = f"; {_blame(standing.probes)}" if standing.phase is GatePhase.CLOSED else ""
        return f"{_change(standing.course) or 'the present state'} {doing}{blamed}"
    if reason in (GateReason.PROBE_FAILED, GateReason.INCONCLUSIVE):
        return _blame(standing.probes)
    again = " again" if reason is GateReason.RECOVERED else ""
    change = _change(standing.course) if reason is GateReason.VERIFIED else ""
    after = f" after {change}" if change else ""
    return f"{_probes(count)} {'passes' if count == 1 else 'pass'}{again}{after}"


def _way_out(standing: Standing, now: datetime) -> str:
    """How the gate opens, and what passes until then."""
    spec = standing.gate.spec
    opens = {
        GateReason.HOLD: "it opens when spec.hold is removed",
        GateReason.NO_PROBES: "it opens when there is one and it passes",
    }.get(standing.reason, "it opens when its probes pass again")
    ended = ""
    if spec.override is not None and not overriding(standing.gate, now):
        ended = f" (spec.override ended at {_time(spec.override.until)})"
    changed = any(good.changed for good in standing.gate.status.last_good)
    good = "going back to the last good images passes, and " if changed else ""
    glass = (
        f"a change with the annotation {BREAK_GLASS}={standing.closure_id} passes for those who may override the gate"
    )
    return f"; {opens}{ended}; until then {good}{glass}"


def _blame(probes: Iterable[GateProbe]) -> str:
    blamed = _blamed(probes)
    more = f", and {_probes(len(blamed) - 1)} more" if len(blamed) > 1 else ""
    return (_named(blamed[0]) if blamed else "no probe is left that closed it") + more


def _blamed(probes: Iterable[GateProbe]) -> list[GateProbe]:
    """The probes that close the gate; where none does, those that cannot tell."""
    probes = tuple(probes)
    return [one for one in probes if one.closes] or [one for one in probes if one.verdict is Verdict.UNKNOWN]


def _named(one: GateProbe) -> str:
    what = {Verdict.FAILED: "failed", Verdict.UNKNOWN: "cannot tell", Verdict.PASSED: "keeps the gate closed"}[
        one.verdict
    ]
    since = f" at {_time(one.since)}" if one.since is not None and one.verdict is Verdict.FAILED else ""
    why = ": ".join(part for part in (one.reason, one.message) if part)
    return f"probe {one.namespace}/{one.name} {what}{since}" + (f" ({why})" if why else "")


def _change(course: Course | None) -> str:
    return f"change {course.change.id}" if course is not None and course.change.id else ""


def _enforced(enforcement: Enforcement, proof: Proof | None) -> tuple[str, str, str]:
    if enforcement is Enforcement.OFF:
        return "False", "Off", "spec.enforcement is Off: the API server lets everything through"
    if enforcement is Enforcement.WARN:
        return "False", "WarnOnly", "spec.enforcement is Warn: the API server warns, and lets everything through"
    if proof is None:
        return "Unknown", NOT_TRIED, "it has not been tried yet whether the API server denies what a closed gate holds"
    return *PROVEN[proof.denied], proof.message


def _probes(count: int) -> str:
    return "1 probe" if count == 1 else f"{count} probes"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%SZ}"

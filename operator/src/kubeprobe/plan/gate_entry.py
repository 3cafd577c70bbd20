"""What a gate remembers of each of its probes: whether it closes the gate, since when and why.

A probe that closed the gate is remembered until it has passed often enough, so that neither a restart nor a time under
hold or override lets it be forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from kubeprobe.api import MOST_NODES_FAILED, ChangeGateSpec, GateProbe, OnInconclusive, Verdict
from kubeprobe.plan.gate_probe import Bound, Evidence, Stance, Trial, passes_enough
from kubeprobe.plan.gate_seat import Seat
from kubeprobe.plan.result import PASSING_WORDS
from probe_sdk.wire import cut

RECOVERING = "Recovering"
MESSAGE_BYTES = 300
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class View:
    """All that a gate sees of one probe."""

    bound: Bound
    stance: Stance
    trial: Trial
    """What it came to after the change; passed where there is none to tell of."""
    places: Sequence[Seat] = ()
    """Its runs for the change."""


def entry(view: View, before: GateProbe | None, spec: ChangeGateSpec, *, more_to_come: bool) -> GateProbe:
    """What to remember of a probe.

    Args:
        view: what is seen of it.
        before: what was remembered.
        spec: the gate's.
        more_to_come: a change is not done with: until then what closed the gate keeps it closed.
    """
    now_is, found, closed = view.stance, view.trial, before is not None and before.closes
    if now_is.verdict is Verdict.FAILED:
        new = _told(view, Verdict.FAILED, now_is, closes=True)
    elif found.evidence is Evidence.FAILED:
        new = _told(view, Verdict.FAILED, found, closes=True)
    elif now_is.verdict is Verdict.UNKNOWN or found.evidence is Evidence.UNKNOWN:
        kept = {OnInconclusive.KEEP: closed, OnInconclusive.OPEN: False, OnInconclusive.CLOSE: True}
        closes = (closed and more_to_come) or kept[spec.on_inconclusive]
        new = _told(view, Verdict.UNKNOWN, now_is if now_is.verdict is Verdict.UNKNOWN else found, closes=closes)
    elif closed and more_to_come:
        words = "it passes, and counts as mended when the change is verified"
        new = _told(view, Verdict.PASSED, Trial(found.evidence, RECOVERING, words, now_is.since), closes=True)
    elif closed and not passes_enough(view.bound, now_is, spec.success_threshold):
        words = f"it passes, and counts as mended after {spec.success_threshold} runs in a row (now {now_is.passes})"
        new = _told(view, Verdict.PASSED, Trial(found.evidence, RECOVERING, words, now_is.since), closes=True)
    else:
        new = _told(view, Verdict.PASSED, Trial(found.evidence, since=now_is.since), closes=False)
    new = new.model_copy(update={"nodes": _failed_on(view, before, spec.success_threshold) if new.closes else ()})
    return before if before is not None and _says_the_same(before, new) else new


def importance(one: GateProbe) -> tuple[bool, bool, datetime, str, str]:
    """By which probes are sorted: those that close the gate, by their time; those that cannot tell; then by name."""
    since = one.since if one.closes and one.since is not None else NEVER
    return (not one.closes, one.verdict is Verdict.PASSED, since, one.namespace, one.name)


def _told(view: View, verdict: Verdict, why: Stance | Trial, *, closes: bool) -> GateProbe:
    namespace, name = view.bound.key
    message = cut(" ".join(why.message.split()), MESSAGE_BYTES)
    return GateProbe(
        namespace=namespace,
        name=name,
        verdict=verdict,
        reason=why.reason,
        since=why.since,
        message=message,
        closes=closes,
    )


def _failed_on(view: View, before: GateProbe | None, threshold: int) -> tuple[str, ...]:
    """The nodes that it failed on and has still to pass on, for this change or for one before."""
    known = before.nodes if before is not None else ()
    lacking = (place for place in view.places if place.node and place.lacks(threshold))
    return tuple(sorted(place.node for place in lacking if place.failures or place.node in known))[:MOST_NODES_FAILED]


def _says_the_same(before: GateProbe, new: GateProbe) -> bool:
    """Whether nothing is new but numbers and generated names, which change with every run and are worth no write."""
    same = before.model_copy(update={"message": new.message}) == new
    if new.reason == RECOVERING:
        return same and before.message == new.message
    return same and PASSING_WORDS.sub("#", before.message) == PASSING_WORDS.sub("#", new.message)

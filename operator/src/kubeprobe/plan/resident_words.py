"""The sentence that a resident probe's answer comes with: how many of how many, which first, and which way it came."""

from __future__ import annotations

from collections.abc import Sequence

from kubeprobe.api import ResidentSource, ResultResident, Verdict
from kubeprobe.plan.resident_word import Spot
from probe_sdk.wire import cut

MOST_IN_MESSAGE = 3
MESSAGE_BYTES = 1024
WHY_BYTES = 200


def words(
    verdict: Verdict | None,
    resident: ResultResident,
    noise: str,
    failing: Sequence[tuple[str, Spot]],
    flapping: Sequence[tuple[str, Spot]],
) -> tuple[str, str]:
    """Reason and message of a verdict; None for one that cannot be told yet.

    Args:
        verdict: what the probers come to.
        resident: how many targets are how.
        noise: what makes a target fail, where one failed probe does not.
        failing: the targets that fail, by their nodes.
        flapping: those that turn all the time.
    """
    parts = []
    if resident.failed:
        count = "fails" if resident.failed == 1 else "fail"
        named = _list(failing, resident.failed)
        parts.append(f"{resident.failed} of {resident.targets} targets {count}{noise}{named}")
    elif flapping:
        count = "flaps" if resident.flapping == 1 else "flap"
        parts.append(f"{resident.flapping} of {resident.targets} targets {count}{_list(flapping, resident.flapping)}")
    if verdict is Verdict.UNKNOWN:
        parts.append(_unclear(resident))
    if parts and resident.source is ResidentSource.KUBELET:
        parts.append("this is from a prober's log, since nothing arrives from it")
    reasons = {Verdict.PASSED: "Passed", Verdict.FAILED: "TargetsFailed"}
    reason = reasons.get(verdict) if verdict else None
    unknown = "TargetsUnknown" if resident.targets else "NoTargets"
    return reason or unknown, cut("; ".join(parts), MESSAGE_BYTES)


def _unclear(resident: ResultResident) -> str:
    if not resident.targets:
        return "there are no targets to probe: name some in spec.resident.targets, or look at its selectors"
    silent = f", and {resident.silent} probers are silent" if resident.silent else ""
    return f"{resident.unknown} of {resident.targets} targets cannot be told{silent}"


def _list(named: Sequence[tuple[str, Spot]], count: int) -> str:
    shown = [_name(node, spot) for node, spot in named[:MOST_IN_MESSAGE]]
    more = f" and {count - len(shown)} more" if count > len(shown) else ""
    return f": {', '.join(shown)}{more}" if shown else ""


def _name(node: str, spot: Spot) -> str:
    flaps = f"turned {spot.turns} times in the last minute" if spot.turns else ""
    why = "; ".join(part for part in (cut(spot.message, WHY_BYTES), flaps) if part)
    where = f"{spot.target} from {node}" if node else spot.target
    return f"{where} ({why})" if why else where

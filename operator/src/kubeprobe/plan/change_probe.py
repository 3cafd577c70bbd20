"""What one probe says about a change: from its runs so far, and from why there are none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from kubeprobe.api import ChangeProbe, ChangeProbeStatus, NodeCounts, ProbeRun, ProbeState, Verdict
from kubeprobe.plan import record
from kubeprobe.plan.chain import Chain
from kubeprobe.plan.change_runs import Skipped
from kubeprobe.plan.demand import Followed
from probe_sdk.wire import cut as cut_to

MESSAGE_BYTES = 256


@dataclass(frozen=True, slots=True)
class ProbeSeen:
    """One of the configs that a Change names, and how far it is."""

    probe: ChangeProbe
    followed: Followed | None
    """None where there is no such config any more."""
    skipped: Skipped | None
    busy: bool = False
    """Whether another of its runs is under way that the next one is not to be beside."""


def has_more(seen: ProbeSeen) -> bool:
    """Whether there is more to come of a config."""
    followed = seen.followed
    if followed is None or followed.over:
        return False
    return seen.skipped is None or any(one.going for one in followed.chains)


def probe_status(seen: ProbeSeen, now: datetime) -> ChangeProbeStatus:
    """What one config says about the change, as far as it has said it."""
    chains = seen.followed.chains if seen.followed is not None else ()
    bad = [one for one in chains if one.verdict in (Verdict.FAILED, Verdict.UNKNOWN)]
    worst = next((one for one in reversed(bad) if one.verdict is Verdict.FAILED), bad[-1] if bad else None)
    state, reason, message = _state(seen, chains, worst)
    shown = worst or (chains[-1] if chains else None)
    return ChangeProbeStatus(
        namespace=seen.probe.namespace,
        name=seen.probe.name,
        state=state,
        reason=reason,
        message=cut_to(message, MESSAGE_BYTES),
        runs=sum(len(one.runs) for one in chains),
        run=shown.newest.metadata.name if shown is not None else "",
        nodes=_node_counts(chains) if seen.probe.pin_to_nodes else None,
        since=now,
    )


def asked_status(namespace: str, name: str, runs: Sequence[ProbeRun], now: datetime) -> ChangeProbeStatus:
    """What a config says that gates asked to run: what its newest run does, since gates ask until they know.

    Args:
        namespace: the config's.
        name: the config's.
        runs: its runs that they asked for, the oldest first.
        now: the time.
    """
    newest = runs[-1].status
    return ChangeProbeStatus(
        namespace=namespace,
        name=name,
        state=ProbeState(newest.verdict.value) if newest.verdict is not None else ProbeState.PENDING,
        reason=newest.reason if newest.verdict is not None else "Running",
        message=cut_to(newest.message, MESSAGE_BYTES),
        runs=len(runs),
        run=runs[-1].metadata.name,
        since=now,
    )


def _state(seen: ProbeSeen, chains: Sequence[Chain], worst: Chain | None) -> tuple[ProbeState, str, str]:
    followed = seen.followed
    if worst is not None and worst.verdict is Verdict.FAILED:
        return ProbeState.FAILED, worst.newest.status.reason, worst.newest.status.message
    if has_more(seen):
        return ProbeState.PENDING, "Running" if any(one.verdict is None for one in chains) else "Waiting", ""
    if worst is not None:
        return ProbeState.UNKNOWN, worst.newest.status.reason, worst.newest.status.message
    if chains:
        return ProbeState.PASSED, "Passed", ""
    if seen.skipped is not None:
        return ProbeState.SKIPPED, seen.skipped.reason, seen.skipped.message
    if followed is not None and followed.demand.dropped:
        return ProbeState.SKIPPED, "Superseded", "it was changed again before a run began"
    return ProbeState.SKIPPED, "NoNewPods", "there is no node that the change came to"


def _node_counts(chains: Sequence[Chain]) -> NodeCounts:
    """How the nodes fared, each by its newest run that is over."""
    found: dict[str, Verdict] = {}
    for chain in chains:
        if chain.verdict is not None:
            found |= _by_node(chain, chain.verdict)
    counts = Counter(found.values())
    return NodeCounts(passed=counts[Verdict.PASSED], failed=counts[Verdict.FAILED], unknown=counts[Verdict.UNKNOWN])


def _by_node(chain: Chain, verdict: Verdict) -> dict[str, Verdict]:
    newest = chain.newest
    if newest.spec.target is None:
        return dict.fromkeys(chain.nodes, verdict)
    outcomes = record.read(newest.status.targets, len(chain.nodes))
    return {node: outcomes[index].verdict for index, node in enumerate(chain.nodes) if index in outcomes}

"""What is known of a wave's nodes, between its run's status and the decisions: each node's outcome in few bytes.

A ProbeRun of fifty nodes has to stay under ten kilobytes, names, metadata and all, whatever the nodes say.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kubeprobe.api import NodeFailure, ProbeRunStatus, RunTargets, Source, Verdict
from probe_sdk.wire import cut

NOT_YET = "."
LETTERS = {Verdict.PASSED: "P", Verdict.FAILED: "F", Verdict.UNKNOWN: "U"}
VERDICTS = {letter: verdict for verdict, letter in LETTERS.items()}
MARK_LENGTH = 4
NO_MARK = "...."
TERMINATION_MARK = "term"
OTHER_MARK = "none"
REASON_LENGTH = 32
MESSAGE_BYTES = 1024
FAILURES_BYTES = 3600
"""Of all reasons and messages together: fifty nodes share what one may have for itself."""
SHORTEST_MESSAGE_BYTES = 8
NAMED = 3
SUMMARY_BYTES = 160
"""Of a sweep's message: it stands in its run, in the run's condition, and ten times in the ProbeResult's history."""


@dataclass(frozen=True, slots=True)
class NodeOutcome:
    """The end of one node's probe."""

    verdict: Verdict
    reason: str
    message: str = ""
    mark: str = OTHER_MARK
    """What tells its report from another one."""


def read(targets: RunTargets | None, nodes: int) -> dict[int, NodeOutcome]:
    """The outcomes by the nodes' places; what was edited by hand and makes no sense is no outcome."""
    if targets is None:
        return {}
    why = {one.index: one for one in targets.not_passed}
    found = {}
    for index, letter in enumerate(targets.outcomes[:nodes]):
        verdict = VERDICTS.get(letter)
        if verdict is not None:
            mark = targets.reports[index * MARK_LENGTH : (index + 1) * MARK_LENGTH] or OTHER_MARK
            words = why.get(index, NodeFailure(index=index, reason=verdict.value))
            found[index] = NodeOutcome(verdict, words.reason, words.message, mark)
    return found


def write(outcomes: Mapping[int, NodeOutcome], nodes: int) -> RunTargets:
    """The outcomes as the run's status keeps them."""
    verdicts = [one.verdict for one in outcomes.values()]
    return RunTargets(
        passed=verdicts.count(Verdict.PASSED),
        failed=verdicts.count(Verdict.FAILED),
        unknown=verdicts.count(Verdict.UNKNOWN),
        outcomes="".join(LETTERS[outcomes[n].verdict] if n in outcomes else NOT_YET for n in range(nodes)),
        reports="".join(outcomes[n].mark if n in outcomes else NO_MARK for n in range(nodes)),
        not_passed=_failures(outcomes),
    )


def _failures(outcomes: Mapping[int, NodeOutcome]) -> tuple[NodeFailure, ...]:
    """Why nodes did not pass: every reason, and as much of the messages as there is room for, the same for each."""
    bad = {index: one for index, one in sorted(outcomes.items()) if one.verdict is not Verdict.PASSED}
    bare = tuple(NodeFailure(index=index, reason=one.reason[:REASON_LENGTH]) for index, one in bad.items())
    room = FAILURES_BYTES - sum(json_size(one.model_dump()) for one in bare)
    each = min(max(room, 0) // max(len(bare), 1), MESSAGE_BYTES)
    return tuple(one.model_copy(update={"message": within(bad[one.index].message, each)}) for one in bare)


def within(text: str, limit: int) -> str:
    """The text cut to what takes so many bytes as JSON; nothing where that would say nothing."""
    if limit < SHORTEST_MESSAGE_BYTES:
        return ""
    return cut(text, limit, lambda part: json_size(part) - len('""'))


def json_size(value: object) -> int:
    """The bytes that a value takes as JSON, as the API server writes it or with every character escaped."""
    text = json.dumps(value)
    return len(text) + 5 * sum(text.count(one) for one in "<>&")


def of_status(status: ProbeRunStatus) -> NodeOutcome:
    """The outcome of a node from the final status that a run of that node alone would have."""
    assert status.verdict is not None
    heard = status.source is Source.TERMINATION_MESSAGE
    return NodeOutcome(status.verdict, status.reason, status.message, TERMINATION_MARK if heard else OTHER_MARK)


def overall(targets: Iterable[RunTargets]) -> tuple[Verdict, RunTargets]:
    """What many nodes come to: one that failed is enough; more that are unknown than passed leave it unknown."""
    total = RunTargets()
    for one in targets:
        total = RunTargets(
            passed=total.passed + one.passed, failed=total.failed + one.failed, unknown=total.unknown + one.unknown
        )
    if total.failed:
        return Verdict.FAILED, total
    return (Verdict.PASSED if total.passed >= max(total.unknown, 1) else Verdict.UNKNOWN), total


def summary(verdict: Verdict, total: RunTargets, named: Sequence[str]) -> tuple[str, str]:
    """Reason and message of a run that covers many nodes.

    Args:
        verdict: what they come to.
        total: how many fared how.
        named: some of those that did not pass, with their reasons.
    """
    of = f"of {total.passed + total.failed + total.unknown} nodes"
    if verdict is Verdict.PASSED:
        return "Passed", ""
    if verdict is Verdict.FAILED:
        return "NodesFailed", _with_names(f"{total.failed} {of} failed", total.failed, named)
    return "NodesUnknown", _with_names(f"{total.unknown} {of} could not be probed", total.unknown, named)


def _with_names(words: str, count: int, named: Sequence[str]) -> str:
    shown = list(named[:NAMED])
    more = f" and {count - len(shown)} more" if count > len(shown) else ""
    return within(f"{words}: {', '.join(shown)}{more}" if shown else words, SUMMARY_BYTES)

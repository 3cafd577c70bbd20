"""How the single nodes of a config's sweeps are, folded from the waves: a node's verdict stands until its next probe.

Waves of one sweep end in order, so a number tells how far a sweep is counted, whatever clocks do. The nodes that fail
are kept by name, the newest first, within the room that the ProbeResult has; of the others only a short hash is kept.
Where even these are too many, the oldest go: a rotating sample comes to them again before it does to those that are
kept, so while nodes fail the answer does not say otherwise.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from kubeprobe.api import (
    CountedSweep,
    FailingTarget,
    Phase,
    ProbeConfig,
    ProbeResultStatus,
    ProbeRun,
    ResultTargets,
    Verdict,
)
from kubeprobe.plan import record
from kubeprobe.plan.due import may_again
from kubeprobe.plan.sweep import is_wave

MOST_NAMED = 50
NAMED_BYTES = 2800
OTHER_BYTES = 3
MOST_OTHERS = 100
MOST_COUNTED = 20
MESSAGE_BYTES = 256
REASON_LENGTH = 32
STILL_FAILING = "NodesFailing"
MOST_IN_MESSAGE = 3


def fold_targets(
    before: ResultTargets | None, config: ProbeConfig, runs: Sequence[ProbeRun], present: Collection[str] | None
) -> ResultTargets | None:
    """How the nodes are, with all completed waves counted that were not yet; None for a config without sweeps.

    Args:
        before: how they were.
        config: the config.
        runs: the config's runs, waves and all.
        present: the names of the nodes that there are; None when they are not known.
    """
    if config.spec.targets is None:
        return None
    targets = before or ResultTargets()
    counted = {one.sweep: one.waves for one in targets.counted}
    failing, others = list(targets.failing), _unpack(targets.others)
    waves = _waves(runs)
    for sweep, parts in waves.items():
        for number, wave in parts:
            if wave.status.phase is not Phase.COMPLETED:
                break
            if number >= counted.get(sweep, 0):
                failing, others = _after(failing, others, wave)
                counted[sweep] = number + 1
    if present is not None:
        failing = [one for one in failing if one.node in present]
        there = {_short(name) for name in present} if others else set()
        others = [one for one in others if one in there]
    failing, others = _bounded(failing, others)
    update = {
        "failing": tuple(failing),
        "more": len(others),
        "others": _pack(others),
        "counted": _still(counted, waves),
    }
    return _last(targets, runs).model_copy(update=update)


def judged(run: ProbeRun, targets: ResultTargets | None) -> ProbeRun:
    """The run as the answer counts it: nodes that passed do not clear those that failed and were not probed since."""
    if targets is None or not targets.failing or run.status.verdict is not Verdict.PASSED:
        return run
    status = run.status.model_copy(
        update={"verdict": Verdict.FAILED, "reason": STILL_FAILING, "message": _words(targets)}
    )
    return run.model_copy(update={"status": status})


def failed_early(
    status: ProbeResultStatus, runs: Iterable[ProbeRun], config: ProbeConfig, asking: Collection[str]
) -> tuple[datetime, str, str] | None:
    """When, why and in which words a sweep under way has failed, where that alone turns the verdict; else None.

    A sweep of thousands of nodes takes its time, and the first failed node decides what it will come to, unless it
    would be tried again.
    """
    targets, enough = status.targets, config.spec.thresholds.failures
    if targets is None or status.verdict is Verdict.FAILED or status.consecutive.failed + 1 < enough:
        return None
    runs = list(runs)
    sweeps = [one for one in runs if not is_wave(one) and not may_again(one, config, asking)]
    going = {one.metadata.name for one in sweeps if one.status.phase is not Phase.COMPLETED}
    failed = [
        one.status
        for one in runs
        if is_wave(one)
        and one.spec.target is not None
        and one.spec.target.sweep in going
        and one.status.verdict is Verdict.FAILED
    ]
    times = [one.finished_at for one in failed if one.finished_at is not None]
    return (min(times), "NodesFailed", _words(targets)) if times else None


def answer(targets: ResultTargets | None) -> tuple[object, ...]:
    """What a reader would call another answer about the nodes."""
    if targets is None:
        return ()
    return (targets.more, *((one.node, one.reason) for one in targets.failing))


def _words(targets: ResultTargets) -> str:
    named = [f"{one.node} ({one.reason})" for one in targets.failing[:MOST_IN_MESSAGE]]
    further = len(targets.failing) + targets.more - len(named)
    tail = f" and {further} more" if further else ""
    words = f"{len(targets.failing) + targets.more} nodes failed when they were last probed: {', '.join(named)}{tail}"
    return record.within(words, record.SUMMARY_BYTES)


def _waves(runs: Iterable[ProbeRun]) -> dict[str, list[tuple[int, ProbeRun]]]:
    """The runs that cover nodes, by sweep and in order; nodes that somebody asked for are a sweep of one wave."""
    found: dict[str, list[tuple[int, ProbeRun]]] = {}
    for run in runs:
        target = run.spec.target
        if target is not None:
            number = target.wave if target.sweep else 0
            found.setdefault(target.sweep or run.metadata.name, []).append((number, run))
    for parts in found.values():
        parts.sort(key=lambda part: part[0])
    return dict(sorted(found.items(), key=lambda one: _begun(one[1])))


def _begun(parts: Sequence[tuple[int, ProbeRun]]) -> tuple[datetime, str]:
    first = parts[0][1].metadata
    return (first.creation_timestamp, first.name)


def _after(
    failing: list[FailingTarget], others: list[bytes], wave: ProbeRun
) -> tuple[list[FailingTarget], list[bytes]]:
    """The nodes that fail, the newest first, with the outcomes of one wave counted."""
    assert wave.spec.target is not None
    nodes, ended = wave.spec.target.nodes, wave.status.finished_at or wave.metadata.creation_timestamp
    known = {one.node: one for one in failing}
    left = dict.fromkeys(others)
    added = []
    for index, one in sorted(record.read(wave.status.targets, len(nodes)).items()):
        if one.verdict is Verdict.UNKNOWN:
            continue
        node = nodes[index]
        before = known.pop(node, None)
        left.pop(_short(node), None)
        if one.verdict is Verdict.FAILED:
            since = before.since if before else ended.replace(microsecond=0)
            message = record.within(one.message, MESSAGE_BYTES)
            added.append(FailingTarget(node=node, reason=one.reason[:REASON_LENGTH], message=message, since=since))
    return [*added, *known.values()], list(left)


def _bounded(failing: list[FailingTarget], others: list[bytes]) -> tuple[list[FailingTarget], list[bytes]]:
    """As many by name as there is room for, with their messages where these fit as well; the rest as hashes."""
    named: list[FailingTarget] = []
    room = NAMED_BYTES
    for one in failing[:MOST_NAMED]:
        room -= _size(one.model_copy(update={"message": ""}))
        if room < 0:
            break
        named.append(one)
    each = max(room, 0) // max(len(named), 1)
    kept = [one.model_copy(update={"message": record.within(one.message, each)}) for one in named]
    rest = [_short(one.node) for one in failing[len(named) :]]
    return kept, list(dict.fromkeys((*rest, *others)))[:MOST_OTHERS]


def _size(one: FailingTarget) -> int:
    return record.json_size(one.model_dump(mode="json"))


def _still(counted: dict[str, int], waves: dict[str, list[tuple[int, ProbeRun]]]) -> tuple[CountedSweep, ...]:
    """How far the sweeps are counted whose waves are there; the others cannot be counted again."""
    there = [CountedSweep(sweep=sweep, waves=counted[sweep]) for sweep in waves if sweep in counted]
    return tuple(there[-MOST_COUNTED:])


def _last(targets: ResultTargets, runs: Iterable[ProbeRun]) -> ResultTargets:
    """The figures of the newest sweep that is over."""
    over = [one for one in runs if one.spec.target is None and one.status.targets is not None]
    if not over:
        return targets
    newest = max(over, key=lambda one: (one.status.finished_at or one.metadata.creation_timestamp, one.metadata.name))
    figures = newest.status.targets
    assert figures is not None
    return targets.model_copy(
        update={
            "passed": figures.passed,
            "failed": figures.failed,
            "unknown": figures.unknown,
            "last": figures.last or targets.last,
        }
    )


def _short(node: str) -> bytes:
    return hashlib.sha256(node.encode()).digest()[:OTHER_BYTES]


def _pack(others: Sequence[bytes]) -> str:
    return base64.b64encode(b"".join(others)).decode()


def _unpack(text: str) -> list[bytes]:
    try:
        packed = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return []
    whole = len(packed) // OTHER_BYTES * OTHER_BYTES
    return [packed[at : at + OTHER_BYTES] for at in range(0, whole, OTHER_BYTES)]

"""A Change as people read it: a line of a list, and its whole story."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from kubeprobe.api import Change, ChangedObject, ChangeGateNote, ChangeProbeStatus, TimelineEntry
from kubeprobe.cli.shown import age, coloured, counted, line, table

MOST_SHOWN = 10
"""Objects of a story; a change has up to fifty, and what is of interest is what they came to."""


def listing(changes: Iterable[Change], now: datetime) -> RenderableType:
    """One line each."""
    titles = ("NAME", "AGE", "PHASE", "BY", "PASSED", "FAILED", "PENDING", "WHAT")
    return table(titles, (_line(one, now) for one in changes))


def story(change: Change, now: datetime) -> RenderableType:
    """Who changed what, which probes ran, what failed where, what the gates did, and all of it in order."""
    spec, status = change.spec, change.status
    parts: list[RenderableType] = [*_headlines(change, now)]
    objects = table(("", "OBJECT", "BY", "WHAT"), (_object(one) for one in spec.objects[:MOST_SHOWN]))
    parts += [Text(), objects]
    more = spec.count - min(len(spec.objects), MOST_SHOWN)
    if more:
        parts.append(Text(f"and {counted(more, 'more object')}", style="dim"))
    if status.probes:
        rows = (_probe(one, now) for one in status.probes)
        parts += [Text(), table(("PROBE", "STATE", "SINCE", "RUNS", "RUN", "WHY"), rows)]
    if spec.left_out:
        out = counted(spec.left_out, "more probe")
        parts.append(Text(f"and {out} should have run: there was no room", style="dim"))
    if status.gates:
        rows_of_gates = (_gate(one, now) for one in status.gates)
        parts += [Text(), table(("GATE", "PHASE", "SINCE", "VERDICT", "REASON"), rows_of_gates)]
    if status.timeline:
        parts += [Text(), table(("WHEN", "WHAT", ""), (_entry(one) for one in status.timeline))]
    return Group(*parts)


def _headlines(change: Change, now: datetime) -> Iterator[Text]:
    spec, status = change.spec, change.status
    reason = f" ({status.reason})" if status.reason else ""
    yield Text.assemble((change.metadata.name, "bold"), " ", coloured(status.phase), reason)
    yield line(spec.summary)
    by = ", ".join(sorted({one.by for one in spec.objects if one.by}))
    yield line(f"{spec.source}, {age(spec.began, now)} ago" + (f", by {by}" if by else ""))
    for cause in sorted({one.cause for one in spec.objects if one.cause}):
        yield line(f"cause: {cause}")
    if status.message:
        yield line(status.message)


def _line(change: Change, now: datetime) -> tuple[str | Text, ...]:
    spec, counts = change.spec, change.status.counts
    numbers = (counts.passed, counts.failed, counts.pending) if counts is not None else ("", "", "")
    by = next((one.by for one in spec.objects if one.by), "")
    name, phase = change.metadata.name, change.status.phase
    return (name, age(spec.began, now), coloured(phase), by, *map(str, numbers), spec.summary)


def _object(one: ChangedObject) -> tuple[str, ...]:
    place = f"{one.namespace}/{one.name}" if one.namespace else one.name
    return (one.type.value, f"{one.kind} {place}", one.by, one.details or ", ".join(one.parts))


def _probe(one: ChangeProbeStatus, now: datetime) -> tuple[str | Text, ...]:
    why = ": ".join(part for part in (one.reason, one.message) if part)
    if one.nodes is not None:
        nodes = f"nodes: {one.nodes.passed} passed, {one.nodes.failed} failed, {one.nodes.unknown} unknown"
        why = f"{why} ({nodes})" if why else nodes
    return (f"{one.namespace}/{one.name}", coloured(one.state), age(one.since, now), str(one.runs), one.run, why)


def _gate(one: ChangeGateNote, now: datetime) -> tuple[str | Text, ...]:
    return (one.name, coloured(one.phase), age(one.since, now), coloured(one.verdict), one.reason)


def _entry(one: TimelineEntry) -> tuple[str, ...]:
    return (f"{one.at:%Y-%m-%d %H:%M:%SZ}", one.reason, one.message)

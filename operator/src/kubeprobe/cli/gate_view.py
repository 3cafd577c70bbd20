"""A ChangeGate as people read it: open or closed and why, its change, its probes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from kubeprobe.api import ChangeGate, GateProbe
from kubeprobe.cli.shown import age, coloured, counted, line, table

ENFORCED = "Enforced"


def current(gate: ChangeGate) -> bool:
    """Whether the operator has seen the gate as it is now; what its status says is of use only then."""
    seen, written = gate.status.observed_generation, gate.metadata.generation
    return seen is not None and (written is None or seen >= written)


def view(gate: ChangeGate, now: datetime) -> RenderableType:
    """All of it, as a page."""
    parts: list[RenderableType] = [_headline(gate, now)]
    parts += [line(text) for text in _lines(gate, now)]
    status = gate.status
    if status.probes:
        rows = [_row(one, now) for one in status.probes]
        parts += [Text(), table(("", "PROBE", "VERDICT", "SINCE", "WHY"), rows)]
    if status.more_probes:
        parts.append(Text(f"and {counted(status.more_probes, 'more probe')}", style="dim"))
    return Group(*parts)


def turn(gate: ChangeGate) -> str:
    """How it stands, in one line for a log."""
    status = gate.status
    if not current(gate):
        return f"{gate.metadata.name}: the operator has not seen it as it is now"
    return f"{gate.metadata.name}: {status.phase}, {status.reason}: {status.message}"


def _headline(gate: ChangeGate, now: datetime) -> Text:
    status = gate.status
    if not current(gate):
        why = "is not known yet: the operator has not seen it as it is now; is it running?"
        return Text.assemble((gate.metadata.name, "bold"), " ", (why, "yellow"))
    since = f" for {age(status.since, now)}" if status.since is not None else ""
    return Text.assemble((gate.metadata.name, "bold"), " ", coloured(status.phase), f"{since}, {status.reason}")


def _lines(gate: ChangeGate, now: datetime) -> Iterator[str]:
    status = gate.status
    if status.message:
        yield status.message
    if status.change is not None:
        what = status.change.id or "the present state, after an override"
        count = f", {counted(status.change.count, 'object')}" if status.change.count else ""
        yield f"change: {what}{count}, since {age(status.change.since, now)}: {status.change.verdict}"
    if status.closure_id:
        yield f"closure: {status.closure_id}"
    for condition in status.conditions:
        if condition.type == ENFORCED and condition.status != "True":
            yield f"enforced: {condition.status} ({condition.reason}: {condition.message})"


def _row(one: GateProbe, now: datetime) -> tuple[Text | str, ...]:
    why = ": ".join(part for part in (one.reason, one.message) if part)
    mark = Text("x", style="bold red") if one.closes else ""
    return (mark, f"{one.namespace}/{one.name}", coloured(one.verdict), age(one.since, now), why)

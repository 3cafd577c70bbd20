"""A report for people: what the pod's log says in a cluster, and the terminal outside of one."""

from __future__ import annotations

from collections.abc import Iterator

from probe_sdk.wire import Report, Step


def readable(report: Report) -> str:
    """Return a report as lines: the verdict, its reasons, the steps, the attributes."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    yield "Passed" if report.ok else "Failed"
    for error in report.errors:
        yield "  - " + error.replace("\n", "\n    ")
    width = max((len(step.name) for step in report.steps), default=0)
    yield from (_step_line(step, width) for step in report.steps)
    yield from (f"  {key}: {value}" for key, value in report.attributes.items())


def _step_line(step: Step, width: int) -> str:
    took = step.seconds
    if step.count == 1:
        return f"  {step.name:<{width}}  {'ok' if step.ok else 'not ok'}  {_short(took.max)}"
    times = f"p50 {_short(took.p50)}  p99 {_short(took.p99)}  max {_short(took.max)}"
    return f"  {step.name:<{width}}  {step.ok} of {step.count} ok  {times}"


def _short(seconds: float) -> str:
    return f"{seconds:.2f}s" if seconds >= 1 else f"{seconds * 1000:.1f}ms"

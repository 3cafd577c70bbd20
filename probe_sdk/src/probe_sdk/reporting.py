"""The way home: first the termination message, then the operator, and never an exception because a way is broken.

The termination message travels by kubelet and API server, so it arrives when the pod network or DNS is what is down.
The report to the operator is sooner and whole. Either is enough.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from probe_sdk.clock import Deadline, process_deadline
from probe_sdk.environment import Environment
from probe_sdk.intake import Intake
from probe_sdk.steps import Recorder, current_recorder
from probe_sdk.verdict import readable
from probe_sdk.wire import TERMINATION_LOG, Report, parse_termination_message

LONGEST_DELIVERY_SECONDS: Final = 10.0
"""However far the deadline is: the termination message has said it already."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """Says how the run went, on every way there is."""

    environment: Environment
    deadline: Deadline
    termination_log: str = TERMINATION_LOG

    def send(self, report: Report) -> bool:
        """Send a report; False means that only the pod itself can tell now, by its exit code or termination message."""
        try:
            leave_termination_message(report, Path(self.termination_log))
        except OSError as error:
            _complain(f"no termination message left in {self.termination_log}: {error}")
        print(readable(report), flush=True)
        if not self.environment.url:
            return True
        intake = Intake(self.environment.url, self.environment.token_file)
        within = min(LONGEST_DELIVERY_SECONDS, self.deadline.remaining_seconds(reserve=0))
        delivery = intake.deliver(report, within)
        if not delivery.accepted:
            _complain(f"report not delivered: {delivery.why}")
        return delivery.accepted


def leave_termination_message(report: Report, path: Path) -> None:
    """Write the termination message where a container has a place for it; what was reported first stands."""
    if not path.exists():
        return
    with path.open("r+", encoding="utf-8", errors="replace") as log:
        if parse_termination_message(log.read()) is None:
            log.seek(0)
            log.truncate()
            log.write(report.termination_message())


def report_of(recorder: Recorder, *, ok: bool, errors: Iterable[object] = ()) -> Report:
    """Put together what a run has to say."""
    return Report.bounded(ok=ok, errors=errors, steps=recorder.steps(), attributes=recorder.attributes())


def report_success(*, termination_log: str = TERMINATION_LOG) -> bool:
    """Report that what was probed works. Returns whether the operator has it (outside a cluster: True)."""
    return _send(report_of(current_recorder(), ok=True), termination_log)


def report_failure(errors: str | Iterable[object] = (), *, termination_log: str = TERMINATION_LOG) -> bool:
    """Report what is broken. Returns whether the operator has it (outside a cluster: True).

    Args:
        errors: precise sentences, the most important first: what was tried, what was expected, what came instead.
        termination_log: where the container's termination message goes.
    """
    texts = (errors,) if isinstance(errors, str) else errors
    return _send(report_of(current_recorder(), ok=False, errors=texts), termination_log)


async def areport_success(*, termination_log: str = TERMINATION_LOG) -> bool:
    """Report success without blocking the event loop."""
    from asyncio import to_thread

    return await to_thread(report_success, termination_log=termination_log)


async def areport_failure(errors: str | Iterable[object] = (), *, termination_log: str = TERMINATION_LOG) -> bool:
    """Report failure without blocking the event loop."""
    from asyncio import to_thread

    return await to_thread(report_failure, errors, termination_log=termination_log)


ReportSuccess = report_success
ReportFailure = report_failure


def _send(report: Report, termination_log: str) -> bool:
    return Reporter(Environment.read(os.environ), process_deadline(), termination_log).send(report)


def _complain(text: str) -> None:
    print(f"kubeprobe: {text}", file=sys.stderr, flush=True)

"""What a run came to: three sources tell it, the first complete one wins, and all are brought into one shape here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from kubeprobe.api import DeliveryFailure, Source, Stage, Verdict
from kubeprobe.plan.pod_view import PodView
from kubeprobe.plan.stage import Standstill
from probe_sdk.wire import Report, parse_termination_message
from probe_sdk.wire import cut as cut_to

MESSAGE_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a run."""

    verdict: Verdict
    reason: str
    message: str
    source: Source
    report: Report | None = None
    stage: Stage | None = None


def digest(report: Report) -> str:
    """What tells one report from another: a report that comes again is no second report."""
    return hashlib.sha256(report.model_dump_json().encode()).hexdigest()


def from_report(report: Report, source: Source) -> Outcome:
    """The outcome that a probe reported itself."""
    if report.ok:
        return Outcome(Verdict.PASSED, "Passed", "", source, report)
    return Outcome(Verdict.FAILED, "CheckFailed", cut("; ".join(report.errors)), source, report)


def from_pod(pod: PodView) -> Outcome | None:
    """The outcome that an ended pod tells: its termination message if that is a report, else its exit code."""
    ended = pod.terminated
    if ended is None:
        return None
    report = parse_termination_message(ended.message)
    if report is not None:
        return from_report(report, Source.TERMINATION_MESSAGE)
    if ended.exit_code == 0:
        return Outcome(Verdict.PASSED, "Passed", "", Source.EXIT_CODE)
    how = f"was ended by signal {ended.signal}" if ended.signal else f"exited with code {ended.exit_code}"
    if ended.reason not in ("", "Error"):
        how = f"{how} ({ended.reason})"
    tail = f": {ended.message.strip()}" if ended.message.strip() else " and wrote nothing"
    reason = "OOMKilled" if ended.reason == "OOMKilled" else "ExitCode"
    return Outcome(Verdict.FAILED, reason, cut(f"the probe {how}{tail}"), Source.EXIT_CODE)


def from_standstill(found: Standstill, waited_seconds: float, delivery: DeliveryFailure) -> Outcome:
    """The outcome of a run that did not speak in time.

    A probe that was started and hangs has failed; one that never started says something about the target only
    where delivery is what is tested.
    """
    started = found.stage is Stage.STARTED_AND_SILENT
    verdict = Verdict.FAILED if started else delivery_verdict(delivery)
    message = cut(f"no outcome after {waited_seconds:.0f}s: {found.message}")
    return Outcome(verdict, found.reason, message, Source.TIMEOUT, stage=found.stage)


def delivery_verdict(delivery: DeliveryFailure) -> Verdict:
    """What a pod that was not delivered says about the target."""
    return Verdict.FAILED if delivery is DeliveryFailure.FAILED else Verdict.UNKNOWN


def cut(text: str) -> str:
    """The text within the bound that every object keeps for a message."""
    return cut_to(text, MESSAGE_BYTES)

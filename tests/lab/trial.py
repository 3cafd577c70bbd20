"""One fault, made and mended, with a watch on the verdicts all the while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from tests.lab.faults import Fault
from tests.lab.kubectl import KubectlError, eventually
from tests.lab.lab import PROBES, Lab

FOUND_SECONDS = 120
NAMED_SECONDS = 60
GREEN_SECONDS = 150
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Trial:
    """What came of one fault."""

    fault: str
    verdict: str
    text: str
    named: bool
    flickers: int
    """How often the verdict went back while the fault lasted."""
    false_alarms: tuple[str, ...]
    """Probes that turned Failed although the fault does not touch them."""
    seconds_to_verdict: float
    seconds_to_green: float
    green_runs: int
    """Scheduled runs that were started after the mending and did not pass."""


@dataclass
class Seen:
    """The verdicts of all probes, one entry for each change."""

    changes: dict[str, list[tuple[float, str]]] = field(default_factory=dict)

    def note(self, name: str, verdict: str) -> None:
        """Take a verdict that was read now."""
        told = self.changes.setdefault(name, [])
        if not told or told[-1][1] != verdict:
            told.append((time.monotonic(), verdict))


@contextmanager
def watching(lab: Lab) -> Iterator[Seen]:
    """Read all verdicts twice a second beside the block; what cannot be read meanwhile is left out."""
    seen, stop = Seen(), threading.Event()

    def follow() -> None:
        while not stop.wait(POLL_SECONDS):
            try:
                for result in lab.kubectl.list("proberesults", PROBES):
                    seen.note(result["metadata"]["name"], result.get("status", {}).get("verdict", ""))
            except (KubectlError, ValueError, OSError):
                continue

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def run_trial(lab: Lab, fault: Fault, hold_seconds: float) -> Trial:
    """Make a fault, wait for the verdict, let it last, mend it, wait for green."""
    with watching(lab) as seen:
        began = time.monotonic()
        try:
            fault.inject(lab)
            status = eventually(
                f"{fault.notices} notices: {fault.name}",
                lambda: _told(lab, fault),
                FOUND_SECONDS,
                lambda: lab.result(fault.notices),
            )
            found = time.monotonic()
            # A wait for seconds on purpose: that nothing changes is what is looked at.
            time.sleep(hold_seconds)
            status = _named(lab, fault, status)
        finally:
            mended_at = time.time()
            mended = time.monotonic()
            fault.mend(lab)
        eventually(
            f"{fault.notices} is green again after: {fault.name}",
            lambda: lab.result(fault.notices).get("verdict") == "Passed",
            GREEN_SECONDS,
            lambda: lab.result(fault.notices),
        )
        green = time.monotonic()
    during = [verdict for at, verdict in seen.changes.get(fault.notices, ()) if found + 1 < at < mended]
    return Trial(
        fault=fault.name,
        verdict=status["verdict"],
        text=status["message"],
        named=_is_named(fault, status),
        flickers=len(during),
        false_alarms=tuple(
            name
            for name in fault.spares
            if any(began < at < mended and verdict == "Failed" for at, verdict in seen.changes.get(name, ()))
        ),
        seconds_to_verdict=round(found - began, 1),
        seconds_to_green=round(green - mended, 1),
        green_runs=_late_runs(lab, fault.notices, mended_at),
    )


def _named(lab: Lab, fault: Fault, status: Any) -> Any:
    """The answer whose text names the fault; the first one, if no other run comes to say more."""
    if _is_named(fault, status):
        return status
    with suppress(AssertionError):
        return eventually(
            "the fault is named", lambda: _of(lab.result(fault.notices), partial(_is_named, fault)), NAMED_SECONDS
        )
    return lab.result(fault.notices)


def _of(status: Any, wanted: Callable[[Any], bool]) -> Any:
    return status if wanted(status) else None


def _told(lab: Lab, fault: Fault) -> Any:
    status = lab.result(fault.notices)
    return status if status.get("verdict") in fault.verdicts and status.get("reason") != "Pending" else None


def _is_named(fault: Fault, status: Any) -> bool:
    text = str(status.get("message", "")).lower()
    return any(name in text for name in fault.names)


def _late_runs(lab: Lab, config: str, mended_at: float) -> int:
    """Runs that were due after the mending and did not pass, until the first one that did."""
    runs = lab.kubectl.list("proberuns", PROBES, "-l", f"kubeprobe.io/config={config}")
    after = [run for run in runs if _due(run) > mended_at]
    return sum(run["status"].get("verdict") not in (None, "Passed") for run in after)


def _due(run: dict[str, Any]) -> float:
    slot = run["spec"]["trigger"].get("slot") or run["metadata"]["creationTimestamp"]
    return datetime.fromisoformat(slot).timestamp()

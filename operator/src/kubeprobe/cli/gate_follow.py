"""Looking at a ChangeGate again and again until it is as wished, with what it does meanwhile shown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from kubeprobe.api import ChangeGate, GatePhase, GateVerdict
from kubeprobe.cli.gate_view import current, turn, view
from kubeprobe.cli.shown import line
from kubeprobe.kube.port import GATES, ApiError, Reader
from kubeprobe.plan.gate_change import told_until

POLL_SECONDS = 0.5

Done = Callable[[ChangeGate, float], bool]
"""Whether a gate is as wished, and for how long it has been waited for."""


@dataclass(frozen=True)
class Time:
    """The clocks that waiting goes by."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))


async def look(api: Reader, name: str) -> ChangeGate:
    """The gate as it is. Raises `ApiError`."""
    return ChangeGate.model_validate(await api.get(GATES, None, name))


async def follow(
    api: Reader, gate: ChangeGate, done: Done, timeout_seconds: float, console: Console, times: Time
) -> tuple[ChangeGate, bool]:
    """The gate as it was seen last, and whether it became as wished; 0 waits for as long as it takes.

    An API server that does not answer for a while is waited for too.

    Raises:
        ApiError: the gate is gone, or must not be read.
    """
    began, told, trouble = times.monotonic(), "", ""
    with Live(console=console, transient=True, auto_refresh=False) as live:
        while not done(gate, waited := times.monotonic() - began):
            if 0 < timeout_seconds <= waited:
                return gate, False
            progress = line(f"waiting, {waited:.0f}s{f'; {trouble}' if trouble else ''}", "dim")
            if console.is_terminal:
                live.update(Group(view(gate, times.now()), Text(), progress), refresh=True)
            elif (said := trouble or turn(gate)) != told:
                console.print(line(f"{times.now():%H:%M:%SZ} {said}"))
                told = said
            await times.sleep(POLL_SECONDS)
            try:
                gate, trouble = await look(api, gate.metadata.name), ""
            except ApiError as error:
                if not error.passing:
                    raise
                trouble = str(error)
    return gate, True


def seen_as_written(gate: ChangeGate, _: float) -> bool:
    """Whether the operator has acted on the gate's spec."""
    return current(gate)


@dataclass
class Told:
    """Whether the probes have said what they say of the newest change, or further: whether the gate is open.

    A change is told to a gate when nothing more of it comes, and until then the gate is as it was. Whoever has just
    changed something gives it the time.

    Args:
        first: the gate at the first look.
        notice_seconds: how long to wait for another change than there was then.
        change_id: the change that it has to be about, or a newer one; any if empty.
        until_open: whether a closed gate is not enough.
    """

    first: ChangeGate
    notice_seconds: float = 0.0
    change_id: str = ""
    until_open: bool = False
    _settled: bool = field(default=False, init=False)
    _noticed: bool = field(default=False, init=False)

    @property
    def unnoticed(self) -> bool:
        """Whether another change was waited for, and did not come."""
        return self.notice_seconds > 0 and not self._noticed

    def __call__(self, gate: ChangeGate, waited_seconds: float) -> bool:
        """See `Done`."""
        if not current(gate):
            return False
        pending = gate.status.verdict is GateVerdict.PENDING or told_until(gate.status) < self.change_id
        # What was Pending from the first look on may be so for the change before, and this one is not told yet.
        self._noticed = self._noticed or (pending and self._settled) or _change(gate) != _change(self.first)
        self._settled = self._settled or not pending
        if pending or (not self._noticed and waited_seconds < self.notice_seconds):
            return False
        return gate.status.phase is GatePhase.OPEN or not self.until_open


def _change(gate: ChangeGate) -> tuple[str, datetime] | None:
    change = gate.status.change
    return (change.id, change.since) if change is not None else None

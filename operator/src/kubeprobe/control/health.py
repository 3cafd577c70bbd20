"""Whether this process does its work: not only that it answers, but that it sees, and that its queue moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kubeprobe.control.context import Work
from kubeprobe.control.leader import Elector
from kubeprobe.control.queue import WorkQueue
from kubeprobe.intake.port import Check
from kubeprobe.kube.reflector import Reflector

STUCK_SECONDS = 60.0
DEAF_SECONDS = 150.0
"""Longer than a watch may be silent and a request take: a reflector that did not turn for so long hangs."""
ELECTION_SECONDS = 60.0
SYNC_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Sync:
    """Whether the views have seen all that is there."""

    done: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class OperatorHealth:
    """`kubeprobe.intake.port.Health` of the operator."""

    queue: WorkQueue[Work]
    elector: Elector
    sync: Sync
    watches: Callable[[], Sequence[Reflector]]
    """All that are followed now."""
    clock: Callable[[], float]
    started: float

    def live(self) -> tuple[Check, ...]:
        """What a restart would mend."""
        waiting, since = self.queue.oldest_seconds(), self.clock() - self.started
        asleep = max((self.clock() - max(one.heard_at, one.turned_at) for one in self.watches()), default=0.0)
        return (
            Check("scheduling", waiting < STUCK_SECONDS, f"the oldest key has waited {waiting:.1f}s for a worker"),
            Check("watches", asleep < DEAF_SECONDS, f"the quietest watch was last looked after {asleep:.0f}s ago"),
            Check("views", self.sync.done.is_set() or since < SYNC_SECONDS, self._seen()),
            self._election(),
        )

    def ready(self) -> tuple[Check, ...]:
        """Whether this replica could take over; only the leader takes reports, and the Service leads to it alone."""
        return (Check("views", self.sync.done.is_set(), self._seen()), Check("role", True, self._role()))

    def _election(self) -> Check:
        idle = self.elector.idle_seconds()
        alive = not self.sync.done.is_set() or idle < ELECTION_SECONDS
        return Check("election", alive, f"last thought about {idle:.1f}s ago; {self._role()}")

    def _role(self) -> str:
        me = self.elector.identity
        return f"{me} leads" if self.elector.leads() else f"{me} stands by; {self.elector.holder or 'nobody'} leads"

    def _seen(self) -> str:
        return "all objects were seen" if self.sync.done.is_set() else "the first listing is not complete yet"

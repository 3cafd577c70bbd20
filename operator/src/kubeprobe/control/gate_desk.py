"""What the HTTP gate looks gates up in: the views, which every replica has, so that each can answer.

Announcements are another matter: they are written, which only the leader does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from kubeprobe.api import ChangeGate
from kubeprobe.control.gate_news import GateNews
from kubeprobe.control.view import Key, Views
from kubeprobe.intake.gates.port import GateWord
from kubeprobe.intake.gates.word import word_of
from kubeprobe.plan.changed import Announcement
from kubeprobe.plan.gate_change import rollback_ordered


class ViewDesk:
    """`kubeprobe.intake.gates.port.GateDesk` over the operator's views.

    Args:
        views: what the operator knows; tells the desk of gates that change.
        synced: whether they have seen all that is there.
        leads: whether this replica leads, and so may write what is announced.
        announce: has a change written that is announced at a gate, and gives its name; raises `ApiError`.
    """

    def __init__(
        self,
        views: Views,
        synced: Callable[[], bool],
        leads: Callable[[], bool],
        announce: Callable[[str, Announcement], Awaitable[str]],
    ) -> None:
        self._views = views
        self._news = GateNews()
        self._words: dict[str, GateWord] = {}
        views.gates.follow(self._changed)
        self.synced = synced
        self.takes_changes = leads
        self._announce = announce

    def words(self) -> tuple[GateWord, ...]:
        """See `GateDesk.words`."""
        gates = sorted(self._views.gates, key=lambda gate: gate.metadata.name)
        return tuple(self._words.get(gate.metadata.name) or self._read(gate) for gate in gates)

    def word(self, name: str) -> GateWord | None:
        """See `GateDesk.word`."""
        found = self._words.get(name)
        if found is None:
            gate = self._views.gates.get(("", name))
            found = self._read(gate) if gate is not None else None
        return found

    async def announce(self, name: str, said: Announcement) -> str:
        """See `GateDesk.announce`."""
        return await self._announce(name, said)

    async def turned(self, name: str) -> None:
        """See `GateDesk.turned`."""
        await self._news.next(name)

    def rolls_back(self, name: str) -> bool:
        """See `GateDesk.rolls_back`."""
        gate = self._views.gates.get(("", name))
        return gate is not None and rollback_ordered(gate, self._views.changes)

    def _changed(self, key: Key, before: ChangeGate | None, now: ChangeGate | None) -> None:
        self._words.pop(key[1], None)
        self._news.changed(key, before, now)

    def _read(self, gate: ChangeGate) -> GateWord:
        word = self._words[gate.metadata.name] = word_of(gate)
        return word

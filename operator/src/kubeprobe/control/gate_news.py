"""Who waits for a gate to turn is told when its view changes, by the watch or by a write of this process."""

from __future__ import annotations

import asyncio

from kubeprobe.api import ChangeGate
from kubeprobe.control.view import Key


class GateNews:
    """Passes on that gates have changed."""

    def __init__(self) -> None:
        self._awaited: dict[str, asyncio.Event] = {}

    def changed(self, key: Key, before: ChangeGate | None, now: ChangeGate | None) -> None:
        """A gate is another now, or gone; see `View.follow`."""
        event = self._awaited.pop(key[1], None)
        if event is not None:
            event.set()

    async def next(self, name: str) -> None:
        """Wait until a gate changes the next time."""
        await self._awaited.setdefault(name, asyncio.Event()).wait()

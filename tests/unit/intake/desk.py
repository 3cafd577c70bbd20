"""Gates and the cluster's reviews as the tests of this room want them."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.unit.plan.builders import at
from tests.unit.plan.gates import gate

from kubeprobe.intake.gates.port import GateWord
from kubeprobe.intake.gates.word import word_of
from kubeprobe.kube.reviews import Caller
from kubeprobe.plan.batch import change_id
from kubeprobe.plan.changed import Announcement

CHANGE, NEXT, LATER = (change_id("", "", at(second)) for second in range(3))
"""Names of Changes, in order."""
CLOSED: dict[str, Any] = {
    "phase": "Closed",
    "reason": "ProbeFailed",
    "verdict": "Failed",
    "message": "probe probes/shop failed",
    "since": "2026-03-01T12:00:05Z",
    "closureID": "c0ffee",
    "change": {"id": CHANGE, "count": 3, "since": "2026-03-01T11:59:00Z", "verdict": "Failed"},
}
OPEN: dict[str, Any] = {"phase": "Open", "reason": "Verified", "verdict": "Passed"}
VERIFYING: dict[str, Any] = {"phase": "Open", "reason": "Verifying", "verdict": "Pending"}


class Gates:
    """Gates whose status a test sets; takes down what is announced."""

    def __init__(self) -> None:
        self.there: dict[str, GateWord] = {}
        self.ready = True
        self.leads = True
        self.ordered: set[str] = set()
        self.said: list[tuple[str, Announcement]] = []
        self.error: Exception | None = None
        self.free = asyncio.Event()
        self.free.set()
        self.asked = 0
        self._news = asyncio.Event()

    def set(self, name: str = "prod", **status: Any) -> None:
        self.there[name] = word_of(gate(name, status=status))
        self.tell()

    def tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def synced(self) -> bool:
        return self.ready

    def words(self) -> tuple[GateWord, ...]:
        return tuple(self.there[name] for name in sorted(self.there))

    def word(self, name: str) -> GateWord | None:
        self.asked += 1
        return self.there.get(name)

    async def turned(self, name: str) -> None:
        await self._news.wait()

    def rolls_back(self, name: str) -> bool:
        return name in self.ordered

    def takes_changes(self) -> bool:
        return self.leads

    async def announce(self, name: str, said: Announcement) -> str:
        self.said.append((name, said))
        await self.free.wait()
        if self.error is not None:
            raise self.error
        return f"chg-{len(self.said)}"


class Reviews:
    """The cluster's users by token and what they may; counts how often it is asked."""

    def __init__(self) -> None:
        self.users = {"good": Caller("ci", "u1", ("system:authenticated",)), "other": Caller("eve")}
        self.rights = {("ci", "get", "prod"), ("ci", "announce", "prod"), ("ci", "list", "")}
        self.error: Exception | None = None
        self.asked: list[str] = []
        self.free = asyncio.Event()
        self.free.set()

    async def who(self, token: str) -> Caller | None:
        self.asked.append(f"who {token}")
        await self.free.wait()
        if self.error is not None:
            raise self.error
        return self.users.get(token)

    async def may(self, caller: Caller, verb: str, gate: str) -> bool:
        self.asked.append(f"may {caller.name} {verb} {gate}".strip())
        if self.error is not None:
            raise self.error
        return (caller.name, verb, gate) in self.rights

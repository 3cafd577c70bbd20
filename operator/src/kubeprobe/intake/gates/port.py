"""What the HTTP gate needs of the rest of the operator, and what it says and hears."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from kubeprobe.kube.reviews import Caller
from kubeprobe.plan.changed import Announcement


@dataclass(frozen=True, slots=True)
class GateWord:
    """What a gate says, as it is answered."""

    name: str
    open: bool
    settled: bool
    """Whether its verdict is not Pending."""
    told_until: str
    """The newest change that its verdict tells of, or the last name that such a one may have; empty for none."""
    body: bytes
    """The answer, as JSON."""
    before: bytes
    """The answer to who asks about a newer change, of which the gate cannot tell yet."""

    def tells_of(self, change_id: str) -> bool:
        """Whether the verdict is about this change or a newer one: names of Changes are in order."""
        return self.told_until >= change_id


class GateDesk(Protocol):
    """Where gates are looked up, and changes are announced."""

    def synced(self) -> bool:
        """Whether all gates have been seen; before that nothing can be said of any."""
        ...

    def words(self) -> tuple[GateWord, ...]:
        """What all gates say, in the order of their names."""
        ...

    def word(self, name: str) -> GateWord | None:
        """What a gate says; None when there is none of this name."""
        ...

    async def turned(self, name: str) -> None:
        """Wait until a gate is another than it was."""
        ...

    def rolls_back(self, name: str) -> bool:
        """Whether who asks at this gate is to roll back; False for a gate that is not there."""
        ...

    def takes_changes(self) -> bool:
        """Whether this replica is the one that takes announcements."""
        ...

    async def announce(self, name: str, said: Announcement) -> str:
        """The name of the Change that an announcement is in, once that is written; raises `ApiError`."""
        ...


class Reviews(Protocol):
    """Who somebody is and what they may, by the cluster. Every method raises `ApiError`."""

    async def who(self, token: str) -> Caller | None:
        """Whose token it is; None when the cluster does not know it."""
        ...

    async def may(self, caller: Caller, verb: str, gate: str) -> bool:
        """Whether somebody may do this with a gate, or with all gates when none is named."""
        ...

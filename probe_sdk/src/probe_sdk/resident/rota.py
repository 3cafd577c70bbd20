"""Which probes begin now, and what their ends say: the part of a resident loop that knows no I/O.

A prober that is short of CPU must not blame its targets. So what is under way is bounded, slots that cannot be served
are counted as such, and a timeout in which the prober itself was held up says nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from probe_sdk.resident.account import Account, Denoise
from probe_sdk.resident.room import Room
from probe_sdk.resident.slots import Due, Slots
from probe_sdk.resident.starvation import Starvation

LATE: Final = "ProberLate"
BUSY: Final = "StillUnderWay"
STARVED: Final = "ProberStarved"
TIMEOUT: Final = "Timeout"
BAD_PARAMS: Final = "BadParams"
YOUNG_SECONDS: Final = 0.05
"""A probe that is under way for longer waits for its target, and no more for this process."""
FAIR_SHARE: Final = 0.8
"""A timeout counts when the target had this share of it, the time apart in which the prober was held up."""
UNSEEN_SECONDS: Final = 0.002
"""A host that pauses a virtual machine holds it up without the kernel's knowing: of a timeout of some milliseconds
nothing is left to give away."""
KEPT_UP_NOT: Final = "the prober could not keep up with its slots"
FULL: Final = "as many probes as the prober may have were under way"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the loop may have under way.

    Args:
        timeout_seconds: how long one probe may take.
        per_target: probes of one target under way at a time.
        young: probes of all targets that were begun a moment ago and still want our CPU, while that is short. More of
            them make each slower and none better: of 4, 8 and 16, eight had the most successes and the fewest timeouts
            at one and four times what a core can do (`make bench NAME=prober`).
        in_all: probes under way, old ones and all.
    """

    timeout_seconds: float
    per_target: int = 1
    young: int = 8
    in_all: int = 2000


class Attempt:
    """One probe under way.

    Args:
        withheld: what the prober had been held up in all when it began.
    """

    __slots__ = ("account", "message", "slot", "started", "withheld", "young")

    def __init__(self, account: Account, slot: float, started: float, withheld: float) -> None:
        self.account = account
        self.slot = slot
        self.started = started
        self.withheld = withheld
        self.young = True
        self.message = ""
        """Why its time was over; it may be under way all the same."""


class Rota:
    """The slots, accounts and probes under way of one loop; owned by the loop's thread."""

    def __init__(
        self,
        slots: Slots,
        limits: Limits,
        denoise: Denoise,
        starvation: Starvation,
        turned: Callable[[Account], None],
    ) -> None:
        self.accounts: dict[str, Account] = {}
        self._slots = slots
        self._limits = limits
        self._denoise = denoise
        self._starvation = starvation
        self._turned = turned
        self._room = Room(limits.young, limits.in_all, starvation.used_seconds, now=slots.start)
        self._overdue: dict[str, Attempt] = {}
        """By target, what is under way though its time was over."""
        self._in_all = 0
        self.began_at = slots.start
        """When `begin` was asked last: a loop that works asks again and again."""
        self._removed = 0
        """How many targets were removed so far."""
        self._young: deque[Attempt] = deque()
        self._young_count = 0

    def add(self, target: str, now: float) -> None:
        """Probe a target from now on."""
        if target not in self.accounts:
            self.accounts[target] = Account(target, self._denoise, now, self._removed)
            self._slots.add(target, now)

    def remove(self, target: str) -> None:
        """Probe a target no more; what is under way ends unheard."""
        if self.accounts.pop(target, None) is not None:
            self._removed += 1
            self._slots.remove(target)

    def narrow(self, in_all: int) -> None:
        """Have no more than so many under way."""
        self._limits = replace(self._limits, in_all=min(in_all, self._limits.in_all))

    def begin(self, now: float) -> Iterator[Attempt]:
        """The probes to begin now."""
        self.began_at = now
        self._starvation.sample(now)
        self._room.look(now)
        self._age(now)
        while (due := self._take(now)) is not None:
            account = self.accounts[due.target]
            if due.missed:
                self._lose(account, now, LATE, KEPT_UP_NOT, due.missed)
            if account.under_way >= self._limits.per_target:
                self._wait_on(account, now)
            elif self._full():
                self._lose(account, now, LATE, FULL, 1)
            else:
                yield self._begun(account, due.at, now)

    def next_at(self) -> float | None:
        """When to ask `begin` again at the latest, if no probe ends before; None without targets."""
        at = self._slots.next_at()
        if at is None:
            return None
        if self._full():
            return at + self._slots.interval_seconds
        if self._young_count >= self._room.size:
            grown_at = next(one.started for one in self._young if one.young) + YOUNG_SECONDS
            return max(at, min(grown_at, self._room.looks_at))
        return at

    def passed(self, attempt: Attempt, now: float, seconds: float) -> None:
        """A probe found its target well."""
        if self.known(attempt) and attempt.account.pass_(now, seconds):
            self._turned(attempt.account)

    def failed(self, attempt: Attempt, now: float, class_: str, message: str) -> None:
        """A probe found its target broken, by something that is no matter of time."""
        if self.known(attempt) and attempt.account.fail(now, now - attempt.started, class_, message):
            self._turned(attempt.account)

    def timed_out(
        self,
        attempt: Attempt,
        now: float,
        message: str,
        waited_seconds: float = 0.0,
        class_: str = TIMEOUT,
        withheld_seconds: float = 0.0,
    ) -> None:
        """A probe had no answer in time: its target's failure, unless the prober was held up meanwhile.

        Args:
            waited_seconds: how long it waited, if that was but a part of the probe's whole time. Nobody knows then in
                which part it was held up.
            withheld_seconds: how long another thread was held up that works for this probe.
        """
        withheld = self._starvation.total_seconds() - attempt.withheld + withheld_seconds
        whole = waited_seconds or self._limits.timeout_seconds
        share = whole * (1 - FAIR_SHARE)
        allowed = share if waited_seconds else now - attempt.started - whole + max(share - UNSEEN_SECONDS, 0.0)
        if withheld <= allowed:
            self.failed(attempt, now, class_, message)
        elif self.known(attempt):
            why = f"no answer in time, but the prober itself was held up for {withheld * 1000:.1f} ms of it"
            self._lose(attempt.account, now, STARVED, why)
        attempt.message, attempt.started, attempt.withheld = message, now, self._starvation.latest_seconds
        self._overdue[attempt.account.target] = attempt

    def held_up(self, seconds: float) -> None:
        """The loop itself took so long for one turn."""
        self._starvation.late(seconds)

    def unanswerable(self, attempt: Attempt, now: float, class_: str, message: str) -> None:
        """A probe could not be made, for a reason of the prober's own."""
        if self.known(attempt):
            self._lose(attempt.account, now, class_, message)

    def release(self, attempt: Attempt) -> None:
        """A probe takes nothing up any more. One that timed out may still be under way for a while."""
        attempt.account.under_way -= 1
        self._in_all -= 1
        self._grown(attempt)
        if self._overdue and self._overdue.get(attempt.account.target) is attempt:
            del self._overdue[attempt.account.target]

    def known(self, attempt: Attempt) -> bool:
        """Whether its target is still one."""
        return self.accounts.get(attempt.account.target) is attempt.account

    def _full(self) -> bool:
        return self._in_all >= self._limits.in_all

    def _take(self, now: float) -> Due | None:
        """The next slot to look at; one that cannot be served waits, until the next one of its target is due."""
        if self._full():
            at = self._slots.next_at()
            return self._slots.take(now) if at is not None and at + self._slots.interval_seconds <= now else None
        if self._young_count >= self._room.size:
            self._room.wanted()
            return None
        return self._slots.take(now)

    def _wait_on(self, account: Account, now: float) -> None:
        """A slot of a target whose probe still goes: that one will tell, and does so each time that its time is over.

        A thread that hangs cannot be ended, and is as much a failure as a new probe would be.
        """
        overdue = self._overdue.get(account.target)
        if overdue is None or overdue.account is not account or now < overdue.started + self._limits.timeout_seconds:
            account.skip(BUSY)
        else:
            self.timed_out(overdue, now, overdue.message)

    def _begun(self, account: Account, slot: float, now: float) -> Attempt:
        attempt = Attempt(account, slot, now, self._starvation.latest_seconds)
        account.under_way += 1
        self._in_all += 1
        self._young.append(attempt)
        self._young_count += 1
        return attempt

    def _age(self, now: float) -> None:
        young, old = self._young, now - YOUNG_SECONDS
        while young and (not young[0].young or young[0].started <= old):
            self._grown(young.popleft())

    def _grown(self, attempt: Attempt) -> None:
        if attempt.young:
            attempt.young = False
            self._young_count -= 1

    def _lose(self, account: Account, now: float, class_: str, message: str, missed: int = 0) -> None:
        if account.lose(now, class_, message, missed):
            self._turned(account)

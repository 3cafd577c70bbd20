"""Who tells what, when: turns at once, everything every ten seconds, each first in the log and then to the operator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final

from probe_sdk.resident.account import Account
from probe_sdk.resident.home import Home
from probe_sdk.resident.outbox import Outbox
from probe_sdk.resident.told import Epoch, Pace, log_line
from probe_sdk.samples import Samples

LOOK_SECONDS: Final = 1.0
AGAIN_SECONDS: Final = 1.0
"""After so long a turn that was not heard is told again."""
LOG_SECONDS: Final = 1.0
"""Turns of so long share a line of the log, which whoever reads it asks for half a mebibyte at a time."""


class Turns:
    """Verdicts that turned, from the prober's thread to the teller's.

    A queue alone, since a signal's handler may interrupt any line of the teller's: what has a lock that is not
    reentrant, such as an event, would wait there for itself.
    """

    def __init__(self) -> None:
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._taken: list[str | None] = []

    def put(self, account: Account) -> None:
        """Take note of one."""
        self._queue.put(account.target)

    def wake(self) -> None:
        """End the present `wait`, or the next one; a signal's handler may do that."""
        self._queue.put(None)

    def drain(self) -> Iterator[str]:
        """The targets that turned since the last time."""
        taken, self._taken = self._taken, []
        with suppress(Empty):
            while True:
                taken.append(self._queue.get_nowait())
        yield from (target for target in taken if target is not None)

    def wait(self, seconds: float) -> None:
        """Until there is one, or for so long."""
        with suppress(Empty):
            self._taken.append(self._queue.get(timeout=seconds))


class Teller:
    """Tells; call `tell` whenever `wait` returns.

    Args:
        accounts: the accounts there are, by target.
        pace: how the prober kept up since this was last asked.
        write: takes a line for the log.
    """

    def __init__(
        self,
        turns: Turns,
        epoch: Epoch,
        home: Home,
        accounts: Mapping[str, Account],
        pace: Callable[[], Pace],
        write: Callable[[str], None],
        now: float,
    ) -> None:
        self._turns = turns
        self._epoch = epoch
        self._home = home
        self._accounts = accounts
        self._ask_pace = pace
        self._pace = pace()
        """As of the last summary: what few slots there were since then would say little."""
        self._write = write
        self._outbox = Outbox(now)
        self._unheard: tuple[str, ...] = ()
        """Targets whose turn was told, but not heard."""
        self._again_at = now
        self._owed: Samples | None = None
        """What the log has no line of yet."""
        self._log_at = now

    def wait(self, now: float) -> None:
        """Until there may be something to tell; no longer than a moment."""
        self._turns.wait(min(max(self._outbox.next_at() - now, 0.0), LOOK_SECONDS))

    def tell(self, now: float, *, at_work: bool = True) -> None:
        """Tell what there is to tell.

        Args:
            at_work: whether there are probes at all: nothing is told otherwise, for silence is what says that.
        """
        for target in self._turns.drain():
            self._outbox.turned(target, now)
        told = self._outbox.take(now)
        if not at_work:
            return
        if told is not None and told.everything:
            self._outbox.keep(self._accounts)
            self.tell_everything()
        elif told is not None:
            self._tell_turns((*self._unheard, *told.targets), now, log=True)
        elif self._unheard and now >= self._again_at:
            self._tell_turns(self._unheard, now, log=False)
        self._log_what_is_owed(now)

    def tell_everything(self) -> None:
        """Tell how all targets are; nothing that was not heard before is missing then."""
        heard = True
        self._pace = self._ask_pace()
        for samples in self._epoch.round(self._all(), self._pace):
            if samples.complete:
                self._log(samples)
            # Where one was not heard, waiting for the others' answers would only keep the log's line back.
            heard = heard and self._home.send(samples)
        if heard:
            self._unheard = ()

    def _tell_turns(self, targets: Iterable[str], now: float, *, log: bool) -> None:
        known = [account for target in dict.fromkeys(targets) if (account := self._accounts.get(target)) is not None]
        parts = [*self._epoch.turned(known, len(self._accounts), self._pace)]
        if log and parts:
            self._owed = parts[-1]
            self._log_what_is_owed(now)
        unheard = next((number for number, samples in enumerate(parts) if not self._home.send(samples)), len(parts))
        self._unheard = tuple(one.target for samples in parts[unheard:] for one in samples.targets)
        self._again_at = now + AGAIN_SECONDS

    def _log_what_is_owed(self, now: float) -> None:
        if self._owed is not None and now >= self._log_at:
            self._log_at = now + LOG_SECONDS
            self._log(self._owed)

    def _log(self, samples: Samples) -> None:
        self._owed = None
        self._write(log_line(samples, self._all(), self._epoch.time_of))

    def _all(self) -> list[Account]:
        return list(self._accounts.values())

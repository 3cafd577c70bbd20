"""Who tells what, when: turns at once, everything every ten seconds, each first in the log and then to the operator."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from queue import SimpleQueue
from typing import Final

from probe_sdk.resident.account import Account
from probe_sdk.resident.home import Home
from probe_sdk.resident.outbox import Outbox
from probe_sdk.resident.told import Epoch, Pace, log_line
from probe_sdk.samples import Samples

LOOK_SECONDS: Final = 1.0


class Turns:
    """Verdicts that turned, from the prober's thread to the teller's."""

    def __init__(self) -> None:
        self._targets: SimpleQueue[str] = SimpleQueue()
        self._wake = threading.Event()

    def put(self, account: Account) -> None:
        """Take note of one."""
        self._targets.put(account.target)
        self._wake.set()

    def wake(self) -> None:
        """End the present `wait`."""
        self._wake.set()

    def drain(self) -> Iterator[str]:
        """The targets that turned since the last time."""
        while not self._targets.empty():
            yield self._targets.get()

    def wait(self, seconds: float) -> None:
        """Until there is one, or for so long."""
        self._wake.wait(seconds)
        self._wake.clear()


class Teller:
    """Tells; call `tell` whenever `wait` returns.

    Args:
        accounts: the accounts there are, by target.
        pace: how the prober keeps up.
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
        self._pace = pace
        self._write = write
        self._outbox = Outbox(now)
        self._unheard: tuple[str, ...] = ()
        """Targets whose turn was told, but not heard."""

    def wait(self, now: float) -> None:
        """Until there may be something to tell; no longer than a moment."""
        self._turns.wait(min(max(self._outbox.summary_at() - now, 0.0), LOOK_SECONDS))

    def tell(self, now: float) -> None:
        """Tell what there is to tell."""
        for target in self._turns.drain():
            self._outbox.turned(target, now)
        told = self._outbox.take(now)
        if told is not None and told.everything:
            self.tell_everything()
        elif told is not None:
            self._tell_turns((*self._unheard, *told.targets), log=True)
        elif self._unheard:
            self._tell_turns(self._unheard, log=False)

    def tell_everything(self) -> None:
        """Tell how all targets are; nothing that was not heard before is missing then."""
        heard = True
        for samples in self._epoch.round(self._all(), self._pace()):
            if samples.complete:
                self._log(samples)
            # Where one was not heard, waiting for the others' answers would only keep the log's line back.
            heard = heard and self._home.send(samples)
        if heard:
            self._unheard = ()

    def _tell_turns(self, targets: tuple[str, ...], *, log: bool) -> None:
        known = [account for target in dict.fromkeys(targets) if (account := self._accounts.get(target)) is not None]
        heard = True
        for samples in self._epoch.turned(known, len(self._accounts), self._pace()):
            if log:
                self._log(samples)
                log = False
            heard = heard and self._home.send(samples)
        self._unheard = () if heard else tuple(account.target for account in known)

    def _log(self, samples: Samples) -> None:
        self._write(log_line(samples, self._all(), self._epoch.time_of))

    def _all(self) -> list[Account]:
        return list(self._accounts.values())

"""The resident prober's process: the loop on a thread of its own, and beside it what tells, shows and looks for change.

It needs nothing but its file: without an operator it goes on probing, logging and showing.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Final, Protocol

from probe_sdk.environment import Environment
from probe_sdk.failure import ProbeFailure
from probe_sdk.resident.account import Verdict
from probe_sdk.resident.home import Home
from probe_sdk.resident.page import AccountCollector, page
from probe_sdk.resident.rota import Rota
from probe_sdk.resident.slots import Slots
from probe_sdk.resident.spec import Spec, SpecFile
from probe_sdk.resident.starvation import Starvation, starvation
from probe_sdk.resident.teller import Teller, Turns
from probe_sdk.resident.told import Epoch, Pace

SWITCH_SECONDS: Final = 0.0005
"""How long a thread keeps Python's lock while another wants it: the loop's slots are closer than the usual 5 ms."""
SICK_SECONDS: Final = 5.0
"""A loop that is so late for its next slot does not do its work any more."""
STOP_SECONDS: Final = 5.0


class Driver(Protocol):
    """What makes the probes: on the thread that calls `run`, while others may `call` and `stop` it."""

    def run(self) -> None:
        """Probe until stopped."""

    def stop(self) -> None:
        """End `run` soon."""

    def call(self, function: Callable[[], None]) -> None:
        """Have something done on the driver's thread, and what is due looked at again."""

    def retarget(self, spec: Spec) -> None:
        """Take in what targets there are now, on the driver's thread."""


MakeDriver = Callable[[Rota], Driver]


class Loop:
    """The rota and its driver on a thread of their own."""

    def __init__(self, spec: Spec, make_driver: MakeDriver, turns: Turns, clock: Callable[[], float]) -> None:
        self._spec = spec
        self._make_driver = make_driver
        self._turns = turns
        self._clock = clock
        self._set = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kubeprobe-loop", daemon=True)
        self._before: dict[str, tuple[int, int]] = {}
        self._error: BaseException | None = None
        self._starvation: Starvation
        self._driver: Driver
        self.rota: Rota

    def start(self) -> None:
        """Begin to probe. Raises what the driver raised when it could not be made."""
        self._thread.start()
        self._set.wait()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Probe no more."""
        if self.ended():
            return
        with suppress(OSError, RuntimeError):  # it ends by itself just now
            self._driver.stop()
        self._thread.join(STOP_SECONDS)

    def retarget(self, spec: Spec) -> None:
        """Take in other targets; those that stay notice nothing."""
        with suppress(OSError, RuntimeError):  # it has ended, which is told elsewhere
            self._driver.call(lambda: self._take_in(spec))

    def pace(self) -> Pace:
        """How it kept up since the last time this was asked.

        Slots that a failing target holds up itself, by probes that wait for it in vain, are no lack of the prober's.
        """
        slots = missed = 0
        before, self._before = self._before, {}
        for name, one in list(self.rota.accounts.items()):
            now = self._before[name] = (one.missed, one.total)
            old = before.get(name, (0, 0))
            if one.verdict is not Verdict.FAILED:
                missed, slots = missed + max(now[0] - old[0], 0), slots + max(now[1] - old[1], 0)
        served = 1 - min(missed / slots, 1.0) if slots else 1.0
        return Pace(float(self._spec.interval), served, self._starvation.latest_seconds)

    def withheld_seconds(self) -> float:
        """How long it was held up in all."""
        return self._starvation.latest_seconds

    def labels(self) -> dict[str, dict[str, str]]:
        """The labels of the targets, by their names."""
        return {target.name: target.labels for target in self._spec.targets if target.labels}

    def ended(self) -> bool:
        """Whether it has broken down, or was stopped."""
        return self._error is not None or not self._thread.is_alive()

    def sick(self) -> str:
        """Why it does not do its work; empty when it does."""
        if self.ended():
            return f"the loop has ended: {self._error or 'stopped'}"
        try:
            next_at = self.rota.next_at()
        except (IndexError, RuntimeError, StopIteration):  # it is at work while another thread looks
            return ""
        # Where there is more to do than can be done slots wait, however well the loop does.
        late = 0.0 if next_at is None else self._clock() - max(next_at, self.rota.began_at)
        return f"the loop is {late:.1f}s late" if late > SICK_SECONDS else ""

    def _run(self) -> None:
        try:
            with starvation(self._clock) as self._starvation:
                slots = Slots(self._spec.interval, self._clock())
                self.rota = Rota(slots, self._spec.limits, self._spec.denoise, self._starvation, self._turns.put)
                self._driver = self._make_driver(self.rota)
                self._take_in(self._spec)
                self._set.set()
                self._driver.run()
        except BaseException as error:
            self._error = error
            if self._set.is_set():
                raise
        finally:
            self._set.set()
            self._turns.wake()

    def _take_in(self, spec: Spec) -> None:
        wanted = {target.name for target in spec.targets}
        for gone in [name for name in self.rota.accounts if name not in wanted]:
            self.rota.remove(gone)
        # Whatever else there is in it is for the pod that takes this one's place.
        self._spec = self._spec.model_copy(update={"targets": spec.targets})
        self._driver.retarget(self._spec)
        for target in spec.targets:
            self.rota.add(target.name, self._clock())


def serve(
    file: SpecFile, environment: Environment, make_driver: MakeDriver, port: int, stop: threading.Event | None = None
) -> int:
    """Probe until the process is asked to end.

    Args:
        make_driver: makes what probes, on the loop's thread.
        port: where the page is.
        stop: ends it too, for tests.

    Returns:
        The exit code: 2 for a file that cannot be read, 1 for a loop that broke down.
    """
    try:
        spec = file.read()
    except ProbeFailure as wrong:
        _complain(wrong)
        return 2
    turns, stopping = Turns(), stop or threading.Event()
    loop = Loop(spec, make_driver, turns, time.monotonic)
    _stop_on_signal(stopping, turns)
    sys.setswitchinterval(SWITCH_SECONDS)
    loop.start()
    accounts = loop.rota.accounts
    labels = (environment.config, environment.namespace)
    shown = AccountCollector(labels, lambda: list(accounts.values()), loop.withheld_seconds, loop.labels)
    epoch = Epoch(f"{int(time.time() * 1000)}-{uuid.uuid4().hex[:12]}", lambda: datetime.now(UTC), time.monotonic)
    with closing(Home(environment.url, environment.token_file, _say_wrong)) as home, page(port, shown, loop.sick):
        teller = Teller(turns, epoch, home, accounts, loop.pace, _say, time.monotonic())
        while not stopping.is_set() and not loop.ended():
            teller.wait(time.monotonic())
            teller.tell(time.monotonic(), at_work=not loop.sick())
            _follow(file, loop)
        if loop.ended():  # nobody is to take what was known for what is: the container begins anew
            _say_wrong(loop.sick())
            return 1
        loop.stop()
        teller.tell_everything()
    return 0


def _follow(file: SpecFile, loop: Loop) -> None:
    """Take in what the file says by now."""
    try:
        changed = file.changed()
    except ProbeFailure as wrong:
        _complain(wrong)
        return
    if changed is not None:
        loop.retarget(changed)


def _stop_on_signal(stopping: threading.Event, turns: Turns) -> None:
    def asked(_number: int, _frame: FrameType | None) -> None:
        stopping.set()
        turns.wake()

    with suppress(ValueError):  # not the main thread: somebody else's process, such as a test's
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, asked)


def _say(line: str) -> None:
    print(line, flush=True)


def _complain(wrong: ProbeFailure) -> None:
    for error in wrong.errors:
        _say_wrong(error)


def _say_wrong(text: str) -> None:
    print(f"kubeprobe: {text}", file=sys.stderr, flush=True)


def spec_file(folder: str) -> SpecFile:
    """The mounted file in a folder."""
    return SpecFile(Path(folder))

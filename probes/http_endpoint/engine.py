"""Transfers of libcurl's multi interface on an epoll and a timerfd of their own: the cheapest loop and most punctual.

One thread owns all of it. The order within a turn is what keeps a late prober honest: sockets that are ready are read
first, then what is over is judged, and only then may libcurl find that a transfer has timed out.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import pycurl

NEVER: Final = float("inf")
CLOCK_MONOTONIC: Final = 1
TFD_TIMER_ABSTIME: Final = 1
TFD_FLAGS: Final = os.O_NONBLOCK | os.O_CLOEXEC
NO_FD: Final = -1
NANOSECONDS: Final = 1_000_000_000
ALL: Final = select.EPOLLIN | select.EPOLLOUT | select.EPOLLERR | select.EPOLLHUP
_INTERESTS: Final = {
    pycurl.POLL_IN: select.EPOLLIN,
    pycurl.POLL_OUT: select.EPOLLOUT,
    pycurl.POLL_INOUT: select.EPOLLIN | select.EPOLLOUT,
}
BUSY_SECONDS: Final = 0.001
"""A stretch of a turn that takes longer held up whatever waited for it, and counts as the prober's own lateness."""


def _action(mask: int) -> int:
    ready = pycurl.CSELECT_IN if mask & (select.EPOLLIN | select.EPOLLHUP) else 0
    ready |= pycurl.CSELECT_OUT if mask & select.EPOLLOUT else 0
    return ready | (pycurl.CSELECT_ERR if mask & select.EPOLLERR else 0)


_ACTIONS: Final = tuple(_action(mask) for mask in range(ALL + 1))


class Timer:
    """A timerfd: unlike epoll's own timeout it is exact to the microsecond."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._settime = libc.timerfd_settime
        self._setting = (ctypes.c_long * 4)()
        self.fd: int = libc.timerfd_create(CLOCK_MONOTONIC, TFD_FLAGS)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._armed = NEVER

    def arm(self, at: float) -> None:
        """Wake at a time of the monotonic clock; at once if it has passed."""
        if at == self._armed:
            return
        self._armed = at
        whole, part = divmod(max(int(at * NANOSECONDS), 1), NANOSECONDS) if at != NEVER else (0, 0)
        self._setting[2], self._setting[3] = whole, part
        if self._settime(self.fd, TFD_TIMER_ABSTIME, self._setting, None) < 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def fired(self) -> None:
        """Take the wake-up back."""
        self._armed = NEVER
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, 8)

    def close(self) -> None:
        """Give it back."""
        os.close(self.fd)


@dataclass(frozen=True, slots=True)
class Ended:
    """A transfer that is over.

    Args:
        code: libcurl's error, 0 for none.
    """

    curl: pycurl.Curl
    code: int
    message: str


class Engine:
    """Transfers under way, on the calling thread.

    Args:
        ended: called for each transfer that is over, after its handle was taken out.
        due: called once a turn with the time; starts what is due, and returns when it wants to be called next.
        held_up: called with the seconds that a stretch of a turn took, when it took long: before anything is judged
            that it may have held up, and before anything is begun that it did not.
    """

    def __init__(
        self,
        ended: Callable[[Ended, float], None],
        due: Callable[[float], float],
        held_up: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ended = ended
        self._due = due
        self._held_up = held_up
        self._clock = clock
        self._epoll = select.epoll()
        self._timer = Timer()
        self._wake_fd, self._waker_fd = os.pipe2(TFD_FLAGS)
        for fd in (self._timer.fd, self._wake_fd):
            self._epoll.register(fd, select.EPOLLIN)
        self._curl_at = NEVER
        self._stretch_from = clock()
        self._calls: list[Callable[[], None]] = []
        self._stopping = False
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._arm)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)

    def start(self, curl: pycurl.Curl) -> None:
        """Begin a transfer; its connection is begun in this very turn."""
        self._multi.add_handle(curl)

    def call(self, function: Callable[[], None]) -> None:
        """Have something done on the engine's thread, from any other one."""
        self._calls.append(function)
        self._wake()

    def stop(self) -> None:
        """End the loop after its turn, from any thread or signal handler."""
        self._stopping = True
        self._wake()

    def run(self) -> None:
        """Work until stopped."""
        next_at = self._due(self._clock())
        while not self._stopping:
            wake_at = min(next_at, self._curl_at)
            self._timer.arm(wake_at)
            wake_at = max(wake_at, self._clock())
            events = self._epoll.poll()
            self._stretch_from = self._clock()
            self._count_oversleep(wake_at)
            self._take(events)
            self._collect()
            self._time_out()
            self._answer_calls()
            self._count_stretch()
            next_at = self._due(self._clock())
            while self._time_out():  # libcurl wants to be called at once for what was begun, and that may end at once
                next_at = self._due(self._clock())
            self._count_stretch()

    def close(self) -> None:
        """Give back all that is open."""
        self._multi.close()
        self._epoll.close()
        self._timer.close()
        waker_fd, self._waker_fd = self._waker_fd, NO_FD  # the number may soon be somebody else's
        for fd in (self._wake_fd, waker_fd):
            os.close(fd)

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # it has enough to wake up for, or has ended meanwhile
            os.write(self._waker_fd, b"!")

    def _count_oversleep(self, wake_at: float) -> None:
        """Count how late the loop woke: a virtual machine that its host does not run notices it by nothing else."""
        if (late := self._stretch_from - wake_at) > BUSY_SECONDS:
            self._held_up(late)

    def _count_stretch(self) -> None:
        """Count the stretch of the turn up to now, if it was long."""
        now = self._clock()
        if (took := now - self._stretch_from) > BUSY_SECONDS:
            self._held_up(took)
            self._stretch_from = now

    def _take(self, events: Iterable[tuple[int, int]]) -> None:
        for fd, mask in events:
            if fd == self._timer.fd:
                self._timer.fired()
            elif fd == self._wake_fd:
                os.read(fd, 4096)
            else:
                self._multi.socket_action(fd, _ACTIONS[mask & ALL])

    def _time_out(self) -> bool:
        """Let libcurl do what it does by the clock; whether a transfer ended by it."""
        if self._curl_at > self._clock():
            return False
        self._curl_at = NEVER
        self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        return self._collect()

    def _collect(self) -> bool:
        _, well, failed = self._multi.info_read()
        if not (well or failed):
            return False
        if failed:
            self._count_stretch()
        now = self._clock()
        for curl in well:
            self._multi.remove_handle(curl)
            self._ended(Ended(curl, 0, ""), now)
        for curl, code, message in failed:
            self._multi.remove_handle(curl)
            self._ended(Ended(curl, code, message), now)
        return True

    def _answer_calls(self) -> None:
        while self._calls:
            self._calls.pop(0)()

    def _arm(self, milliseconds: int) -> None:
        """libcurl's wish. It must not be called back from within this function."""
        self._curl_at = NEVER if milliseconds < 0 else self._clock() + milliseconds / 1000

    def _watch(self, what: int, fd: int, _multi: object, registered: object) -> None:
        if what == pycurl.POLL_REMOVE:
            with contextlib.suppress(OSError):  # it may have been closed, and epoll forgets what is closed
                self._epoll.unregister(fd)
        elif registered is None:
            self._epoll.register(fd, _INTERESTS[what])
            self._multi.assign(fd, True)
        else:
            self._epoll.modify(fd, _INTERESTS[what])

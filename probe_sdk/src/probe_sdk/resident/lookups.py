"""Names, looked up by the system's resolver: each once at a time, in a thread of its own.

A look-up cannot be ended, and one whose server is silent takes half a minute. In a pool of threads, however many there
are, the look-ups of one such name would soon take all places, and other names, whose servers do answer, would wait in
vain: healthy targets would be called failed. So whoever asks for a name that is being looked up waits for that very
look-up, and no other name does.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

Asked = tuple[str | bytes | None, int | str | bytes | None, int, int, int, int]
"""The arguments of `socket.getaddrinfo`."""
Found = list[Any] | BaseException
Done = Callable[[Found], None]


class Lookups:
    """Look-ups under way, owned by one thread.

    Args:
        call: has something done on that thread, from another one.
        look_up: `socket.getaddrinfo`, or one like it.
    """

    def __init__(
        self, call: Callable[[Callable[[], None]], None], look_up: Callable[..., list[Any]] = socket.getaddrinfo
    ) -> None:
        self._call = call
        self._look_up = look_up
        self._waiting: dict[Asked, list[Done]] = {}

    def ask(self, asked: Asked, done: Done) -> None:
        """Have `done` called with what is found, or with why nothing is, on the owner's thread."""
        waiting = self._waiting.get(asked)
        if waiting is not None:
            waiting.append(done)
            return
        self._waiting[asked] = [done]
        try:
            threading.Thread(target=self._work, args=(asked,), name="kubeprobe-lookup", daemon=True).start()
        except RuntimeError as error:  # as many threads as this process may have
            self._told(asked, OSError(errno.ENOMEM, str(error)))

    def _work(self, asked: Asked) -> None:
        found: Found
        try:
            found = self._look_up(*asked)
        except Exception as error:
            found = error
        with suppress(OSError, RuntimeError):  # the owner has ended meanwhile
            self._call(lambda: self._told(asked, found))

    def _told(self, asked: Asked, found: Found) -> None:
        for done in self._waiting.pop(asked):
            done(found)


class LookupLoop(asyncio.SelectorEventLoop):
    """asyncio's event loop, whose own look-ups would share a few threads."""

    def __init__(self, look_up: Callable[..., list[Any]] = socket.getaddrinfo) -> None:
        super().__init__()
        self._lookups = Lookups(self._call, look_up)

    def _call(self, told: Callable[[], None]) -> None:
        self.call_soon_threadsafe(told)

    async def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - the base class calls it so
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        """See `asyncio.AbstractEventLoop`."""
        answer: asyncio.Future[list[Any]] = self.create_future()

        def done(found: Found) -> None:
            if answer.done():
                return
            if isinstance(found, BaseException):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        self._lookups.ask((host, port, family, type, proto, flags), done)
        return await answer

"""One HTTP request to an address, as a user's client would make it, with a failure that says which part failed."""

import asyncio
from contextlib import suppress

from cluster.api import root_cause

TRY_SECONDS = 1.0
PAUSE_SECONDS = 0.1


class NotReachedError(Exception):
    """No good answer came; the text says what came instead."""


async def fetch(address: str, port: int, try_seconds: float = TRY_SECONDS) -> str:
    """GET / and return the body; NotReachedError with the cause."""
    part = "connect"
    try:
        async with asyncio.timeout(try_seconds):
            reader, writer = await asyncio.open_connection(address, port)
            try:
                part = "answer"
                writer.write(f"GET / HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
                response = await reader.read(-1)
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except TimeoutError as error:
        raise NotReachedError(f"no {part} within {try_seconds:g}s") from error
    except OSError as error:
        raise NotReachedError(root_cause(error)) from error
    return _body(response)


def _body(response: bytes) -> str:
    head, _, body = response.partition(b"\r\n\r\n")
    status = head.split(b"\r\n", 1)[0].decode("latin-1")
    if " 200" not in status:
        raise NotReachedError(f"answered {status!r}" if status else "closed the connection without an answer")
    return body.decode("utf-8", "replace")


async def fetch_within(address: str, port: int, seconds: float) -> str:
    """Try until an answer comes; after `seconds`, NotReachedError with the last cause and how often it was tried."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    tries = 0
    while True:
        tries += 1
        try:
            return await fetch(address, port, min(TRY_SECONDS, max(end - loop.time(), PAUSE_SECONDS)))
        except NotReachedError as error:
            if loop.time() + PAUSE_SECONDS >= end:
                raise NotReachedError(f"{error} (tried {tries} times in {seconds:.1f}s)") from error
        await asyncio.sleep(PAUSE_SECONDS)

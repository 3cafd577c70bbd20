"""The body of a request: read within a time, and for no longer than it may be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import StreamReader, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage

from kubeprobe.intake import refusal


async def read_body(request: web.BaseRequest, what: str, max_bytes: int, seconds: float) -> bytes:
    """The body.

    Args:
        request: the request, which itself ends at the bound.
        what: what is in it, with its article.
        max_bytes: the bound.
        seconds: how long it may take.

    Raises:
        RefusalError: it is compressed or too long, or did not arrive whole and in time.
    """
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
        raise refusal.compressed()
    # A sender that asks before it sends the body hears only now that it may, when its token is known to be good.
    if hdrs.EXPECT in request.headers:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    try:
        if request.content.is_eof():  # came with the head
            return await request.read()
        async with asyncio.timeout(seconds):
            return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise refusal.too_large(what, max_bytes) from error
    except TimeoutError as error:
        raise refusal.too_slow(seconds) from error
    except (web.RequestPayloadError, ConnectionError) as error:
        raise refusal.broken_off() from error


def bounded(max_bytes: Callable[[str], int]) -> Callable[..., web.BaseRequest]:
    """What makes aiohttp's own requests, which stop reading a body at our bound.

    Args:
        max_bytes: the bound of a path.
    """

    def request(
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        loop = asyncio.get_running_loop()
        bound = max_bytes(message.url.path)
        return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=bound)

    return request

"""HTTP over httpx whose answers end: what talks for ever would fill a prober's memory before its time is over."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

import httpx


class EndlessAnswerError(httpx.TransportError):
    """More came than any answer has."""


class BoundedTransport(httpx.AsyncHTTPTransport):
    """Ends an answer that is longer than it may be.

    Args:
        tls: what connections trust and show.
        most_bytes: of an answer's body, as it is sent.
    """

    def __init__(self, tls: ssl.SSLContext, most_bytes: int) -> None:
        super().__init__(verify=tls, trust_env=False)
        self._most_bytes = most_bytes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See `httpx.AsyncBaseTransport`."""
        response = await super().handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        return httpx.Response(
            status_code=response.status_code,
            headers=response.headers,
            stream=_Bounded(response.stream, self._most_bytes),
            extensions=response.extensions,
        )


class _Bounded(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, most_bytes: int) -> None:
        self._stream = stream
        self._most_bytes = most_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        came = 0
        async for part in self._stream:
            came += len(part)
            if came > self._most_bytes:
                raise EndlessAnswerError(f"the answer is longer than {self._most_bytes} bytes")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()
